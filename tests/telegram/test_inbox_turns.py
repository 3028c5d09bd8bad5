"""Different chats are handled in parallel, and finished handlers share one commit."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiogram import Bot, Dispatcher
from aiogram.types import Update

from bot.core.errors import StorageUnavailable
from bot.telegram.inbox import (
    HANDLERS_AT_ONCE,
    HEARTBEAT_SECONDS,
    NEXT_PAGE_SECONDS,
    PAGES_FIRST,
    Inbox,
)
from bot.telegram.updates import PAGE, incoming
from storage import InboxState, IncomingUpdate, Storage, open_storage
from storage.inbox import InboxTurn
from tests.storage.test_plans import listening
from tests.support.databases import with_tables

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SLOW, FLOODER = 666, 777


class Handler(Dispatcher):
    """Writes down whose turn it was; the slow chat's handlers end when they are told."""

    def __init__(self) -> None:
        super().__init__(disable_fsm=True)
        self.begun: list[int] = []
        self.numbers: dict[int, list[int]] = defaultdict(list)
        self.may_end = asyncio.Event()
        self.changed = asyncio.Event()

    async def feed_update(self, bot: Bot, update: Update, **kwargs: Any) -> Any:
        assert update.message
        self.begun.append(update.message.chat.id)
        self.numbers[update.message.chat.id].append(update.update_id)
        self.changed.set()
        if update.message.chat.id == SLOW:
            await self.may_end.wait()

    async def until(self, chats: set[int]) -> None:
        """Each of these had a turn."""
        async with asyncio.timeout(10):
            while not chats <= set(self.begun):
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with open_storage(with_tables(tmp_path / "bot.db")) as opened:
        yield opened


def messages(chats: list[int]) -> list[IncomingUpdate]:
    """One of each, in this order."""
    rows = [
        incoming({"update_id": number, "message": {"message_id": number, "date": 0,
                  "chat": {"id": chat, "type": "private"}}})
        for number, chat in enumerate(chats, 1)
    ]  # fmt: skip
    return [row for row in rows if row]


async def send(storage: Storage, chats: list[int]) -> None:
    await storage.inbox.add(messages(chats), now=NOON)


@asynccontextmanager
async def running(storage: Storage, handler: Handler) -> AsyncIterator[Inbox]:
    async def wait(due: asyncio.Event, seconds: float) -> bool:
        return await due.wait()

    async def sleep(seconds: float) -> None:
        if seconds == HEARTBEAT_SECONDS:
            await asyncio.Event().wait()
        await asyncio.sleep(0)

    bot = Bot("42:canary")
    inbox = Inbox(
        bot, handler, storage, clock=lambda: NOON, owner="one", wait=wait, sleep=sleep
    )  # fmt: skip
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(inbox.run())
        yield inbox
        inbox.stop()
    await bot.session.close()


async def test_a_flooding_chat_does_not_block_others(storage: Storage) -> None:
    others = set(range(1, 21))
    await send(storage, [FLOODER] * 300 + sorted(others))
    handler = Handler()
    async with running(storage, handler):
        await handler.until(others)
        # No more than a turn for each of theirs, although all of its words came first.
        assert handler.begun.count(FLOODER) <= len(others)


async def test_full_pages_are_taken_in_before_handlers_start(storage: Storage) -> None:
    """Updates behind a flood wait for the pages of the flood, but not for its handlers."""
    rows = messages([FLOODER] * 2 * PAGE + [1])
    handler, clock, pauses = Handler(), [NOON], []
    ended = asyncio.Event()

    async def wait(event: asyncio.Event, seconds: float) -> bool:
        if seconds == NEXT_PAGE_SECONDS:
            pauses.append(len(handler.begun))
            ended.set()
        return await event.wait()

    bot = Bot("42:canary")
    inbox = Inbox(bot, handler, storage, clock=lambda: clock[0], owner="one", wait=wait)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(inbox.run())
        await asyncio.sleep(0)
        await inbox.take(rows[:PAGE])
        await ended.wait()
        await inbox.take(rows[PAGE : 2 * PAGE])
        assert set(pauses) == {0}
        await inbox.take(rows[2 * PAGE :])
        await handler.until({FLOODER, 1})
        pauses.clear()
        # but full pages delay handlers only for a short time
        later = messages([FLOODER] * 3 * PAGE + [2])[2 * PAGE + 1 :]
        ended.clear()
        await inbox.take([*later[: PAGE - 1], later[-1]])
        await ended.wait()
        clock[0] += PAGES_FIRST
        await inbox.take(rows[:PAGE])
        await handler.until({2})
        inbox.stop()
    await bot.session.close()


async def test_a_slow_chat_uses_one_slot_and_keeps_its_order(storage: Storage) -> None:
    others = set(range(1, 2 * HANDLERS_AT_ONCE))
    await send(storage, [SLOW] * 50 + sorted(others))
    handler = Handler()
    async with running(storage, handler):
        await handler.until(others)
        assert handler.begun.count(SLOW) == 1
        handler.may_end.set()
    assert handler.numbers[SLOW] == sorted(handler.numbers[SLOW])


