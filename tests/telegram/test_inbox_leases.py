"""An update stays leased by its handler while it runs, and not much longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiogram import Bot, Dispatcher
from aiogram.types import Update

from bot.telegram.inbox import HEARTBEAT_SECONDS, LEASE, Inbox
from bot.telegram.updates import incoming
from storage import InboxState, InboxUpdate, Storage, open_storage
from tests.support.databases import with_tables

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class SlowHandler(Dispatcher):
    """Has the update in hand until it may finish."""

    def __init__(self) -> None:
        super().__init__(disable_fsm=True)
        self.begun, self.may_end = asyncio.Event(), asyncio.Event()
        self.runs = 0

    async def feed_update(self, bot: Bot, update: Update, **kwargs: Any) -> Any:
        self.runs += 1
        self.begun.set()
        await self.may_end.wait()


class Beats:
    """Sleeps that end when the test says so."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self._beat = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        await self._beat.wait()
        self._beat.clear()

    async def beat(self) -> None:
        """One sleep ends, and all that follows is done up to the next one."""
        known = len(self.asked)
        self._beat.set()
        async with asyncio.timeout(30):
            while len(self.asked) == known:  # noqa: ASYNC110 - turns of the loop, no time
                await asyncio.sleep(0)


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with open_storage(with_tables(tmp_path / "bot.db")) as opened:
        yield opened


async def test_a_long_handler_keeps_its_lease_and_a_dead_one_loses_it(storage: Storage) -> None:
    now = NOON
    update = incoming({"update_id": 7, "message": {"message_id": 1, "date": 0,
                       "chat": {"id": 5, "type": "private"}}})  # fmt: skip
    assert update is not None
    await storage.inbox.add([update], now=now)
    handler, beats = SlowHandler(), Beats()
    bot = Bot("42:canary")
    inbox = Inbox(bot, handler, storage, clock=lambda: now, owner="first", sleep=beats)

    async def others_get() -> list[InboxUpdate]:
        return await storage.inbox.claim(owner="other", now=now, lease_for=LEASE, limit=9)

    async with asyncio.TaskGroup() as group:
        running = group.create_task(inbox.run())
        await handler.begun.wait()
        for _ in range(2):
            now += LEASE - timedelta(seconds=1)
            await beats.beat()
            assert await others_get() == []
        assert set(beats.asked) == {HEARTBEAT_SECONDS}
        # From here on it beats no more, as after a kill.
        now += LEASE
        [taken] = await others_get()
        assert (taken.update_id, taken.attempts) == (7, 2)
        handler.may_end.set()
        inbox.stop()
        await running
    await bot.session.close()


async def test_a_process_suspended_past_a_lease_handles_the_update_once(storage: Storage) -> None:
    now = NOON
    update = incoming({"update_id": 7, "message": {"message_id": 1, "date": 0,
                       "chat": {"id": 5, "type": "private"}}})  # fmt: skip
    assert update is not None
    await storage.inbox.add([update], now=now)
    handler, beats, looked = SlowHandler(), Beats(), asyncio.Semaphore(0)

    async def wait(due: asyncio.Event, seconds: float) -> bool:
        looked.release()
        return await due.wait()

    bot = Bot("42:canary")
    inbox = Inbox(bot, handler, storage, clock=lambda: now, owner="one", wait=wait, sleep=beats)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        running = group.create_task(inbox.run())
        await handler.begun.wait()
        await looked.acquire()
        now += 2 * LEASE
        await inbox.take([update])  # Telegram brings it again
        await looked.acquire()  # it has looked again, and found its own update free
        handler.may_end.set()
        inbox.stop()
        await running
    assert handler.runs == 1
    counts = await storage.inbox.counts()
    assert counts[InboxState.DONE] == 1
    await bot.session.close()
