"""SQLite without its thread: each statement runs in the loop, where the process may fail or die.

Two processes are two connections to one file, so SQLite's own locks decide between them; only the
wait for a lock is virtual. It must not know tables.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa

from storage import Database, driver
from storage.address import parse
from storage.cancellation import finish
from storage.engine import BUSY_TIMEOUT, sqlite_engine
from tests.simulation.loop import OWNER

T = TypeVar("T")

RETRY_SECONDS = 0.05
"""Between two tries for a lock, as SQLite's busy handler has them (1 to 100 ms)."""


class Host(Protocol):
    """What a connection needs of its process."""

    database: Path
    connections: list[Connection]

    async def passes(self, point: str) -> None:
        """Pass a point at which the process may die or freeze, or its disk may fail."""


class Connection:
    """As much of aiosqlite's connection as storage/driver.py and SQLAlchemy use."""

    reads = False

    def __init__(self, host: Host) -> None:
        self._host = host
        self._link: driver.Writer | None = None

    def __await__(self) -> Any:
        return self._open().__await__()

    async def _open(self) -> Connection:
        self._link = sqlite3.connect(
            self._host.database, timeout=0, isolation_level=None, factory=driver.Writer
        )
        self._host.connections.append(self)
        return self

    @property
    def _connection(self) -> sqlite3.Connection | None:
        """SQLAlchemy looks here whether it is open."""
        return self._link

    @property
    def in_transaction(self) -> bool:
        return self._link is not None and self._link.in_transaction

    def cursor(self) -> Any:
        return driver.Cursor(self)  # type: ignore[arg-type]

    async def fetch(self, sql: str, parameters: Any) -> driver.Result:
        """Do as the method of the same name in storage/driver.py."""
        reads = self.reads
        return await self._at(
            "statement", lambda link: (link.read if reads else link.fetch)(sql, parameters)
        )

    async def fetch_many(self, sql: str, parameters: Iterable[Any]) -> driver.Result:
        """Do as the method of the same name in storage/driver.py."""
        rows = list(parameters)
        return await self._at("statement", lambda link: link.fetch_many(sql, rows))

    async def create_function(self, *args: Any, **options: Any) -> None:
        """SQLAlchemy adds REGEXP to every connection."""
        if self._link is not None:
            self._link.create_function(*args, **options)

    async def commit(self) -> None:
        if self.in_transaction:
            await self._at("commit", lambda link: link.commit())
            await self._host.passes("committed")

    async def rollback(self) -> None:
        if self._link is not None and self._link.in_transaction:
            self._link.rollback()

    async def close(self) -> None:
        self.drop()

    def stop(self) -> None:
        """As aiosqlite names it."""
        self.drop()

    def drop(self) -> None:
        """Close as the kernel does for a process that died: what is not committed is gone."""
        if self._link is not None:
            self._link.close()
            self._link = None

    async def _at(self, point: str, work: Callable[[driver.Writer], T]) -> T:
        """Run a statement or a commit, where faults may happen; wait for the lock of another
        process as long as the program would."""
        await self._host.passes(point)
        waited = 0.0
        while True:
            if self._link is None:
                raise sqlite3.ProgrammingError("the connection is closed")
            try:
                return work(self._link)
            except sqlite3.OperationalError as exc:
                if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY or waited >= BUSY_TIMEOUT:
                    raise
            await finish(asyncio.sleep(RETRY_SECONDS))
            waited += RETRY_SECONDS


def disk_error(code: int, words: str) -> sqlite3.OperationalError:
    """Return an error as SQLite reports one of its disk."""
    error = sqlite3.OperationalError(words)
    error.sqlite_errorcode = code
    return error


def open_database() -> Database:
    """Return the database of the process that asks; nothing is opened before its first use.

    Every process has an engine with a connection of its own; only what SQLAlchemy has compiled is
    shared, which costs more than a whole life otherwise.
    """
    first = _engine()
    engine = sa.Engine(first.pool.recreate(), first.dialect, first.url, hide_parameters=True)
    # Use the cache that all tests share, if there is one (tests/support/shared_caches.py).
    engine._compiled_cache = first.get_execution_options().get(
        "compiled_cache", first._compiled_cache
    )
    return Database(engine, engine.url)


async def prepare() -> None:
    """Make the first connection, with which SQLAlchemy asks more than with any later one.

    Without it the first life of a program would not be the same as its repetition.
    """
    database = open_database()
    async with database.transaction():
        pass
    await database.close()


@cache
def _engine() -> sa.Engine:
    return sqlite_engine(parse("sqlite:///:memory:"), 0.0, _connect)


def _connect(*args: Any, **options: Any) -> Connection:
    host: Any = OWNER.get()
    return Connection(host or _Nobody())


class _Nobody:
    """No process: its database is in memory, and nothing happens to it."""

    database = Path(":memory:")

    def __init__(self) -> None:
        self.connections: list[Connection] = []

    async def passes(self, point: str) -> None:
        """Pass."""
