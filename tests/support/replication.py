"""Two PostgreSQL servers, a primary and its streaming standby, that tests kill and promote.

The servers are of the test wheel, on loopback ports: an address with several servers needs them.
"""

from __future__ import annotations

import asyncio
import atexit
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path

import asyncpg

from tests.support.postgres import family, kill_all, new_folder, programs
from tests.support.process_harness import free_port

USER = "pgserver"
"""Whom the wheel runs a server as where this process is root."""
START_SECONDS = 60.0
STANDBY = "mirror"


class Server:
    """One server with a folder and a port of its own; it may be dead."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port

    @property
    def place(self) -> str:
        """Host and port, as an address lists them."""
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        if not self.processes():  # a killed process that nobody has reaped still has its number
            for name in ("postmaster.pid", f".s.PGSQL.{self.port}.lock"):
                (self.folder / name).unlink(missing_ok=True)
        log = str(self.folder / "log")
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder}"
        await self._run("pg_ctl", "-w", "-l", log, "-o", options, "-D", str(self.folder), "start")

    async def stop(self) -> None:
        """Stop it as an operator would, if it runs."""
        if self.processes():
            await self._run("pg_ctl", "-w", "-m", "fast", "-D", str(self.folder), "stop")

    async def kill(self) -> None:
        """Kill all its processes at once, as a power cut of its machine would."""
        await kill_all(self.processes())

    def freeze(self) -> None:
        """Suspend all its processes: connections stay open, nothing answers."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    async def promote(self) -> None:
        """Make the standby a primary."""
        await self._run("pg_ctl", "-w", "-D", str(self.folder), "promote")

    async def ask(self, *statements: str, database: str = "postgres") -> str:
        """Execute as a superuser, each outside of a transaction; return the last answer."""
        link = await asyncpg.connect(
            host="127.0.0.1", port=self.port, user="postgres", database=database
        )
        try:
            for one in statements:
                said = await link.fetchval(one)
            return str(said)
        finally:
            await link.close()

    def processes(self) -> list[int]:
        """Return the processes of the server, the first one first; none when it is dead."""
        try:
            # The file is left by one that was killed; its number may be another's by now.
            pid = int((self.folder / "postmaster.pid").read_text().split("\n")[0])
            if Path(f"/proc/{pid}/comm").read_text() != "postgres\n":
                return []
        except (OSError, ValueError):
            return []
        return family(pid)

    async def init(self) -> None:
        """Make an empty server that may have a standby."""
        await asyncio.to_thread(shutil.copytree, _empty_server(), self.folder, dirs_exist_ok=True)
        if os.geteuid() == 0:
            await asyncio.to_thread(_give, self.folder)
        self.configure("max_connections = 200", "wal_level = replica", "hot_standby = on",
                       "shared_buffers = 32MB", "fsync = off", "wal_sender_timeout = 5s",
                       "wal_receiver_timeout = 5s", "wal_retrieve_retry_interval = 200ms",
                       )  # fmt: skip

    async def follow(self, primary: Server) -> None:
        """Make this server a standby of a running primary."""
        await self._run(
            "pg_basebackup", "-D", str(self.folder), "-R", "-X", "stream", "-c", "fast", "-N",
            "-d", f"port={primary.port} host=127.0.0.1 user=postgres application_name={STANDBY}",
        )  # fmt: skip

    def configure(self, *lines: str) -> None:
        """Add lines to its settings; a running server reads them with pg_reload_conf."""
        with (self.folder / "postgresql.conf").open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    async def _run(self, program: str, *args: str) -> None:
        await asyncio.to_thread(_run, program, args)


