"""Outages of the line to the provider: what the network does between the bot and the emulator.

Pages and resets are made by the emulator (bot/sandbox/faults.py). A black hole takes its time on
the tests' clock; TLS and DNS errors are those of aiohttp. It knows nothing of the bot but its
transport.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from enum import Enum

import httpx
from aiohttp.abc import AbstractResolver, ResolveResult

from bot.provider.client import ASK_SECONDS, CREATE_SECONDS
from bot.provider.transport import transport
from tests.support.virtual_clock import MovedTime


class Line(Enum):
    """What the line does with a request."""

    GOOD = "good"
    BLACK_HOLE = "black hole"  # nothing arrives, nothing comes back
    ANSWER_LOST = "answers in a black hole"  # it arrives, nothing comes back
    TLS = "TLS error"
    DNS = "DNS error"


class _NoNames(AbstractResolver):
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        raise OSError(socket.EAI_AGAIN, "Temporary failure in name resolution")

    async def close(self) -> None:
        pass


@dataclass
class ProviderLine:
    """The line of every process; `state` may change at any time."""

    time: MovedTime
    in_hand: list[int]
    state: Line = Line.GOOD

    def over(self, inner: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
        """Return a transport that is subject to this line."""
        return _Transport(self, inner)

    async def silence(self, request: httpx.Request) -> None:
        """Wait as long as a client waits for this answer, on the tests' clock."""
        orders = request.url.path.endswith("create") and request.read() != b"{}"
        self.in_hand[0] -= 1
        try:
            await self.time.sleep(CREATE_SECONDS if orders else ASK_SECONDS)
        finally:
            self.in_hand[0] += 1


class _Transport(httpx.AsyncBaseTransport):
    def __init__(self, line: ProviderLine, inner: httpx.AsyncBaseTransport) -> None:
        self._line, self._inner = line, inner
        self._no_names = transport(resolver=_NoNames())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        match self._line.state:
            case Line.BLACK_HOLE:
                await self._line.silence(request)
                raise TimeoutError
            case Line.ANSWER_LOST:
                response = await self._inner.handle_async_request(request)
                await response.aclose()
                await self._line.silence(request)
                raise TimeoutError
            case Line.TLS:  # the other side speaks no TLS
                return await self._inner.handle_async_request(_to(request, scheme="https"))
            case Line.DNS:
                return await self._no_names.handle_async_request(
                    _to(request, host="provider.invalid")
                )
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._no_names.aclose()
        await self._inner.aclose()


def _to(request: httpx.Request, **changes: str) -> httpx.Request:
    return httpx.Request(
        request.method,
        request.url.copy_with(**changes),
        headers=request.headers,
        content=request.content,
        extensions=request.extensions,
    )
