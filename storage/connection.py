"""A connection within a transaction: it executes statements, takes locks and records written
tables.

It must not know how a transaction begins and ends, nor the meaning of the rows.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import CursorResult, ScalarResult
from sqlalchemy.sql.base import Executable
from sqlalchemy.util import greenlet_spawn

from storage.cancellation import finish, raise_cancellation

T = TypeVar("T")
P = ParamSpec("P")

Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""The values of a statement by name. With a sequence of them the statement runs once for each."""


_LOCK = sa.select(sa.func.pg_advisory_xact_lock(sa.bindparam("key", type_=sa.BigInteger)))


def lock_key(name: str) -> int:
    """Return PostgreSQL's number of the advisory lock `name`."""
    return zlib.crc32(name.encode())


class Run(Protocol):
    """Runs a function of SQLAlchemy to its end, then raises a cancellation that came meanwhile."""

    async def __call__(self, work: Callable[[], T]) -> T: ...


async def over_sqlite(work: Callable[[], T]) -> T:
    """Run on `storage/driver.py`, which no cancellation interrupts, without a separate task."""
    try:
        return await greenlet_spawn(work)
    finally:
        raise_cancellation()


async def over_postgres(work: Callable[[], T]) -> T:
    """Run on asyncpg, which a cancellation would interrupt."""
    try:
        return await finish(greenlet_spawn(work))
    finally:
        raise_cancellation()


class Connection:
    """SQLAlchemy's connection within a transaction; cancellation interrupts no statement."""

    def __init__(self, connection: sa.Connection, run: Run) -> None:
        self._connection = connection
        self._run = run
        self._after: list[Callable[[], None]] = []
        self.written: set[str] = set()
        """The tables that statements of this transaction write to."""
        self.is_quiet = False

    def after_commit(self, act: Callable[[], None]) -> None:
        """Call `act` once the transaction was committed; never when it was rolled back."""
        self._after.append(act)

    def committed(self) -> None:
        """Run the calls of `after_commit`."""
        for act in self._after:
            act()

    def make_nothing_due(self) -> None:
        """Declare that this transaction only takes or renews leases, so no loop has to check its
        rows."""
        self.is_quiet = True

    def _note(self, statement: Executable) -> None:
        if isinstance(statement, sa.UpdateBase) and isinstance(statement.table, sa.Table):
            self.written.add(statement.table.name)

    @property
    def dialect(self) -> str:
        """ "sqlite" or "postgresql"."""
        return self._connection.dialect.name

    async def execute(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> CursorResult[Any]:
        """Execute one statement; with a sequence of parameters, once for each of them."""
        self._note(statement)
        return await self._run(lambda: self._connection.execute(statement, parameters))

    async def scalar(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the first column of the first row; None without a row."""
        self._note(statement)
        return await self._run(lambda: self._connection.scalar(statement, parameters))

    async def scalars(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> ScalarResult[Any]:
        """Return the first column of every row."""
        self._note(statement)
        return await self._run(lambda: self._connection.scalars(statement, parameters))

    async def read(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[sa.Row[Any]]:
        """Return the rows of one SELECT, on SQLite; it begins no transaction, so it takes no lock
        and needs no commit."""
        return await self._run(lambda: self._read(statement, parameters))

    def _read(
        self, statement: Executable, parameters: Mapping[str, Any] | None
    ) -> Sequence[sa.Row[Any]]:
        link: Any = self._connection.connection.driver_connection  # of storage/driver.py
        link.reads = True
        try:
            rows = self._connection.execute(statement, parameters).all()
        finally:
            link.reads = False
        self._connection.rollback()  # for SQLAlchemy there was a transaction
        return rows

    async def run_sync(self, work: Callable[Concatenate[sa.Connection, P], T], *args: P.args,
                       **kwargs: P.kwargs) -> T:  # fmt: skip
        """Run a function with the synchronous connection, for Alembic."""
        return await self._run(lambda: work(self._connection, *args, **kwargs))

    async def lock(self, name: str) -> None:
        """Acquire the lock `name` until this transaction ends.

        SQLite needs no lock: its write transactions exclude each other.
        """
        if self._connection.dialect.name != "sqlite":
            await self.execute(_LOCK, {"key": lock_key(name)})

    async def commit(self) -> None:
        await self._run(self._connection.commit)

    async def rollback(self) -> None:
        await self._run(self._connection.rollback)

    async def undo(self) -> None:
        """Roll back after a failed commit.

        SQLAlchemy considers the transaction ended. SQLite may keep it open, with its lock; the
        next commit would then write its rows.
        """
        if self._connection.invalidated:
            return
        try:
            await self._run(lambda: self._connection.connection.rollback())
        except Exception:
            await self._run(self._connection.invalidate)

    async def outside(self, statement: str) -> None:
        """Execute a statement of SQLite that has no effect inside a transaction."""
        await self._run(lambda: self._connection.connection.cursor().execute(statement))
