"""The provider's client for `bot check --order`; it also keeps every answer unchanged.

It makes the same calls as bot/provider/client.py. It must not know what the answers mean.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from bot.core.errors import ProviderError
from bot.provider.client import ASK_SECONDS, Gptunnel


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One answer: `call` is the path without its query, `seconds` what the answer took."""

    call: str
    status: int
    answer: Mapping[str, Any]
    headers: Mapping[str, str] = field(repr=False)
    seconds: float
    at: float  # time.monotonic value when the answer was complete


class ObservedGptunnel(Gptunnel):
    """Keeps the exchanges, the latest last; a call without an answer adds none."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.exchanges: list[Exchange] = []

    async def _call(
        self,
        wire: httpx.AsyncBaseTransport,
        path: str,
        seconds: float,
        body: Mapping[str, Any] | None = None,
    ) -> tuple[int, Mapping[str, Any], httpx.Headers]:
        began = time.monotonic()
        status, answer, headers = await super()._call(wire, path, seconds, body)
        now = time.monotonic()
        self.exchanges.append(
            Exchange(
                call=path.partition("?")[0],
                status=status,
                answer=answer,
                headers=headers,
                seconds=now - began,
                at=now,
            )
        )
        return status, answer, headers

    def _log_new_shape(self, answer: Mapping[str, Any]) -> None:
        """Log nothing: every field is compared."""

    async def answers_to_mistakes(self, unknown_id: str) -> dict[str, Exchange]:
        """Make three wrong calls, which are free; return the answers by the documented error."""
        mistakes: dict[str, Callable[[], Awaitable[object]]] = {
            "error 3": self.probe,
            "error 4": lambda: self.result(unknown_id),
            "error 99": lambda: self._call(self._asking, "media/no-such-method", ASK_SECONDS),
        }
        found = {}
        for error, make in mistakes.items():
            before = len(self.exchanges)
            with suppress(ProviderError):
                await make()
            if len(self.exchanges) > before:
                found[error] = self.exchanges[-1]
        return found
