"""Probe the provider with a free request while the breaker is open (bot/core/breaker.py).

Any answer in the provider's own form counts as good. The module must not know orders.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial

from bot.core.clock import Clock, Wait, wait_for
from bot.core.errors import ProviderError, StorageUnavailable
from bot.core.events import AWAY, MENDED, ORDERED
from bot.runtime.idle import Idle
from storage import Storage

logger = logging.getLogger(__name__)

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
    ) -> None:
        self._storage = storage
        self._ask = ask
        self._clock = clock
        self._idle = Idle(partial(storage.due.next, "breaker"), clock=clock, wait=wait)
        storage.due.watch_kind("breaker", self._idle.changed)
        for event in (AWAY, MENDED):
            storage.cluster.subscribe(event, self._idle.wake)

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            try:
                if await self.once():
                    continue
            except StorageUnavailable as exc:
                logger.warning("the provider is not probed: %s", exc)
            await self._idle.until_due(TRIAL_SECONDS)

    async def once(self) -> bool:
        """Send a probe; return False if none is due."""
        breaker = await self._storage.breaker.get()
        if breaker is None:
            return False
        now = self._clock()
        is_trial = breaker.has_room(now) or breaker.trial_until is not None
        if is_trial or breaker.probe_at > now:
            return False
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
        return True
