"""The bot's own HTTP server: first frames for the provider, health for the supervisor.

It must not know Telegram, tasks or SQL: it gets functions that answer. What else is to be served
is handed in as routes. TLS is the business of what stands in front of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from urllib.parse import quote

from aiohttp import web

from bot.core.errors import StorageUnavailable
from bot.runtime.health import HealthReport

IDLE_SECONDS = 30.0
"""For the whole head of a request, and between two requests."""
WRITE_SECONDS = 60.0
"""For a client to take the answer."""
STOP_SECONDS = 2.0
"""For answers under way when the server stops."""

# As secrets.token_urlsafe(32) makes them; nothing else is worth a question to the database.
_TOKEN = "[A-Za-z0-9_-]{43}"  # noqa: S105 - the shape of one
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def frame_url(public_url: str, token: str) -> str:
    """The address of a first frame as the world sees it."""
    return f"{public_url.rstrip('/')}/frames/{quote(token, safe='')}.jpg"


class HttpServer:
    """Listens between `start` and `stop`.

    `frames` gives the JPEG behind a token, None when there is none (any more), or raises
    StorageUnavailable; `health` tells how things are; `routes` is whatever else is to be served.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        frames: Callable[[str], Awaitable[bytes | None]],
        health: Callable[[], Awaitable[HealthReport]],
        routes: Iterable[web.AbstractRouteDef] = (),
        write_seconds: float = WRITE_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._host = host
        self._port = port
        self._frames = frames
        self._health = health
        self._write_seconds = write_seconds
        app = web.Application()
        app.on_response_prepare.append(_no_banner)
        app.add_routes(
            [
                web.get(f"/frames/{{token:{_TOKEN}}}.jpg", self._frame),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                *routes,
                web.route("*", "/{rest:.*}", _not_found),
            ]
        )
        self._runner = web.AppRunner(
            app,
            access_log=None,  # frames' links are secrets
            keepalive_timeout=idle_seconds,
            lingering_time=1.0,
            shutdown_timeout=STOP_SECONDS,
        )

    async def start(self) -> None:
        """Raises OSError when the port cannot be had."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except BaseException:
            await self._runner.cleanup()
            raise

    async def stop(self) -> None:
        """Takes no more connections and ends those there are."""
        await self._runner.cleanup()

    @property
    def port(self) -> int:
        """The port it listens on, also when it was asked for 0."""
        return int(self._runner.addresses[0][1])

    async def _frame(self, request: web.Request) -> web.StreamResponse:
        try:
            jpeg = await self._frames(request.match_info["token"])
        except StorageUnavailable:
            return web.Response(status=503, headers=_HEADERS)
        if jpeg is None:
            return await _not_found(request)
        response = web.Response(body=jpeg, content_type="image/jpeg", headers=_HEADERS)
        try:
            async with asyncio.timeout(self._write_seconds):
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()  # closing would wait for the client to read the rest
        except ConnectionResetError:
            pass  # the client had enough
        return response

    async def _healthz(self, request: web.Request) -> web.StreamResponse:
        report = await self._health()
        return web.json_response(
            {
                "ok": report.ok,
                "reasons": report.reasons,
                "seconds_since": dict(report.ages),
                "database_writable": report.database,
            },
            status=200 if report.ok else 503,
            headers=_HEADERS,
        )

    async def _readyz(self, request: web.Request) -> web.StreamResponse:
        """Whether to send it work; /healthz asks whether to start it anew."""
        reasons = (await self._health()).not_ready
        return web.json_response(
            {"ready": not reasons, "reasons": reasons},
            status=503 if reasons else 200,
            headers=_HEADERS,
        )


async def _not_found(request: web.Request) -> web.StreamResponse:
    return web.Response(status=404, text="not found\n", headers=_HEADERS)


async def _no_banner(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop("Server", None)
