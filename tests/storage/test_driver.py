"""How often a statement goes to aiosqlite's thread, what is known of it, and what begins."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.core.errors import StorageUnavailable
from storage import Storage, driver
from storage.address import sqlite_file
from tests.support.factories import NOON

on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of the thread, one name for each visit."""
    made: list[str] = []
    visit: Any = driver.Connection._execute

    async def counted(self: driver.Connection, what: Any, *args: Any, **options: Any) -> Any:
        made.append(what.__name__)
        return await visit(self, what, *args, **options)

    monkeypatch.setattr(driver.Connection, "_execute", counted)
    return made


@on_sqlite
async def test_a_statement_and_its_rows_are_one_round_trip(
    storage: Storage, visits: list[str]
) -> None:
    async with storage.database.transaction() as connection:
        assert await connection.scalar(sa.text("SELECT 7")) == 7
        assert visits == ["fetch"]
        visits.clear()
        changed = await connection.execute(sa.text("UPDATE users SET strikes = 0"))
        assert visits == ["fetch"]
        assert changed.rowcount == 0


@on_sqlite
async def test_several_rows_are_one_round_trip(storage: Storage, visits: list[str]) -> None:
    async with storage.database.transaction() as connection:
        await connection.execute(
            sa.text("DELETE FROM users WHERE user_id = :id"), [{"id": 1}, {"id": 2}]
        )
    assert visits == ["fetch_many", "commit"]


@on_sqlite
async def test_an_error_takes_one_round_trip_to_roll_back(
    storage: Storage, visits: list[str]
) -> None:
    with suppress(ZeroDivisionError):
        async with storage.database.transaction() as connection:
            await connection.execute(sa.text("DELETE FROM users"))
            raise ZeroDivisionError
    assert visits == ["fetch", "rollback"]


@on_sqlite
async def test_a_select_that_stands_alone_takes_no_lock_and_no_commit(
    storage: Storage, visits: list[str], url: str
) -> None:
    await storage.users.see(1, lang="en", name="Ann", now=NOON)
    visits.clear()
    with closing(sqlite3.connect(str(sqlite_file(url)), timeout=0)) as other:
        other.execute("BEGIN IMMEDIATE")  # only one connection may write
        assert await storage.users.get(1) is not None
        with pytest.raises(sa.exc.OperationalError, match="no such table"):
            await storage.database.read(sa.text("SELECT * FROM nowhere"))
        assert await storage.users.get(2) is None
    assert visits == ["read"] * 3
    async with storage.database.transaction() as connection:  # the next one begins as usual
        await connection.execute(sa.text("DELETE FROM users"))
    assert visits[3:] == ["fetch", "commit"]


@on_sqlite
async def test_a_cancellation_waits_for_the_statement_and_undoes_it(
    storage: Storage, visits: list[str]
) -> None:
    begun = asyncio.Event()

    async def changes() -> None:
        async with storage.database.transaction() as connection:
            begun.set()
            await connection.execute(sa.text("DELETE FROM users"))
            raise AssertionError("the cancellation is raised after the statement")

    changing = asyncio.create_task(changes())  # noqa: TID251 - awaited below
    await begun.wait()
    await asyncio.sleep(0)
    changing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await changing
    assert visits == ["fetch", "rollback"]


@on_sqlite
async def test_a_cancellation_during_a_commit_is_raised_after_it(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, told = driver.Writer.commit, list[object]()

    def commits(writer: driver.Writer) -> None:
        loop.call_soon_threadsafe(changing.cancel)
        commit(writer)
        told.append(writer.in_transaction)

    async def changes() -> None:
        async with storage.database.transaction() as connection:
            await connection.execute(sa.text("DELETE FROM users"))
            connection.after_commit(lambda: told.append("after the commit"))
            monkeypatch.setattr(driver.Writer, "commit", commits)

    loop = asyncio.get_running_loop()
    changing = asyncio.create_task(changes())  # noqa: TID251 - awaited below
    with pytest.raises(asyncio.CancelledError):
        await changing
    assert told == [False]


@on_sqlite
async def test_a_failed_commit_leaves_no_lock_and_nothing_for_the_next_one(
    storage: Storage, other: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit fails, as on a full disk: SQLite keeps the transaction, SQLAlchemy considers it
    ended."""

    def fails(writer: driver.Writer) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    async def see(where: Storage, user_id: int) -> None:
        await where.users.see(user_id, lang="en", name="Ann", now=NOON)

    with monkeypatch.context() as full:
        full.setattr(driver.Writer, "commit", fails)
        with pytest.raises(StorageUnavailable, match="disk is full"):
            await see(storage, 1)
    async with asyncio.timeout(4):  # less than the wait for a lock
        await see(other, 2)
    await see(storage, 3)
    assert [await storage.users.get(one) is not None for one in (1, 2, 3)] == [False, True, True]


@on_sqlite
async def test_what_is_in_use_while_the_database_is_closed_is_closed_after_it(
    storage: Storage, visits: list[str], url: str
) -> None:
    async with storage.database.transaction() as connection:
        await connection.execute(sa.text("DELETE FROM users"))
        await storage.database.close()
        visits.clear()
    assert visits == ["commit", "close"]
    with closing(sqlite3.connect(str(sqlite_file(url)), timeout=0)) as other:
        other.execute("BEGIN IMMEDIATE")


@on_sqlite
async def test_a_timeout_during_a_statement_stays_a_timeout(storage: Storage) -> None:
    async with storage.database.transaction() as connection:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await connection.execute(sa.text("DELETE FROM users"))
        assert await connection.scalar(sa.text("SELECT 7")) == 7


@pytest.mark.parametrize(
    ("statement", "begins"),
    [
        ("SELECT 1", True),
        ("CREATE TABLE t (x)", True),
        ("PRAGMA user_version = 1", True),  # what a transaction looks at first is in it
        ("PRAGMA foreign_key_check", True),
        ("PRAGMA foreign_keys = OFF", False),
        ("PRAGMA synchronous = FULL", False),
    ],
)
async def test_the_first_statement_begins_a_write_transaction(
    tmp_path: Path, statement: str, begins: bool
) -> None:
    async with driver.connect(str(tmp_path / "bot.db")) as connection:
        await connection.execute("PRAGMA journal_mode = WAL")
        await connection.execute(statement)
        assert connection.in_transaction is begins
        with closing(sqlite3.connect(tmp_path / "bot.db", timeout=0)) as other:
            locked = pytest.raises(sqlite3.OperationalError, match="locked")
            with locked if begins else nullcontext():
                other.execute("BEGIN IMMEDIATE")
        await connection.rollback()
