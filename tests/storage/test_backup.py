"""Copies of whole databases: between the two kinds, into a file and back, while a bot writes."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.core.alerts import Alert, AlertKind
from bot.core.errors import StorageError
from bot.core.notices import Notice, NoticeKind
from bot.core.task import TaskState
from storage import Database, IncomingUpdate, Storage, migrate, open_storage
from storage.address import of_file
from storage.backup import CopyRefused, backup, copy, restore, verify
from storage.tables import metadata
from tests.support.factories import CHAT, NOON, draft, task_in
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.campaign

S = TaskState


def silent(what: str, done: int, total: int) -> None:
    assert 0 <= done <= total, what


@pytest.fixture(params=["sqlite", "postgres"])
async def target(request: pytest.FixtureRequest, postgres: PostgresServer, tmp_path: Path) -> str:
    """The address of a database that has no tables yet."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/target/other.db"
    return await postgres.create()


async def fill(storage: Storage) -> None:
    """Rows with everything that is written in two ways: times, money, JSON, bytes, gaps."""
    for state in S:
        await task_in(storage, state, prompt=f"кот 🐈 {state}", price=Decimal("40.8"))
    waiting = await task_in(storage, S.QUEUED)
    await storage.frames.publish(waiting, token="t", jpeg=bytes(range(256)), expires_at=NOON)
    await storage.frame_objects.note("k.jpg", waiting.id, expires_at=NOON)
    await storage.inbox.add(
        [IncomingUpdate(update_id=n, chat_key="5", payload='{"a": "б"}') for n in range(1200)],
        now=NOON,
    )
    await storage.outbox.add(
        [Notice(kind=NoticeKind.HELD, chat=CHAT, lang="ru", reply_to=1, params={"x": "й"})],
        now=NOON,
    )
    await storage.durations.add("m", 1.25, 2.5, now=NOON)
    alert = Alert.of(AlertKind.UNKNOWN, 1, task=1, reason="ё")
    await storage.alerts.open(alert, told={1, -1001}, now=NOON)
    await storage.alerts.close(alert.key, told=(), now=NOON)


def siblings(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def rows(url: str) -> dict[str, list[Any]]:
    database = await Database.open(url)
    try:
        async with database.transaction() as connection:
            return {
                table.name: [
                    tuple(row)
                    for row in (
                        await connection.execute(
                            sa.select(table).order_by(*table.primary_key.columns)
                        )
                    ).all()
                ]
                for table in metadata.sorted_tables
            }
    finally:
        await database.close()


async def test_a_copy_has_every_row_as_it_was(url: str, target: str) -> None:
    async with open_storage(url) as storage:
        await fill(storage)
    before = await rows(url)
    assert len(before["inbox"]) == 1200
    assert len(before["operator_messages"]) == 2
    copied = await copy(url, target, progress=silent)
    assert await rows(target) == before
    assert copied == sum(map(len, before.values()))
    assert await rows(url) == before
    report = await verify(target, progress=silent)
    assert report.problems == ()
    assert report.rows == {name: len(found) for name, found in before.items()}


async def test_ids_continue_after_a_copy_without_reuse(url: str, target: str) -> None:
    async with open_storage(url) as storage:
        gone = [await draft(storage) for _ in range(3)][-1]
        async with storage.database.transaction() as connection:
            tasks = metadata.tables["tasks"]
            await connection.execute(sa.delete(tasks).where(tasks.c.id == gone.id))
    await copy(url, target, progress=silent)
    async with open_storage(target) as storage:
        assert (await draft(storage)).id == gone.id + 1


async def test_a_target_with_rows_is_refused_without_replace(url: str, target: str) -> None:
    async with open_storage(url) as storage:
        await task_in(storage, S.DELIVERED)
    async with open_storage(target) as storage:
        for _ in range(2):
            await task_in(storage, S.QUEUED)
    before = await rows(target)
    with pytest.raises(CopyRefused, match="--replace"):
        await copy(url, target, progress=silent)
    assert await rows(target) == before
    await copy(url, target, progress=silent, replace=True)
    assert await rows(target) == await rows(url)


async def test_an_interrupted_copy_changes_nothing(url: str, target: str) -> None:
    async with open_storage(url) as storage:
        await fill(storage)
    async with open_storage(target) as storage:
        await task_in(storage, S.QUEUED)
    before = await rows(target)

    def breaks(what: str, done: int, total: int) -> None:
        if what == "task_events":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await copy(url, target, progress=breaks, replace=True)
    assert await rows(target) == before


async def test_a_backup_is_a_snapshot_while_others_write(url: str, tmp_path: Path) -> None:
    file = tmp_path / "kept.db"
    async with open_storage(url) as storage:
        await fill(storage)
        stop = asyncio.Event()
        number = 5000

        async def write() -> None:
            nonlocal number
            while not stop.is_set():
                number += 2
                await storage.inbox.add(
                    [
                        IncomingUpdate(update_id=number + i, chat_key="w", payload="{}")
                        for i in (0, 1)
                    ],
                    now=NOON,
                )

        writing = asyncio.ensure_future(write())  # noqa: TID251 - awaited below
        await backup(url, file, progress=silent)
        assert number > 5000
        stop.set()
        await writing
    kept = await rows(f"sqlite+aiosqlite:///{file}")
    pairs = [row for row in kept["inbox"] if "w" in row]
    assert len(pairs) % 2 == 0  # a commit is in it whole or not at all
    assert len(kept["tasks"]) == len(S) + 1
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in siblings(tmp_path) if path.stem == "kept"] == ["kept.db"]


