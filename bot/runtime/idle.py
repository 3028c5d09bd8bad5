"""How a loop waits while it has nothing to do: until its next row is due, or something changes.

A loop that finds nothing asks when something will be due, and sleeps until then. Writes wake it,
but do not make it look more often than its own pace. It must not know what is due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from bot.core.clock import Clock, Wait
from bot.core.errors import StorageUnavailable

LOOK_SECONDS = 30.0
"""The longest sleep before it is asked again what is due: a message of another process may be
lost, and the wall clock may jump."""


class Idle:
    """The waits of one loop. `next_due`: when its first row is or was due, or when to ask again;
    without it only what changes is due. `unwritten`: whether the loop has something to do that no
    row shows. `beat` is called at each look.
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
        self._urgent = asyncio.Event()
        self._stirred = asyncio.Event()  # urgent, or changed
        self._changed = False

    def wake(self) -> None:
        """End the wait at once, or the next one."""
        self._urgent.set()
        self._stirred.set()

    def changed(self) -> None:
        """Look again, at the pace of the loop: something may be due by now."""
        self._changed = True
        self._stirred.set()

    async def until_due(self, pace: float, *, at_most: float | None = None) -> bool:
        """Wait until something is due, after the loop has done what it could.

        What is still due is tried again after `pace` seconds, and so is a question to the database
        without an answer; changes are looked at no sooner than that after the last pass. With
        `at_most` return after so many seconds in any case. Return whether nothing was due.
        """
        began, tried, rested = self._clock(), True, False
        while not self._urgent.is_set():
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
                passed = (self._clock() - began).total_seconds()
                if 0 <= passed < pace:
                    await self._wait(self._urgent, pace - passed)
            tried = False
        self._urgent.clear()
        self._changed = False
        return rested

    async def _seconds(self) -> float:
        """Return the seconds until something is due, at most LOOK_SECONDS; 0: now."""
        if self._unwritten():
            return 0.0
        if self._next_due is None:
            return 0.0 if self._changed else LOOK_SECONDS
        now = self._clock()
        try:
            at = await self._next_due(now)
        except StorageUnavailable:
            return 0.0  # the loop itself will tell
        return min((at - now).total_seconds(), LOOK_SECONDS)
