"""At a start on a SQLite file, only the leases of dead processes are released at once."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

from bot.core.notices import Notice, NoticeKind
from bot.core.task import Chat
from storage import IncomingUpdate, Storage, process_presence
from tests.support.factories import MINUTE, NOON, queued

HOLDER = """
import asyncio, sys
from datetime import UTC, datetime
from storage import Database, process_presence

async def hold(url):
    database = await Database.open(url)
    async with process_presence(database, url, datetime.now(UTC)):
        print("here", flush=True)
        await asyncio.Event().wait()

asyncio.run(hold(sys.argv[1]))
"""


async def leased_by_dead_process(storage: Storage) -> None:
    """One task, one update and one notice, leased by a process that died."""
    await queued(storage)
    await storage.inbox.add([IncomingUpdate(update_id=1, chat_key="1", payload="{}")], now=NOON)
    notice = Notice(kind=NoticeKind.DRAINED, chat=Chat(chat_id=1), lang="en")
    await storage.outbox.add([notice], now=NOON)
    assert await free_at(storage, owner="dead") == (1, 1, 1)


async def free_at(
    storage: Storage, *, minutes: int = 0, owner: str = "new"
) -> tuple[int, int, int]:
    now = NOON + minutes * MINUTE
    tasks = await storage.tasks.claim_due(
        owner=owner, now=now, lease_for=MINUTE, limit=9, slots=None
    )
    updates = await storage.inbox.claim(owner=owner, now=now, lease_for=MINUTE, limit=9)
    notices = await storage.outbox.claim(owner=owner, now=now, lease_for=MINUTE, limit=9)
    return len(tasks), len(updates), len(notices)


async def test_a_lone_process_frees_the_leases_of_dead_ones(
    storage: Storage, sqlite_url: str, url: str
) -> None:
    await leased_by_dead_process(storage)
    async with process_presence(storage.database, url, NOON) as alone:
        assert alone is (url == sqlite_url)
        assert await free_at(storage) == ((1, 1, 1) if alone else (0, 0, 0))
    assert await free_at(storage, minutes=2) == (1, 1, 1)


async def test_leases_of_a_live_process_are_kept(
    storage: Storage, other: Storage, url: str
) -> None:
    async with process_presence(other.database, url, NOON):
        await leased_by_dead_process(other)
        async with process_presence(storage.database, url, NOON) as alone:
            assert not alone
            assert await free_at(storage) == (0, 0, 0)


async def test_a_third_process_notices_the_second(
    storage: Storage, other: Storage, url: str
) -> None:
    first = process_presence(other.database, url, NOON)
    await first.__aenter__()
    async with process_presence(storage.database, url, NOON):
        await first.__aexit__(None, None, None)
        await leased_by_dead_process(storage)
        async with process_presence(other.database, url, NOON) as alone:
            assert not alone
            assert await free_at(other) == (0, 0, 0)


async def test_a_killed_process_leaves_no_lock(storage: Storage, sqlite_url: str) -> None:
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, sqlite_url, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert holder.stdout
        assert await holder.stdout.readline() == b"here\n"
        async with process_presence(storage.database, sqlite_url, NOON) as alone:
            assert not alone
    finally:
        holder.kill()
        await holder.wait()
    async with process_presence(storage.database, sqlite_url, NOON) as alone:
        assert alone


async def test_rows_that_were_open_at_several_deaths_are_spread(
    storage: Storage, sqlite_url: str
) -> None:
    """A row that kills again is then the only one in the process."""
    ids = [(await queued(storage)).id for _ in range(3)]

    async def died_holding(*, minute: int, limit: int) -> list[int]:
        claimed = await storage.tasks.claim_due(
            owner="dead",
            now=NOON + minute * MINUTE,
            lease_for=MINUTE,
            limit=limit,
            slots=None,
        )
        return [task.id for task in claimed]

    assert await died_holding(minute=0, limit=1) == ids[:1]  # held once more than the others
    assert await died_holding(minute=2, limit=3) == ids
    assert await died_holding(minute=4, limit=3) == ids
    fresh = await queued(storage)
    now = NOON + 4 * MINUTE
    async with process_presence(storage.database, sqlite_url, now):
        come = [
            (second, task.id)
            for second in range(31)
            for task in await storage.tasks.claim_due(
                owner="new",
                now=now + timedelta(seconds=second),
                lease_for=MINUTE,
                limit=9,
                slots=None,
            )
        ]
    assert come == [(0, fresh.id), (10, ids[1]), (20, ids[2]), (30, ids[0])]


async def test_a_folder_that_cannot_be_locked_stops_no_process(
    storage: Storage, tmp_path: Path
) -> None:
    async with process_presence(
        storage.database, f"sqlite+aiosqlite:///{tmp_path}/none/bot.db", NOON
    ) as alone:
        assert not alone
    async with process_presence(storage.database, "sqlite+aiosqlite:///:memory:", NOON) as alone:
        assert not alone
