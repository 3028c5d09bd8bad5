"""Release the leases of dead processes at a start on a SQLite file.

Every process holds a shared lock on the file's folder, which the kernel releases however the
process ends. A process that can lock the folder exclusively knows that no other process is alive.
Where this is impossible (another process on the file, PostgreSQL, a file system without locks),
leases expire by themselves. It must not know what is leased or why.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bot.core.task import ACTIVE
from storage.address import real_file, sqlite_file
from storage.engine import Database
from storage.rows import UNLEASED
from storage.tables import InboxState, films, in_states, inbox, one_of, outbox, tasks

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has other locks
    fcntl = None  # type: ignore[assignment]

SPREAD = timedelta(seconds=30)
"""Seconds over which tasks whose process died repeatedly are spread: a task that kills its process
again then runs alone, after the others have completed a step.
"""

_TRIES, _PAUSE = 20, 0.1


@dataclass(frozen=True)
class _Leased:
    """The statements for one table with leases: find rows that were leased repeatedly, free all,
    postpone one."""

    again: sa.Select[Any]
    free: sa.Update
    postpone: sa.Update


def _leased(
    table: sa.Table, tries: sa.ColumnElement[int], alive: sa.ColumnElement[bool]
) -> _Leased:
    held = sa.and_(alive, table.c.lease_until.is_not(None))
    key = next(iter(table.primary_key))
    return _Leased(
        again=sa.select(key, table.c.run_at).where(held, tries > 1).order_by(tries, key),
        free=sa.update(table).where(held).values(UNLEASED),
        postpone=sa.update(table)
        .where(key == sa.bindparam("suspect"))
        .values(run_at=sa.bindparam("due")),
    )


_LEASED = (
    _leased(tasks, tasks.c.claims, in_states(ACTIVE)),
    _leased(inbox, inbox.c.attempts, one_of(inbox.c.state, {InboxState.PENDING})),
    _leased(outbox, outbox.c.attempts, sa.true()),
    _leased(films, films.c.attempts, films.c.run_at.is_not(None)),
)


@asynccontextmanager
async def process_presence(database: Database, url: str, now: datetime) -> AsyncIterator[bool]:
    """Show other processes that this one uses the file; on entry, release the leases of dead
    processes.

    This context must be entered before the first claim. It yields True if there was no other
    process. Attempts that a kill interrupted still count.
    """
    with _opened(_folder(url)) as lock:
        alone = lock is not None and _locked(lock, fcntl.LOCK_EX)
        if alone:
            await free_leases(database, now)
        for _ in range(_TRIES if lock is not None else 0):
            if _locked(lock, fcntl.LOCK_SH):
                break
            # Another starting process holds the exclusive lock only for milliseconds.
            await asyncio.sleep(_PAUSE)
        yield alone


@contextmanager
def only_process(url: str) -> Iterator[bool]:
    """Keep other processes off a SQLite file; False: one is there.

    True for other databases, and where the file system has no locks: nobody can know.
    """
    with _opened(_folder(url)) as lock:
        yield lock is None or _locked(lock, fcntl.LOCK_EX, unknown=True)


async def free_leases(database: Database, now: datetime) -> None:
    """Free every lease: the processes that held them are dead."""
    async with database.transaction() as connection:
        for leased in _LEASED:
            rows = (await connection.execute(leased.again)).all()
            suspects = [
                {"suspect": row[0], "due": max(row.run_at, now + SPREAD * (place / len(rows)))}
                for place, row in enumerate(rows, 1)
            ]
            await connection.execute(leased.free)
            if suspects:
                await connection.execute(leased.postpone, suspects)


def _folder(url: str) -> Path | None:
    try:
        file = sqlite_file(url)
    except ValueError:  # in memory
        return None
    return real_file(file).parent if file else None


@contextmanager
def _opened(folder: Path | None) -> Iterator[int | None]:
    try:
        # of the folder, not the file: closing any handle of the file releases SQLite's own locks
        # on it
        lock = os.open(folder, os.O_RDONLY) if folder and fcntl else None
    except OSError:
        lock = None
    try:
        yield lock
    finally:
        if lock is not None:
            os.close(lock)


def _locked(lock: int | None, kind: int, *, unknown: bool = False) -> bool:
    assert lock is not None
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return unknown
    return True
