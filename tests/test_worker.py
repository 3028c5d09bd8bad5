"""When a worker takes tasks, and what it does with those that it lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from bot.clock import Clock
from bot.errors import LeaseLost
from bot.health import Health
from bot.steps import Steps
from bot.task import Task
from bot.worker import Worker
from storage import Storage, open_storage
from tests.storage.given import NOON, queued

LEASE = timedelta(seconds=30)


class Held:
    """Steps that last until the test says so, or until the task is lost."""

    def __init__(self) -> None:
        self.taken: list[Task] = []
        self.lost_ids: list[int] = []
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()

    def held(self, now: object) -> bool:
        return False

    async def take(self, task: Task) -> Task | None:
        self.taken.append(task)
        self.begun.set()
        await self.may_end.wait()
        if task.id in self.lost_ids and task is self.taken[0]:
            raise LeaseLost("somebody else has the task")
        return None

    def lost(self, task_id: int) -> None:
        self.lost_ids.append(task_id)
        self.begun.clear()
        self.may_end.set()

    def dropped(self, task_id: int) -> None: ...

    def stop(self) -> None:
        self.may_end.set()


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with open_storage(f"sqlite+aiosqlite:///{tmp_path / 'bot.db'}") as opened:
        yield opened


async def never(seconds: float) -> Any:
    """A heart that does not beat: the machine was asleep."""
    await asyncio.Event().wait()


def sleeper(storage: Storage, steps: Held, clock: Clock) -> Worker:
    return Worker(
        storage,
        cast(Steps, steps),
        clock=clock,
        health=Health(storage.database.writable),
        owner="one",
        places=None,
        sleep=never,
    )


async def test_a_worker_that_slept_past_its_lease_keeps_what_nobody_took(
    storage: Storage,
) -> None:
    now = NOON
    task = await queued(storage)
    steps = Held()
    worker = sleeper(storage, steps, lambda: now)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        running = group.create_task(worker.run())
        await steps.begun.wait()
        now += 2 * LEASE
        after = await queued(storage)
        steps.begun.clear()
        worker.wake()
        await steps.begun.wait()
        worker.stop()
        await running
    assert [taken.id for taken in steps.taken] == [task.id, after.id]
    assert steps.lost_ids == []


async def test_what_another_took_meanwhile_and_gave_back_is_taken_anew(storage: Storage) -> None:
    now = NOON
    task = await queued(storage)
    steps = Held()
    worker = sleeper(storage, steps, lambda: now)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        running = group.create_task(worker.run())
        await steps.begun.wait()
        now += 2 * LEASE
        [other] = await storage.tasks.claim_due(
            owner="two", now=now, lease_for=LEASE, limit=1, places=None
        )
        await storage.tasks.release("two", [(other.id, other.fence)])
        worker.wake()
        await steps.may_end.wait()
        assert set(steps.lost_ids) == {task.id}
        await steps.begun.wait()  # only then it is taken up anew
        worker.stop()
        await running
    first, second = steps.taken
    assert (first.id, second.id) == (task.id, task.id)
    assert second.fence > other.fence > first.fence
