"""How a loop waits while it has nothing to do: until its next row is due, or a row changes.

A loop that finds no work asks when the next row is due, and sleeps until then. A write to its
tables wakes it, but not more often than the loop may run. It must not know what the rows are for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from bot.core.clock import Clock, Wait
from bot.core.errors import StorageUnavailable

LOOK_SECONDS = 30.0
"""The longest sleep in seconds. Then the loop asks again: a message of another process may be
lost, and the wall clock may jump."""


class Idle:
    """Waits for one loop.

    `next_due`: returns when the next row is due, or when to ask again; without it, only changes
    count. `unwritten`: returns whether there is work that no row shows. `beat`: called before each
    wait.
    """

    def __init__(
        self,
        next_due: Callable[[datetime], Awaitable[datetime]] | None = None,
        *,
        clock: Clock,
        wait: Wait,
        unwritten: Callable[[], bool] = bool,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._next_due = next_due
        self._clock = clock
        self._wait = wait
        self._unwritten = unwritten
        self._beat = beat
        self._urgent = asyncio.Event()  # set by `wake` and by `look`
        self._stirred = asyncio.Event()  # set by all three
        self._woken = False
        self._changed = False

    def wake(self) -> None:
        """End the current wait at once, or the next one: there is work that no row shows."""
        self._woken = True
        self.look()

    def look(self) -> None:
        """Ask at once whether a row is due, whatever the pace."""
        self._urgent.set()
        self._stirred.set()

    def changed(self) -> None:
        """Tell the loop that its rows have changed; it checks them when its pace allows."""
        self._changed = True
        self._stirred.set()

    async def until_due(self, pace: float, *, at_most: float | None = None) -> bool:
        """Wait until a row is due; return False if one was due all the time.

        Rows that are still due are tried again after `pace` seconds, and so is the database after
        an error. After a change the loop asks no sooner than `pace` seconds after it asked last;
        after `look` that does not matter. `at_most`: the longest wait in seconds.
        """
        tried, rested = True, False
        while not self._woken:
            asked = self._clock()
            tried = tried and not self._urgent.is_set()
            self._urgent.clear()
            self._stirred.clear()
            self._beat()
            seconds = await self._seconds()
            if seconds > 0:
                rested = True
            elif tried:
                seconds = pace
            else:
                break
            if at_most is not None:
                seconds = min(seconds, at_most)
            if not await self._wait(self._stirred, seconds):
                if at_most is not None and (at_most := at_most - seconds) <= 0:
                    break
            elif not self._urgent.is_set():
                passed = (self._clock() - asked).total_seconds()
                if 0 <= passed < pace:
                    await self._wait(self._urgent, pace - passed)
            tried = False
        self._urgent.clear()
        self._woken = self._changed = False
        return rested

    async def _seconds(self) -> float:
        """Return the seconds until a row is due, at most LOOK_SECONDS; 0 or less: now."""
        if self._unwritten():
            return 0.0
        if self._next_due is None:
            return 0.0 if self._changed else LOOK_SECONDS
        now = self._clock()
        try:
            at = await self._next_due(now)
        except StorageUnavailable:
            return 0.0  # the loop itself logs the error
        return min((at - now).total_seconds(), LOOK_SECONDS)
