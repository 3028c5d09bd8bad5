"""Going back to an older version as docs/operations.md says, with real versions as processes."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.core.errors import StorageTooNew
from bot.core.task import TaskState
from storage import Database, migrate, open_storage
from storage.address import sqlite_file
from storage.backup import CopyRefused, backup, restore, verify
from storage.migrate import HEAD
from tests.support.factories import task_in
from tests.support.other_versions import NEXT, Version, earlier_version, next_version
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.campaign


def silent(what: str, done: int, total: int) -> None:
    assert 0 <= done <= total, what


@pytest.fixture(scope="session")
def older(tmp_path_factory: pytest.TempPathFactory) -> Version:
    return earlier_version(tmp_path_factory.mktemp("older"))


@pytest.fixture(scope="session")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Version:
    return next_version(tmp_path_factory.mktemp("newer"))


@pytest.fixture(params=["sqlite", "postgres"])
async def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/data/bot.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return await server.create()


async def execute(url: str, *statements: str) -> None:
    database = await Database.open(url)
    try:
        async with database.transaction() as connection:
            for statement in statements:
                await connection.execute(sa.text(statement))
    finally:
        await database.close()


async def scalar(url: str, question: str) -> object:
    database = await Database.open(url)
    try:
        async with database.transaction() as connection:
            return await connection.scalar(sa.text(question))
    finally:
        await database.close()


USER = (
    "INSERT INTO users (user_id, lang, lang_chosen, name, strikes, created_at, seen_at) VALUES"
    " (1, 'ru', false, 'Аня', 0, '2026-01-01 00:00:00', '2026-01-01 00:00:00')"
)


async def test_back_to_the_version_before_and_forward_again(
    older: Version, empty_url: str, tmp_path: Path
) -> None:
    url, file = empty_url, tmp_path / "before.backup"
    assert await older.run("migrate", url=url, folder=tmp_path) == (
        0, "ok    database: at the version of this program\n"
    )  # fmt: skip
    await execute(url, USER)
    code, said = await older.run("backup", str(file), url=url, folder=tmp_path)
    assert code == 0, said
    async with open_storage(url) as storage:  # the upgrade
        tasks = [await task_in(storage, TaskState.DELIVERED) for _ in range(3)]
    # A version before 0015 cannot do it by itself: it says so and changes nothing.
    code, said = await older.run("restore", "--replace", str(file), url=url, folder=tmp_path)
    if older.head < "0015":
        assert code == 1
        assert HEAD in said
        assert await scalar(url, "SELECT count(*) FROM tasks") == 3
    else:
        assert code == 0, said
        assert await scalar(url, "SELECT count(*) FROM tasks") == 0
    # By the book: this program puts the backup back as it was.
    restored = await restore(file, url, progress=silent, replace=True, keep_version=True)
    assert restored.version == older.head
    code, said = await older.run("verify", url=url, folder=tmp_path)
    assert code == 0, said
    assert f"version {older.head}, every row can be read: users 1" in said
    # Forward again: numbers that were given in between do not come back.
    async with open_storage(url) as storage:
        assert await storage.users.get(1) is not None
        assert (await task_in(storage, TaskState.DELIVERED)).id == tasks[-1].id + 1


async def test_a_newer_program_says_who_copies_an_older_server(
    older: Version, postgres: PostgresServer, tmp_path: Path
) -> None:
    """A file is copied as it is; of rows on a server it would have to know the older tables."""
    url = await postgres.create()
    await older.run("migrate", url=url, folder=tmp_path)
    with pytest.raises(CopyRefused) as refused:
        await backup(url, tmp_path / "late.backup", progress=silent)
    assert f"version {older.head}, not {HEAD}: copy it with the version" in str(refused.value)
    code, said = await older.run("backup", "late.backup", url=url, folder=tmp_path)
    assert code == 0, said


async def test_the_version_before_alone_needs_an_empty_place(
    older: Version, empty_url: str, tmp_path: Path
) -> None:
    """What the book says for when this program is not there any more."""
    url, file = empty_url, tmp_path / "before.backup"
    await older.run("migrate", url=url, folder=tmp_path)
    await execute(url, USER)
    await older.run("backup", str(file), url=url, folder=tmp_path)
    async with open_storage(url):
        pass
    if (database := sqlite_file(url)) is not None:
        database.rename(tmp_path / "newer.db")
    else:
        await execute(url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    code, said = await older.run("restore", str(file), url=url, folder=tmp_path)
    assert code == 0, said
    assert f"version {older.head}, every row can be read: users 1" in said


async def test_this_version_goes_back_from_a_newer_one_by_itself(
    newer: Version, empty_url: str, tmp_path: Path
) -> None:
    url, file = empty_url, tmp_path / "before.backup"
    async with open_storage(url) as storage:
        kept = await task_in(storage, TaskState.DELIVERED)
    await backup(url, file, progress=silent)
    code, said = await newer.run("migrate", url=url, folder=tmp_path)
    assert code == 0, said
    await execute(url, "INSERT INTO next_things (id, task_id) SELECT 1, id FROM tasks")
    database = await Database.open(url)
    with pytest.raises(StorageTooNew) as caught:
        await migrate(database)
    await database.close()
    # verify says the same as a start
    [problem] = (await verify(url, progress=silent)).problems
    assert problem == str(caught.value)
    assert f"version {NEXT}" in problem
    assert "bot restore --replace" in problem
    is_sqlite = sqlite_file(url) is not None
    if not is_sqlite:
        await execute(url, "CREATE TABLE of_others (id INTEGER)")
    await restore(file, url, progress=silent, replace=True)
    assert (await verify(url, progress=silent)).problems == ()
    async with open_storage(url) as storage:
        assert await storage.tasks.get(kept.id) == kept
    if not is_sqlite:
        assert await scalar(url, "SELECT count(*) FROM of_others") == 0
    code, said = await newer.run("migrate", url=url, folder=tmp_path)
    assert code == 0, said  # nothing of it was left behind


async def test_a_backup_of_a_newer_version_is_refused_with_the_same_words(
    newer: Version, url: str, tmp_path: Path
) -> None:
    theirs, file = f"sqlite+aiosqlite:///{tmp_path}/theirs.db", tmp_path / "newer.backup"
    await newer.run("migrate", url=theirs, folder=tmp_path)
    await newer.run("backup", str(file), url=theirs, folder=tmp_path)
    with pytest.raises(StorageTooNew, match=rf"newer\.backup is at version {NEXT}"):
        await restore(file, url, progress=silent, replace=True)
    assert (await verify(url, progress=silent)).problems == ()
