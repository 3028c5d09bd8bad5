"""The bot's own HTTP servers: first frames for the provider, health for the supervisor.

One listener serves both; or there are two, one for the internet and one for the operator only. It
must not know Telegram, tasks or SQL: functions that answer, and other routes, are passed in. TLS
is the job of a proxy or tunnel in front of it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web
from aiohttp.http import HttpProcessingError

from bot import __version__
from bot.core.errors import StorageUnavailable
from bot.runtime.health import HealthReport

IDLE_SECONDS = 30.0
"""Seconds for the whole head of a request, and between two requests."""
WRITE_SECONDS = 60.0
"""Seconds for a client to read the answer."""
STOP_SECONDS = 2.0
"""Seconds for open answers when the server stops."""

PROBE_SECONDS = 10.0

# The form of secrets.token_urlsafe(32); other tokens cause no query.
_TOKEN = "[A-Za-z0-9_-]{43}"  # noqa: S105 - the shape of one
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def frame_url(public_url: str, token: str) -> str:
    """Return the public URL of a first frame."""
    return f"{public_url.rstrip('/')}/frames/{quote(token, safe='')}.jpg"


def host_and_port(host: str, port: int) -> str:
    """Return both as a URL contains them: an IPv6 address in brackets (RFC 3986, 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def local_url(host: str, port: int) -> str:
    """Return the URL by which this machine reaches a listener on `host`."""
    if host in ("", "0.0.0.0") or (host == "::" and socket.has_dualstack_ipv6()):  # noqa: S104
        host = "127.0.0.1"
    return "http://" + host_and_port("::1" if host == "::" else host, port)


class HttpServer:
    """Serves between `start` and `stop`. The host `::` is all addresses, also those of IPv4.

    `frames` returns the JPEG of a token or None, or raises StorageUnavailable; `health` returns
    the report; `routes` are all other routes. Without `frames` or `health` their paths answer 404.
    `on_frame` is called with each request for a frame.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        frames: Callable[[str], Awaitable[bytes | None]] | None = None,
        health: Callable[[], Awaitable[HealthReport]] | None = None,
        routes: Iterable[web.AbstractRouteDef] = (),
        on_frame: Callable[[web.Request], None] | None = None,
        write_seconds: float = WRITE_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._host = host
        self._port = port
        self._on_frame = on_frame
        self._write_seconds = write_seconds
        self._probe, self._proof = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        app = web.Application()
        app.on_response_prepare.append(_no_banner)
        if frames is not None:
            self._frames = frames
            app.add_routes([web.get(f"/frames/{{token:{_TOKEN}}}.jpg", self._frame)])
        if health is not None:
            self._health = health
            app.add_routes([web.get("/healthz", self._healthz), web.get("/readyz", self._readyz)])
        app.add_routes([*routes, web.route("*", "/{rest:.*}", _not_found)])
        self._runner = web.AppRunner(
            app,
            access_log=None,  # links to frames are secrets
            logger=_ServerLog(logging.getLogger("aiohttp.server")),
            keepalive_timeout=idle_seconds,
            lingering_time=1.0,
            shutdown_timeout=STOP_SECONDS,
        )

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        await self._runner.setup()
        try:
            await self._site().start()
        except BaseException:
            await self._runner.cleanup()
            raise

    async def stop(self) -> None:
        """Stop accepting connections and close the open ones."""
        await self._runner.cleanup()

    def _site(self) -> web.BaseSite:
        """Return a listening socket. At `::` it takes IPv4 too, which asyncio would refuse."""
        if self._host != "::" or not socket.has_dualstack_ipv6():
            return web.TCPSite(self._runner, self._host, self._port)
        listening = socket.create_server(
            (self._host, self._port), family=socket.AF_INET6, backlog=128, dualstack_ipv6=True
        )
        return web.SockSite(self._runner, listening)

    @property
    def port(self) -> int:
        """The port on which it listens, even if port 0 was requested."""
        return int(self._runner.addresses[0][1])

    @property
    def local_url(self) -> str:
        """The URL by which this machine reaches the server."""
        return local_url(self._host, self.port)

    async def leads_here(self, url: str) -> bool:
        """Return whether a file can be fetched from this server through a public URL."""
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PROBE_SECONDS)) as session,
                session.get(frame_url(url, self._probe), allow_redirects=False) as answer,
            ):
                return await answer.content.read(100) == self._proof.encode()
        except (aiohttp.ClientError, OSError, ValueError):
            return False

    async def _frame(self, request: web.Request) -> web.StreamResponse:
        token = request.match_info["token"]
        if token == self._probe:
            return web.Response(text=self._proof, headers=_HEADERS)
        if self._on_frame is not None:
            self._on_frame(request)
        try:
            jpeg = await self._frames(token)
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
                # a normal close would wait for the client to read the rest
                request.transport.abort()
        except ConnectionResetError:
            pass  # the client closed early
        return response

    async def _healthz(self, request: web.Request) -> web.StreamResponse:
        report = await self._health()
        return web.json_response(
            {
                "version": __version__,
                "ok": report.ok,
                "reasons": report.reasons,
                "seconds_since": dict(report.ages),
                "database_writable": report.database,
                **({"tunnel": report.tunnel} if report.tunnel else {}),
            },
            status=200 if report.ok else 503,
            headers=_HEADERS,
        )

    async def _readyz(self, request: web.Request) -> web.StreamResponse:
        """Answer whether work may be sent to this process; /healthz is about restarts."""
        reasons = (await self._health()).not_ready
        return web.json_response(
            {"ready": not reasons, "reasons": reasons},
            status=503 if reasons else 200,
            headers=_HEADERS,
        )


class _ServerLog(logging.LoggerAdapter[logging.Logger]):
    """The log of aiohttp, in which faults of clients are at the level DEBUG: port scanners would
    fill it with tracebacks."""

    def log(self, level: int, msg: object, *args: object, **options: Any) -> None:
        if isinstance(options.get("exc_info"), HttpProcessingError | web.RequestPayloadError):
            level = logging.DEBUG
        super().log(level, msg, *args, **options)


async def _not_found(request: web.Request) -> web.StreamResponse:
    return web.Response(status=404, text="not found\n", headers=_HEADERS)


async def _no_banner(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop("Server", None)
