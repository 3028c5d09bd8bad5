"""Wire bot/runtime: the listeners, the public address, the tunnel, health."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from bot.core.clock import Clock
from bot.core.errors import StorageUnavailable
from bot.core.schedule import back_off
from bot.runtime.health import LIMITS, Health
from bot.runtime.http_server import HttpServer
from bot.runtime.public_address import PublicAddress
from bot.runtime.tunnel import Hold, Tunnel
from bot.runtime.tunnel.cloudflared import Cloudflared
from bot.runtime.tunnel.ssh import Ssh
from bot.setting_types import CLOUDFLARED
from bot.settings import Settings
from storage import Storage

FETCHED_SECONDS = 2.0
"""For recording that a frame was fetched, before it is served."""


FRAME_TRIES = 6
"""Reads of a first frame while the database is away, about 5 s: the provider fetches it within
10 s."""


def wire_address(settings: Settings) -> PublicAddress:
    """Create the public address: from the settings, or empty until a tunnel sets it."""
    if settings.public_tunnel:
        return PublicAddress(changes=True)
    return PublicAddress(settings.public_url)


def wire_tunnel(
    settings: Settings, server: HttpServer, address: PublicAddress, *, remembers: bool = True
) -> Tunnel:
    """Create the tunnel to a listening server; see bot.runtime.tunnel.ssh for `remembers`."""
    if settings.public_tunnel == CLOUDFLARED:
        own = Settings.model_fields  # the bot's secrets are not given to other programs
        environment = {k: v for k, v in os.environ.items() if k.lower() not in own}
        hold: Hold = Cloudflared(server.local_url, environment)
        return Tunnel(CLOUDFLARED, hold, server.leads_here, address)
    here = urlsplit(server.local_url)
    assert here.hostname and here.port  # noqa: PT018 - of a listener
    hold = Ssh(
        server=settings.public_tunnel,
        host=here.hostname,
        port=here.port,
        pins=settings.data_dir / "tunnel_known_hosts",
        public_url=settings.public_url,
        remembers=remembers,
    )
    name = urlsplit(settings.public_tunnel).hostname or ""
    return Tunnel(name, hold, server.leads_here, address)


def wire_servers(
    settings: Settings,
    *,
    frames: Callable[[str], Coroutine[Any, Any, bytes | None]],
    health: Health,
    scrape: list[web.AbstractRouteDef],
    webhook: list[web.AbstractRouteDef],
) -> tuple[HttpServer, HttpServer | None]:
    """Create the public listener and the operator's listener; None if both are the same."""
    host, port = settings.http_host, settings.http_port
    if settings.admin_port is None:
        routes = [*scrape, *webhook]
        return HttpServer(host, port, frames=frames, health=health.report, routes=routes), None
    return (
        HttpServer(host, port, frames=frames, routes=webhook),
        HttpServer(host, settings.admin_port, health=health.report, routes=scrape),
    )


def wire_runtime(settings: Settings, storage: Storage, address: PublicAddress) -> Health:
    """Create the health report of the components that run in this role."""
    off = set()
    if not settings.takes_updates:
        off.add("updates")
    if not settings.makes_videos:
        off.add("worker")
    return Health(
        storage.database.writable,
        limits={part: seconds for part, seconds in LIMITS.items() if part not in off},
        tunnel=lambda: address.state,
    )


def frame_reader(
    storage: Storage, clock: Clock
) -> Callable[[str], Coroutine[Any, Any, bytes | None]]:
    async def frame(token: str) -> bytes | None:
        """Retry while the database does not answer: the provider fetches once, and an order
        depends on it.
        """
        for failures in range(1, FRAME_TRIES):
            try:
                return await fetch(token)
            except StorageUnavailable:
                await asyncio.sleep(back_off(failures, first=0.1, cap=2))
        return await fetch(token)

    async def fetch(token: str) -> bytes | None:
        jpeg = await storage.frames.get(token, clock())
        if jpeg is not None:
            # What cannot be recorded is served all the same.
            with suppress(StorageUnavailable, TimeoutError):
                async with asyncio.timeout(FETCHED_SECONDS):
                    await storage.frames.fetched(token, clock())
        return jpeg

    return frame
