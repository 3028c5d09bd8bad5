"""Who may call while the other side is away, and how the others follow."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.core.errors import NotNow
from bot.core.gate import LONGEST_SECONDS, TASKS, Gate
from tests.support.factories import NOON
from tests.support.virtual_clock import MovedTime

START = NOON


class Down(Exception):
    """The side answers nobody."""

    retry_after = 0.0


class Bench:
    def __init__(self, *, at_once: int | None = None, least: float = 10.0) -> None:
        self.time = MovedTime()
        self.woken: list[int] = []
        self.gate = Gate(self.time, self.woken.append, at_once=at_once, least=least)

    def call(self, task: int, *, answered: bool, retry_after: float = 0.0) -> bool:
        """One call, when the task may make it."""
        if not self.gate.enter(task, START + timedelta(seconds=task)):
            return False
        self.gate.done(task, answered=answered, retry_after=retry_after)
        return True

    def shut(self) -> None:
        for task in range(TASKS):
            assert self.call(task, answered=False)
        assert self.gate.is_away

    def wait(self, seconds: float) -> None:
        self.time.move_to(self.time.elapsed + seconds)


def test_one_task_that_always_fails_stops_no_others() -> None:
    bench = Bench()
    for _ in range(10):
        assert bench.call(1, answered=False)
    assert not bench.gate.is_away


def test_an_answer_between_failures_keeps_it_open() -> None:
    bench = Bench()
    for task in range(10):
        assert bench.call(task, answered=task % 2 == 0)
    assert not bench.gate.is_away


def test_while_the_side_is_away_one_in_turn_tries_at_growing_intervals() -> None:
    bench = Bench()
    bench.shut()
    tasks, tried = range(10, 15), []
    for task in tasks:
        assert not bench.call(task, answered=False)
    waits = []
    for _ in range(8):
        [soonest] = [task for task in tasks if bench.gate.seconds(task) <= LONGEST_SECONDS]
        waits.append(bench.gate.seconds(soonest))
        bench.wait(waits[-1])
        assert [task for task in tasks if bench.call(task, answered=False)] == [soonest]
        bench.call(soonest, answered=False)  # it waits again
        tried.append(soonest)
    assert tried[:5] == list(tasks)
    assert (waits[0], waits[-1]) == (2, LONGEST_SECONDS)
    assert waits == sorted(waits)


def test_a_pause_that_the_side_asks_for_is_kept() -> None:
    bench = Bench()
    for task in range(TASKS):
        bench.call(task, answered=False, retry_after=500)
    bench.call(9, answered=False)
    assert bench.gate.seconds(9) == 500


@pytest.mark.parametrize(("count", "rate"), [(30, 10.0), (2000, 2000 / 60)])
def test_those_that_waited_follow_the_oldest_first_and_not_at_once(
    count: int, rate: float
) -> None:
    bench = Bench()
    bench.shut()
    tasks = list(range(10, 10 + count))
    for task in reversed(tasks):
        assert not bench.call(task, answered=False)
    bench.wait(2)
    assert bench.call(tasks[0], answered=True)
    assert sorted(bench.woken[-count + 1 :]) == tasks[1:]
    turns = [bench.gate.seconds(task) for task in tasks[1:]]
    assert turns == sorted(turns)
    assert turns[-1] == pytest.approx((count - 2) / rate, abs=0.3)
    for second in range(int(turns[-1])):
        assert sum(second <= turn < second + 1 for turn in turns) <= rate + 4
    newcomer = 5  # older, but it did not wait
    assert not bench.call(newcomer, answered=True)
    assert bench.gate.seconds(newcomer) >= turns[-1]
    bench.wait(turns[-1] + 1)
    assert all(bench.call(task, answered=True) for task in (*tasks[1:], newcomer))
    assert bench.gate.is_idle


def test_a_side_that_goes_away_again_stops_those_that_follow() -> None:
    bench = Bench()
    bench.shut()
    tasks = range(10, 60)
    for task in tasks:
        bench.call(task, answered=False)
    bench.wait(2)
    bench.call(10, answered=True)
    bench.wait(1)
    called = [task for task in tasks if bench.call(task, answered=False)]
    assert len(called) == TASKS
    assert bench.gate.is_away


def test_a_prober_that_ends_leaves_its_place_to_the_next() -> None:
    bench = Bench()
    bench.shut()
    for task in (10, 11):
        bench.call(task, answered=False)
    bench.wait(2)
    assert bench.gate.enter(10, START)
    assert not bench.gate.enter(11, START)
    bench.gate.leave(10)
    assert bench.woken[-1] == 11
    assert bench.gate.enter(11, START)


def test_so_many_calls_are_under_way_at_most_and_the_next_is_woken() -> None:
    bench = Bench(at_once=2)
    assert bench.gate.enter(1, START)
    assert bench.gate.enter(2, START)
    assert not bench.gate.enter(3, START)
    bench.gate.done(1, answered=True)
    assert bench.woken == [3]
    assert bench.gate.enter(3, START)


def test_a_turn_sorts_errors_and_says_when_to_wait() -> None:
    bench = Bench()
    for task in range(TASKS):
        with (
            pytest.raises(Down),
            bench.gate.turn(task, START, away=lambda exc: isinstance(exc, Down)),
        ):
            raise Down
    with pytest.raises(NotNow) as caught, bench.gate.turn(9, START, away=lambda _: True):
        raise AssertionError("nothing is tried")
    assert caught.value.gate is bench.gate
    bench.wait(2)
    with pytest.raises(KeyError), bench.gate.turn(9, START, away=lambda _: False):
        raise KeyError  # it answered
    assert not bench.gate.is_away