async def test_a_backup_can_be_restored_to_either_database(
    url: str, target: str, tmp_path: Path
) -> None:
    async with open_storage(url) as storage:
        await fill(storage)
    before = await rows(url)
    file = tmp_path / "kept.db"
    await backup(url, file, progress=silent)
    await restore(file, target, progress=silent)
    assert await rows(target) == before
    await restore(file, url, progress=silent, replace=True)
    assert await rows(url) == before


@pytest.mark.parametrize("name", ["50%41 off, what? новая", "a#b+c@d:e \udcff"])
async def test_names_of_files_and_folders_may_hold_any_characters(
    tmp_path: Path, postgres: PostgresServer, name: str
) -> None:
    """The signs % and ? have a meaning in an address, but not in the path of a file."""
    folder = tmp_path / name
    folder.mkdir()
    url, file = of_file(folder / f"{name}.db"), folder / f"{name}.backup"
    async with open_storage(url) as storage:
        await fill(storage)
    before = await rows(url)
    await backup(url, file, progress=silent)
    await restore(file, url, progress=silent, replace=True)
    assert await rows(url) == before
    assert (await verify(url, progress=silent)).problems == ()
    server = await postgres.create()
    await copy(url, server, progress=silent)
    again = folder / f"again {name}.backup"
    await backup(server, again, progress=silent)
    await restore(again, url, progress=silent, replace=True)
    assert await rows(url) == before
    assert [path.name for path in siblings(tmp_path)] == [name]


@pytest.mark.parametrize("version", ["27c6a30d7c24", "0012ab34cd56", "ffffffffffff"])
async def test_the_tables_of_another_program_with_alembic_are_left_alone(
    target: str, tmp_path: Path, version: str
) -> None:
    """Programs that share a database by mistake also share the name alembic_version."""
    async with open_storage(of_file(tmp_path / "bot.db")) as storage:
        await fill(storage)
    await backup(of_file(tmp_path / "bot.db"), tmp_path / "kept.backup", progress=silent)
    database = await Database.open(target)
    async with database.transaction() as connection:
        for statement in (
            "CREATE TABLE users (id integer)", "INSERT INTO users VALUES (7)",
            "CREATE TABLE alembic_version (version_num varchar(32))",
        ):  # fmt: skip
            await connection.execute(sa.text(statement))
        insert = sa.text("INSERT INTO alembic_version VALUES (:version)")
        await connection.execute(insert.bindparams(version=version))
    with pytest.raises(StorageError, match="belongs to another program"):
        await migrate(database)
    await database.close()
    with pytest.raises(CopyRefused, match="belongs to another program"):
        await restore(tmp_path / "kept.backup", target, progress=silent, replace=True)
    [problem] = (await verify(target, progress=silent)).problems
    assert "belongs to another program" in problem
    database = await Database.open(target)
    async with database.transaction() as connection:
        assert (await connection.scalars(sa.text("SELECT id FROM users"))).all() == [7]
    await database.close()


async def test_an_older_backup_is_migrated_during_the_copy(tmp_path: Path, target: str) -> None:
    file = tmp_path / "old.db"
    database = await Database.open(f"sqlite+aiosqlite:///{file}")
    await migrate(database, "0001")
    async with database.transaction() as connection:
        await connection.execute(
            sa.text("INSERT INTO users VALUES (7, 'ru', 0, 'Аня', 0, :at, :at)").bindparams(
                at="2026-01-01 00:00:00.000000"
            )
        )
    await database.close()
    await restore(file, target, progress=silent)
    async with open_storage(target) as storage:
        assert (await storage.users.get(7)) is not None
    with closing(sqlite3.connect(file)) as opened:
        assert opened.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]


@pytest.mark.parametrize("content", [None, b"", b"not a database at all" * 99])
async def test_a_file_that_is_not_a_backup_is_refused_and_the_target_kept(
    content: bytes | None, url: str, tmp_path: Path
) -> None:
    file = tmp_path / "kept.db"
    if content is not None:
        file.write_bytes(content)
    before = await rows(url)
    with pytest.raises(StorageError, match=r"kept\.db"):
        await restore(file, url, progress=silent, replace=True)
    assert await rows(url) == before


async def test_a_backup_does_not_overwrite(url: str, tmp_path: Path) -> None:
    file = tmp_path / "kept.db"
    file.write_bytes(b"precious")
    with pytest.raises(CopyRefused, match="overwritten"):
        await backup(url, file, progress=silent)
    assert file.read_bytes() == b"precious"


async def test_a_database_is_not_copied_onto_itself(url: str) -> None:
    with pytest.raises(CopyRefused, match="same"):
        await copy(url, url, progress=silent, replace=True)


async def test_verification_finds_problems(sqlite_url: str) -> None:
    async with open_storage(sqlite_url) as storage:
        task = await task_in(storage, S.QUEUED)
        assert (await verify(sqlite_url, progress=silent)).problems == ()
        async with storage.database.schema_transaction() as connection:
            await connection.execute(sa.text("PRAGMA ignore_check_constraints = ON"))
            await connection.execute(
                sa.text("UPDATE tasks SET reason = 'nonsense' WHERE id = :id").bindparams(
                    id=task.id
                )
            )
    [problem] = (await verify(sqlite_url, progress=silent)).problems
    assert problem.startswith("tasks: ")


async def test_verification_finds_an_old_version(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)
    await migrate(database, "0001")
    await database.close()
    report = await verify(sqlite_url, progress=silent)
    assert report.version == "0001"
    assert "bot migrate" in report.problems[0]
