"""Statements that change several rows lock them by number: no two wait for each other for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
import sqlalchemy as sa

from bot.core.notices import Notice, NoticeKind
from bot.core.task import TaskState
from storage import IncomingUpdate, Storage, open_storage
from storage.outbox import insert_notices
from storage.tables import films, inbox, outbox, tasks
from tests.support.factories import ANN, CHAT, MINUTE, NOON, queued, task_in

LATER = NOON + MINUTE
S = TaskState

Act = Callable[[], Coroutine[Any, Any, object]]


async def leased_tasks(storage: Storage) -> list[tuple[int, int]]:
    for _ in range(3):
        await queued(storage)
    claimed = await storage.tasks.claim_due(
        owner="one", now=NOON, lease_for=MINUTE, limit=3, slots=None
    )
    return [(lease.id, lease.fence) for lease in claimed]


async def parked(storage: Storage) -> None:
    told = Notice(kind=NoticeKind.OVERDUE, chat=CHAT, lang="en")
    await storage.outbox.add([told] * 3, now=NOON)
    for waiting in await storage.outbox.claim(owner="o", now=NOON, lease_for=MINUTE, limit=3):
        await storage.outbox.park(waiting.id, ANN)


async def leased_notices(storage: Storage) -> list[int]:
    told = Notice(kind=NoticeKind.OVERDUE, chat=CHAT, lang="en")
    await storage.outbox.add([told] * 3, now=NOON)
    claimed = await storage.outbox.claim(owner="one", now=NOON, lease_for=MINUTE, limit=3)
    return [waiting.id for waiting in claimed]


async def leased_updates(storage: Storage) -> list[int]:
    new = [IncomingUpdate(update_id=n, chat_key=str(n), payload="{}") for n in range(3)]
    await storage.inbox.add(new, now=NOON)
    claimed = await storage.inbox.claim(owner="one", now=NOON, lease_for=MINUTE, limit=3)
    return [update.update_id for update in claimed]


async def postponed(storage: Storage) -> None:
    for _ in range(3):
        await queued(storage, now=LATER)


async def old_films(storage: Storage) -> None:
    for _ in range(3):
        task = await task_in(storage, S.DELIVERED)
        async with storage.database.transaction() as connection:
            number = await connection.scalar(
                sa.insert(films).values(user_id=ANN, created_at=NOON).returning(films.c.id)
            )
            of_film = {"film_id": number, "film_place": 1, "film_since": NOON}
            await connection.execute(sa.update(tasks).where(tasks.c.id == task.id).values(of_film))


async def acts_of(storage: Storage, other: Storage, name: str) -> tuple[sa.Table, Act]:
    """Return the rows of a case, made, and what is done to all of them at once."""
    until = LATER + MINUTE
    match name:
        case "heartbeat":
            held = await leased_tasks(storage)
            return tasks, lambda: other.tasks.extend("one", held, now=NOON, until=until)
        case "stop":
            held = await leased_tasks(storage)
            return tasks, lambda: other.tasks.release("one", held)
        case "hurry":
            await postponed(storage)
            return tasks, lambda: other.operator.hurry(by=1, now=NOON)
        case "retention":
            for _ in range(3):
                await task_in(storage, S.FAILED)
            return tasks, lambda: other.privacy.forget(drafts_before=LATER, orders_before=LATER)
        case "heartbeat of notices":
            ids = await leased_notices(storage)
            return outbox, lambda: other.outbox.extend("one", ids, until=until)
        case "stop of notices":
            await leased_notices(storage)
            return outbox, lambda: other.outbox.release("one")
        case "message of who waits":
            await parked(storage)
            return outbox, lambda: other.outbox.unpark(ANN, CHAT, now=NOON)
        case "old notices":
            await parked(storage)
            return outbox, lambda: other.outbox.forget_parked(before=LATER)
        case "erasure":
            await parked(storage)
            return outbox, lambda: other.privacy.erase_person(ANN, now=NOON)
        case "heartbeat of updates":
            ids = await leased_updates(storage)
            return inbox, lambda: other.inbox.extend("one", ids, until=until)
        case "end of updates":
            ids = await leased_updates(storage)
            return inbox, lambda: other.inbox.done(ids, now=NOON)
        case "stop of updates":
            await leased_updates(storage)
            return inbox, lambda: other.inbox.release("one")
        case "erasure of films":
            await old_films(storage)
            return films, lambda: other.privacy.erase_person(ANN, now=NOON)
    raise AssertionError(name)


CASES = [
    "heartbeat", "stop", "hurry", "retention", "heartbeat of notices", "stop of notices",
    "message of who waits", "old notices", "erasure", "heartbeat of updates", "end of updates",
    "stop of updates", "erasure of films",
]  # fmt: skip


ELSEWHERE: dict[sa.Table, dict[str, Any]] = {
    tasks: {"chat_id": 0, "run_at": LATER + MINUTE},
    outbox: {"waits_for": 0},
    inbox: {"chat_key": "9"},
    films: {"user_id": 0},
}
"""Values of columns with an index: a row that had them meanwhile lies behind the others."""


@pytest.fixture
async def by_place(storage: Storage, url: str) -> AsyncIterator[Storage]:
    """Another process, whose statements find rows in their order on the disk, as those of a large
    table may."""
    async with storage.database.transaction() as connection:
        if connection.dialect != "sqlite":
            name = await connection.scalar(sa.text("SELECT current_database()"))
            for off in ("enable_nestloop", "enable_indexscan", "enable_bitmapscan"):
                await connection.execute(sa.text(f'ALTER DATABASE "{name}" SET {off} = off'))
    async with open_storage(url) as opened:
        yield opened


@pytest.mark.parametrize("name", CASES)
async def test_rows_are_locked_by_number(storage: Storage, by_place: Storage, name: str) -> None:
    """Somebody holds the first row and locks the others next. In another order each would wait
    for the other until the server stops one of them."""
    table, act = await acts_of(storage, by_place, name)
    [key] = table.primary_key
    async with storage.database.transaction() as connection:
        numbers = sorted((await connection.scalars(sa.select(key))).all())
        assert len(numbers) == 3
        # The first row now lies behind the others on the disk, and in an index.
        columns = [table.c[name] for name in ELSEWHERE[table]]
        first = await connection.execute(sa.select(*columns).where(key == numbers[0]))
        for values in (ELSEWHERE[table], dict(first.one()._mapping)):
            one = sa.update(table).where(key == numbers[0]).values(values)
            await connection.execute(one)
    column = "received_at" if table is inbox else "created_at"
    async with (
        asyncio.timeout(60),
        asyncio.TaskGroup() as group,
        storage.database.transaction() as connection,
    ):
        for number in numbers:
            touched = sa.update(table).where(key == number).values({column: NOON})
            await connection.execute(touched)
            if number == numbers[0]:
                acting: asyncio.Task[object] = group.create_task(act())
                await asyncio.sleep(0.2)
    result = acting.result()
    if isinstance(result, set | list) and name != "erasure":
        assert len(result) == 3, "rows that another transaction changed meanwhile count too"


async def test_a_heartbeat_waits_for_no_insert_that_refers_to_its_task(postgres_url: str) -> None:
    """A notice about a task is written while the heartbeat of its worker renews the lease. On
    SQLite there is one writer at a time."""
    async with open_storage(postgres_url) as storage, open_storage(postgres_url) as other:
        held = await leased_tasks(storage)
        told = Notice(kind=NoticeKind.OVERDUE, chat=CHAT, lang="en", task_id=held[0][0])
        async with asyncio.timeout(30), storage.database.transaction() as connection:
            await insert_notices(connection, [told], NOON)
            renewed = await other.tasks.extend("one", held, now=NOON, until=LATER)
    assert len(renewed) == 3
