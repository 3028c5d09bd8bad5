"""Copy whole databases: from one kind to another, to a backup file and back; verify them.

A copy is a snapshot of its source, even while a bot writes to it; the target gets all rows or
none. SQLite is read through a read-only connection, which locks nothing.

It is long because making and restoring a copy share their steps.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError

from bot.core.errors import StorageError, StorageTooNew, StorageUnavailable
from bot.core.task import TaskState
from bot.runtime.private_files import make_file
from storage import leftovers
from storage.address import of_file, parse, sqlite_file
from storage.connection import Connection
from storage.driver_errors import explain
from storage.engine import APPLICATION, Database
from storage.migrate import HEAD, drop_all, is_ours, migrate, migrate_within, too_new, version
from storage.numbers import numbers, set_numbers
from storage.recovery import only_process
from storage.rows import task_from
from storage.tables import metadata, tasks
from storage.wal_guard import WHOLE

Progress = Callable[[str, int, int], None]
"""Is called with the phase, the amount done, and the total."""

RESTORE_GAP = 1000
"""Numbers left out after a restore into an empty database: old buttons may carry them."""

_PAGES = 500
_ROWS = 500
_LOOKS = 20


class CopyRefused(StorageError):
    """The copy was refused and nothing was changed; the text says what the operator can do."""


@dataclass(frozen=True)
class Restored:
    """How many rows were restored, and the migration that the tables are at."""

    rows: int
    version: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of a verification: rows by table, and every problem, one per line."""

    version: str | None
    rows: dict[str, int]
    problems: tuple[str, ...]


async def copy(source: str, target: str, *, progress: Progress, replace: bool = False) -> int:
    """Copy all rows of the database at `source` into the one at `target`; return how many.

    The target must be empty, or is emptied with `replace`, and nobody else may be on it. A source
    of an older version is migrated on the way, without being changed. Raises CopyRefused,
    StorageTooNew, StorageUnusable and StorageUnavailable.
    """
    if _same(source, target):
        raise CopyRefused("the two addresses name the same database")
    async with _snapshot(source, progress, head=True) as reading, sole_use(target) as writing:
        copied, _ = await _fill(reading, writing, progress, replace=replace)
        return copied


async def backup(url: str, file: Path, *, progress: Progress) -> None:
    """Copy everything into a new SQLite file, atomically; the source may be PostgreSQL.

    Raises CopyRefused when the file exists, and what `copy` raises.
    """
    _check_new(file)
    await asyncio.to_thread(leftovers.sweep, file.parent)
    part = leftovers.part_of(file)
    make_file(part)
    try:
        with leftovers.held(part):
            if (path := sqlite_file(url)) is not None:
                await _copy_pages(path, part, progress)
            else:
                await _copy_rows(url, of_file(part), progress)
            await asyncio.to_thread(_finish, part)
            os.replace(part, file)  # noqa: PTH105 - no folder is looked through
    finally:
        leftovers.drop(part)


async def _copy_rows(source: str, target: str, progress: Progress) -> None:
    async with _snapshot(source, progress, head=True) as reading:
        database = await Database.open(target)
        try:
            async with database.schema_transaction() as writing:
                await _fill(reading, writing, progress)
        finally:
            await database.close()


async def restore(
    file: Path, url: str, *, progress: Progress, replace: bool = False, keep_version: bool = False
) -> Restored:
    """Copy the rows of a backup back; see `copy`.

    With `keep_version` the tables are left at the version of the backup, for an older program.
    Numbering continues above the highest number in the backup or in the replaced rows; without
    replaced rows the numbers used after the backup are unknown, and RESTORE_GAP numbers are left
    out.
    """
    _require(file)
    source = of_file(file)
    if _same(source, url):
        raise CopyRefused("the backup and DATABASE_URL name the same file")
    async with _snapshot(source, progress, head=True) as reading, sole_use(url) as writing:
        rows, before = await _fill(reading, writing, progress, replace=replace)
        if not before.get(tasks.name):
            given = await numbers(writing)
            await set_numbers(
                writing, {name: last and last + RESTORE_GAP for name, last in given.items()}
            )
        found = HEAD
        if keep_version:
            found = await _version_of(file)
            await writing.run_sync(migrate_within, found)
    return Restored(rows, found)


async def waiting(url: str) -> int:
    """Return how many orders wait to be sent to the provider."""
    async with _snapshot(url, lambda *_: None, head=True) as reading:
        count = sa.select(sa.func.count()).where(tasks.c.state == TaskState.QUEUED)
        return int(await reading.scalar(count) or 0)


