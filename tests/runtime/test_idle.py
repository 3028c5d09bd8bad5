"""How a loop without work waits: until a row is due, or until it is woken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest

from bot.core.errors import StorageUnavailable
from bot.runtime.idle import LOOK_SECONDS, Idle
from tests.support.virtual_clock import NOON, MovedTime

PACE = 1.0
SOON = timedelta(seconds=5)


class Rows:
    """When the first row is due, and how often that was asked."""

    def __init__(self, due: datetime = NOON + timedelta(days=1)) -> None:
        self.due = due
        self.questions = 0
        self.fails = False

    async def next_due(self, _now: datetime) -> datetime:
        self.questions += 1
        if self.fails:
            raise StorageUnavailable("the disk is full")
        return self.due


@pytest.fixture
def time() -> MovedTime:
    return MovedTime()


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def idle(time: MovedTime, rows: Rows) -> Idle:
    return Idle(rows.next_due, clock=time, wait=time.wait)


@asynccontextmanager
async def waiting(idle: Idle) -> AsyncIterator[asyncio.Task[bool]]:
    """A loop that has found nothing to do."""
    task = asyncio.create_task(idle.until_due(PACE))  # noqa: TID251 - cancelled below
    try:
        await _steps()
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _steps() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_it_sleeps_until_the_row_is_due(idle: Idle, rows: Rows, time: MovedTime) -> None:
    rows.due = NOON + SOON
    async with waiting(idle) as task:
        assert not task.done()
        time.move_to(SOON.total_seconds())
        assert await task is True
    assert rows.questions == 2


async def test_what_is_still_due_is_tried_again_at_its_pace(
    idle: Idle, rows: Rows, time: MovedTime
) -> None:
    rows.due = NOON
    async with waiting(idle) as task:
        assert not task.done()
        time.move_to(PACE)
        assert await task is False


async def test_a_change_is_looked_at_when_the_pace_allows(
    idle: Idle, rows: Rows, time: MovedTime
) -> None:
    async with waiting(idle) as task:
        rows.due = NOON
        idle.changed()
        await _steps()
        assert not task.done()
        time.move_to(PACE)
        await task


async def test_a_look_is_not_kept_waiting_but_ends_nothing_without_a_due_row(
    idle: Idle, rows: Rows
) -> None:
    async with waiting(idle) as task:
        idle.look()
        await _steps()
        assert not task.done()
        assert rows.questions == 2
        rows.due = NOON
        idle.look()
        assert await task is True


async def test_a_look_before_the_wait_begins_counts(idle: Idle, rows: Rows) -> None:
    rows.due = NOON
    idle.look()
    async with waiting(idle) as task:
        assert await task is False


async def test_waking_ends_the_wait_without_a_question(idle: Idle, rows: Rows) -> None:
    idle.wake()
    async with waiting(idle) as task:
        await task
    assert rows.questions == 0
    async with waiting(idle) as task:  # once
        assert not task.done()
        idle.wake()
        await task


async def test_an_error_of_the_database_is_left_to_the_loop(
    idle: Idle, rows: Rows, time: MovedTime
) -> None:
    rows.fails = True
    async with waiting(idle) as task:
        assert not task.done()
        time.move_to(PACE)
        await task


async def test_it_asks_again_when_another_process_may_have_written(
    idle: Idle, rows: Rows, time: MovedTime
) -> None:
    async with waiting(idle) as task:
        time.move_to(LOOK_SECONDS)
        await _steps()
        assert not task.done()
        assert rows.questions == 2
