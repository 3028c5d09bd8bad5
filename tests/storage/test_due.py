"""One statement tells when rows are due; a write makes the times out of date and wakes loops."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from bot.core.breaker import NEEDED, TRIAL, Permit
from bot.core.errors import StorageUnavailable
from bot.core.notices import Notice, NoticeKind
from bot.core.task import Chat
from storage import Database, IncomingUpdate, Storage
from storage.due import VALID
from storage.due_updates import WINDOW
from storage.tables import outbox
from tests.storage.test_plans import listening
from tests.support.factories import MINUTE, NOON, queued
from tests.support.process_harness import until

SECOND = timedelta(seconds=1)
NOTICE = Notice(kind=NoticeKind.ACCESS_GRANTED, chat=Chat(chat_id=1), lang="en", params={})


async def test_without_rows_it_is_asked_again_when_the_answer_is_old(storage: Storage) -> None:
    assert await storage.due.next("outbox", NOON) == NOON + VALID
    with listening() as said:
        assert await storage.due.next("tasks", NOON + SECOND) == NOON + VALID
    assert said == []  # one look for all kinds
    assert await storage.due.next("outbox", NOON + VALID) == NOON + 2 * VALID


async def test_a_clock_that_was_put_back_makes_the_answer_void(storage: Storage) -> None:
    await storage.due.next("outbox", NOON)
    assert await storage.due.next("outbox", NOON - MINUTE) == NOON - MINUTE + VALID


async def test_a_write_makes_it_void_and_calls_once_committed(storage: Storage) -> None:
    calls: list[str] = []
    storage.due.watch_kind("outbox", lambda: calls.append("outbox"))
    storage.due.watch_kind("films", lambda: calls.append("films"))
    await storage.due.next("outbox", NOON)
    await storage.outbox.add([NOTICE], now=NOON + SECOND)
    assert calls == ["outbox"]
    assert await storage.due.next("outbox", NOON) == NOON + SECOND


async def test_a_claim_calls_nobody_but_its_lease_is_known(storage: Storage) -> None:
    await storage.outbox.add([NOTICE], now=NOON)
    assert await storage.due.next("outbox", NOON) == NOON
    calls: list[str] = []
    storage.due.watch_kind("outbox", lambda: calls.append("outbox"))
    await storage.outbox.claim(owner="w", now=NOON, lease_for=10 * SECOND, limit=1)
    assert calls == []
    assert await storage.due.next("outbox", NOON) == NOON + 10 * SECOND


async def test_a_lost_answer_to_a_commit_calls_too(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    storage.due.watch_kind("outbox", lambda: calls.append("outbox"))

    async def lost(*_: object) -> None:
        raise StorageUnavailable("the answer was lost")

    monkeypatch.setattr(Database, "_commit", lost)
    with pytest.raises(StorageUnavailable):
        await storage.outbox.add([NOTICE], now=NOON)
    assert calls == ["outbox"]


async def test_what_is_written_during_a_look_is_looked_at_again(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = storage.database.read

    async def meanwhile(statement: Any, parameters: Any = None) -> Any:
        rows = await read(statement, parameters)
        monkeypatch.undo()
        await storage.outbox.add([NOTICE], now=NOON)
        return rows

    monkeypatch.setattr(storage.database, "read", meanwhile)
    await storage.due.next("outbox", NOON)
    assert await storage.due.next("outbox", NOON) == NOON


async def test_who_asks_during_a_look_gets_its_answer_not_the_one_before(
    storage: Storage,
) -> None:
    await storage.due.next("outbox", NOON)
    await storage.outbox.add([NOTICE], now=NOON + SECOND)
    asked = await asyncio.gather(*(storage.due.next("outbox", NOON) for _ in range(3)))
    assert asked == [NOON + SECOND] * 3


async def test_orders_wait_for_the_end_of_a_trial_order(storage: Storage) -> None:
    await queued(storage)
    assert await storage.due.next("tasks", NOON) == NOON
    await storage.breaker.open(NOON)
    assert await storage.due.next("tasks", NOON) == NOON + VALID  # the provider is away
    for _ in range(NEEDED):
        await storage.breaker.probed(NOON, answered=True)
    assert await storage.due.next("tasks", NOON) == NOON
    assert await storage.breaker.permit(NOON) is Permit.TRIAL
    assert await storage.due.next("tasks", NOON) == NOON + VALID
    assert await storage.due.next("tasks", NOON + TRIAL - SECOND) == NOON + TRIAL
    await storage.breaker.end_trial()
    assert await storage.due.next("tasks", NOON) == NOON


async def test_only_the_first_update_of_a_chat_is_due(storage: Storage) -> None:
    rows = [IncomingUpdate(update_id=n, chat_key="1", payload="{}") for n in (1, 2)]
    await storage.inbox.add(rows, now=NOON)
    await storage.inbox.claim(owner="w", now=NOON, lease_for=10 * SECOND, limit=9)
    assert await storage.due.next("inbox", NOON) == NOON + 10 * SECOND
    calls: list[str] = []
    storage.due.watch_kind("inbox", lambda: calls.append("inbox"))
    await storage.inbox.done([1], now=NOON)
    assert calls == ["inbox"]
    assert await storage.due.next("inbox", NOON) == NOON


async def test_of_many_updates_only_the_first_are_read(storage: Storage) -> None:
    async def next_with(count: int) -> object:
        rows = [IncomingUpdate(update_id=n, chat_key="1", payload="{}") for n in range(count)]
        await storage.inbox.add(rows, now=NOON)
        return await storage.due.next("inbox", NOON)

    assert await next_with(1) == NOON
    await storage.inbox.claim(owner="w", now=NOON, lease_for=10 * SECOND, limit=9)
    assert await next_with(WINDOW - 1) == NOON + 10 * SECOND
    # A row behind the window may be due: the next claim finds out.
    assert await next_with(WINDOW + 1) == NOON


async def test_a_report_of_another_process_makes_it_void(storage: Storage, other: Storage) -> None:
    assert await other.due.next("tasks", NOON) == NOON + VALID
    await queued(storage)
    assert await other.due.next("tasks", NOON) == NOON + VALID  # it has heard of nothing
    other.due.ask_again("tasks")
    assert await other.due.next("tasks", NOON) == NOON


async def test_other_processes_hear_of_a_write(postgres_url: str) -> None:
    async with asyncio.TaskGroup() as group:
        here, there = [Storage.over(await Database.open(postgres_url)) for _ in range(2)]
        heard: list[str] = []
        there.due.watch_kind("outbox", lambda: heard.append("outbox"))
        running = [group.create_task(one.cluster.run()) for one in (here, there)]
        async with here.database.transaction() as connection:
            await connection.run_sync(outbox.metadata.create_all)
        await until(lambda: bool(heard))  # both listen
        heard.clear()
        await here.outbox.add([NOTICE], now=NOON)
        await until(lambda: bool(heard))
        async with here.database.transaction() as connection:
            await connection.execute(sa.delete(outbox))
        for task in running:
            task.cancel()
        await here.database.close()
        await there.database.close()
