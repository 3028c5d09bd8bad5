"""Small fast HTTP servers in separate processes, so that their work is not counted.

    async with in_process("tests.bench.asking", "serve") as server: ... server.url, server.pid

A module that is started so ends in `loop.run(until_told(opened))`. Nothing is checked or faked
except the answer that the caller gives: clients are measured against it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

Answer = Callable[[str, str, bytes], bytes]
"""Method, target and body of a request in, JSON out."""


@dataclass(frozen=True)
class Child:
    """A server in another process."""

    url: str
    pid: int


@asynccontextmanager
async def in_process(module: str, *words: str) -> AsyncIterator[Child]:
    """`python -m MODULE WORDS`, from its first line, which is its address, until this is left."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", module, *words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    address = (await process.stdout.readline()).decode().strip()
    assert address, f"{module} did not start"
    try:
        yield Child(address, process.pid)
    finally:
        await process.communicate(b"")  # closes its standard input


async def until_told(opened: Coroutine[Any, Any, str]) -> None:
    """In the other process: says where it listens, and ends with its standard input."""
    print(await opened, flush=True)
    await asyncio.to_thread(sys.stdin.read)


async def listen(answer: Answer) -> str:
    """Answers requests with bodies of a known length, on a free port of this machine; its address.

    Far cheaper than any framework, so that the client is what is measured.
    """
    server = await asyncio.get_running_loop().create_server(
        lambda: _Http(answer), "127.0.0.1", backlog=1024
    )
    _kept.append(server)
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


_kept: list[asyncio.Server] = []  # until the process ends


class _Http(asyncio.Protocol):
    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            length = _length(head)
            if len(self._buffer) < end + 4 + length:
                return
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            method, target, _ = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
            said = self._answer(method, target, body)
            self._transport.write(
                b"HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (HTTPStatus.OK, len(said), said)
            )


def _length(head: bytes) -> int:
    found = head.lower().find(b"content-length:")
    return int(head[found + 15 :].split(b"\r\n", 1)[0]) if found >= 0 else 0
