"""A tiny proxy, http or socks5, on loopback; it records the requested addresses."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class TinyProxy:
    """`asked` are the hosts and ports, as they came over the wire."""

    kind: str
    login: tuple[str, str] | None = None
    refuses: bool = False
    asked: list[tuple[str, int]] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            speak = self._http if self.kind == "http" else self._socks5
            target = await speak(reader, writer)
            if target is not None:
                there = await asyncio.open_connection(*target)
                await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _http(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[str, int] | None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, where, _ = head.split("\r\n")[0].split(" ")
        assert method == "CONNECT"
        host, _, port = where.rpartition(":")
        self.asked.append((host, int(port)))
        shown = [line for line in head.split("\r\n") if line.lower().startswith("proxy-auth")]
        if self.login is not None:
            word = base64.b64encode(":".join(self.login).encode()).decode()
            if not shown or not shown[0].endswith(f"Basic {word}"):
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                return None
        if self.refuses:
            writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            return None
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        return host, int(port)

    async def _socks5(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[str, int] | None:
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        if self.login is None:
            writer.write(b"\x05\x00")
        else:
            assert 2 in methods
            writer.write(b"\x05\x02")
            name = await reader.readexactly((await reader.readexactly(2))[1])
            word = await reader.readexactly((await reader.readexactly(1))[0])
            fits = (name.decode(), word.decode()) == self.login
            writer.write(b"\x01\x00" if fits else b"\x01\x01")
            if not fits:
                return None
        kind = (await reader.readexactly(4))[3]
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            packed = await reader.readexactly(4 if kind == 1 else 16)
            host = str(ipaddress.ip_address(packed))
        [port] = struct.unpack(">H", await reader.readexactly(2))
        self.asked.append((host, port))
        writer.write((b"\x05\x02" if self.refuses else b"\x05\x00") + b"\x00\x01" + bytes(6))
        return None if self.refuses else (host, port)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


@asynccontextmanager
async def tiny_proxy(
    kind: str, *, login: tuple[str, str] | None = None, refuses: bool = False
) -> AsyncIterator[TinyProxy]:
    """Listens until it is left; `kind` is "http" or "socks5"."""
    proxy = TinyProxy(kind, login, refuses)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    who = "" if login is None else f"{login[0]}:{login[1]}@"
    proxy.url = f"{kind}://{who}127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
