"""A tiny proxy in front of PostgreSQL: it cuts or refuses connections when a test says so."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.engine import make_url


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


@asynccontextmanager
async def open_tcp_proxy(url: str) -> AsyncIterator[TcpProxy]:
    """In front of the PostgreSQL at `url`, which listens on a socket in a folder."""
    there = make_url(url)
    folder = there.query["host"]
    assert isinstance(folder, str)
    made = TcpProxy("")
    target = Path(folder) / f".s.PGSQL.{there.port or 5432}"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await made.serve(target, reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    through = there.set(host="127.0.0.1", port=port, query={}, password=there.password or "x")
    made.url = through.render_as_string(hide_password=False)
    try:
        yield made
    finally:
        server.close()
        made.cut()
        made.cuts = 0
