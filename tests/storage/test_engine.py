"""The database itself: transactions, locks, faults that pass, types, an orderly end."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import dialect as postgresql
from sqlalchemy.exc import IntegrityError

from bot.core.errors import StorageUnavailable
from storage import Database, Storage
from storage.column_types import Kopecks, UtcDateTime
from storage.tables import tasks, users
from tests.support.factories import ANN, NOON, draft, queued
from tests.support.tcp_proxy import open_tcp_proxy

NEW_USER = sa.insert(users).values(
    user_id=1, lang="ru", lang_chosen=False, name="x", strikes=0, created_at=NOON, seen_at=NOON
)
DIALECT = postgresql()  # type: ignore[no-untyped-call]


@asynccontextmanager
async def opened(url: str, busy_timeout: float = 0.05) -> AsyncIterator[Storage]:
    database = await Database.open(url, busy_timeout=busy_timeout)
    try:
        yield Storage.over(database)
    finally:
        await database.close()


def path_of(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite+aiosqlite:///"))


def open_files() -> list[Path]:
    return [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]


async def see(storage: Storage, user_id: int) -> None:
    await storage.users.see(user_id, lang="ru", name="x", now=NOON)


async def test_an_error_in_a_transaction_leaves_nothing_behind(storage: Storage) -> None:
    async def fails() -> None:
        async with storage.database.transaction() as connection:
            await connection.execute(NEW_USER)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    assert await storage.users.get(1) is None


async def test_a_rollback_does_not_undo_another_transactions_insert(storage: Storage) -> None:
    begun = asyncio.Event()

    async def fails() -> None:
        async with storage.database.transaction() as connection:
            await connection.execute(sa.select(users))
            begun.set()
            await asyncio.sleep(0)
            raise ZeroDivisionError

    async def inserts() -> None:
        await begun.wait()
        await see(storage, 1)

    results = await asyncio.gather(fails(), inserts(), return_exceptions=True)
    assert [type(result) for result in results] == [ZeroDivisionError, type(None)]
    assert await storage.users.get(1) is not None


async def test_a_cancelled_transaction_writes_nothing_and_blocks_nobody(
    storage: Storage, other: Storage
) -> None:
    written = asyncio.Event()

    async def hangs() -> None:
        async with storage.database.transaction() as connection:
            await connection.execute(NEW_USER)
            written.set()
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        hanging = group.create_task(hangs())
        await written.wait()
        hanging.cancel()
    assert await other.users.get(1) is None
    await see(storage, 2)
    assert await other.users.get(2) is not None


async def test_cancelling_at_any_moment_leaves_a_database_that_works(
    storage: Storage, other: Storage
) -> None:
    """A driver interrupted during a call leaves its connection open with the only write lock."""
    for turns in range(60):
        async with asyncio.TaskGroup() as group:
            seeing = group.create_task(see(storage, turns))
            for _ in range(turns):
                await asyncio.sleep(0)
            if turns % 2:  # real time too: the driver's thread answers when it likes
                await asyncio.sleep(turns / 20_000)
            seeing.cancel()
        await see(other, 1_000 + turns)
        await see(storage, 2_000 + turns)


async def test_a_cancelled_process_keeps_its_one_connection(sqlite_url: str) -> None:
    async with opened(sqlite_url) as storage:
        for turns in range(40):
            async with asyncio.TaskGroup() as group:
                seeing = group.create_task(see(storage, turns))
                for _ in range(turns):
                    await asyncio.sleep(0)
                seeing.cancel()
            assert open_files().count(path_of(sqlite_url)) == 1


async def test_no_update_is_lost_under_a_lock(storage: Storage, other: Storage) -> None:
    """Read, think, write: what a deferred BEGIN loses."""
    await see(storage, ANN)

    async def count_up(database: Database) -> None:
        async with database.transaction() as connection:
            await connection.lock("count")
            found = await connection.scalar(sa.select(users.c.strikes))
            assert found is not None
            await connection.execute(sa.update(users).values(strikes=found + 1))

    await asyncio.gather(*(count_up(which.database) for which in (storage, other) * 50))
    ann = await storage.users.get(ANN)
    assert ann is not None
    assert ann.strikes == 100


async def test_sqlite_keeps_every_commit_and_checks_references(sqlite_url: str) -> None:
    async with opened(sqlite_url) as storage:
        found = {}
        async with storage.database.transaction() as connection:
            for pragma in ("journal_mode", "synchronous", "foreign_keys"):
                found[pragma] = await connection.scalar(sa.text(f"PRAGMA {pragma}"))
        assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


async def test_a_process_has_one_connection_to_sqlite(sqlite_url: str) -> None:
    async with opened(sqlite_url) as storage:
        await asyncio.gather(*(see(storage, n) for n in range(50)))
        assert open_files().count(path_of(sqlite_url)) == 1


async def test_the_folder_of_the_database_is_made_at_need(tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path}/new/folder/bot.db") as storage:
        assert await storage.database.writable()
    assert (tmp_path / "new/folder/bot.db").exists()


async def test_a_database_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "bot.db").mkdir()
    for url in (
        f"sqlite+aiosqlite:///{tmp_path}/file/bot.db",
        f"sqlite+aiosqlite:///{tmp_path}/bot.db",
        f"postgresql+asyncpg://u:s3cret@/bot?host={tmp_path}",
    ):
        with pytest.raises(StorageUnavailable) as caught:
            await Database.open(url)
        assert "s3cret" not in str(caught.value)
    # aiosqlite's threads tell the loop of their end, which would not be there any more
    assert [t for t in threading.enumerate() if "_connection_worker" in t.name] == []


@pytest.mark.parametrize("url", ["mysql://u:s3cret@h/b", "u:s3cret", "", "postgresql://h:s3cret/"])
async def test_an_invalid_address_is_reported_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="should") as caught:
        await Database.open(url)
    assert "s3cret" not in str(caught.value)


async def test_a_locked_file_is_waited_for_and_then_unavailable(sqlite_url: str) -> None:
    blocker = sqlite3.connect(path_of(sqlite_url), isolation_level=None)
    async with opened(sqlite_url) as storage:
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailable, match="locked"):
            await see(storage, 1)
        assert not await storage.database.writable()
        blocker.execute("ROLLBACK")
        blocker.close()
        await see(storage, 1)
        assert await storage.database.writable()


async def test_a_full_disk_is_unavailable_until_there_is_room(sqlite_url: str) -> None:
    async with opened(sqlite_url) as storage:
        task = await queued(storage)

        async def publish() -> bool:
            return await storage.frames.publish(
                task, token="a", jpeg=bytes(1_000_000), expires_at=NOON
            )

        async def limit(pages: int) -> None:
            async with storage.database.transaction() as connection:
                await connection.execute(sa.text(f"PRAGMA max_page_count = {pages}"))

        await limit(1)  # SQLite takes the present size then
        with pytest.raises(StorageUnavailable, match="full"):
            await publish()
        assert await storage.tasks.get(task.id) == task
        await limit(1_000_000)
        assert await publish()


async def test_a_disk_that_became_read_only_is_noticed(sqlite_url: str) -> None:
    async with opened(sqlite_url) as storage:
        async with storage.database.transaction() as connection:
            await connection.execute(sa.text("PRAGMA query_only = ON"))
        assert not await storage.database.writable()
        with pytest.raises(StorageUnavailable, match="readonly"):
            await see(storage, 1)


async def test_a_lost_connection_is_unavailable_once_and_then_replaced(
    postgres_url: str,
) -> None:
    async with opened(postgres_url) as storage:
        await see(storage, 1)
        killer = await asyncpg.connect(postgres_url.replace("+asyncpg", ""))
        await killer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await killer.close()
        with pytest.raises(StorageUnavailable):
            await see(storage, 2)
        await see(storage, 3)
        assert await storage.users.get(3) is not None


async def test_a_connection_terminated_by_the_server_is_replaced(postgres_url: str) -> None:
    async with open_tcp_proxy(postgres_url) as cuts, opened(cuts.url) as storage:
        cuts.terminate_sessions()
        await asyncio.sleep(0.1)  # it was read, and nothing was asked since
        with pytest.raises(StorageUnavailable):
            await storage.tasks.get(1)
        assert await storage.tasks.get(1) is None


async def test_a_standby_is_not_writable(postgres_url: str) -> None:
    async with opened(postgres_url) as storage:
        assert await storage.database.writable()
        admin = await asyncpg.connect(postgres_url.replace("+asyncpg", ""))
        name = await admin.fetchval("SELECT current_database()")
        await admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        await admin.close()
    async with opened(postgres_url) as storage:
        assert not await storage.database.writable()
        with pytest.raises(StorageUnavailable, match="read-only"):
            await see(storage, 1)


async def test_error_texts_contain_no_prompts(storage: Storage) -> None:
    task = await draft(storage, prompt="my secret wish")
    with pytest.raises(IntegrityError) as caught:
        async with storage.database.transaction() as connection:
            await connection.execute(sa.update(tasks).values(prompt=task.prompt, user_id=None))
    assert "my secret wish" not in str(caught.value)


async def test_an_unknown_state_is_refused_by_the_database(storage: Storage) -> None:
    await draft(storage)
    for column in ("state", "aspect_ratio"):
        with pytest.raises(IntegrityError):
            async with storage.database.transaction() as connection:
                await connection.execute(sa.text(f"UPDATE tasks SET {column} = 'lost'"))  # noqa: S608


def test_times_are_utc_on_both_sides() -> None:
    kind = UtcDateTime()
    moscow = datetime(2026, 3, 1, 15, tzinfo=timezone(timedelta(hours=3)))
    assert kind.process_bind_param(moscow, DIALECT) == NOON
    assert kind.process_result_value(moscow, DIALECT) == NOON
    naive = NOON.replace(tzinfo=None)
    assert kind.process_result_value(naive, DIALECT) == NOON
    assert kind.process_bind_param(None, DIALECT) is None
    with pytest.raises(ValueError, match="time zone"):
        kind.process_bind_param(naive, DIALECT)


def test_money_is_kept_in_whole_kopecks() -> None:
    kind = Kopecks()
    assert kind.process_bind_param(Decimal("211.20"), DIALECT) == 21_120
    assert kind.process_result_value(21_120, DIALECT) == Decimal("211.2")
    with pytest.raises(ValueError, match="kopecks"):
        kind.process_bind_param(Decimal("0.001"), DIALECT)


async def test_a_failing_process_with_an_open_database_still_ends(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from storage import open_storage\n"
        "async def main():\n"
        "    async with open_storage(sys.argv[1]):\n"
        "        raise SystemExit(7)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, f"sqlite+aiosqlite:///{tmp_path}/bot.db"
    )
    async with asyncio.timeout(60):
        assert await process.wait() == 7


async def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="is a folder; name a file in it"):
        await Database.open(f"sqlite+aiosqlite:///{tmp_path}")
