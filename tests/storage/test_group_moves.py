"""A group that became a supergroup keeps what it has, and its move waits for nobody for ever."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from bot.core.caps import Cap, OrderRules
from bot.core.errors import LimitReached
from bot.core.notices import Notice, NoticeKind
from bot.core.task import Chat
from storage import Storage
from storage.tables import outbox, tasks
from tests.support.factories import ANN, BOB, NOON, draft, queued

OLD, NEW, NEWEST = -5, -100_5, -100_6


@pytest.mark.parametrize("cap", [Cap.GROUP_PER_DAY, Cap.GROUP_ALLOWANCE])
async def test_the_count_of_the_day_goes_on_in_the_supergroup(storage: Storage, cap: Cap) -> None:
    await storage.people.set_cap(OLD, cap, 3, by=1, now=NOON)
    await queued(storage, chat=Chat(chat_id=OLD))
    ended = await queued(storage, user_id=BOB, chat=Chat(chat_id=OLD))
    await storage.tasks.cancel(ended.id, user_id=BOB, now=NOON)  # it does not count
    await queued(storage, user_id=BOB, chat=Chat(chat_id=OLD))
    for _ in range(2):  # every message that finds the old group gone tells of the move
        await storage.tasks.migrate_chat(OLD, NEW)
    assert await storage.ledger.ordered_in_group(NEW, OrderRules(), NOON) == 2
    await queued(storage, chat=Chat(chat_id=NEW))
    with pytest.raises(LimitReached) as reached:
        await queued(storage, chat=Chat(chat_id=NEW))
    assert reached.value.cap is cap
    await queued(storage, chat=Chat(chat_id=-77))  # nobody else's count


async def test_a_count_follows_a_group_that_moved_twice(storage: Storage) -> None:
    for before, after in ((OLD, NEW), (NEW, NEWEST)):
        await queued(storage, chat=Chat(chat_id=before))
        await storage.tasks.migrate_chat(before, after)
    assert await storage.ledger.ordered_in_group(NEWEST, OrderRules(), NOON) == 2


@pytest.mark.parametrize("cap", [Cap.GROUP_PER_DAY, Cap.GROUP_AT_ONCE, Cap.GROUP_ALLOWANCE])
async def test_an_order_by_a_button_from_before_the_move_is_counted_with_the_others(
    storage: Storage, cap: Cap
) -> None:
    """Such a button comes from the old id, and so does the order."""
    await storage.people.set_cap(OLD, cap, 2, by=1, now=NOON)
    await queued(storage, chat=Chat(chat_id=OLD))
    await storage.tasks.migrate_chat(OLD, NEW)
    await queued(storage, chat=Chat(chat_id=OLD))
    for chat_id in (OLD, NEW):
        with pytest.raises(LimitReached) as reached:
            await queued(storage, chat=Chat(chat_id=chat_id))
        assert reached.value.cap is cap


@pytest.mark.parametrize("table", [tasks, outbox], ids=lambda table: str(table.name))
async def test_a_move_locks_rows_by_number(
    storage: Storage, other: Storage, table: sa.Table
) -> None:
    """Somebody holds the first row and locks the second next. In another order each would wait for
    the other until the database stops one of them."""
    told = Notice(kind=NoticeKind.OVERDUE, chat=Chat(chat_id=OLD), lang="en")
    first, second = [await draft(storage, chat=Chat(chat_id=OLD), user_id=ANN) for _ in range(2)]
    await storage.outbox.add([told, told], now=NOON)
    async with storage.database.transaction() as connection:
        numbers = sorted(await connection.scalars(sa.select(table.c.id)))
        for chat_id in (0, OLD):  # The first row now lies behind the second, in the index too.
            one = sa.update(table).where(table.c.id == numbers[0]).values(chat_id=chat_id)
            await connection.execute(one)
    async with (
        asyncio.timeout(60),
        asyncio.TaskGroup() as group,
        storage.database.transaction() as connection,
    ):
        for number in numbers:
            touched = sa.update(table).where(table.c.id == number).values(attempts=2)
            await connection.execute(touched)
            if number == numbers[0]:
                moving = group.create_task(other.tasks.migrate_chat(OLD, NEW))
                await asyncio.sleep(0.2)
    assert moving.result() == 2
    for row in (first, second):
        moved = await storage.tasks.get(row.id)
        assert moved is not None
        assert moved.chat == Chat(chat_id=NEW)
