"""Notice that the wall clock was set back, and bring nearer what waits for a later time.

Setting it forward needs nothing: what waits becomes due, and leases are renewed. Suspending the
machine looks the same. It must not know what waits.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from bot.core.clock import Clock, Sleep, steady_now
from bot.core.errors import StorageUnavailable
from storage import Storage, set_back

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
LEAST = timedelta(seconds=10)
"""Smaller steps are those of NTP, and what waits is late by no more."""
LEAST_AT_START = timedelta(minutes=1)
"""Rows may come from hosts whose clocks differ a little."""


class ClockWatch:
    """Compares the wall clock with one that nobody sets."""

    def __init__(
        self,
        storage: Storage,
        *,
        clock: Clock,
        steady: Clock = steady_now,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._steady = steady
        self._sleep = sleep
        self._ahead: timedelta | None = None  # what the wall clock showed more than the other

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            try:
                await self.look()
            except StorageUnavailable as exc:
                logger.warning("the clock was set back, and what waits waits longer: %s", exc)
            await self._sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Compare once. Raises StorageUnavailable; then the next look does it."""
        now = self._clock()
        ahead = now - self._steady()
        if self._ahead is None:
            behind = (await set_back.newest(self._storage.database) or now) - now
            behind = behind if behind >= LEAST_AT_START else timedelta(0)
        else:
            behind = self._ahead - ahead
        if behind >= LEAST:
            moved = await set_back.bring_nearer(self._storage.database, behind, now=now)
            logger.warning(
                "the clock was set back by %d s: %d times were brought nearer",
                behind.total_seconds(), moved,
            )  # fmt: skip
        self._ahead = ahead
