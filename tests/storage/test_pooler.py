"""A pooler in transaction mode is refused with one line; one in session mode works."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
import sqlalchemy as sa

from bot.core.errors import StorageUnavailable, StorageUnusable
from storage import Database, open_cluster, open_storage
from storage.pooler import check
from tests.support.factories import NOON
from tests.support.pooler import open_pooler


async def test_sessions_that_are_shared_end_the_start_in_one_line(postgres_url: str) -> None:
    async with open_pooler(postgres_url, "transaction") as pooler:
        with pytest.raises(StorageUnusable) as raised:
            await Database.open(pooler.url)

    line = str(raised.value)
    assert line.startswith("PostgreSQL at 127.0.0.1:")
    assert "a pooler gives each transaction another session" in line
    assert all(word in line for word in ("DATABASE_URL", "6543", "-pooler"))
    assert "\n" not in line


async def test_a_busy_pooler_with_several_sessions_is_noticed(postgres_url: str) -> None:
    async with open_pooler(postgres_url, "transaction") as pooler:
        others = [await asyncpg.connect(pooler.url.replace("+asyncpg", "")) for _ in range(3)]
        for other in others:
            await other.execute("BEGIN")
        for other in others:
            await other.execute("COMMIT")
        with pytest.raises(StorageUnusable, match="session"):
            await Database.open(pooler.url)
        for other in others:
            other.terminate()


async def test_a_pooler_in_session_mode_serves(postgres_url: str) -> None:
    heard = asyncio.Event()
    async with (
        open_pooler(postgres_url, "session") as pooler,
        open_storage(pooler.url) as storage,
        open_storage(pooler.url) as other,
        asyncio.TaskGroup() as group,
    ):
        await storage.users.see(1, lang="ru", name="x", now=NOON)
        storage.cluster.subscribe("drawn", heard.set)
        running = [group.create_task(one.cluster.run()) for one in (storage, other)]
        async with asyncio.timeout(10):
            while not heard.is_set():
                other.cluster.notify("drawn")
                await asyncio.sleep(0.05)
        for task in running:
            task.cancel()


async def test_parameters_that_pgbouncer_refuses_are_named(postgres_url: str) -> None:
    async with open_pooler(postgres_url, "session", ignores=False) as pooler:
        with pytest.raises(StorageUnavailable) as raised:
            await Database.open(pooler.url)

    line = str(raised.value)
    assert f"unsupported startup parameter: {pooler.refused}" in line
    assert "pool_mode = session" in line
    assert "ignore_startup_parameters = tcp_keepalives_idle" in line
    assert "\n" not in line


async def test_a_mode_that_changes_while_the_bot_runs_ends_the_cluster(postgres_url: str) -> None:
    async with open_pooler(postgres_url, "session") as pooler:
        database = await Database.open(pooler.url)
        pooler.mode = "transaction"
        holder = await asyncpg.connect(pooler.url.replace("+asyncpg", ""))

        async def take_its_session() -> None:
            await asyncio.sleep(0.2)  # the cluster listens
            await holder.execute("BEGIN")  # gets the session that was used last
            cluster.notify("drawn")

        cluster = open_cluster(database)
        async with asyncio.timeout(10):
            with pytest.raises(StorageUnusable, match="a pooler gives each transaction"):
                await asyncio.gather(cluster.run(), take_its_session())
        holder.terminate()
        await database.close()


async def test_a_statement_of_another_session_is_explained(postgres_url: str) -> None:
    """Nothing was written, so the work is tried again."""
    database = await Database.open(postgres_url)
    try:
        with pytest.raises(StorageUnavailable, match="does not exist; a pooler gives each"):
            async with database.transaction() as connection:
                await connection.execute(sa.text("EXECUTE prepared_elsewhere"))
    finally:
        await database.close()


async def test_only_one_connection_more_is_opened_without_a_pooler(postgres_url: str) -> None:
    opened = 0
    database = await Database.open(postgres_url)

    async def connect() -> object:
        nonlocal opened
        opened += 1
        return await database.link()

    await check(connect, "here")
    await database.close()
    assert opened == 1
