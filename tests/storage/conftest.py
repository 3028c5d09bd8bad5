"""The same text on both databases: each test gets a fresh one with its tables in place."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage import Database, Storage, open_storage
from tests.support.postgres import PostgresServer, postgres

__all__ = ["postgres"]


async def _make_tables(url: str) -> None:
    async with open_storage(url):
        pass


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "bot.db"
    asyncio.run(_make_tables(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    path = shutil.copy(sqlite_template, tmp_path / "bot.db")
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture
async def postgres_url(postgres: PostgresServer) -> AsyncIterator[str]:
    made = await postgres.create_filled(_make_tables)
    yield made
    await postgres.drop(made)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    address: str = request.getfixturevalue(f"{request.param}_url")
    return address


@pytest.fixture
async def storage(url: str) -> AsyncIterator[Storage]:
    database = await Database.open(url)
    yield Storage.over(database)
    await database.close()


@pytest.fixture
async def other(url: str) -> AsyncIterator[Storage]:
    """Another process's view of the same database: sees only what was committed."""
    database = await Database.open(url)
    yield Storage.over(database)
    await database.close()
