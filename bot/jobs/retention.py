"""Delete expired data: old orders, drafts that were never ordered, updates set aside.

Rows are deleted in small batches, so that other transactions do not wait. The module must not know
what the rows contain.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta

from bot.core.clock import Clock, Sleep
from bot.core.errors import StorageUnavailable
from bot.core.task import TaskState
from bot.jobs.delivery import KeptVideos
from storage import Storage

logger = logging.getLogger(__name__)

EACH_SECONDS = 3600.0
KEEP_PRESSES = timedelta(days=3)
"""Telegram repeats an update for at most 24 hours."""

KEEP_PARKED = timedelta(days=30)
"""Notices for somebody who cannot be written to; orders stay in /history."""

KEEP_OPERATOR_MESSAGES = timedelta(days=90)
"""For references to messages to the operator. Older messages keep their buttons."""

_WANT_THEIR_FILE = (TaskState.RENDERED, TaskState.UNDELIVERABLE)


class Retention:
    """`orders` and `drafts`: how long they are kept; None: forever.

    `sweep_copies` deletes unfinished copies of the database that a kill left.
    """

    def __init__(
        self,
        storage: Storage,
        kept: KeptVideos,
        *,
        clock: Clock,
        orders: timedelta | None,
        drafts: timedelta | None,
        sweep_copies: Callable[[], object] = int,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._storage = storage
        self._kept = kept
        self._clock = clock
        self._orders = orders
        self._drafts = drafts
        self._sweep_copies = sweep_copies
        self._sleep = sleep

    async def run(self) -> None:
        """Delete expired rows; one process does it for all; runs until cancelled."""
        await self._again_and_again(self.once)

    async def run_here(self) -> None:
        """Delete expired files on the disk of this host; runs until cancelled."""
        await self._again_and_again(self.sweep)

    async def _again_and_again(self, work: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await work()
            except (StorageUnavailable, OSError) as exc:
                logger.warning("forgetting waits: %s", exc)
            await self._sleep(EACH_SECONDS)

    async def once(self) -> int:
        """Delete everything that has expired; return the number of orders and drafts."""
        now, privacy = self._clock(), self._storage.privacy
        never = now - timedelta(days=365 * 1000)
        orders = now - self._orders if self._orders else never
        drafts = now - self._drafts if self._drafts else never
        gone = 0
        while some := await privacy.forget(drafts_before=drafts, orders_before=orders):
            gone += len(some)
            await self.forget_files(some)
            await self._sleep(0)
        await privacy.forget_updates(before=orders)
        await self._storage.callback_actions.forget(before=now - KEEP_PRESSES)
        await self._storage.operator_messages.forget(before=now - KEEP_OPERATOR_MESSAGES)
        await self._storage.gifts.forget(now=now)
        await self._storage.outbox.forget_parked(before=now - KEEP_PARKED)
        if gone:
            logger.info("deleted %d expired orders and cards", gone)
        return gone

    async def forget_files(self, task_ids: Iterable[int]) -> None:
        """Delete the kept videos of tasks that no longer exist."""
        for task_id in task_ids:
            await asyncio.to_thread(self._kept.drop, task_id)

    async def sweep(self) -> None:
        """Delete unfinished copies, and videos of tasks that another host erased or delivered."""
        await asyncio.to_thread(self._sweep_copies)
        for task_id in await asyncio.to_thread(self._kept.ids):
            task = await self._storage.tasks.get(task_id)
            if task is None or task.state not in _WANT_THEIR_FILE:
                await asyncio.to_thread(self._kept.drop, task_id)
