"""An SSH server on loopback that forwards a port and prints the address, as public services do."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import asyncssh

WELCOME = """\
===============================================================================
To set up and manage custom domains go to https://admin.localhost.run/
More details on custom domains at https://localhost.run/docs/custom-domains
===============================================================================

\x1b[32mabc tunneled with tls termination, {address}\x1b[0m
create an account: see https://localhost.run/docs/forever-free/ for more information.
"""


class _Listener(asyncssh.SSHListener):
    def __init__(self, server: asyncio.Server) -> None:
        super().__init__()
        self.server = server

    def get_port(self) -> int:
        return 80

    def close(self) -> None:
        self.server.close()

    async def wait_closed(self) -> None:
        await self.server.wait_closed()


@dataclass
class SshService:
    """`start` and `kill` as often as a test likes; each session gets another address."""

    port: int
    key: Any = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"))
    prints: bool = True
    asked: list[tuple[str, int]] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    sessions: list[asyncssh.SSHServerProcess[str]] = field(default_factory=list)
    public: int = 0
    """The port on which it listens for the public; 0: any."""
    _server: asyncssh.SSHAcceptor | None = None
    _connections: list[asyncssh.SSHServerConnection] = field(default_factory=list)
    _listeners: list[asyncio.Server] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"ssh://nokey@127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncssh.create_server(
            lambda: _Visitor(self), "127.0.0.1", self.port, server_host_keys=[self.key],
            process_factory=self._session,
        )  # fmt: skip
        self.port = self._server.get_port()

    async def kill(self) -> None:
        """Close everything abruptly, without a message."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.abort()
        for listener in self._listeners:
            listener.close()
        if self._server is not None:
            await self._server.wait_closed()
        self._connections, self._listeners, self._server = [], [], None

    async def _session(self, process: asyncssh.SSHServerProcess[str]) -> None:
        self.sessions.append(process)
        if self.prints:
            process.stdout.write(WELCOME.format(address=self.addresses[-1]).replace("\n", "\r\n"))
        await process.wait_closed()

    async def listen(
        self, connection: asyncssh.SSHServerConnection, host: str, port: int
    ) -> asyncssh.SSHListener:
        """Pass on what comes to a public port through the connection."""
        self.asked.append((host, port))

        async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(asyncssh.Error, OSError):
                inward, outward = await connection.open_connection(host, port, encoding=None)
                await asyncio.gather(_pump(reader, outward), _pump(inward, writer))
            writer.close()

        server = await asyncio.start_server(visit, "127.0.0.1", self.public)
        self._listeners.append(server)
        self.addresses.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        return _Listener(server)

    async def another(self) -> int:
        """Listen on one more public port, as a service that changes the name; return it."""
        connection, (host, port) = self._connections[-1], self.asked[-1]
        await self.listen(connection, host, port)
        return int(self._listeners[-1].sockets[0].getsockname()[1])

    def joined(self, connection: asyncssh.SSHServerConnection) -> None:
        self._connections.append(connection)


class _Visitor(asyncssh.SSHServer):
    def __init__(self, service: SshService) -> None:
        self._service = service

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._conn = conn
        self._service.joined(conn)

    def begin_auth(self, username: str) -> bool:
        return False

    async def server_requested(self, listen_host: str, listen_port: int) -> asyncssh.SSHListener:
        return await self._service.listen(self._conn, listen_host, listen_port)


async def _pump(reader: Any, writer: Any) -> None:
    with suppress(asyncssh.Error, OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    with suppress(asyncssh.Error, OSError):
        writer.write_eof()
