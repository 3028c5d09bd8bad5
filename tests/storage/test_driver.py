"""How often a statement goes to aiosqlite's thread, what is known of it, and what begins."""

from __future__ import annotations

import sqlite3
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
import sqlalchemy as sa

from storage import Storage, driver

on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of the thread, one name for each visit."""
    made: list[str] = []
    visit: Any = aiosqlite.Connection._execute

    async def counted(self: aiosqlite.Connection, what: Any, *args: Any, **options: Any) -> Any:
        made.append(what.__name__)
        return await visit(self, what, *args, **options)

    monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
    return made


@on_sqlite
async def test_a_statement_is_one_round_trip_and_its_rows_another(
    storage: Storage, visits: list[str]
) -> None:
    async with storage.database.transaction() as connection:
        assert await connection.scalar(sa.text("SELECT 7")) == 7
        assert visits == ["execute", "fetchall"]
        visits.clear()
        changed = await connection.execute(sa.text("UPDATE users SET strikes = 0"))
        assert visits == ["execute"]
        assert changed.rowcount == 0


@on_sqlite
async def test_several_rows_are_one_round_trip(storage: Storage, visits: list[str]) -> None:
    async with storage.database.transaction() as connection:
        await connection.execute(
            sa.text("DELETE FROM users WHERE user_id = :id"), [{"id": 1}, {"id": 2}]
        )
    assert visits == ["executemany", "commit"]


@on_sqlite
async def test_an_error_takes_one_round_trip_to_roll_back(
    storage: Storage, visits: list[str]
) -> None:
    with suppress(ZeroDivisionError):
        async with storage.database.transaction() as connection:
            await connection.execute(sa.text("DELETE FROM users"))
            raise ZeroDivisionError
    assert visits == ["execute", "rollback"]


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
