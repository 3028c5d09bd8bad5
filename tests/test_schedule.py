"""When to ask: never too soon, never not at all, and ever better once something is learnt."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from bot.schedule import ENOUGH, GUESS, Durations, Law, back_off, next_question

ages = st.floats(min_value=0, max_value=200_000)


def laws() -> st.SearchStrategy[Law]:
    def law(parts: tuple[float, float, float, float], known: bool) -> Law:
        early, median, late, last = sorted(parts)
        return Law(early=early, median=median, late=late, last=last, known=known)

    part = st.floats(min_value=0.01, max_value=5_000)
    return st.builds(law, st.tuples(part, part, part, part), st.booleans())


@given(ages, laws())
def test_the_next_question_is_later_and_never_far_off(age: float, law: Law) -> None:
    wait = next_question(age, law) - age
    assert wait > 0
    assert wait <= max(law.early, 60.0, law.step)


@given(laws())
def test_a_day_costs_a_bounded_number_of_questions(law: Law) -> None:
    age, questions = 0.0, 0
    while age < 3600:
        age, questions = next_question(age, law), questions + 1
    assert questions <= 3700


def test_a_model_never_seen_is_asked_about_early_twice() -> None:
    assert next_question(0.0, GUESS) == 3.0
    assert next_question(3.0, GUESS) == 10.0
    assert next_question(10.0, GUESS) == GUESS.early


def test_what_is_learnt_replaces_the_guess_only_when_it_is_enough() -> None:
    durations = Durations()
    for _ in range(ENOUGH - 1):
        durations.add(95, 105)
        assert durations.law() is GUESS
    durations.add(95, 105)
    assert durations.law().median == 100


def test_a_model_that_became_faster_is_followed() -> None:
    """Asked only from the learnt law on, each task is ready at the first question."""
    durations = Durations.of([(95.0, 105.0)] * 200)
    for _ in range(200):
        durations.add(0.0, next_question(0.0, durations.law()))
    assert durations.law().early < 30


def test_a_learnt_law_asks_about_six_times_for_the_reference_durations() -> None:
    dice = random.Random(1)
    real = [dice.lognormvariate(3.8067, 0.35) for _ in range(2_000)]
    durations = Durations.of((d, d) for d in real[:200])
    law = durations.law()
    questions = 0
    for duration in real[200:]:
        age = 0.0
        while age < duration:
            age, questions = next_question(age, law), questions + 1
    assert 4 <= questions / 1_800 <= 7


@given(st.floats(allow_nan=True, allow_infinity=True), st.floats())
def test_mad_durations_teach_nothing(low: float, high: float) -> None:
    durations = Durations()
    durations.add(low, high)
    assert all(0 < seen < float("inf") for seen in durations.seen)


def test_back_off_doubles_up_to_its_cap() -> None:
    assert [back_off(n, first=3, cap=20) for n in (0, 1, 2, 3, 4, 99)] == [3, 3, 6, 12, 20, 20]
