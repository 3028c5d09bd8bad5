"""When to poll: never too early, always again, and better after learning."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.schedule import (
    ENOUGH,
    NEAR,
    PRIOR,
    DurationDistribution,
    Durations,
    back_off,
    next_poll,
    overdue_wait,
)

ages = st.floats(min_value=0, max_value=200_000)


def laws() -> st.SearchStrategy[DurationDistribution]:
    def distribution(
        parts: tuple[float, float, float, float], known: bool
    ) -> DurationDistribution:
        early, median, late, last = sorted(parts)
        return DurationDistribution(early=early, median=median, late=late, last=last, known=known)

    part = st.floats(min_value=0.01, max_value=5_000)
    return st.builds(distribution, st.tuples(part, part, part, part), st.booleans())


@given(ages, laws())
def test_the_next_poll_is_later_and_within_bounds(
    age: float, distribution: DurationDistribution
) -> None:
    wait = next_poll(age, distribution) - age
    assert wait >= NEAR / 2  # never the same time twice, even if a clock rounds
    rounding = 1e-9  # of the subtraction above
    assert wait <= max(distribution.early, 60.0, distribution.step) + rounding


@given(laws())
def test_a_day_needs_a_bounded_number_of_polls(distribution: DurationDistribution) -> None:
    age, questions = 0.0, 0
    while age < 3600:
        age, questions = next_poll(age, distribution), questions + 1
    assert questions <= 3700


def test_a_new_model_gets_two_early_polls() -> None:
    assert next_poll(0.0, PRIOR) == 3.0
    assert next_poll(3.0, PRIOR) == 10.0
    assert next_poll(10.0, PRIOR) == PRIOR.early


LAW = DurationDistribution(early=30.0, median=45.0, late=70.0, last=100.0, known=True)


@pytest.mark.parametrize(
    ("age", "then"),
    [
        (0.0, 30.0),
        (29.8, 30.0),
        (29.999999, 34.999999),  # the timer for 30 rang a little early
        (30.0, 35.0),
        (99.9, 104.9),
        (100.0, 105.0),
        (110.0, 120.0),
        (140.0, 165.0),
        (200.0, 240.0),
        (1000.0, 1060.0),
    ],
)
def test_polls_wait_then_are_steady_then_get_rarer(age: float, then: float) -> None:
    assert next_poll(age, LAW) == pytest.approx(then)


@pytest.mark.parametrize(("median", "step"), [(4.5, 1.0), (18.0, 2.0), (45.0, 5.0), (200.0, 10.0)])
def test_the_step_is_a_ninth_of_the_median_within_bounds(median: float, step: float) -> None:
    assert replace(LAW, median=median).step == step


def test_the_step_is_a_twelfth_while_the_prior_is_used() -> None:
    assert PRIOR.step == PRIOR.median / 12


@pytest.mark.parametrize(
    ("age", "wait"), [(0, 5), (10, 5), (100, 30), (900, 270), (12_000, 3600), (90_000, 3600)]
)
def test_polls_get_rarer_past_the_deadline(age: float, wait: float) -> None:
    assert overdue_wait(age) == pytest.approx(wait)


def test_the_distribution_has_the_quantiles_of_the_durations() -> None:
    distribution = Durations.of(
        (n * 37 % 100 + 1, n * 37 % 100 + 1) for n in range(100)
    ).distribution()
    assert (distribution.early, distribution.median, distribution.late, distribution.last) == (
        11,
        51,
        91,
        100,
    )
    assert distribution.known


def test_a_duration_is_the_middle_of_its_interval() -> None:
    durations = Durations()
    durations.add(10.0, 20.0)
    durations.add(0.0, 20.0)
    durations.add(20.0, 10.0)
    assert list(durations.seen) == [15.0, 16.0]


@pytest.mark.parametrize(
    ("latest", "kept"), [(100.5, 2 * ENOUGH), (130.0, ENOUGH), (60.0, ENOUGH)]
)
def test_a_changed_distribution_is_noticed_from_the_latest_durations(
    latest: float, kept: int
) -> None:
    before = [100.0 + number / 10 for number in range(ENOUGH)]
    durations = Durations.of((d, d) for d in [*before, *[latest] * ENOUGH])
    assert len(durations.seen) == kept
    assert durations.seen[-1] == latest


def test_an_unchanged_distribution_is_never_forgotten() -> None:
    durations = Durations.of([(95.0, 105.0)] * 150)
    assert len(durations.seen) == 150


def test_enough_durations_replace_the_prior() -> None:
    durations = Durations()
    for _ in range(ENOUGH - 1):
        durations.add(95, 105)
        assert durations.distribution() is PRIOR
    durations.add(95, 105)
    assert durations.distribution().median == 100


def test_a_model_that_became_faster_is_followed() -> None:
    """Poll only by the learnt distribution; each task is ready at the first poll."""
    durations = Durations.of([(95.0, 105.0)] * 200)
    for _ in range(200):
        durations.add(0.0, next_poll(0.0, durations.distribution()))
    assert durations.distribution().early < 30


def test_a_learnt_distribution_needs_about_six_polls() -> None:
    dice = random.Random(1)
    real = [dice.lognormvariate(3.8067, 0.35) for _ in range(2_000)]
    durations = Durations.of((d, d) for d in real[:200])
    distribution = durations.distribution()
    questions = 0
    for duration in real[200:]:
        age = 0.0
        while age < duration:
            age, questions = next_poll(age, distribution), questions + 1
    assert 4 <= questions / 1_800 <= 7


@given(st.floats(allow_nan=True, allow_infinity=True), st.floats())
def test_absurd_durations_are_ignored(low: float, high: float) -> None:
    durations = Durations()
    durations.add(low, high)
    assert all(0 < seen < float("inf") for seen in durations.seen)


def test_back_off_doubles_up_to_its_cap() -> None:
    assert [back_off(n, first=3, cap=20) for n in (0, 1, 2, 3, 4, 99)] == [3, 3, 6, 12, 20, 20]