class Pair:
    """A primary and its standby."""

    def __init__(self, primary: Server, standby: Server) -> None:
        self.primary = primary
        self.standby = standby
        self._numbers = itertools.count(1)

    async def create(self) -> str:
        """Return the address of a new, empty database, with both servers in it."""
        name = f"test_{next(self._numbers)}"
        await self.primary.ask(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, name: str, *servers: Server) -> str:
        """Return the address of a database, by default on whichever server takes writes."""
        places = ",".join(one.place for one in servers or (self.primary, self.standby))
        return f"postgresql://postgres@{places}/{name}?target_session_attrs=read-write"

    async def fail_over(self, *, frozen: bool = False) -> None:
        """Kill the primary (or only suspend it) and promote the standby; they change names."""
        self.primary.freeze() if frozen else await self.primary.kill()
        await self.standby.promote()
        # A promoted server would wait for a standby that it does not have.
        self.standby.configure("synchronous_standby_names = ''")
        await self.standby.ask("SELECT pg_reload_conf()")
        self.primary, self.standby = self.standby, self.primary

    async def caught_up(self) -> None:
        """Return when the standby has what the primary has written."""
        written = (
            "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn >= pg_current_wal_lsn()"
        )
        async with asyncio.timeout(START_SECONDS):
            while await self.primary.ask(written) == "0":  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def rebuild(self, *, synchronous: bool) -> None:
        """Make the former primary a standby of the present one, from nothing."""
        await self.standby.kill()
        await asyncio.to_thread(_empty, self.standby.folder)
        await self.standby.follow(self.primary)
        await self.standby.start()
        await _until_connected(self.primary)
        if synchronous:
            await self.commit_on_both()

    async def commit_on_both(self) -> None:
        """From now on a commit waits for the standby."""
        self.primary.configure(f"synchronous_standby_names = '{STANDBY}'")
        await self.primary.ask("SELECT pg_reload_conf()")


@asynccontextmanager
async def running_pair(*, synchronous: bool) -> AsyncIterator[Pair]:
    """A primary and its standby; with `synchronous` a commit waits for the standby."""
    folder, folders = _folders()
    pair = Pair(*(Server(one, free_port()) for one in folders))
    servers = pair.primary, pair.standby
    try:
        await pair.primary.init()
        await pair.primary.start()
        await pair.standby.follow(pair.primary)
        await pair.standby.start()
        await _until_connected(pair.primary)
        if synchronous:
            await pair.commit_on_both()
        yield pair
    finally:
        for server in servers:
            await server.kill()
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _folders() -> tuple[Path, list[Path]]:
    """Make the folders of two servers, in a short one: a socket's path has some 100 bytes."""
    folder = new_folder()
    folders = [folder / "one", folder / "two"]
    for one in folders:
        one.mkdir(mode=0o700)
        if os.geteuid() == 0:
            programs()  # makes the user
            shutil.chown(one, USER, USER)
    folder.chmod(0o755)
    return folder, folders


@cache
def _empty_server() -> Path:
    """Make an empty server once for this process; the others are copies."""
    folder, (made, _) = _folders()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _run("initdb", ("--auth=trust", "--encoding=utf8", "-N", "-U", "postgres", "-D", str(made)))
    return made


def _give(folder: Path) -> None:
    for one in (folder, *folder.rglob("*")):
        shutil.chown(one, USER, USER)


def _empty(folder: Path) -> None:
    for one in folder.iterdir():
        shutil.rmtree(one) if one.is_dir() else one.unlink()


async def _until_connected(primary: Server) -> None:
    async with asyncio.timeout(START_SECONDS):
        while await primary.ask("SELECT count(*) FROM pg_stat_replication") == "0":  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def _run(program: str, args: Sequence[str]) -> None:
    user = USER if os.geteuid() == 0 else None
    with tempfile.TemporaryFile() as said:  # a server that goes on would hold a pipe open
        done = subprocess.run(
            [programs() / program, *args], stdout=said, stderr=said, user=user,
            group=pwd.getpwnam(user).pw_gid if user else None, extra_groups=[] if user else None,
            cwd="/", check=False, timeout=START_SECONDS,
        )  # fmt: skip
        said.seek(0)
        assert done.returncode == 0, f"{program}: {said.read().decode()[-2000:]}"
