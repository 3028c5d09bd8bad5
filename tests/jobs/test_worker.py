"""When a worker takes tasks, and its behaviour after it lost a task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from bot.core.clock import Clock
from bot.core.errors import LeaseLost
from bot.core.task import Frame, Task, TaskState
from bot.jobs.progress import Progress
from bot.jobs.steps import Steps
from bot.jobs.steps.context import StepContext
from bot.jobs.steps.submit import Submit
from bot.jobs.worker import Worker
from bot.provider.answers import Job, JobStatus
from bot.runtime.health import Health
from bot.runtime.idle import LOOK_SECONDS
from storage import Storage, open_storage
from tests.stateful.outside_world import NoProgress
from tests.storage.test_plans import listening
from tests.support.databases import with_tables
from tests.support.factories import NOON, leased, queued

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
    async with open_storage(with_tables(tmp_path / "bot.db")) as opened:
        yield opened


async def never(seconds: float) -> Any:
    """Heartbeats do not run: the machine was suspended."""
    await asyncio.Event().wait()


def sleeper(storage: Storage, steps: Held, clock: Clock) -> Worker:
    return Worker(
        storage,
        cast(Steps, steps),
        clock=clock,
        health=Health(storage.database.writable),
        owner="one",
        slots=None,
        sleep=never,
    )


async def test_a_worker_suspended_past_its_lease_keeps_tasks_nobody_took(
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


async def test_two_workers_both_get_work_and_what_one_leaves_the_other_takes(
    storage: Storage,
) -> None:
    """The first to look leaves the other its half; after three seconds it leaves nothing."""
    now = NOON
    for number in range(10):
        await queued(storage, prompt=f"{number}")
    first, second = Held(), Held()

    def one_of_two(steps: Held, owner: str) -> Worker:
        return Worker(
            storage, cast(Steps, steps), clock=lambda: now,
            health=Health(storage.database.writable), owner=owner, slots=None, sleep=never,
            workers=lambda: 2,
        )  # fmt: skip

    async def taken(worker: Worker, steps: Held, number: int) -> None:
        while len(steps.taken) < number:
            worker.wake()
            await asyncio.sleep(0.01)

    one, two = one_of_two(first, "one"), one_of_two(second, "two")
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        running = [group.create_task(one.run())]
        await taken(one, first, 5)
        for _ in range(5):
            one.wake()
            await asyncio.sleep(0.01)
        assert len(first.taken) == 5
        running.append(group.create_task(two.run()))
        await taken(two, second, 5)
        # the other one is stopped: what comes now is taken in the end
        two.stop()
        for number in range(10, 20):
            await queued(storage, prompt=f"{number}")
        await taken(one, first, 10)
        assert len(first.taken) < 15
        now += timedelta(seconds=4)
        await taken(one, first, 15)
        one.stop()
        for task in running:
            await task
    assert len(second.taken) == 5


async def test_an_order_that_another_process_tells_of_is_taken_at_once(
    storage: Storage, tmp_path: Path
) -> None:
    steps = Held()
    worker = sleeper(storage, steps, lambda: NOON)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        running = group.create_task(worker.run())
        assert await storage.due.next("tasks", NOON) > NOON  # known to both
        async with open_storage(f"sqlite+aiosqlite:///{tmp_path / 'bot.db'}") as other:
            await queued(other)
        worker.wake()
        async with asyncio.timeout(LOOK_SECONDS / 2):  # no look by itself
            await steps.begun.wait()
        worker.stop()
        await running


async def test_a_task_that_another_worker_released_is_claimed_again(storage: Storage) -> None:
    now = NOON
    task = await queued(storage)
    steps = Held()
    worker = sleeper(storage, steps, lambda: now)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        running = group.create_task(worker.run())
        await steps.begun.wait()
        now += 2 * LEASE
        [other] = await storage.tasks.claim_due(
            owner="two", now=now, lease_for=LEASE, limit=1, slots=None
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


async def test_a_task_whose_lease_was_given_back_is_not_started(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The running step may end while the second lease of its task is released."""
    now, ended = NOON, asyncio.Event()
    leases: list[set[int]] = []
    release = storage.tasks.release

    class Leased(Held):
        async def take(self, task: Task) -> Task | None:
            pair = task.id, task.fence
            leases.append(await storage.tasks.extend("one", [pair], now=now, until=now + LEASE))
            return await super().take(task)

        def lost(self, task_id: int) -> None:
            self.lost_ids.append(task_id)  # and the step goes on with its request

        def dropped(self, task_id: int) -> None:
            ended.set()

    async def release_late(owner: str, held: Any) -> None:
        steps.begun.clear()
        steps.may_end.set()
        await ended.wait()
        await release(owner, held)

    monkeypatch.setattr(storage.tasks, "release", release_late)
    task = await queued(storage)
    steps = Leased()
    worker = sleeper(storage, steps, lambda: now)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        running = group.create_task(worker.run())
        await steps.begun.wait()
        now += 2 * LEASE
        [other] = await storage.tasks.claim_due(
            owner="two", now=now, lease_for=LEASE, limit=1, slots=None
        )
        await release("two", [(other.id, other.fence)])
        worker.wake()
        await ended.wait()
        await steps.begun.wait()
        worker.stop()
        await running
    assert [taken.id for taken in steps.taken] == [task.id, task.id]
    assert leases == [{task.id}, {task.id}]


