"""A tiny proxy in front of PostgreSQL: it cuts or refuses connections when a test says so."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sqlalchemy.engine import make_url

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Serves one connection."""


@dataclass
class TcpProxy:
    """`url` leads through the proxy; `cuts` counts the connections that it has cut."""

    url: str
    open: bool = True
    cuts: int = 0
    _ways: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = field(default_factory=set)
    _silent: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self, share: float = 1.0, dice: random.Random | None = None) -> int:
        """Cut a share of the open connections, in the middle of their data."""
        chosen = [way for way in list(self._ways) if dice is None or dice.random() < share]
        for way in chosen:
            for end in way:
                end.transport.abort()
        self.cuts += len(chosen)
        return len(chosen)

    def terminate_sessions(self) -> None:
        """Send PostgreSQL's termination message on every connection, without closing it yet."""
        fields = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0"
        for client, _ in list(self._ways):
            client.write(b"E" + (4 + len(fields)).to_bytes(4) + fields)
            self._silent.add(client)

    async def serve(
        self, target: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if not self.open:
            writer.transport.abort()
            return
        way = None
        try:
            there, onward = await asyncio.open_unix_connection(target)
            way = (writer, onward)
            self._ways.add(way)
            await asyncio.gather(self._pump(reader, onward), self._pump(there, writer))
        except OSError:
            pass  # the server is not there just now
        finally:
            if way is not None:
                self._ways.discard(way)
                self._silent.discard(writer)
                way[1].close()
            writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                if writer not in self._silent:
                    writer.write(data)
                    await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()


def socket_of(url: str) -> Path:
    """Return the socket of the PostgreSQL at `url`, which listens on one in a folder."""
    there = make_url(url)
    folder = there.query["host"]
    assert isinstance(folder, str)
    return Path(folder) / f".s.PGSQL.{there.port or 5432}"


@asynccontextmanager
async def serving_instead(url: str, serve: Serve) -> AsyncIterator[str]:
    """Serve connections on a port of loopback; yield the address with that port instead."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port, there = server.sockets[0].getsockname()[1], make_url(url)
    through = there.set(host="127.0.0.1", port=port, query={}, password=there.password or "x")
    try:
        yield through.render_as_string(hide_password=False)
    finally:
        server.close()


@asynccontextmanager
async def open_tcp_proxy(url: str) -> AsyncIterator[TcpProxy]:
    """Put a proxy in front of the PostgreSQL at `url`, which listens on a socket in a folder."""
    made = TcpProxy("")
    async with serving_instead(url, partial(made.serve, socket_of(url))) as made.url:
        try:
            yield made
        finally:
            made.cut()
            made.cuts = 0
