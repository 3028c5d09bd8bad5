"""A gate in front of free calls that many tasks make to one side: polls, downloads, sendings.

While the side is away, one task in turn tries, at growing intervals; the others wait without a
call. When it answers again, those that waited follow one after the other, the oldest first. It
must not know what is called, nor how a task waits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from bot.core.clock import Clock
from bot.core.errors import NotNow
from bot.core.schedule import back_off

TASKS = 3
"""So many different tasks in a row must fail: one whose call never works stops no others."""
FIRST_SECONDS, LONGEST_SECONDS = 2.0, 60.0
"""Between two tries while the side is away."""
SPREAD_SECONDS = 60.0
"""Those that waited follow within this time, if that is not slower than `least`."""
_BATCHES = 4
"""Turns are given for quarters of a second."""
_WOKEN = 3600.0
"""Seconds to wait for a task that is woken earlier."""


class Gate:
    """Lets calls through, or tells their tasks to wait.

    `wake` ends the wait of a task: it should ask for `seconds` again. `at_once`: calls under way
    at most. `least`: tasks a second that follow after an outage, at least.
    """

    def __init__(
        self,
        clock: Clock,
        wake: Callable[[int], None],
        *,
        at_once: int | None = None,
        least: float = 10.0,
    ) -> None:
        self._clock = clock
        self._wake = wake
        self._at_once = at_once
        self._least = least
        self._rate = least
        self._failed: set[int] = set()
        self._failures = 0
        self._probe_at: datetime | None = None  # None: the side is not away
        self._prober: int | None = None
        self._tries: dict[int, int] = {}
        self._inside: set[int] = set()
        self._waiting: dict[int, datetime] = {}
        self._first: int | None = None  # who tries next, when that is known
        self._turns: dict[int, datetime] = {}
        self._last_turn: datetime | None = None

    @property
    def is_away(self) -> bool:
        """Whether the side answers nobody."""
        return self._probe_at is not None

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits here, nor has to."""
        return not (self.is_away or self._inside or self._waiting or self._turns or self._failed)

    @property
    def has_waiting(self) -> bool:
        """Whether the side is away, or those that waited for it have not followed yet."""
        return self.is_away or bool(self._waiting or self._turns)

    @contextmanager
    def turn(
        self, task_id: int, since: datetime, *, away: Callable[[Exception], bool]
    ) -> Iterator[None]:
        """Make a call; `since` orders those that wait, `away` says which errors are of a side
        that answers nobody.

        Raises NotNow when the task has to wait; it then waits for `seconds` and tries again.
        """
        if not self.enter(task_id, since):
            raise NotNow(self)
        try:
            yield
        except Exception as exc:
            retry_after = getattr(exc, "retry_after", None) or 0.0
            self.done(task_id, answered=not away(exc), retry_after=retry_after)
            raise
        except BaseException:
            self.leave(task_id)
            raise
        else:
            self.done(task_id, answered=True)

    def enter(self, task_id: int, since: datetime) -> bool:
        """Ask to make a call. True: make it, then say `done`. False: wait for `seconds`."""
        now = self._clock()
        if self._probe_at is not None:
            self._wait(task_id, since)
            is_free = self._prober is None and now >= self._probe_at
            if not is_free or self._next() != task_id:
                return False
            self._prober = task_id
        elif not self._has_turn(task_id, now):
            return False
        elif self._at_once is not None and len(self._inside) >= self._at_once:
            self._wait(task_id, since)
            return False
        self._forget(task_id)
        self._turns.pop(task_id, None)
        self._inside.add(task_id)
        return True

    def seconds(self, task_id: int) -> float:
        """Return how long the task waits before it asks again, if nobody wakes it."""
        now = self._clock()
        if task_id in self._turns:
            return max((self._turns[task_id] - now).total_seconds(), 0.0)
        if task_id not in self._waiting:
            return 0.0
        if self._probe_at is not None and self._prober is None and self._next() == task_id:
            return max((self._probe_at - now).total_seconds(), 0.0)
        return _WOKEN

    def done(self, task_id: int, *, answered: bool, retry_after: float = 0.0) -> None:
        """A call has ended: the side answered, whatever it said, or it did not."""
        was_probe = self._end(task_id)
        if answered:
            self._failed.clear()
            if self.is_away:
                self._open()
                return
        elif not self.is_away:
            self._failed.add(task_id)
            if len(self._failed) >= TASKS:
                self._turns.clear()
                self._put_off(retry_after)
        elif was_probe:
            self._tries[task_id] = self._tries.get(task_id, 0) + 1
            self._first = None
            self._put_off(retry_after)
        self._wake_next()

    def leave(self, task_id: int) -> None:
        """The task does not wait here any more, and its call, if any, ended without a result."""
        if not any(task_id in known for known in (self._inside, self._waiting, self._turns)):
            return
        self._end(task_id)
        self._forget(task_id)
        self._turns.pop(task_id, None)
        self._tries.pop(task_id, None)
        self._wake_next()

    def _end(self, task_id: int) -> bool:
        self._inside.discard(task_id)
        was_probe = self._prober == task_id
        if was_probe:
            self._prober = None
        return was_probe

    def _put_off(self, retry_after: float) -> None:
        self._failures += 1
        wait = back_off(self._failures, first=FIRST_SECONDS, cap=LONGEST_SECONDS)
        self._probe_at = self._clock() + timedelta(seconds=max(wait, retry_after))

    def _open(self) -> None:
        """Give a turn to each that waits."""
        now, order = self._clock(), sorted(self._waiting, key=lambda one: self._waiting[one])
        self._probe_at, self._failures = None, 0
        self._waiting.clear()
        self._first = None
        self._tries.clear()
        self._rate = max(self._least, len(order) / SPREAD_SECONDS)
        self._last_turn = now
        for number, task_id in enumerate(order):
            self._last_turn = now + self._batch(number)
            self._turns[task_id] = self._last_turn
        for task_id in order:
            self._wake(task_id)

    def _batch(self, number: int) -> timedelta:
        return timedelta(seconds=math.floor(number / self._rate * _BATCHES) / _BATCHES)

    def _has_turn(self, task_id: int, now: datetime) -> bool:
        """Whether the task need not wait for those that waited before it."""
        if not self._turns:
            return True
        turn = self._turns.get(task_id)
        if turn is None:
            assert self._last_turn is not None
            turn = max(now, self._last_turn + timedelta(seconds=1 / self._rate))
            self._last_turn = self._turns[task_id] = turn
        return turn <= now

    def _next(self) -> int | None:
        """Return who tries next: who tried least, then the oldest."""
        if self._first is None:
            self._first = min(self._waiting, key=self._order, default=None)
        return self._first

    def _order(self, task_id: int) -> tuple[int, datetime, int]:
        return self._tries.get(task_id, 0), self._waiting[task_id], task_id

    def _wait(self, task_id: int, since: datetime) -> None:
        self._waiting[task_id] = since
        if self._first is not None and self._order(task_id) < self._order(self._first):
            self._first = task_id

    def _forget(self, task_id: int) -> None:
        self._waiting.pop(task_id, None)
        if self._first == task_id:
            self._first = None

    def _wake_next(self) -> None:
        if self._waiting and self._prober is None and (task_id := self._next()) is not None:
            self._wake(task_id)
