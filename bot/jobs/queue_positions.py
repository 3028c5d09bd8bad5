"""Tell people in the queue their position while no worker has their order yet.

It must not know why the queue waits or how a status is shown.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial

from bot.core.alerts import Switch
from bot.core.clock import Clock, Wait, wait_for
from bot.core.errors import StorageUnavailable
from bot.jobs.progress import Progress
from bot.runtime.idle import Idle
from storage import Storage

logger = logging.getLogger(__name__)

EACH_SECONDS = 5.0
SHOWN = 300
"""How many positions are updated; people further behind saw their position when they ordered."""


class QueuePositions:
    """The loop from the queue to the status messages.

    `held`: nothing is submitted now; `no_address`: photos cannot be fetched now. The switches of
    admins are read here.
    """

    def __init__(
        self,
        storage: Storage,
        progress: Progress,
        held: Callable[[datetime], bool],
        *,
        clock: Clock,
        no_address: Callable[[], bool] = bool,
        wait: Wait = wait_for,
    ) -> None:
        self._storage = storage
        self._progress = progress
        self._held = held
        self._clock = clock
        self._no_address = no_address
        self._shown = False
        self._idle = Idle(
            partial(storage.due.next, "queue"),
            clock=clock, wait=wait, unwritten=lambda: self._shown,
        )  # fmt: skip
        storage.due.watch_kind("queue", self._idle.changed)

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            try:
                await self.once()
            except StorageUnavailable as exc:
                logger.warning("places in the queue are not shown: %s", exc)
            await self._idle.until_due(EACH_SECONDS)

    async def once(self) -> None:
        """Update every position once."""
        waiting = await self._storage.tasks.waiting(limit=SHOWN)
        self._shown = bool(waiting)  # one more update after the last one has left the queue
        away = bool(waiting) and await self._storage.breaker.get() is not None
        switches = await self._storage.alerts.held() if waiting else {}
        self._progress.queue(
            waiting,
            held=self._held(self._clock()) or Switch.SUBMITS in switches,
            away=away,
            no_address=self._no_address() or Switch.PHOTOS in switches,
        )
