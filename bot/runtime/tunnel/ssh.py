"""The tunnel of an SSH server: remote forwarding to the bot's HTTP server.

With a public URL the server is the operator's own, and its output is not read. Without one it is a
service that prints an address in the session. asyncssh is imported here and only when such a
tunnel is opened: it takes 0.2 s and 15 MB. It must not know the settings.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bot.runtime.tunnel import Report, TunnelClosed
from bot.runtime.tunnel.printed import Printed, follows

if TYPE_CHECKING:
    import asyncssh

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 20.0
ALIVE_SECONDS, ALIVE_MISSES = 10.0, 3
"""Seconds between keepalives, and how many may fail: a server silent for 30 s is given up."""
SERVICE_PORT = 80
"""The remote port of the request; services that print an address expect this one."""


@dataclass(frozen=True, kw_only=True)
class Ssh:
    """Keeps one forwarding open, from `server` (ssh://user@host[:port]) to the local `host` and
    `port`.

    `public_url`: the address at which the operator's own server passes requests to its loopback
    port `port`. `pins`: the file of the server's key, in the form of known_hosts; without
    `remembers`, a first key is accepted but not written.
    """

    server: str
    host: str
    port: int
    pins: Path
    public_url: str = ""
    remembers: bool = True

    async def __call__(self, report: Report) -> None:
        """See bot.runtime.tunnel.Hold."""
        import asyncssh

        where = urlsplit(self.server)
        pin = _Pin(self.pins, where.hostname or "", where.port or 22, remembers=self.remembers)
        try:
            connection = await asyncssh.connect(
                pin.host,
                pin.port,
                username=where.username or "",
                config=None,  # keys of ~/.ssh and of the agent are offered; no other file is read
                known_hosts=(pin.keys(), [], []),
                client_factory=lambda: _client(pin),
                connect_timeout=CONNECT_SECONDS,
                login_timeout=CONNECT_SECONDS,
                keepalive_interval=ALIVE_SECONDS,
                keepalive_count_max=ALIVE_MISSES,
            )
            try:
                await self._forward(connection, report)
            finally:
                connection.abort()  # a clean close would wait for a server that may be gone
        except asyncssh.HostKeyNotVerifiable:
            raise TunnelClosed(pin.refusal) from None
        except asyncssh.KeyExchangeFailed as exc:
            # The server no longer has a key of the pinned type.
            raise TunnelClosed(pin.refusal if pin.keys() else str(exc)) from None
        except (asyncssh.Error, asyncssh.ChannelListenError, OSError, ValueError) as exc:
            raise TunnelClosed(str(exc) or type(exc).__name__) from None

    async def _forward(self, connection: asyncssh.SSHClientConnection, report: Report) -> None:
        asked = self.port if self.public_url else SERVICE_PORT
        await connection.forward_remote_port("localhost", asked, self.host, self.port)
        if self.public_url:
            report(self.public_url)
            await connection.wait_closed()
            raise TunnelClosed("the connection ended")
        raise TunnelClosed(await _read(connection, report))


async def _read(connection: asyncssh.SSHClientConnection, report: Report) -> str:
    """Report each address that the session prints; return the reason when it ends."""
    import asyncssh

    printed, known = Printed(), ""
    session = await connection.create_process(stderr=asyncssh.STDOUT, errors="replace")
    while text := await session.stdout.read(1 << 16):
        for address in printed.addresses(text):
            if not known or follows(address, known):
                known = address
                report(address)
    return f"the session ended: {printed.last[:200] or 'without a word'}"


class _Pin:
    """The host key of one server: the first key is pinned, any other is refused."""

    def __init__(self, file: Path, host: str, port: int, *, remembers: bool) -> None:
        self.host = host
        self.port = port
        self._file = file
        self._remembers = remembers
        self._name = host if port == 22 else f"[{host}]:{port}"

    @property
    def refusal(self) -> str:
        return (
            f"the key of {self._name} is not the one in {self._file}: somebody may be in between. "
            "If the server was renewed, delete its line there"
        )

    def keys(self) -> list[asyncssh.SSHKey]:
        """Return the pinned keys of the server."""
        import asyncssh

        try:
            text = self._file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        lines = (line.partition(" ") for line in text.splitlines())
        return [asyncssh.import_public_key(key) for name, _, key in lines if name == self._name]

    def accept(self, key: asyncssh.SSHKey) -> bool:
        """Return whether this is the first key; if so, pin it and log a warning."""
        if self.keys():
            return False
        if self._remembers:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            line = f"{self._name} {key.export_public_key('openssh').decode().strip()}\n"
            number = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(number, "w", encoding="utf-8") as file:
                file.write(line)
            logger.warning(
                "tunnel: first connection to %s: its key %s is pinned in %s",
                self._name, key.get_fingerprint(), self._file,
            )  # fmt: skip
        return True


def _client(pin: _Pin) -> asyncssh.SSHClient:
    import asyncssh

    class Client(asyncssh.SSHClient):
        def validate_host_public_key(
            self, host: str, addr: str, port: int, key: asyncssh.SSHKey
        ) -> bool:
            return pin.accept(key)

    return Client()