async def test_handlers_that_end_during_a_commit_are_marked_in_one_commit(
    storage: Storage,
) -> None:
    chats = set(range(1, 1 + HANDLERS_AT_ONCE))
    await send(storage, sorted(chats))
    handler = Handler()
    with listening() as said:
        async with running(storage, handler):
            await handler.until(chats)
            async with storage.database.transaction():
                for _ in range(100):
                    await asyncio.sleep(0)  # all of them end
    noted = [text for text, _ in said if text.startswith("UPDATE inbox SET payload")]
    assert len(noted) <= 2  # the first may have begun before the database was busy
    assert (await storage.inbox.counts())[InboxState.DONE] == len(chats)


async def test_a_stop_marks_finished_updates(storage: Storage) -> None:
    await send(storage, [SLOW, 1, 2])
    handler = Handler()
    async with running(storage, handler) as inbox:
        await handler.until({SLOW, 1, 2})
        inbox.stop()
        handler.may_end.set()
    assert (await storage.inbox.counts())[InboxState.DONE] == 3


async def test_new_updates_are_stored_and_leased_in_one_commit(storage: Storage) -> None:
    chats = set(range(1, 11))
    handler = Handler()
    async with running(storage, handler) as inbox:
        await asyncio.sleep(0)  # it runs
        with listening() as said:
            async with asyncio.TaskGroup() as bringing, storage.database.transaction():
                for row in messages(sorted(chats)):
                    bringing.create_task(inbox.take([row]))
                for _ in range(100):
                    await asyncio.sleep(0)  # each of them waits for the database
        await handler.until(chats)
    assert len([text for text, _ in said if text.startswith("INSERT INTO inbox")]) == 1


@pytest.mark.parametrize("is_stopped", [False, True])
async def test_updates_are_stored_while_no_handler_runs(
    storage: Storage, is_stopped: bool
) -> None:
    handler = Handler()
    async with running(storage, handler) as inbox:
        if is_stopped:
            inbox.stop()
    await inbox.take(messages([1]))
    assert (await storage.inbox.counts())[InboxState.PENDING] == 1


async def test_updates_brought_before_the_start_wake_the_inbox(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler, may_be_kept, looked = Handler(), asyncio.Event(), asyncio.Event()
    add = storage.inbox.add

    async def late(rows: Sequence[IncomingUpdate], *, now: datetime) -> int:
        await may_be_kept.wait()
        return await add(rows, now=now)

    async def wait(due: asyncio.Event, seconds: float) -> bool:
        looked.set()
        return await due.wait()

    monkeypatch.setattr(storage.inbox, "add", late)
    bot = Bot("42:canary")
    inbox = Inbox(bot, handler, storage, clock=lambda: NOON, owner="one", wait=wait)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        bringing = group.create_task(inbox.take(messages([1])))
        await asyncio.sleep(0)
        group.create_task(inbox.run())
        await looked.wait()
        may_be_kept.set()
        await bringing
        await handler.until({1})
        inbox.stop()
    await bot.session.close()


async def test_a_caller_gets_the_error_of_a_failed_commit(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise StorageUnavailable("the disk is full")

    async with running(storage, Handler()) as inbox:
        await asyncio.sleep(0)
        with monkeypatch.context() as patched:
            patched.setattr(InboxTurn, "add", away)
            with pytest.raises(StorageUnavailable):
                await inbox.take(messages([1]))


class Quick(Handler):
    """Whatever it handles may be handled again."""

    def __init__(self, storage: Storage, *, fails: bool = False) -> None:
        super().__init__()
        self._storage = storage
        self._fails = fails

    async def feed_update(self, bot: Bot, update: Update, **kwargs: Any) -> Any:
        await super().feed_update(bot, update, **kwargs)
        self._storage.inbox.ended.add(update.update_id)
        if self._fails:
            raise StorageUnavailable("the disk is full")


async def rounds(storage: Storage) -> None:
    """More than any turn takes."""
    for _ in range(20):
        async with storage.database.transaction():
            await asyncio.sleep(0)


async def test_a_repeatable_update_is_marked_with_another_commit(storage: Storage) -> None:
    """That of a task, or the next turn; a stop at the latest."""
    handler = Quick(storage)
    async with running(storage, handler) as inbox:
        await rounds(storage)  # it runs, and waits
        first, second = messages([1, 2])
        await inbox.take([first])
        await handler.until({1})
        await rounds(storage)
        assert storage.inbox.ended == {1}
        assert (await storage.inbox.counts())[InboxState.DONE] == 0
        await inbox.take([second])
        await handler.until({2})
        assert (await storage.inbox.counts())[InboxState.DONE] == 1
    assert storage.inbox.ended == set()
    assert (await storage.inbox.counts())[InboxState.DONE] == 2


async def test_a_waiting_update_of_the_chat_is_not_delayed_by_that(storage: Storage) -> None:
    handler = Quick(storage)
    async with running(storage, handler) as inbox:
        await asyncio.sleep(0)
        await inbox.take(messages([1, 1]))
        async with asyncio.timeout(10):
            while handler.numbers[1] != [1, 2]:
                handler.changed.clear()
                await handler.changed.wait()


async def test_a_failed_update_is_not_marked_done(storage: Storage) -> None:
    handler = Quick(storage, fails=True)
    async with running(storage, handler) as inbox:
        await asyncio.sleep(0)
        await inbox.take(messages([1]))
        await handler.until({1})
        await rounds(storage)
        assert storage.inbox.ended == set()
    counts = await storage.inbox.counts()
    assert (counts[InboxState.DONE], counts[InboxState.PENDING]) == (0, 1)
