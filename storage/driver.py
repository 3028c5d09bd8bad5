"""aiosqlite under SQLAlchemy, with fewer round trips to its thread.

Each round trip costs more than most statements (docs/performance.md: "The database"). A statement
takes one here, its rows included; SQLAlchemy's cursor takes four. A transaction begins with its
first statement, unless that only reads, and is committed or rolled back only if there is one. It
must not know tables or the purpose of statements.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar, cast

import aiosqlite

from storage.cancellation import Answer, arrival, finish

T = TypeVar("T")

BEGIN = "BEGIN IMMEDIATE"
"""sqlite3's own BEGIN is late and deferred, which loses updates."""

# Pragmas that have no effect inside a transaction (sqlite.org/pragma.html)
_OUTSIDE = (
    "PRAGMA foreign_keys", "PRAGMA journal_mode", "PRAGMA synchronous", "PRAGMA wal_",
    "PRAGMA busy_timeout",
)  # fmt: skip


class Writer(sqlite3.Connection):
    """A connection whose transaction begins with its first statement."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        self._begin(sql)
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        self._begin(sql)
        return super().executemany(sql, parameters)

    def fetch(self, sql: str, parameters: Any) -> Result:
        """Execute a statement and fetch its rows."""
        return _result_of(self.execute(sql, parameters))

    def read(self, sql: str, parameters: Any) -> Result:
        """Execute a SELECT without beginning a transaction, and fetch its rows."""
        return _result_of(super().execute(sql, parameters))

    def fetch_many(self, sql: str, parameters: Iterable[Any]) -> Result:
        """Execute a statement that returns no rows once for each set of parameters."""
        cursor = self.executemany(sql, parameters)
        return Result((), cursor.description, cursor.rowcount, cursor.lastrowid)

    def _begin(self, sql: str) -> None:
        if not self.in_transaction and not sql.startswith(_OUTSIDE):
            super().execute(BEGIN)


class Result(NamedTuple):
    """The result of a statement, including its rows."""

    rows: Sequence[Any] = ()
    description: Any = None
    rowcount: int = -1
    lastrowid: int | None = None


def _result_of(cursor: sqlite3.Cursor) -> Result:
    return Result(cursor.fetchall(), cursor.description, cursor.rowcount, cursor.lastrowid)


class Cursor:
    """A cursor that gets its rows together with the answer to the statement."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._result = Result()

    async def __aenter__(self) -> Cursor:
        return self

    async def execute(self, statement: str, parameters: Iterable[Any] = ()) -> Cursor:
        self._result = await self._connection.fetch(statement, parameters)
        return self

    async def executemany(self, statement: str, parameters: Iterable[Iterable[Any]]) -> Cursor:
        self._result = await self._connection.fetch_many(statement, parameters)
        return self

    async def fetchall(self) -> Sequence[Any]:
        return self._result.rows

    async def close(self) -> None:
        """Do nothing: the rows are fetched, and the row count may still be read."""

    @property
    def description(self) -> Any:
        return self._result.description

    @property
    def rowcount(self) -> int:
        return self._result.rowcount

    @property
    def lastrowid(self) -> int | None:
        return self._result.lastrowid


class Connection(aiosqlite.Connection):
    """A connection of aiosqlite with such cursors, whose calls no cancellation interrupts."""

    reads = False
    """Whether statements begin no transaction."""

    def __init__(self, database: str, **options: Any) -> None:
        connect = partial(sqlite3.connect, database, factory=Writer, isolation_level=None)
        super().__init__(partial(connect, **options), iter_chunk_size=64)
        self._thread.daemon = True  # SQLAlchemy sets this when it connects by itself

    def cursor(self) -> Any:
        return Cursor(self)

    async def fetch(self, statement: str, parameters: Iterable[Any]) -> Result:
        """Execute a statement and fetch its rows in one round trip to the thread."""
        fetch = self._writer.read if self.reads else self._writer.fetch
        return await self._execute(fetch, statement, parameters)

    async def fetch_many(self, statement: str, parameters: Iterable[Iterable[Any]]) -> Result:
        """Execute a statement once for each set of parameters."""
        return await self._execute(self._writer.fetch_many, statement, parameters)

    async def commit(self) -> None:
        if self.in_transaction:
            await super().commit()

    async def rollback(self) -> None:
        if self.in_transaction:
            await super().rollback()

    @property
    def _writer(self) -> Writer:
        return cast(Writer, self._conn)

    async def _execute(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Queue a call for the thread, as aiosqlite does, with an answer that cannot be cancelled.

        A task that shields each call would have the same effect and cost as much as the call.
        """
        if not self._running or not self._connection:
            raise ValueError("Connection closed")
        answer: Answer[T] = Answer(loop=asyncio.get_running_loop())
        self._tx.put_nowait((answer, partial(fn, *args, **kwargs)))
        return await arrival(answer)

    async def _connect(self) -> aiosqlite.Connection:
        try:
            return await finish(super()._connect())
        except Exception:
            # The thread reports its end to the loop, which is closed soon when a start fails: then
            # it would print a traceback after the one line that says why.
            await asyncio.to_thread(self._thread.join)
            raise


def connect(database: str, **options: Any) -> Connection:
    """Return a connection for SQLAlchemy's `async_creator_fn`."""
    return Connection(database, **options)
