"""Notice when the wall clock was set back, and correct the due times in the database.

A clock that was set forward needs no correction: rows become due early, and leases are renewed. A
suspended machine looks the same. It must not know what the rows are for.
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
"""Smaller steps are corrections by NTP; they delay a row by no more than this."""
LEAST_AT_START = timedelta(minutes=1)
"""At the start, the clock is compared with rows, and their hosts' clocks may differ a little."""


class ClockWatch:
    """Compares the wall clock with the monotonic clock."""

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
        self._ahead: timedelta | None = None  # wall clock minus monotonic clock

    async def run(self) -> None:
        """Run until cancelled."""
        self._ahead = None  # another process may have watched since the last run
        while True:
            try:
                await self.look()
            except StorageUnavailable as exc:
                logger.warning(
                    "the clock was set back, and due times are not corrected yet: %s", exc
                )
            await self._sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Compare once. Raises StorageUnavailable; the next look tries again."""
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
