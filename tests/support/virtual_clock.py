"""A clock that only tests advance: the program's clock and every wait of it.

It knows nothing of the program but the types of bot/core/clock.py.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

TICK = 1 / 64
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass
class MovedTime:
    """`elapsed` seconds since the start never jump; the wall clock does, by `skew`."""

    elapsed: float = 0.0
    skew: float = 0.0
    _timers: dict[int, tuple[float, Callable[[], None]]] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def __call__(self) -> datetime:
        return NOON + timedelta(seconds=self.elapsed + self.skew)

    def steady(self) -> datetime:
        """bot.core.clock.steady_now"""
        return NOON + timedelta(seconds=self.elapsed)

    def unix(self) -> float:
        """The wall clock of other machines, which does not jump with ours."""
        return NOON.timestamp() + self.elapsed

    def monotonic(self) -> float:
        """The monotonic time, which no jump of the wall clock changes."""
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        """bot.core.clock.Sleep"""
        await self.wait(asyncio.Event(), seconds)

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """bot.core.clock.Wait"""
        if event.is_set():
            return True
        loop, number = asyncio.get_running_loop(), next(self._numbers)
        try:
            async with asyncio.timeout(None) as scope:
                fire = lambda: scope.reschedule(loop.time())  # noqa: E731
                self._timers[number] = (self.elapsed + seconds, fire)
                await event.wait()
        except TimeoutError:
            return event.is_set()
        finally:
            self._timers.pop(number, None)
        return True

    def next(self) -> float | None:
        """When the first timer is due, in seconds since the start."""
        return min((at for at, _ in self._timers.values()), default=None)

    def move_to(self, elapsed: float) -> None:
        """Let the time pass, and fire the timers that are due by then.

        Times are multiples of TICK, which floats and microseconds represent exactly. So the
        difference between two times is never a little less than the wait between them.
        """
        self.elapsed = max(self.elapsed, math.ceil(elapsed / TICK) * TICK)
        for number, (at, fire) in list(self._timers.items()):
            if at <= self.elapsed:
                del self._timers[number]
                fire()
