"""Probe the provider with a free request while the breaker is open (bot/core/breaker.py).

Any answer in the provider's own form counts as good. The module must not know orders.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from bot.core.clock import Clock, Sleep, Wait, wait_for
from bot.core.errors import ProviderError, StorageUnavailable
from bot.core.events import AWAY, MENDED, ORDERED
from storage import Storage

logger = logging.getLogger(__name__)

IDLE_SECONDS = 31.0
"""Between two checks while the breaker is closed; an event triggers a check immediately."""
TRIAL_SECONDS = 2.0
"""Between two checks during a trial order."""


class ProviderProbe:
    """The loop that sends probes, in one process for all processes."""

    def __init__(
        self,
        storage: Storage,
        ask: Callable[[], Awaitable[None]],
        *,
        clock: Clock,
        wait: Wait = wait_for,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._storage = storage
        self._ask = ask
        self._clock = clock
        self._wait = wait
        self._sleep = sleep
        self._due = asyncio.Event()
        for event in (AWAY, MENDED):
            storage.cluster.subscribe(event, self._due.set)

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            try:
                seconds = await self.once()
            except StorageUnavailable as exc:
                logger.warning("the provider is not probed: %s", exc)
                seconds = TRIAL_SECONDS
            if seconds > 0:
                await self._wait(self._due, seconds)
            self._due.clear()

    async def once(self) -> float:
        """Send a probe if one is due; return the seconds until the next check."""
        breaker = await self._storage.breaker.get()
        if breaker is None:
            return IDLE_SECONDS
        now = self._clock()
        if breaker.has_room(now):
            return IDLE_SECONDS
        if breaker.trial_until is not None:
            return TRIAL_SECONDS
        if breaker.probe_at > now:
            return (breaker.probe_at - now).total_seconds()
        try:
            await self._ask()
        except ProviderError as exc:
            logger.warning("the provider does not answer: %s", exc)
            answered = False
        else:
            answered = True
        after = await self._storage.breaker.probed(self._clock(), answered=answered)
        if after is not None and after.has_room(self._clock()):
            logger.info("the provider answers: one order goes first")
            self._storage.cluster.notify(ORDERED)
        return 0.0
