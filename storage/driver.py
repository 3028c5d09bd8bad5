"""aiosqlite under SQLAlchemy, with fewer round trips to its thread.

Each round trip costs more than most statements (docs/performance.md: "The database"). A cursor
here takes one for a statement and one for its rows; SQLAlchemy's also takes one to open and one to
close. A transaction begins with its first statement, and is rolled back only if there is one. It
must not know tables or the purpose of statements.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable
from functools import partial
from typing import Any

import aiosqlite

BEGIN = "BEGIN IMMEDIATE"
"""sqlite3's own BEGIN is late and deferred, which loses updates."""

# Pragmas that have no effect inside a transaction (sqlite.org/pragma.html)
_OUTSIDE = ("PRAGMA foreign_keys", "PRAGMA journal_mode", "PRAGMA synchronous")


class Writer(sqlite3.Connection):
    """A connection whose transaction begins with its first statement."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        self._begin(sql)
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        self._begin(sql)
        return super().executemany(sql, parameters)

    def _begin(self, sql: str) -> None:
        if not self.in_transaction and not sql.startswith(_OUTSIDE):
            super().execute(BEGIN)


class Cursor:
    """A cursor that is opened by its statement, and closed when its last reference is dropped."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._cursor: aiosqlite.Cursor | None = None

    async def __aenter__(self) -> Cursor:
        return self

    async def execute(self, statement: str, parameters: Iterable[Any] | None = None) -> Cursor:
        self._cursor = await self._connection.execute(statement, parameters)
        return self

    async def executemany(self, statement: str, parameters: Iterable[Iterable[Any]]) -> Cursor:
        self._cursor = await self._connection.executemany(statement, parameters)
        return self

    async def fetchall(self) -> Iterable[Any]:
        return await self._cursor.fetchall() if self._cursor else ()

    async def close(self) -> None:
        """Do nothing: the rows are fetched, and the row count may still be read."""

    @property
    def description(self) -> Any:
        return self._cursor.description if self._cursor else None

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount if self._cursor else -1

    @property
    def lastrowid(self) -> int | None:
        return self._cursor.lastrowid if self._cursor else None


class Connection(aiosqlite.Connection):
    """aiosqlite's connection with these cursors."""

    def cursor(self) -> Any:
        return Cursor(self)

    async def _connect(self) -> aiosqlite.Connection:
        try:
            return await super()._connect()
        except Exception:
            # The thread reports its end to the loop, which is closed soon when a start fails: then
            # it would print a traceback after the one line that says why.
            await asyncio.to_thread(self._thread.join)
            raise

    async def rollback(self) -> None:
        if self.in_transaction:
            await super().rollback()


def connect(database: str, **options: Any) -> Connection:
    """Return a connection for SQLAlchemy's `async_creator_fn`."""
    connector = partial(sqlite3.connect, database, factory=Writer, isolation_level=None, **options)
    connection = Connection(connector, iter_chunk_size=64)
    connection._thread.daemon = True  # SQLAlchemy sets this when it connects by itself
    return connection
