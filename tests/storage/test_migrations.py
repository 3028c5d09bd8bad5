"""Migrations: all or nothing, by one process, never a downgrade by themselves."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from bot.core.errors import StorageTooNew, StorageUnusable
from storage import Database, Storage, migrate, migrations, open_storage
from storage.migrate import HEAD
from storage.tables import metadata, tasks
from tests.support.factories import draft
from tests.support.postgres import PostgresServer


@pytest.fixture
async def empty_url(request: pytest.FixtureRequest, url: str, tmp_path: Path) -> str:
    """A database of the same kind as `url` without any table."""
    if url.startswith("sqlite"):
        return f"sqlite+aiosqlite:///{tmp_path}/empty.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return await server.create()


def _shape(connection: Connection) -> list[Any]:
    """All that makes up the schema, in the database's own words."""
    if connection.dialect.name == "sqlite":
        question = "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'alembic%'"
    else:
        question = """
            SELECT indexname AS name, indexdef FROM pg_indexes WHERE schemaname = 'public'
            UNION ALL
            SELECT conname, conrelid::regclass || ' ' || pg_get_constraintdef(oid)
            FROM pg_constraint WHERE connamespace = 'public'::regnamespace
            UNION ALL
            SELECT table_name || '.' || column_name,
                   concat(data_type, ' ', is_nullable, ' ', column_default,
                          ' ', character_maximum_length)
            FROM information_schema.columns WHERE table_schema = 'public'
            """
    rows = connection.execute(sa.text(question)).all()
    return sorted(
        (name, _clauses(text)) for name, text in rows if "alembic" not in f"{name} {text}"
    )


def _clauses(text: str | None) -> list[str]:
    """SQLite keeps the statement as it was written, and what was added later at its end; the
    order of the clauses means nothing.
    """
    pieces = re.split(r"[,\n]", text or "")
    return sorted(piece for raw in pieces if (piece := raw.strip(" \t()")))


def _compare(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return compare_metadata(context, metadata)  # type: ignore[no-any-return]


async def shape(database: Database) -> list[Any]:
    async with database.transaction() as connection:
        return await connection.run_sync(_shape)


async def test_the_migrations_lead_to_exactly_these_tables(url: str, empty_url: str) -> None:
    async with open_storage(url) as migrated:
        async with migrated.database.transaction() as connection:
            assert await connection.run_sync(_compare) == []
        made = await Database.open(empty_url)
        try:
            async with made.transaction() as connection:
                await connection.run_sync(metadata.create_all)
            expected = await shape(made)
            assert len(expected) > 20
            assert await shape(migrated.database) == expected
        finally:
            await made.close()


async def test_a_downgrade_and_upgrade_restore_the_schema(url: str) -> None:
    database = await Database.open(url)
    try:
        before = await shape(database)
        await migrate(database, "base")
        assert [name for name, _ in await shape(database) if "sqlite_" not in name] == []
        await migrate(database)
        assert await shape(database) == before
    finally:
        await database.close()


async def test_a_second_start_changes_nothing_and_keeps_the_rows(url: str) -> None:
    async with open_storage(url) as storage:
        task = await draft(storage)
    async with open_storage(url) as storage:
        assert await storage.tasks.get(task.id) == task


def test_the_newest_version_is_known_without_alembic() -> None:
    assert ScriptDirectory(migrations.__path__[0]).get_current_head() == HEAD


async def test_a_database_of_a_newer_program_is_not_changed(url: str) -> None:
    database = await Database.open(url)
    try:
        task = await draft(Storage.over(database))
        async with database.transaction() as connection:
            await connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(StorageTooNew, match=r"9999.*install the newer program"):
            await migrate(database)
        assert await Storage.over(database).tasks.get(task.id) == task
    finally:
        await database.close()


@pytest.mark.parametrize("encoding", ["LATIN1", "KOI8R"])
async def test_a_database_that_cannot_hold_every_text_is_refused(
    postgres: PostgresServer, encoding: str
) -> None:
    """The tables could be created there, but no update of a person named Привет 🐈 could be
    handled."""
    name = f"in_{encoding.lower()}"
    await postgres._execute(
        f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C'"
        " LC_CTYPE 'C'"
    )
    with pytest.raises(StorageUnusable, match=rf"{name} is in {encoding}.*ENCODING 'UTF8'"):
        async with open_storage(postgres._url(name)):
            pass


@pytest.mark.parametrize("name", ["50% off", "%(here)s", "a:b", "with space"])
async def test_the_program_may_lie_in_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Alembic reads its options as configparser does: a % has a meaning there."""
    module = sys.modules[migrate.__module__]
    folder = tmp_path / name
    folder.symlink_to(Path(str(module.__file__)).parent)
    monkeypatch.setattr(module, "__file__", str(folder / "migrate.py"))
    async with open_storage(f"sqlite+aiosqlite:///{tmp_path}/bot.db") as storage:
        assert await storage.users.get(1) is None


async def test_two_processes_at_once_migrate_once(empty_url: str) -> None:
    program = (
        "import asyncio, sys\n"
        "from storage import open_storage\n"
        "async def main():\n"
        "    async with open_storage(sys.argv[1]) as storage:\n"
        "        assert await storage.database.writable()\n"
        "asyncio.run(main())\n"
    )
    started = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", program, empty_url)
        for _ in range(2)
    ]
    async with asyncio.timeout(100):
        assert [await process.wait() for process in started] == [0, 0]
    database = await Database.open(empty_url)
    try:
        async with database.transaction() as connection:
            versions = await connection.execute(sa.text("SELECT * FROM alembic_version"))
            assert len(versions.all()) == 1
    finally:
        await database.close()


async def test_concurrent_starts_wait_for_each_other(empty_url: str) -> None:
    databases = [await Database.open(empty_url) for _ in range(4)]
    try:
        await asyncio.gather(*(migrate(database) for database in databases))
        assert await Storage.over(databases[0]).tasks.get(1) is None
    finally:
        for database in databases:
            await database.close()


async def test_an_interrupted_migration_leaves_nothing(storage: Storage) -> None:
    before = await shape(storage.database)

    async def cut_short() -> None:
        async with storage.database.schema_transaction() as connection:
            await connection.execute(sa.text("CREATE TABLE half (id INTEGER)"))
            await connection.execute(sa.text("ALTER TABLE users ADD COLUMN half INTEGER"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await cut_short()
    assert await shape(storage.database) == before


async def test_rebuilding_a_table_keeps_the_rows_that_refer_to_it(storage: Storage) -> None:
    task = await draft(storage)

    def rebuild(connection: Connection) -> None:
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("tasks", recreate="auto") as batch:
            batch.alter_column("lang", new_column_name="language")
        with operations.batch_alter_table("tasks", recreate="auto") as batch:
            batch.alter_column("language", new_column_name="lang")

    async with storage.database.schema_transaction() as connection:
        await connection.run_sync(rebuild)
    assert await storage.tasks.get(task.id) == task
    assert len(await storage.tasks.events(task.id)) == 1
    async with storage.database.transaction() as connection:
        await connection.execute(sa.delete(tasks))
    assert await storage.tasks.events(task.id) == []  # references are kept up again


async def test_a_migration_that_breaks_references_is_undone(sqlite_url: str) -> None:
    async with open_storage(sqlite_url) as storage:
        task = await draft(storage)
        with pytest.raises(StorageUnusable, match="references"):
            async with storage.database.schema_transaction() as connection:
                await connection.execute(sa.delete(tasks))
        assert await storage.tasks.get(task.id) == task
