"""The end of a task whose workers died repeatedly, by its state."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from bot.core.notices import NoticeKind
from bot.core.task import Reason, Task, TaskState
from bot.jobs.progress import Progress
from bot.jobs.steps import POISON_CLAIMS, Steps
from bot.jobs.steps.context import StepContext
from bot.jobs.steps.deliver import Deliver
from bot.jobs.steps.submit import Submit
from bot.jobs.steps.watch import PUT_OFF_SECONDS, Watch
from storage import Storage, open_storage
from tests.support.databases import with_tables
from tests.support.factories import MINUTE, NOON, task_in

S = TaskState
LEASE = timedelta(seconds=30)


class Nobody:
    """No edge of the program is touched by a task that is set aside."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was used")


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with open_storage(with_tables(tmp_path / "bot.db")) as opened:
        yield opened


async def set_aside(storage: Storage, state: TaskState) -> Task:
    """A task in this state, after the worker that took it one time too many."""
    task = await task_in(storage, state)
    now = NOON
    for _ in range(POISON_CLAIMS + 1):
        now += MINUTE
        [lease] = await storage.tasks.claim_due(
            owner="dies", now=now, lease_for=LEASE, limit=9, slots=None
        )
    nobody = cast(Any, Nobody())
    context = StepContext(storage, cast(Progress, nobody), clock=lambda: now)
    steps = Steps(
        context,
        Submit(context, nobody, nobody, deadline=LEASE),
        Watch(context, nobody),
        Deliver(context, nobody, nobody),
    )
    assert lease.claims == POISON_CLAIMS + 1
    assert await steps.take(lease) is None
    found = await storage.tasks.get(task.id)
    assert found is not None
    assert found.lease_owner is None
    return found


async def told(storage: Storage) -> list[NoticeKind]:
    waiting = await storage.outbox.claim(
        owner="tells", now=NOON + timedelta(days=1), lease_for=LEASE, limit=9
    )
    return [one.notice.kind for one in waiting]


@pytest.mark.parametrize(
    ("state", "after", "kind"),
    [
        (S.QUEUED, S.FAILED, NoticeKind.FAILED),
        (S.SUBMITTING, S.UNKNOWN, NoticeKind.UNKNOWN),
        (S.RENDERED, S.UNDELIVERABLE, NoticeKind.UNDELIVERABLE),
    ],
)
async def test_a_task_set_aside_ends_without_losing_a_paid_video_and_is_reported(
    storage: Storage, state: TaskState, after: TaskState, kind: NoticeKind
) -> None:
    task = await set_aside(storage, state)
    assert task.state is after
    assert task.reason is (Reason.ANSWER_LOST if after is S.UNKNOWN else Reason.SET_ASIDE)
    assert await told(storage) == [kind]


async def test_a_paid_generating_task_is_only_postponed(storage: Storage) -> None:
    task = await set_aside(storage, S.GENERATING)
    assert task.state is S.GENERATING
    assert task.claims == 0
    died = NOON + (POISON_CLAIMS + 1) * MINUTE
    assert task.run_at == died + timedelta(seconds=PUT_OFF_SECONDS)
    assert await told(storage) == [NoticeKind.OVERDUE]
