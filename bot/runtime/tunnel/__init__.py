"""A tunnel from a public address to the bot's HTTP server: opened, watched and opened again.

`cloudflared.py` and `ssh.py` open one and report addresses; both end with TunnelClosed. It must
not know what the server answers, nor who uses the address
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
"""From the start of a tunnel to its address."""
TRUST_SECONDS = 20.0
"""An address that this machine cannot fetch from is used after that: a network may not lead back
to itself, and a resolver may remember that a new name did not exist."""
RETRY_SECONDS = 1.0
WATCH_SECONDS = 30.0
MISSES = 3
"""After so many failed looks in a row through an address that once worked, the tunnel is opened
again."""
LONGEST_SECONDS = 120.0
"""Between two tries; services refuse clients that hurry."""


class TunnelClosed(Exception):
    """The tunnel ended, or could not be opened; the text says why, without secrets."""


Report = Callable[[str], None]
"""Takes each address that the tunnel has, the newest last."""
Hold = Callable[[Report], Awaitable[None]]
"""Opens a tunnel and keeps it open until it is cancelled or raises TunnelClosed."""
Probe = Callable[[str], Awaitable[bool]]
"""Whether an address leads to this server."""


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
        """Open it, and again whenever it ends, until cancelled."""
        self._address.set("", f"{self._name}: is being opened")
        while True:
            why = await self._once()
            self._address.set("", f"{self._name}: {why}")
            self._failures += 1
            wait = back_off(self._failures, first=1, cap=LONGEST_SECONDS)
            logger.warning("tunnel: %s: %s; again in %.0f s", self._name, why, wait)
            await self._sleep(wait)

    async def _once(self) -> str:
        """Hold one tunnel to its end; return why it ended."""
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
        """Use each address once it leads here, and look now and then whether it still does."""
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
        """Watch an address until another one is reported; return that."""
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
