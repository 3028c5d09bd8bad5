"""A small connection pooler in front of PostgreSQL, which answers as PgBouncer does.

In transaction mode a client has a session of the server from its first message to the
ReadyForQuery that ends its transaction; the session used last is lent first (PgBouncer:
server_round_robin = 0). The session number in the greeting is not that of a real session.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from storage.pooler import PARAMETERS
from tests.support.tcp_proxy import serving_instead, socket_of

_KNOWN = {"user", "database", "client_encoding", "application_name", "datestyle", "timezone",
          "standard_conforming_strings"}  # fmt: skip
_NO_TLS = 80877103
_IDLE = b"Z\0\0\0\5I"

Session = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Pooler:
    """`url`: its address; `ignores`: the names in ignore_startup_parameters."""

    mode: str
    target: Path
    ignores: frozenset[str]
    url: str = ""
    refused: str = ""
    _free: list[Session] = field(default_factory=list)
    _all: list[Session] = field(default_factory=list)
    _clients: list[asyncio.StreamWriter] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(900_000_000))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.append(writer)
        lent: list[Session] = []
        with suppress(OSError, asyncio.IncompleteReadError):
            if (start := await self._greet(reader, writer)) is not None:
                await self._lend(start, reader, writer, lent)
        for session in lent:  # of a client that left: PgBouncer ends one within a transaction
            session[1].close()
        writer.close()

    async def _greet(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes | None:
        """Answer the startup message; return the parameters that the server accepts."""
        while True:
            body = await reader.readexactly(int.from_bytes(await reader.readexactly(4)) - 4)
            if int.from_bytes(body[:4]) != _NO_TLS:
                break
            writer.write(b"N")
        words = body[4:].rstrip(b"\0").decode().split("\0")
        given = dict(zip(words[::2], words[1::2], strict=True))
        for name in given:
            if name.lower() not in _KNOWN | self.ignores:
                self.refused = name
                said = f"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: {name}\0\0"
                writer.write(_message(b"E", said.encode()))
                await writer.drain()
                return None
        kept = "".join(f"{k}\0{v}\0" for k, v in given.items() if k.lower() in _KNOWN)
        writer.write(_message(b"R", bytes(4)))
        for name, value in (("server_version", "16.2"), ("integer_datetimes", "on")):
            writer.write(_message(b"S", f"{name}\0{value}\0".encode()))
        writer.write(_message(b"K", next(self._numbers).to_bytes(4) + bytes(4)) + _IDLE)
        return kept.encode()

    async def _lend(self, start: bytes, reader: asyncio.StreamReader,
                    writer: asyncio.StreamWriter, lent: list[Session]) -> None:  # fmt: skip
        back: asyncio.Task[None] | None = None
        try:
            while True:
                kind, message = await _read(reader)
                if kind == b"X":
                    return
                if not lent:
                    lent.append(self._free.pop() if self._free else await self._open(start))
                    back = asyncio.create_task(self._answer(lent, writer))  # noqa: TID251
                lent[0][1].write(message)
        finally:
            if back is not None:
                back.cancel()

    async def _answer(self, lent: list[Session], writer: asyncio.StreamWriter) -> None:
        """Forward the server's messages until the session is given back."""
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                _, message = await _read(lent[0][0])
                if message == _IDLE and self.mode == "transaction":
                    self._free.append(lent.pop())
                    writer.write(message)
                    return
                writer.write(message)

    async def _open(self, start: bytes) -> Session:
        session = await asyncio.open_unix_connection(self.target)
        self._all.append(session)
        body = (196608).to_bytes(4) + start + b"\0"
        session[1].write((4 + len(body)).to_bytes(4) + body)
        while (await _read(session[0]))[1] != _IDLE:
            pass
        return session

    def close(self) -> None:
        for writer in [*self._clients, *(session[1] for session in self._all)]:
            writer.transport.abort()


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + (4 + len(body)).to_bytes(4) + body


async def _read(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Return the kind of the next message, and the whole of it."""
    head = await reader.readexactly(5)
    return head[:1], head + await reader.readexactly(int.from_bytes(head[1:]) - 4)


@asynccontextmanager
async def open_pooler(url: str, mode: str, *, ignores: bool = True) -> AsyncIterator[Pooler]:
    """Put a pooler in front of the PostgreSQL at `url`, which listens on a socket in a folder.

    With `ignores` it ignores the parameters that it does not know.
    """
    made = Pooler(mode, socket_of(url), frozenset(PARAMETERS if ignores else ()))
    async with serving_instead(url, made.serve) as made.url:
        try:
            yield made
        finally:
            made.close()
