"""How often a statement goes to aiosqlite's thread, and what is known of it afterwards."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import aiosqlite
import pytest
import sqlalchemy as sa

from storage import Storage

pytestmark = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


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


async def test_a_statement_is_one_visit_and_its_rows_are_another(
    storage: Storage, visits: list[str]
) -> None:
    async with storage.database.transaction() as connection:
        assert await connection.scalar(sa.text("SELECT 7")) == 7
        assert visits == ["execute", "fetchall"]
        visits.clear()
        changed = await connection.execute(sa.text("UPDATE users SET strikes = 0"))
        assert visits == ["execute"]
        assert changed.rowcount == 0


async def test_several_rows_are_one_visit(storage: Storage, visits: list[str]) -> None:
    async with storage.database.transaction() as connection:
        await connection.execute(
            sa.text("DELETE FROM users WHERE user_id = :id"), [{"id": 1}, {"id": 2}]
        )
    assert visits == ["executemany", "commit"]


async def test_an_error_takes_one_visit_to_roll_back(storage: Storage, visits: list[str]) -> None:
    with suppress(ZeroDivisionError):
        async with storage.database.transaction() as connection:
            await connection.execute(sa.text("DELETE FROM users"))
            raise ZeroDivisionError
    assert visits == ["execute", "rollback"]
