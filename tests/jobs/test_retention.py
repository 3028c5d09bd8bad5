"""Expired orders are deleted with their files; others stay."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from bot.core.task import TaskState
from bot.jobs.delivery import KeptVideos
from bot.jobs.retention import Retention
from storage import IncomingUpdate, Storage, leftovers, open_storage, privacy
from tests.support.databases import with_tables
from tests.support.factories import NOON, draft, queued, task_in

DAY = timedelta(days=1)


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with open_storage(with_tables(tmp_path / "bot.db")) as opened:
        yield opened


def retention(
    storage: Storage,
    kept: KeptVideos,
    now: datetime,
    *,
    orders: timedelta | None = 90 * DAY,
    drafts: timedelta | None = 30 * DAY,
    sweep_copies: Callable[[], object] = int,
) -> Retention:
    async def sleep(seconds: float) -> None:
        assert seconds == 0

    return Retention(
        storage,
        kept,
        clock=lambda: now,
        orders=orders,
        drafts=drafts,
        sweep_copies=sweep_copies,
        sleep=sleep,
    )


async def test_old_orders_and_cards_are_deleted_with_their_files(
    storage: Storage, tmp_path: Path
) -> None:
    kept = KeptVideos(tmp_path / "videos")
    stuck = await task_in(storage, TaskState.UNDELIVERABLE)
    done = await task_in(storage, TaskState.DELIVERED)
    card, order = await draft(storage), await queued(storage)
    for task in (stuck, done):
        kept.put(task.id, io.BytesIO(b"video"))
    await storage.inbox.add([IncomingUpdate(update_id=1, chat_key="1", payload="{}")], now=NOON)
    await storage.inbox.set_aside(1, error="x", now=NOON)

    assert await retention(storage, kept, NOON + DAY).once() == 0
    await retention(storage, kept, NOON + DAY).sweep()
    assert kept.ids() == {stuck.id}  # nobody wants the other one

    assert await retention(storage, kept, NOON + 31 * DAY).once() == 1
    assert await storage.tasks.get(card.id) is None
    assert await storage.tasks.get(stuck.id) is not None

    assert await retention(storage, kept, NOON + 91 * DAY).once() == 2
    assert kept.ids() == set()
    assert await storage.tasks.get(order.id) == order
    assert sum((await storage.inbox.counts()).values()) == 0


async def test_nothing_is_deleted_without_a_limit(storage: Storage, tmp_path: Path) -> None:
    await task_in(storage, TaskState.DELIVERED)
    await draft(storage)
    keeper = retention(storage, KeptVideos(tmp_path), NOON + 9_999 * DAY, orders=None, drafts=None)
    assert await keeper.once() == 0


async def test_many_rows_are_deleted_in_batches(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(privacy, "AT_ONCE", 2)
    for _ in range(5):
        await draft(storage)
    assert await retention(storage, KeptVideos(tmp_path), NOON + 31 * DAY).once() == 5


async def test_a_copy_that_a_kill_left_is_swept_while_the_bot_runs(
    storage: Storage, tmp_path: Path
) -> None:
    (tmp_path / f"monday{leftovers.PART}").write_bytes(b"everybody's data")
    folder = tmp_path / f"{leftovers.COPY}abc"
    folder.mkdir()
    (folder / "bot.db").write_bytes(b"everybody's data")
    sweep = partial(leftovers.sweep, tmp_path)
    await retention(storage, KeptVideos(tmp_path / "videos"), NOON, sweep_copies=sweep).sweep()
    assert not folder.exists()
    assert leftovers.sweep(tmp_path) == 0