async def _fill(
    reading: Connection, writing: Connection, progress: Progress, *, replace: bool = False
) -> tuple[int, dict[str, int]]:
    """Copy all rows; return how many, and the last numbers of the rows that were replaced."""
    before = await numbers(writing)
    await _clear_target(writing, replace=replace)
    copied = 0
    for table in metadata.sorted_tables:
        copied += await _copy_table(reading, writing, table, progress)
    theirs = await numbers(reading)
    last = {name: max(theirs[name], before.get(name, 0)) for name in theirs}
    await set_numbers(writing, last)
    if writing.dialect == "sqlite":
        await writing.execute(WHOLE)
    return copied, before


async def verify(url: str, *, progress: Progress) -> Report:
    """Read every row in the same way as the program, and run the database's own checks."""
    problems: list[str] = []
    rows: dict[str, int] = {}
    async with _snapshot(url, progress, head=False) as reading:
        found = await reading.run_sync(version)
        if found != HEAD:
            older = f"version {found or 'none'}, not {HEAD}: `bot migrate` brings it there"
            is_older = not found or (is_ours(found) and found < HEAD)
            problems.append(older if is_older else too_new(str(found)))
            return Report(version=found, rows=rows, problems=tuple(problems))
        problems += await _integrity_checks(reading)
        for table in metadata.sorted_tables:
            rows[table.name] = 0
            try:
                async for batch in _batches(reading, table, progress):
                    rows[table.name] += len(batch)
                    if table is tasks:
                        for row in batch:
                            task_from(row)
            except DatabaseError as exc:
                problems.append(f"{table.name}: cannot be read ({exc.orig})")
            except (LookupError, ValueError, TypeError) as exc:
                problems.append(f"{table.name}: a row cannot be read ({type(exc).__name__})")
    return Report(version=found, rows=rows, problems=tuple(problems))


@asynccontextmanager
async def _snapshot(url: str, progress: Progress, *, head: bool) -> AsyncIterator[Connection]:
    """Open a snapshot of the database that does not change while it is read."""
    path = sqlite_file(url)
    if path is None:
        database = await Database.open(url)
        try:
            async with database.transaction() as connection:
                await connection.execute(
                    sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                )
                if head and (found := await connection.run_sync(version)) != HEAD:
                    raise CopyRefused(
                        f"the source is at version {found or 'none'}, not {HEAD}: "
                        "copy it with the version that made it, or run `bot migrate` first"
                    )
                yield connection
        finally:
            await database.close()
        return
    # In the same folder: a full copy may be too large for /tmp.
    _require(path)
    await asyncio.to_thread(leftovers.sweep, path.parent)
    with (
        tempfile.TemporaryDirectory(dir=path.parent, prefix=leftovers.COPY) as folder,
        leftovers.held(Path(folder)),
    ):
        twin = Path(folder) / "bot.db"
        await _copy_pages(path, twin, progress)
        database = await Database.open(of_file(twin), name=str(path))
        try:
            if head:
                async with database.transaction() as connection:
                    found = await connection.run_sync(version)
                    if found is None:
                        raise CopyRefused(f"{path}: is no database of this program")
                    if found > HEAD or not is_ours(found):
                        raise StorageTooNew(too_new(found, path))
                await migrate(database)
            async with database.transaction() as connection:
                yield connection
        finally:
            await database.close()


async def _copy_pages(source: Path, target: Path, progress: Progress) -> None:
    _require(source)
    make_file(target)

    def work() -> None:
        uri = f"{source.resolve().as_uri()}?mode=ro"
        with (
            closing(sqlite3.connect(uri, uri=True, timeout=30)) as there,
            closing(sqlite3.connect(target)) as here,
        ):
            # Holds the snapshot: the backup would start again with each commit of the bot.
            there.isolation_level = None
            there.execute("BEGIN")
            there.execute("SELECT count(*) FROM sqlite_master").fetchone()
            there.backup(
                here,
                pages=_PAGES,
                progress=lambda _, left, total: progress("pages", total - left, total),
            )

    try:
        await asyncio.to_thread(work)
    except sqlite3.DatabaseError as exc:
        address = parse(of_file(source))
        error = explain(exc, address) or StorageUnavailable(f"{source}: {exc}")
        raise error from exc


def _require(file: Path) -> None:
    if not file.is_file():
        raise CopyRefused(f"{file}: there is no such file")


def _check_new(file: Path) -> None:
    if file.exists():
        raise CopyRefused(f"{file}: exists; backups are not overwritten")
    if not file.parent.is_dir():
        raise CopyRefused(f"{file.parent}: there is no such folder")


