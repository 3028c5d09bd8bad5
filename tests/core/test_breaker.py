"""When creates stop after a lost answer, and when they start again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bot.core.breaker import BETWEEN_GOOD, NEEDED, TRIAL, Breaker

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def seconds(breaker: Breaker) -> float:
    return (breaker.probe_at - NOON).total_seconds()


def test_probes_are_two_seconds_to_a_minute_apart() -> None:
    breaker = Breaker.opened(NOON)
    waits = []
    for _ in range(8):
        waits.append(seconds(breaker))
        breaker = breaker.probed(NOON, answered=False)
    assert waits[0] == 2
    assert waits == sorted(waits)
    assert waits[-1] == 60


def test_a_trial_needs_several_good_answers_in_a_row() -> None:
    breaker = Breaker.opened(NOON)
    for _ in range(NEEDED - 1):
        breaker = breaker.probed(NOON, answered=True)
        assert not breaker.has_room(NOON)
    assert not breaker.probed(NOON, answered=False).probed(NOON, answered=True).has_room(NOON)
    assert breaker.probed(NOON, answered=True).has_room(NOON)


def test_a_connection_that_fails_every_three_seconds_gets_no_trial() -> None:
    assert timedelta(seconds=3) < BETWEEN_GOOD * (NEEDED - 1)


def test_a_trial_excludes_others_until_it_ends_or_times_out() -> None:
    ready = Breaker(
        opened_at=NOON, failures=1, good=NEEDED, probe_at=NOON, trial_until=NOON + TRIAL
    )
    assert not ready.has_room(NOON)
    assert ready.has_room(NOON + TRIAL)


def test_a_lost_trial_opens_the_breaker_again_with_its_first_time() -> None:
    ready = Breaker(opened_at=NOON, failures=3, good=NEEDED, probe_at=NOON)
    later = NOON + timedelta(minutes=1)
    again = Breaker.opened(later, ready)
    assert (again.opened_at, again.failures, again.good) == (NOON, 4, 0)
