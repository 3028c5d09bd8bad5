"""Open the database and run transactions; everything in which SQLite and PostgreSQL differ.

It must not know the meaning of the rows. The file is long on purpose: the order in which a
connection is opened, used and given up is read in one place.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
    Sequence,
    Set,
)
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.sql.base import Executable
from sqlalchemy.util import greenlet_spawn

from bot.core.errors import StorageUnavailable, StorageUnusable
from bot.runtime.private_files import make_file, make_folder
from storage import driver, driver_errors, pooler
from storage.address import (
    parse,
    real_file,
    servers,
    session_wanted,
    tls_arguments,
    without_servers,
    without_tls,
)
from storage.connection import Connection, Run, over_postgres, over_sqlite
from storage.wal_guard import WalGuard

Connect = Callable[..., Awaitable[Any]]
"""asyncpg.connect, or what tries several servers with the same arguments."""

BUSY_TIMEOUT = 5.0
"""Seconds to wait for another process that writes to the same SQLite file."""

TURN_SECONDS = 30.0
"""The longest wait in seconds for the transactions before it; the same as in SQLAlchemy's pool."""

APPLICATION = "video-bot"
"""How PostgreSQL names the sessions of this program."""

# A host that disappears closes nothing: the server must not keep its locks for hours.
_PATIENCE: dict[str, Any] = {
    "timeout": 10,
    "server_settings": {
        "application_name": APPLICATION,
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        "idle_in_transaction_session_timeout": "30s",
    },
}


# A commit that changed nothing waits for no standby: this makes it a change. None on a server that
# only reads. WAL is one line, so what was written before it is replicated with it.
_CONFIRM = sa.text(
    "SELECT pg_logical_emit_message(true, 'video-bot', '')::text"
    " WHERE current_setting('transaction_read_only') = 'off'"
)


