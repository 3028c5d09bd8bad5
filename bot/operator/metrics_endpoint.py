"""`/metrics` and `/readyz`: reads values from the database on request, and restricts access.

It knows the stores and the names of bot/runtime/metrics.py; it must not know Telegram or the
provider.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from bot.core.clock import Clock
from bot.core.errors import ProviderError, StorageUnavailable, StorageUnusable
from bot.core.task import ENDED, TaskState
from bot.runtime import metrics
from bot.runtime.bounded import Bounded
from storage import InboxState, Storage

SECONDS = 2.0
"""Seconds for the database and for the provider; without their answers the rest is returned.

Prometheus waits for 10 s (scrape_timeout), people for less.
"""
BALANCE_AGE = timedelta(minutes=5)

# Finished tasks are reported by counters, because counting their rows gets slower with time.
_WATCHED = frozenset(TaskState) - ENDED
_WAITING = frozenset(InboxState) - {InboxState.DONE}

_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")


class MetricsEndpoint:
    """Answers Prometheus; the metrics show amounts of money, so access is restricted."""

    def __init__(
        self,
        storage: Storage,
        balance: Callable[[], Awaitable[object]],
        *,
        clock: Clock,
        token: str,
    ) -> None:
        self._storage = storage
        self._rows = Bounded(self._read, SECONDS)
        self._balance = balance
        self._balance_at: datetime | None = None
        self._clock = clock
        self._token = token

    @property
    def routes(self) -> list[web.AbstractRouteDef]:
        """The routes for bot.runtime.http_server."""
        return [web.get("/metrics", self.answer)]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Return the metrics as text; 404 without the token."""
        if not self._allowed(request):
            return web.Response(status=404, text="not found\n")
        await asyncio.gather(self._ask_database(), self._ask_balance())
        return web.Response(
            body=generate_latest(metrics.REGISTRY),
            headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"},
        )

    def _allowed(self, request: web.Request) -> bool:
        if self._token:
            shown = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
            return hmac.compare_digest(shown, f"Bearer {self._token}".encode())
        if any(name in request.headers for name in _FORWARDED):
            return False
        try:
            return not ipaddress.ip_address(request.remote or "").is_global
        except ValueError:
            return False

    async def _ask_database(self) -> None:
        try:
            await self._rows()
            metrics.DATABASE_UP.set(1)
        except (StorageUnavailable, StorageUnusable, TimeoutError):
            metrics.DATABASE_UP.set(0)

    async def _ask_balance(self) -> None:
        """Refresh the balance, which sets its own gauge; frequent scrapes cause no further
        requests.
        """
        now = self._clock()
        if self._balance_at is None or abs(now - self._balance_at) >= BALANCE_AGE:
            self._balance_at = now
            with suppress(ProviderError, TimeoutError):
                async with asyncio.timeout(SECONDS):
                    await self._balance()

    async def _read(self) -> None:
        for state, number in (await self._storage.tasks.counts(_WATCHED)).items():
            metrics.TASKS.labels(state.value).set(number)
        for update_state, number in (await self._storage.inbox.counts(_WAITING)).items():
            metrics.INBOX.labels(update_state.value).set(number)
        lag = await self._storage.inbox.lag(self._clock())
        metrics.INBOX_LAG.set(lag.total_seconds())
        metrics.OUTBOX.set(await self._storage.outbox.count())
