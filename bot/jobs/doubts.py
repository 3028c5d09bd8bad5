"""Settle orders in doubt by the provider's balance: read it before a create and twice after a lost
answer, and act on what the readings say (bot/core/balance.py, decision 0030).

It must not know tasks' steps, texts or who is told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from bot.core.balance import OLD, Trail, Verdict
from bot.core.breaker import NEEDED
from bot.core.clock import Clock, Wait, wait_for
from bot.core.errors import ProviderError, StorageUnavailable
from bot.core.events import AWAY, DOUBT, MENDED, ORDERED
from bot.runtime.idle import Idle
from storage import Storage

logger = logging.getLogger(__name__)

AskBalance = Callable[[], Awaitable[Decimal]]

READ_SECONDS = 2.0
"""The longest wait of an order for the balance, at most once a minute."""
LOOK_SECONDS = 2.5
"""Between two checks while a reading has to wait for the provider."""
DECIDE_SECONDS = 15.0
"""Between two checks while a verdict waits for the end of other videos."""


class BalanceBefore:
    """Reads the balance before a create when the last reading of all processes is old."""

    def __init__(self, storage: Storage, balance: AskBalance, *, clock: Clock) -> None:
        self._storage = storage
        self._balance = balance
        self._clock = clock
        self._looked_at: datetime | None = None

    async def __call__(self) -> None:
        """Read it at most once a minute. Raises StorageUnavailable; without an answer the create
        goes out all the same.
        """
        now = self._clock()
        if self._looked_at is not None and abs(now - self._looked_at) < OLD:
            return
        self._looked_at = now
        creates = await self._storage.account.begin_reading(now)
        if creates is None:
            return
        try:
            async with asyncio.timeout(READ_SECONDS):
                funds = await self._balance()
        except (ProviderError, TimeoutError) as exc:
            logger.info("the balance before this order is not known: %s", exc)
            return
        with suppress(StorageUnavailable):
            await self._storage.account.save_reading(funds, creates, now=now)


class DoubtSettler:
    """The loop that reads the balance and settles orders, in one process for all processes.

    `account`: the mark of the account in use, when orders are settled by the balance.
    """

    def __init__(
        self,
        storage: Storage,
        balance: AskBalance,
        *,
        clock: Clock,
        account: str | None = None,
        wait: Wait = wait_for,
    ) -> None:
        self._storage = storage
        self._balance = balance
        self._clock = clock
        self._account = account
        self._idle = Idle(partial(storage.due.next, "doubts"), clock=clock, wait=wait)
        storage.due.watch_kind("doubts", self._idle.changed)
        self._missed: set[int] = set()
        for event in (AWAY, DOUBT, MENDED):
            storage.cluster.subscribe(event, self._idle.wake)

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            try:
                seconds = await self.once()
            except StorageUnavailable as exc:
                logger.warning("orders in doubt wait: %s", exc)
                seconds = LOOK_SECONDS
            if seconds > 0:
                await self._idle.until_due(seconds)

    async def once(self) -> float:
        """Do what is due; return the seconds until the next try."""
        trails = await self._storage.doubts.undecided()
        reading = [trail for trail in trails if trail.is_reading]
        done = [trail for trail in trails if not trail.is_reading]
        waits = [DECIDE_SECONDS for trail in done if not await self._decide(trail)]
        if reading:
            waits.append(await self._read(reading))
        return min(waits, default=0.0 if done else LOOK_SECONDS)

    async def _read(self, reading: list[Trail]) -> float:
        now = self._clock()
        due = [trail for trail in reading if trail.due_at is not None and trail.due_at <= now]
        if not due:
            next_at = min(trail.due_at for trail in reading if trail.due_at is not None)
            return (next_at - now).total_seconds()
        breaker = await self._storage.breaker.get()
        if breaker is not None and breaker.good == 0:
            due = [trail for trail in due if trail.task_id not in self._missed]
            if not due:  # no probe was answered since
                return LOOK_SECONDS
        try:
            funds = await self._balance()
        except ProviderError as exc:
            logger.warning("the balance after a lost answer is not known yet: %s", exc)
            counts = breaker is None or breaker.good >= NEEDED
            wait = timedelta(seconds=LOOK_SECONDS)
            for trail in due:
                self._missed.add(trail.task_id)
                await self._storage.doubts.missed(
                    trail.task_id, now=self._clock(), wait=wait, counts=counts
                )
            return LOOK_SECONDS
        for trail in due:
            self._missed.discard(trail.task_id)
            await self._storage.doubts.read(trail.task_id, funds, now=self._clock())
        self._storage.cluster.notify(ORDERED)  # creates may have waited for the last reading
        return 0.0

    async def _decide(self, trail: Trail) -> bool:
        """Decide about a trail that was read; return False if that has to wait."""
        verdict = await self._storage.doubts.decide(
            trail.task_id, account=self._account, now=self._clock()
        )
        if verdict is None:
            return False
        logger.warning(
            "task %d: the balance was %s before and %s after: %s, %s",
            trail.task_id, trail.before, trail.after, trail.finding, verdict,
        )  # fmt: skip
        if verdict is Verdict.NOT_ACCEPTED:
            self._storage.cluster.notify(ORDERED)
        return True
