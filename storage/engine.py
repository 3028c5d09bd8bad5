"""The database: opening, transactions, locks, column types; the only module that knows its kind.

It must not know what the rows mean.
"""

from __future__ import annotations

import asyncio
import sqlite3
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, CursorResult, Dialect, ScalarResult, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.sql.base import Executable
from sqlalchemy.util import greenlet_spawn

from bot.core.errors import StorageUnavailable
from storage import driver

T = TypeVar("T")
P = ParamSpec("P")

BUSY_TIMEOUT = 5.0
"""Seconds to wait for another process that writes to the same SQLite file."""

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}

# sqlite.org/rescode.html: the primary codes that mean "not now" and are not about the statement
_SQLITE_AGAIN = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)

# PostgreSQL, appendix A: connection, resources, operator intervention, system error, rolled back
# because of others, lock not available, read-only (a standby that took over)
_POSTGRES_AGAIN = ("08", "53", "57P", "57014", "58", "40", "55P03", "25006", "25P03")

# A host that disappears closes nothing: the server must not keep its locks for hours.
_PATIENCE: dict[str, Any] = {
    "timeout": 10,
    "server_settings": {
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        "idle_in_transaction_session_timeout": "30s",
    },
}


def lock_key(name: str) -> int:
    """Return PostgreSQL's number of the advisory lock `name`."""
    return zlib.crc32(name.encode())


async def _uninterrupted(work: Callable[[], T]) -> T:
    """Finish `work` of SQLAlchemy even when cancelled meanwhile, then raise the cancellation.

    A driver that is interrupted leaves its connection behind, with SQLite's only write lock.
    """
    spawned = greenlet_spawn(work)
    task = asyncio.ensure_future(spawned)  # noqa: TID251 - never detached: waited for right here
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # nobody reads it any more, and asyncio would complain
        raise


class Connection:
    """SQLAlchemy's connection within a transaction; cancellation does not interrupt a
    statement.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    @property
    def dialect(self) -> str:
        """ "sqlite" or "postgresql"."""
        return self._connection.dialect.name

    async def execute(
        self, statement: Executable, parameters: Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Execute one statement, once for each of `parameters` if there are any."""
        return await _uninterrupted(lambda: self._connection.execute(statement, parameters))

    async def scalar(self, statement: Executable) -> Any:
        """Return the first column of the first row; None without a row."""
        return await _uninterrupted(lambda: self._connection.scalar(statement))

    async def scalars(
        self, statement: Executable, parameters: Sequence[Mapping[str, Any]] | None = None
    ) -> ScalarResult[Any]:
        """Return the first column of every row."""
        return await _uninterrupted(lambda: self._connection.scalars(statement, parameters))

    async def run_sync(self, work: Callable[Concatenate[sa.Connection, P], T], *args: P.args,
                       **kwargs: P.kwargs) -> T:  # fmt: skip
        """Run a function with the synchronous connection, for Alembic."""
        return await _uninterrupted(lambda: work(self._connection, *args, **kwargs))

    async def lock(self, name: str) -> None:
        """Take the lock `name` until this transaction ends.

        SQLite needs none: its write transactions exclude each other.
        """
        if self._connection.dialect.name != "sqlite":
            await self.execute(sa.select(sa.func.pg_advisory_xact_lock(lock_key(name))))

    async def commit(self) -> None:
        await _uninterrupted(self._connection.commit)

    async def rollback(self) -> None:
        await _uninterrupted(self._connection.rollback)

    async def outside(self, statement: str) -> None:
        """Execute a statement of SQLite that has no effect inside a transaction."""
        await _uninterrupted(lambda: self._connection.connection.cursor().execute(statement))