class Database:
    """A database with one engine; all access goes through `transaction()`.

    SQLAlchemy's engine with an asynchronous driver, always within `greenlet_spawn`, as
    `sqlalchemy.ext.asyncio` does; that package would also import the ORM, 6 MB without a use here.

    SQLite: one connection per process and one transaction at a time on it. SQLite before 3.51.3
    can corrupt a WAL that two connections write, and a connection shared by coroutines shares
    their transaction: one's rollback would undo the other's insert.
    """

    def __init__(
        self, engine: sa.Engine, url: URL, name: str = "", connect: Connect | None = None
    ) -> None:
        self._engine = engine
        self._url = url
        self._connect = connect
        self._name = name
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._turn = asyncio.Lock()
        self._kept: sa.Connection | None = None  # of SQLite, from one transaction to the next
        self._closed = False
        self._run: Run = over_sqlite if self._is_sqlite else over_postgres
        self._doubts = 1  # commits without an answer; those of the process before count as one
        self._settled = 0
        self._wal: WalGuard | None = None
        self._watchers: list[Callable[[Set[str], bool], None]] = []

    @classmethod
    async def open(
        cls, url: str, *, busy_timeout: float = BUSY_TIMEOUT, name: str = ""
    ) -> Database:
        """Open the database, which errors call `name`, by default its path or address.

        Raises StorageUnavailable, StorageUnusable, and ValueError for an unusable address.
        """
        parsed = parse(url)
        if parsed.drivername == "sqlite+aiosqlite":
            database = cls(sqlite_engine(parsed, busy_timeout), parsed, name)
        else:
            connect = _connector(parsed)
            database = cls(postgres_engine(parsed, connect), parsed, name, connect)
        try:
            if database.is_shared:
                with database._explained():
                    await pooler.check(database.link, driver_errors.where(parsed, name))
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
        assert self._connect is not None
        _, where = self._engine.dialect.create_connect_args(self._engine.url)
        return await self._connect(**where, **tls_arguments(self._url), **_PATIENCE)

    def watch(self, call: Callable[[Set[str], bool], None]) -> None:
        """Call `call` after each transaction that wrote, with the names of the tables and whether
        the transaction made nothing due.

        It is also called if the answer to the commit was lost.
        """
        self._watchers.append(call)

    async def guard(self, busy_timeout: float = BUSY_TIMEOUT) -> None:
        """Notice from now on if the last commits of a SQLite file are taken away.

        Raises StorageUnusable if that has happened.
        """
        if not self._is_sqlite or not self._url.database or self._url.database == ":memory:":
            return
        guard = WalGuard(Path(self._url.database), busy_timeout)
        with self._explained():
            async with self._connection() as connection:
                await guard.check(connection)
                await connection.rollback()
                await guard.checkpoint(connection)
        self._wal = guard

    async def close(self) -> None:
        """Close the engine: an open aiosqlite connection would keep the process from ending."""
        self._closed = True
        if self._kept is not None and not self._turn.locked():
            await self._give_back(self._kept)
        await greenlet_spawn(self._engine.dispose)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Run a transaction: commit at the end, roll back on any error.

        Raises StorageUnavailable when the database cannot serve at present, StorageUnusable when
        the operator must act: nothing was written.
        """
        written, is_quiet = set[str](), False
        try:
            with self._explained():
                async with self._connection() as connection:
                    yield connection
                    written, is_quiet = connection.written, connection.is_quiet
                    await self._commit(connection)
            connection.committed()
        finally:
            if written:
                for call in self._watchers:
                    call(written, is_quiet)

    async def read(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[sa.Row[Any]]:
        """Return the rows of one SELECT that stands alone.

        Raises StorageUnavailable and StorageUnusable as `transaction` does.
        """
        if not self._is_sqlite:
            async with self.transaction() as connection:
                return (await connection.execute(statement, parameters)).all()
        with self._explained():
            async with self._connection() as connection:
                return await connection.read(statement, parameters)

    async def read_one(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> sa.Row[Any] | None:
        """Return the row of a SELECT that finds at most one; as `read` otherwise."""
        rows = await self.read(statement, parameters)
        return rows[0] if rows else None

    async def read_scalar(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the first column of the first row; None without a row."""
        row = await self.read_one(statement, parameters)
        return None if row is None else row[0]

    @asynccontextmanager
    async def schema_transaction(self) -> AsyncIterator[Connection]:
        """Run an exclusive transaction that may rebuild tables, all or nothing.

        SQLite: dropping a table that was copied would delete the rows that refer to it, so foreign
        keys are off meanwhile and are checked before the commit.
        """
        with self._explained(schema=True):
            async with self._connection() as connection:
                if not self._is_sqlite:
                    await connection.lock("schema")
                    yield connection
                    await connection.commit()
                    return
                # has no effect inside a transaction
                await connection.outside("PRAGMA foreign_keys = OFF")
                try:
                    yield connection
                    broken = await connection.execute(sa.text("PRAGMA foreign_key_check"))
                    if count := len(broken.all()):
                        raise StorageUnusable(f"the migration breaks {count} references")
                    await connection.commit()
                finally:
                    await connection.rollback()
                    await connection.outside("PRAGMA foreign_keys = ON")

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        if not self._is_sqlite:
            async with self._checked_out() as connection:
                yield connection
            return
        # The pool's own wait for its only connection can lose a cancellation on Python 3.11.
        await self._take_turn()
        try:
            if self._kept is None:
                await self._run(self._keep)
            kept = self._kept
            assert kept is not None
            try:
                yield Connection(kept, self._run)
            finally:
                if kept.get_transaction() is not None or self._closed:
                    await self._give_back(kept)
        finally:
            self._turn.release()

    def _keep(self) -> None:
        self._kept = self._engine.connect()

    async def _give_back(self, connection: sa.Connection) -> None:
        """Return it to the pool, which rolls back; a connection that cannot is replaced."""
        self._kept = None
        if self._closed:
            await self._run(connection.invalidate)
        await self._run(connection.close)

    async def _take_turn(self) -> None:
        if not self._turn.locked():
            await self._turn.acquire()
            return
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            raise PoolTimeout("other transactions take too long") from None

    @asynccontextmanager
    async def _checked_out(self) -> AsyncIterator[Connection]:
        opened: list[sa.Connection] = []
        try:
            # The result is stored in a list, since a cancellation discards the return value.
            await self._run(lambda: opened.append(self._engine.connect()))
            yield Connection(opened[0], self._run)
        finally:
            for connection in opened:  # rolls back an uncommitted transaction
                await self._run(connection.close)

    async def _commit(self, connection: Connection) -> None:
        """Commit; after a commit without an answer, so that nothing before it can be forgotten.

        With a synchronous standby such a commit may be visible here and missing there. A repeat
        finds its rows and writes nothing, so it would be acknowledged at once; a failover would
        then undo what was acknowledged.
        """
        doubts = self._doubts
        confirms = not self._is_sqlite and self._settled < doubts
        if confirms:
            confirms = await connection.scalar(_CONFIRM) is not None
        try:
            await connection.commit()
        except BaseException:
            self._doubts += 1
            await connection.undo()
            raise
        if confirms:
            self._settled = max(self._settled, doubts)
        if self._wal is not None and self._wal.is_due():
            await self._wal.checkpoint(connection)

    @contextmanager
    def _explained(self, *, schema: bool = False) -> Iterator[None]:
        """Turn errors that are not about a statement into StorageErrors; with `schema` all."""
        try:
            yield
        except Exception as exc:
            explain = driver_errors.explain_schema if schema else driver_errors.explain
            error = explain(exc, self._url, self._name)
            if error is None:
                raise
            raise error from exc

    async def writable(self) -> bool:
        """Return whether a commit reaches the disk at present."""
        try:
            async with self.transaction() as connection:
                if self._is_sqlite:
                    # this rewrites the file's header, so that a full or read-only disk is noticed
                    await connection.execute(sa.text("PRAGMA user_version = 1"))
                    return True
                # only a transaction with a number writes its commit; a standby assigns no numbers
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