async def test_of_two_leases_that_are_handed_over_only_the_later_one_is_run(
    storage: Storage,
) -> None:
    """A process is suspended between two commits; the second claims what the first had leased."""
    await queued(storage)
    steps = Held()
    worker = sleeper(storage, steps, lambda: NOON)
    leases = [
        await leased(storage, now=NOON), await leased(storage, now=NOON + 4 * LEASE),
    ]  # fmt: skip
    for lease in leases:
        await worker.take([lease])
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        running = group.create_task(worker.run())
        await steps.begun.wait()
        worker.stop()
        await running
    assert [task.fence for task in steps.taken] == [leases[1].fence]


async def test_a_task_handed_over_is_run_without_a_claim(storage: Storage) -> None:
    steps = Held()
    worker = sleeper(storage, steps, lambda: NOON)
    assert worker.claim() is None  # it does not run yet
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        running = group.create_task(worker.run())
        await asyncio.sleep(0)
        await queued(storage)
        terms = worker.claim()
        assert terms
        [task] = await storage.tasks.claim_due(**terms)
        await worker.take([task])
        await steps.begun.wait()
        worker.stop()
        assert worker.claim() is None
        await running
    assert steps.taken == [task]


async def test_a_task_handed_over_during_a_stop_is_released_at_once(storage: Storage) -> None:
    """In its last moment, and after it."""
    steps = Held()
    worker = sleeper(storage, steps, lambda: NOON)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        running = group.create_task(worker.run())
        await asyncio.sleep(0)
        terms = worker.claim()
        assert terms
        async with storage.database.transaction():  # it waits for its own claim
            pass
        for prompt in ("first", "second"):
            await queued(storage, prompt=prompt)
        first, second = await storage.tasks.claim_due(**terms)
        await worker.take([first])
        worker.stop()
        await running
        await worker.take([second])
    assert steps.taken == []
    again = await storage.tasks.claim_due(
        owner="two", now=NOON, lease_for=LEASE, limit=9, slots=None
    )
    assert {task.id for task in again} == {first.id, second.id}
    assert [task.claims for task in again] == [1, 1]


async def test_a_clean_stop_gives_all_leases_back_in_one_statement(storage: Storage) -> None:
    class Waiting(Held):
        """Steps that wait until a later call ends them."""

        async def take(self, task: Task) -> Task | None:
            await super().take(task)
            return task

    for number in range(60):
        await queued(storage, prompt=f"{number}")
    steps = Waiting()
    worker = Worker(
        storage, cast(Steps, steps), clock=lambda: NOON, at_once=1_000,
        health=Health(storage.database.writable), owner="one", slots=None, sleep=never,
    )  # fmt: skip
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        running = group.create_task(worker.run())
        while len(steps.taken) < 60:
            steps.begun.clear()
            await steps.begun.wait()
        with listening() as said:
            worker.stop()
            await running
    assert len([text for text, _ in said if "UPDATE tasks" in text]) == 1
    again = await storage.tasks.claim_due(
        owner="two", now=NOON, lease_for=LEASE, limit=999, slots=None
    )
    assert len(again) == 60
    assert {task.claims for task in again} == {1}


async def test_a_worker_suspended_past_a_lease_first_finishes_its_running_step(
    storage: Storage,
) -> None:
    now = NOON
    await queued(storage)
    steps = Held()
    worker = sleeper(storage, steps, lambda: now)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        running = group.create_task(worker.run())
        await steps.begun.wait()
        assert worker.claim()
        now += 2 * LEASE
        assert worker.claim() is None
        worker.stop()
        await running


class Slow:
    """A provider whose answer to a create lasts until the test says so."""

    def __init__(self) -> None:
        self.prompts: list[str] = []
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def create(self, *, prompt: str, **_: Any) -> Job:
        self.prompts.append(prompt)
        self.asked.set()
        await self.may_answer.wait()
        return Job(id=f"job of {prompt}", status=JobStatus.PENDING)


async def test_a_task_lost_while_waiting_for_its_turn_is_not_ordered(
    storage: Storage,
) -> None:
    """If it were released unchanged, it would be retried forever, and nothing else would run."""
    for prompt in ("first", "second"):
        await queued(storage, prompt=prompt)
    first, second = await storage.tasks.claim_due(
        owner="one", now=NOON, lease_for=LEASE, limit=2, slots=None
    )
    provider = Slow()
    context = StepContext(storage, cast(Progress, NoProgress()), clock=lambda: NOON)
    submit = Submit(context, provider, cast(Any, None), deadline=LEASE)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        ordering = group.create_task(submit(first))
        await provider.asked.wait()
        waiting = group.create_task(refused(submit, second))
        await asyncio.sleep(0)
        context.lost(second.id)
        provider.may_answer.set()
        await ordering
        await waiting
    assert provider.prompts == ["first"]


async def test_a_photo_is_not_ordered_with_a_link_of_an_old_address(
    storage: Storage,
) -> None:
    await queued(storage)
    task = replace(await leased(storage), frame=Frame(file_id="x", kind="photo"))
    provider, current = Slow(), ["https://old"]

    async def publish(task: Task) -> str:
        link = f"{current[0]}/frames/x.jpg"
        current[0] = "https://new"  # the tunnel came back while the photo was cut
        return link

    context = StepContext(storage, cast(Progress, NoProgress()), clock=lambda: NOON)
    submit = Submit(
        context, provider, publish, deadline=LEASE,
        still_leads=lambda link: link.startswith(current[0]),
    )  # fmt: skip
    assert await submit(task) is None
    assert provider.prompts == []
    found = await storage.tasks.get(task.id)
    assert found is not None
    assert (found.state, found.attempts) == (TaskState.QUEUED, 0)
    assert found.run_at > NOON


async def refused(submit: Submit, task: Task) -> None:
    with pytest.raises(LeaseLost):
        await submit(task)