def _finish(file: Path) -> None:
    """Write one complete file without companion files, and sync it to disk."""
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode = DELETE")
        database.execute(str(WHOLE))
        [[said]] = database.execute("PRAGMA quick_check(1)").fetchall()
    if said != "ok":
        raise CopyRefused(f"the copy is broken, like its source: {said}")
    file.chmod(0o600)
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


@asynccontextmanager
async def sole_use(url: str) -> AsyncIterator[Connection]:
    """Open a database to be filled, in one transaction, while nobody else is on it."""
    with only_process(url) as alone:
        if not alone:
            raise CopyRefused(
                f"{sqlite_file(url)}: a bot runs on this file; stop it first (systemctl stop "
                "video-bot, docker compose stop bot)"
            )
        database = await Database.open(url)
        try:
            async with database.schema_transaction() as writing:
                await _require_nobody(writing)
                yield writing
        finally:
            await database.close()


async def _require_nobody(connection: Connection) -> None:
    """Refuse while a process of ours has a session on this PostgreSQL database."""
    if connection.dialect == "sqlite":
        return
    for _ in range(_LOOKS):
        # Earlier versions of the program did not name themselves.
        sessions = await connection.execute(
            sa.text(
                "SELECT count(*) AS number,"
                " string_agg(DISTINCT coalesce(host(client_addr), 'a socket'), ', ') AS hosts"
                " FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
                " AND usename = current_user AND application_name IN ('', :name)"
            ).bindparams(name=APPLICATION)
        )
        found = sessions.one()
        if not found.number:
            return
        await connection.execute(sa.text("SELECT pg_stat_clear_snapshot()"))
        await asyncio.sleep(0.1)  # a session ends a moment after its process
    raise CopyRefused(
        f"a bot is on this database ({found.number} connections, from {found.hosts}): stop every "
        "process first (systemctl stop video-bot, docker compose stop bot worker)"
    )


async def _version_of(file: Path) -> str:
    """Return the version of a backup, which was read before."""
    database = await Database.open(of_file(file))
    try:
        async with database.transaction() as connection:
            return await connection.run_sync(version) or HEAD
    finally:
        await database.close()


async def _clear_target(connection: Connection, *, replace: bool) -> None:
    found = await connection.run_sync(version)
    if found is not None and replace:
        if not is_ours(found):  # whose `users` and `tasks` would be dropped
            raise CopyRefused(too_new(found))
        await connection.run_sync(drop_all)
    await connection.run_sync(migrate_within, "head")
    for table in metadata.sorted_tables:
        if await connection.scalar(sa.select(sa.literal(1)).select_from(table).limit(1)):
            raise CopyRefused(
                f"the target contains rows already (table {table.name}); "
                "--replace deletes them before the copy"
            )


async def _copy_table(
    reading: Connection, writing: Connection, table: sa.Table, progress: Progress
) -> int:
    copied = 0
    async for batch in _batches(reading, table, progress):
        await writing.execute(sa.insert(table), [dict(row._mapping) for row in batch])
        copied += len(batch)
    return copied


async def _batches(
    connection: Connection, table: sa.Table, progress: Progress
) -> AsyncIterator[list[sa.Row[Any]]]:
    total = await connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
    key = list(table.primary_key.columns)
    last: tuple[Any, ...] | None = None
    done = 0
    while True:
        page = sa.select(table).order_by(*key).limit(_ROWS)
        if last is not None:
            page = page.where(sa.tuple_(*key) > sa.tuple_(*map(_bound, key, last)))
        rows = list((await connection.execute(page)).all())
        if not rows:
            return
        yield rows
        done += len(rows)
        progress(table.name, done, max(total, done))
        last = tuple(rows[-1]._mapping[column.name] for column in key)


def _bound(column: sa.Column[Any], value: Any) -> sa.ColumnElement[Any]:
    return sa.literal(value, column.type)


async def _integrity_checks(connection: Connection) -> list[str]:
    if connection.dialect != "sqlite":
        return []  # PostgreSQL checks the pages that it reads
    said = await connection.scalars(sa.text("PRAGMA integrity_check(20)"))
    problems = [f"integrity: {line}" for line in said.all() if line != "ok"]
    broken = await connection.execute(sa.text("PRAGMA foreign_key_check"))
    return problems + [
        f"{row['table']}: row {row['rowid']} refers to nothing" for row in broken.mappings()
    ]


def _same(source: str, target: str) -> bool:
    files = sqlite_file(source), sqlite_file(target)
    if files[0] is not None and files[1] is not None:
        return files[0].resolve() == files[1].resolve()
    return source == target