def sqlite_engine(
    url: URL, busy_timeout: float, connect: Callable[..., Any] = driver.connect
) -> sa.Engine:
    """Return an engine with one connection, which `connect` opens as aiosqlite would."""
    if url.database and url.database != ":memory:":
        file = real_file(Path(url.database))
        try:
            make_folder(file.parent)
        except OSError as exc:
            raise StorageUnavailable(
                f"{url.database}: its folder cannot be made ({exc.strerror})"
            ) from exc
        with suppress(OSError):  # SQLite's own error says more
            make_file(file, "-wal", "-shm")
    engine = sa.create_engine(
        url,
        connect_args={"timeout": busy_timeout, "async_creator_fn": connect},
        poolclass=sa.AsyncAdaptedQueuePool,
        pool_size=1,
        max_overflow=0,
        hide_parameters=True,  # so that people's prompts are not logged
    )

    @sa.event.listens_for(engine, "connect")
    def _connected(dbapi_connection: Any, _record: Any) -> None:
        cursor = dbapi_connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        # NORMAL may lose the last commits in a power cut; a lost SUBMITTING would be a second
        # charge
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    return engine


def _connector(url: URL) -> Connect:
    """Return what connects to the one server of the address, or to the one that takes writes."""
    # imported here: a bot on SQLite runs without asyncpg
    if listed := servers(url):
        from storage.failover import Servers

        return Servers(listed, session_wanted(url)).connect
    import asyncpg

    connect: Connect = asyncpg.connect
    return connect


def postgres_engine(url: URL, connect: Connect) -> sa.Engine:
    """Return an engine with a pool of connections, which `connect` opens."""
    engine = sa.create_engine(
        without_tls(without_servers(url) if servers(url) else url),
        connect_args={
            **_PATIENCE,
            **tls_arguments(url),
            "command_timeout": 30,
            "async_creator_fn": connect,
        },
        pool_size=10,
        max_overflow=0,
        hide_parameters=True,
    )

    @sa.event.listens_for(engine, "handle_error")
    def _failed(context: sa.engine.ExceptionContext) -> None:
        # A server that is silent, or reads only by now: another of the address may take writes.
        state = getattr(context.original_exception, "sqlstate", None)
        if state == driver_errors.READ_ONLY or isinstance(
            context.original_exception, asyncio.TimeoutError
        ):
            context.is_disconnect = True

    return engine