class Database:
    """One engine; `transaction()` is the only way in.

    SQLAlchemy's engine with an asynchronous driver, always within `greenlet_spawn`, which is all
    that `sqlalchemy.ext.asyncio` does for it; that package also imports the ORM, 6 MB without a
    use here.

    SQLite: one connection per process and one transaction at a time on it. SQLite before 3.51.3
    can corrupt a WAL that two connections write, and a connection shared by coroutines shares
    their transaction: one's rollback would undo the other's insert.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"

    @classmethod
    async def open(cls, url: str, *, busy_timeout: float = BUSY_TIMEOUT) -> Database:
        """Open the database, or raise StorageUnavailable; ValueError for an unusable address."""
        parsed = parse(url)
        if parsed.drivername == "sqlite+aiosqlite":
            database = cls(sqlite_engine(parsed, busy_timeout))
        else:
            database = cls(_postgres(parsed))
        try:
            async with database.transaction():
                pass
        except BaseException:
            await database.close()
            raise
        return database

    @property
    def is_shared(self) -> bool:
        """Whether other processes may work on the same database."""
        return not self._is_sqlite

    async def link(self) -> Any:
        """Return a connection of PostgreSQL's driver, for work outside of transactions."""
        import asyncpg  # not needed with SQLite

        _, where = self._engine.dialect.create_connect_args(self._engine.url)
        return await asyncpg.connect(**where, **_PATIENCE)

    async def close(self) -> None:
        """Close the engine: an open aiosqlite connection would keep the process from ending."""
        await greenlet_spawn(self._engine.dispose)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Run a transaction: commit at the end, roll back on any error. Never held across the
        network.

        Raises StorageUnavailable when the database cannot serve at present: nothing was written.
        """
        with _unavailable_on_retryable():
            async with self._connection() as connection:
                yield connection
                await connection.commit()

    @asynccontextmanager
    async def schema_transaction(self) -> AsyncIterator[Connection]:
        """Run a transaction that may rebuild tables: exclusive, and all or nothing.

        SQLite: dropping a table that was copied would delete the rows that refer to it, so foreign
        keys are off meanwhile and are checked before the commit.
        """
        with _unavailable_on_retryable():
            async with self._connection() as connection:
                if not self._is_sqlite:
                    await self.lock(connection, "schema")
                    yield connection
                    await connection.commit()
                    return
                # has no effect inside a transaction
                await connection.outside("PRAGMA foreign_keys = OFF")
                try:
                    yield connection
                    broken = await connection.execute(sa.text("PRAGMA foreign_key_check"))
                    if count := len(broken.all()):
                        raise RuntimeError(f"the migration breaks {count} references")
                    await connection.commit()
                finally:
                    await connection.rollback()
                    await connection.outside("PRAGMA foreign_keys = ON")

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        opened: list[sa.Connection] = []
        try:
            # Into a list, since a cancellation discards the return value.
            await _uninterrupted(lambda: opened.append(self._engine.connect()))
            yield Connection(opened[0])
        finally:
            for connection in opened:  # rolls back what was not committed
                await _uninterrupted(connection.close)

    async def lock(self, connection: Connection, name: str) -> None:
        """The lock of `Connection.lock`."""
        await connection.lock(name)

    async def writable(self) -> bool:
        """Whether a commit reaches the disk right now."""
        try:
            async with self.transaction() as connection:
                if self._is_sqlite:
                    # rewrites the file's header, so that a full or read-only disk is noticed
                    await connection.execute(sa.text("PRAGMA user_version = 1"))
                    return True
                # a transaction with a number writes its commit; a standby assigns none
                return bool(
                    await connection.scalar(
                        sa.text(
                            "SELECT current_setting('transaction_read_only') = 'off'"
                            " AND pg_current_xact_id() IS NOT NULL"
                        )
                    )
                )
        except StorageUnavailable:
            return False


def parse(url: str) -> URL:
    """Return the parts of a database's address; raise ValueError, without them, when unusable."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # the address may contain a password
        raise ValueError(
            "should look like sqlite+aiosqlite:///data/bot.db"
            " or postgresql+asyncpg://user:password@host/database"
        ) from None
    if parsed.drivername not in _DRIVERS:
        raise ValueError(
            "should begin with sqlite+aiosqlite:// or postgresql+asyncpg://, "
            f"not {parsed.drivername}://"
        )
    if parsed.host is not None and "@" in f"{parsed.host}/{parsed.database}":
        raise ValueError("should have an @ within the password written as %40")
    return parsed.set(drivername=_DRIVERS[parsed.drivername])


def sqlite_file(url: str) -> Path | None:
    """Return the file of a SQLite database; None for another kind. ValueError as in
    `Database.open`."""
    parsed = parse(url)
    if parsed.drivername != "sqlite+aiosqlite":
        return None
    if not parsed.database or parsed.database == ":memory:":
        raise ValueError("a database in memory has no file")
    return Path(parsed.database)


def sqlite_engine(
    url: URL, busy_timeout: float, connect: Callable[..., Any] = driver.connect
) -> sa.Engine:
    """Return an engine with one connection, which `connect` opens as aiosqlite would."""
    if url.database and url.database != ":memory:":
        try:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise StorageUnavailable(f"no folder for the database: {exc}") from exc
    engine = sa.create_engine(
        url,
        connect_args={"timeout": busy_timeout, "async_creator_fn": connect},
        poolclass=sa.AsyncAdaptedQueuePool,
        pool_size=1,
        max_overflow=0,
        hide_parameters=True,  # people's prompts stay out of the log
    )

    @sa.event.listens_for(engine, "connect")
    def _connected(dbapi_connection: Any, _record: Any) -> None:
        cursor = dbapi_connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        # NORMAL may lose the last commits at a power cut: a lost intent is a second charge
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    return engine


def _postgres(url: URL) -> sa.Engine:
    return sa.create_engine(
        url,
        connect_args={**_PATIENCE, "command_timeout": 30},
        pool_size=10,
        max_overflow=0,
        hide_parameters=True,
    )


@contextmanager
def _unavailable_on_retryable() -> Iterator[None]:
    """Turn errors that only time can fix into StorageUnavailable."""
    try:
        yield
    except Exception as exc:
        if (why := _retryable(exc)) is None:
            raise
        raise StorageUnavailable(why) from exc


def _retryable(exc: Exception) -> str | None:
    if isinstance(exc, PoolTimeout):
        return "no free connection"
    if isinstance(exc, OSError | asyncio.TimeoutError):
        return f"no connection: {type(exc).__name__}"
    if not isinstance(exc, DBAPIError):
        return None
    cause = exc.orig
    sqlite_code = getattr(cause, "sqlite_errorcode", None)
    sqlstate = getattr(cause, "sqlstate", None)
    if (
        exc.connection_invalidated
        or (sqlite_code is not None and sqlite_code & 0xFF in _SQLITE_AGAIN)
        or (sqlstate is not None and sqlstate.startswith(_POSTGRES_AGAIN))
    ):
        return str(cause)
    return None


class UtcDateTime(sa.TypeDecorator[datetime]):
    """A moment: aware and in UTC on both sides, to the microsecond."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        # SQLite has no time zones: stored values are UTC
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Kopecks(sa.TypeDecorator[Decimal]):
    """Roubles in the program, whole kopecks in the database."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        kopecks = value * 100
        if kopecks != int(kopecks):
            raise ValueError(f"{value} roubles are no whole number of kopecks")
        return int(kopecks)

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value) / 100
