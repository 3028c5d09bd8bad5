"""Copy whole databases: from one kind to another, to a backup file and back; verify them.

A copy is a snapshot of its source, even while a bot writes to it; the target gets all rows or
none. SQLite is read through a read-only connection, which locks nothing.
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

from bot.core.errors import StorageError, StorageUnavailable
from storage.engine import Connection, Database, sqlite_file
from storage.migrate import HEAD, migrate, migrate_within, version
from storage.rows import task_from
from storage.tables import metadata, tasks

Progress = Callable[[str, int, int], None]
"""Is called with the phase, the amount done, and the total."""

_PAGES = 500
_ROWS = 500


class CopyRefused(StorageError):
    """The copy was refused and nothing was changed; the text says what the operator can do."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of a verification: rows by table, and every problem, one per line."""

    version: str | None
    rows: dict[str, int]
    problems: tuple[str, ...]


async def copy(source: str, target: str, *, progress: Progress, replace: bool = False) -> int:
    """Copy all rows of the database at `source` into the one at `target`; return how many.

    The target must be empty, or is emptied with `replace`. A source of an older version is
    migrated on the way, without being changed. Raises CopyRefused, StorageTooNew and
    StorageUnavailable.
    """
    if _same(source, target):
        raise CopyRefused("the two addresses name the same database")
    async with _snapshot(source, progress, head=True) as reading:
        database = await Database.open(target)
        try:
            async with database.schema_transaction() as writing:
                await _clear_target(writing, replace=replace)
                copied = 0
                for table in metadata.sorted_tables:
                    copied += await _copy_table(reading, writing, table, progress)
                await _set_numbers(writing, await _numbers(reading))
        finally:
            await database.close()
    return copied


async def backup(url: str, file: Path, *, progress: Progress) -> None:
    """Copy everything into a new SQLite file, atomically; the source may be PostgreSQL.

    Raises CopyRefused when the file exists, and what `copy` raises.
    """
    part = _part_of(file)
    try:
        if (path := sqlite_file(url)) is not None:
            await _copy_pages(path, part, progress)
        else:
            await copy(url, f"sqlite+aiosqlite:///{part}", progress=progress)
        await asyncio.to_thread(_finish, part)
        os.replace(part, file)  # noqa: PTH105 - no folder is looked through
    finally:
        _drop(part)


async def restore(file: Path, url: str, *, progress: Progress, replace: bool = False) -> int:
    """Copy the rows of a backup back; see `copy`."""
    _require(file)
    return await copy(f"sqlite+aiosqlite:///{file}", url, progress=progress, replace=replace)


async def verify(url: str, *, progress: Progress) -> Report:
    """Read every row in the same way as the program, and run the database's own checks."""
    problems: list[str] = []
    rows: dict[str, int] = {}
    async with _snapshot(url, progress, head=False) as reading:
        found = await reading.run_sync(version)
        if found != HEAD:
            problems.append(
                f"version {found or 'none'}, not {HEAD}: `bot migrate` brings it there"
            )
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
                        "run `bot migrate` on it first"
                    )
                yield connection
        finally:
            await database.close()
        return
    # In the same folder: a full copy may be too large for /tmp.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".copy-") as folder:
        twin = Path(folder) / "bot.db"
        await _copy_pages(path, twin, progress)
        database = await Database.open(f"sqlite+aiosqlite:///{twin}")
        try:
            if head:
                async with database.transaction() as connection:
                    if await connection.run_sync(version) is None:
                        raise CopyRefused(f"{path}: is not a database of this program")
                await migrate(database)
            async with database.transaction() as connection:
                yield connection
        finally:
            await database.close()


async def _copy_pages(source: Path, target: Path, progress: Progress) -> None:
    _require(source)

    def work() -> None:
        uri = f"{source.resolve().as_uri()}?mode=ro"
        with (
            closing(sqlite3.connect(uri, uri=True, timeout=30)) as there,
            closing(sqlite3.connect(target)) as here,
        ):
            target.chmod(0o600)
            # This transaction holds the snapshot: otherwise the backup would start again with each
            # commit of the bot.
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
        if not isinstance(exc, sqlite3.OperationalError):
            raise CopyRefused(f"{source}: is not a SQLite database, or is broken: {exc}") from exc
        raise StorageUnavailable(f"{source}: {exc}") from exc


def _require(file: Path) -> None:
    if not file.is_file():
        raise CopyRefused(f"{file}: there is no such file")


def _part_of(file: Path) -> Path:
    if file.exists():
        raise CopyRefused(f"{file}: exists; backups are not overwritten")
    if not file.parent.is_dir():
        raise CopyRefused(f"{file.parent}: there is no such folder")
    part = file.with_name(file.name + ".part")
    _drop(part)
    return part


def _drop(part: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        part.with_name(part.name + suffix).unlink(missing_ok=True)


def _finish(file: Path) -> None:
    """Write one complete file without companion files, and sync it to disk."""
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode = DELETE")
        [[said]] = database.execute("PRAGMA quick_check(1)").fetchall()
    if said != "ok":
        raise CopyRefused(f"the copy is broken, like its source: {said}")
    file.chmod(0o600)
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


async def _clear_target(connection: Connection, *, replace: bool) -> None:
    found = await connection.run_sync(version)
    if found is not None and replace:
        await connection.run_sync(migrate_within, "base")
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


def _numbered() -> list[sa.Table]:
    return [t for t in metadata.sorted_tables if t.autoincrement_column is not None]


def _numbers_itself(table: sa.Table) -> bool:
    return bool(table.dialect_options["sqlite"]["autoincrement"])


async def _numbers(connection: Connection) -> dict[str, int]:
    """Return the last id issued by each table; the copy must not issue the id of a deleted row
    again.
    """
    found: dict[str, int] = {}
    for table in _numbered():
        assert table.autoincrement_column is not None
        last = await connection.scalar(sa.select(sa.func.max(table.autoincrement_column))) or 0
        if connection.dialect != "sqlite":
            sequence = await _sequence(connection, table)
            given = await connection.scalar(
                sa.text(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}")  # noqa: S608 - named by the database
            )
            last = max(last, given or 0)
        elif _numbers_itself(table):
            given = await connection.scalar(
                sa.text("SELECT seq FROM sqlite_sequence WHERE name = :name").bindparams(
                    name=table.name
                )
            )
            last = max(last, given or 0)
        found[table.name] = last
    return found


async def _set_numbers(connection: Connection, numbers: dict[str, int]) -> None:
    for table in _numbered():
        last = numbers.get(table.name, 0)
        if not last:
            continue
        if connection.dialect != "sqlite":
            sequence = await _sequence(connection, table)
            await connection.execute(sa.select(sa.func.setval(sequence, last)))
        elif _numbers_itself(table):
            name = {"name": table.name}
            await connection.execute(
                sa.text("DELETE FROM sqlite_sequence WHERE name = :name").bindparams(**name)
            )
            await connection.execute(
                sa.text(
                    "INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"
                ).bindparams(**name, last=last)
            )


async def _sequence(connection: Connection, table: sa.Table) -> str:
    assert table.autoincrement_column is not None
    return str(
        await connection.scalar(
            sa.select(sa.func.pg_get_serial_sequence(table.name, table.autoincrement_column.name))
        )
    )


def _same(source: str, target: str) -> bool:
    files = sqlite_file(source), sqlite_file(target)
    if files[0] is not None and files[1] is not None:
        return files[0].resolve() == files[1].resolve()
    return source == target
