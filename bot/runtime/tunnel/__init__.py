"""A tunnel from a public address to the bot's HTTP server: opens, watches and reopens it.

`cloudflared.py` and `ssh.py` open one and report addresses; both end with TunnelClosed. It must
not know what the server answers or who uses the address
(docs/decisions/0020-photos-through-a-tunnel.md).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from bot.core.clock import Sleep
from bot.core.schedule import back_off
from bot.runtime.public_address import PublicAddress

logger = logging.getLogger(__name__)

FIRST_SECONDS = 60.0
"""Seconds from the start of a tunnel until it must have an address."""
TRUST_SECONDS = 20.0
"""Seconds after which an address is used even if this machine cannot fetch from it: a network may
not route back to itself, and a resolver may have cached that a new name does not exist.
"""
RETRY_SECONDS = 1.0
WATCH_SECONDS = 30.0
MISSES = 3
"""After this many failed checks in a row of an address that once worked, the tunnel is opened
again.
"""
LONGEST_SECONDS = 120.0
"""Seconds between two attempts; services refuse clients that reconnect too fast."""


class TunnelClosed(Exception):
    """The tunnel ended or could not be opened; the text gives the reason, without secrets."""


Report = Callable[[str], None]
"""Is called with each address of the tunnel, the newest last."""
Hold = Callable[[Report], Awaitable[None]]
"""Opens a tunnel and keeps it open until it is cancelled or raises TunnelClosed."""
Probe = Callable[[str], Awaitable[bool]]
"""Returns whether an address leads to this server."""


class Tunnel:
    """Keeps `address` up to date while `run` runs."""

    def __init__(
        self,
        name: str,
        hold: Hold,
        probe: Probe,
        address: PublicAddress,
        *,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._address = address
        self._name = name
        self._hold = hold
        self._probe = probe
        self._sleep = sleep
        self._failures = 0

    async def run(self) -> None:
        """Open the tunnel, and open it again whenever it ends, until cancelled."""
        self._address.set("", f"{self._name}: is being opened")
        while True:
            why = await self._once()
            if (task := asyncio.current_task()) and task.cancelling():
                # Python 3.11's wait_for, in asyncssh, loses it if the connection fails just then.
                raise asyncio.CancelledError
            self._address.set("", f"{self._name}: {why}")
            self._failures += 1
            wait = back_off(self._failures, first=1, cap=LONGEST_SECONDS)
            logger.warning("tunnel: %s: %s; again in %.0f s", self._name, why, wait)
            await self._sleep(wait)

    async def _once(self) -> str:
        """Keep one tunnel open until it ends; return the reason."""
        addresses: asyncio.Queue[str] = asyncio.Queue()
        why = "it ended"
        try:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._watch(addresses))
                await self._hold(addresses.put_nowait)
                watching.cancel()
        except* TunnelClosed as closed:
            why = str(closed.exceptions[0])
        return why

    async def _watch(self, addresses: asyncio.Queue[str]) -> None:
        """Use each address once it leads to this server, and check at intervals whether it still
        does.
        """
        try:
            async with asyncio.timeout(FIRST_SECONDS):
                address = await addresses.get()
        except TimeoutError:
            raise TunnelClosed(f"no address within {FIRST_SECONDS:.0f} s") from None
        while True:
            leads = await self._leads_soon(address)
            self._address.set(address, f"{self._name}: open at {address}")
            logger.info("tunnel: %s", self._address.state)
            if not leads:
                logger.warning("tunnel: %s cannot be fetched from this machine", address)
            address = await self._next(address, addresses, leads=leads)

    async def _leads_soon(self, address: str) -> bool:
        try:
            async with asyncio.timeout(TRUST_SECONDS):
                while not await self._probe(address):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(RETRY_SECONDS)
        except TimeoutError:
            return False
        return True

    async def _next(self, address: str, addresses: asyncio.Queue[str], *, leads: bool) -> str:
        """Watch an address until another one is reported; return the new one."""
        misses = 0
        while True:
            try:
                async with asyncio.timeout(WATCH_SECONDS):
                    return await addresses.get()
            except TimeoutError:
                pass
            if await self._probe(address):
                leads, misses = True, 0
            elif leads:
                misses += 1
            if not misses:
                self._failures = 0  # it has lasted
            if misses >= MISSES:
                raise TunnelClosed("its address does not lead here any more")
