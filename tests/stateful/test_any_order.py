"""Any order of what people do, what the provider and Telegram answer, crashes and lost leases.

Stateful: hypothesis finds the order; the fakes' own records are checked after each step.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from bot.core.breaker import NEEDED
from bot.core.errors import LeaseLost
from bot.core.notices import NoticeKind
from bot.core.task import ACTIVE, ALLOWED, ENDED, AspectRatio, Chat, Frame, Task, TaskState
from bot.jobs.delivery import Delivery
from bot.jobs.progress import Progress
from bot.jobs.steps import Steps
from bot.jobs.steps.context import StepContext
from bot.jobs.steps.deliver import Deliver
from bot.jobs.steps.submit import Submit
from bot.jobs.steps.watch import Watch
from storage import Database, Storage
from tests.stateful.outside_world import (
    CREATE_ERRORS,
    SEND_ERRORS,
    Crash,
    FakeDelivery,
    FakeFrames,
    FakeProvider,
    Fuse,
    FusedTasks,
    MovedClock,
    NoProgress,
)
from tests.storage.conftest import _make_tables, sqlite_template
from tests.support.postgres import PostgresServer, postgres

__all__ = ["postgres", "sqlite_template"]

LEASE = timedelta(seconds=30)
T = TypeVar("T")


class TaskLifecycle(RuleBasedStateMachine):
    """One database, two workers that may crash or lose their leases, three people."""

    fresh_url: ClassVar[Iterator[str]]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock, self.fuse = MovedClock(), Fuse()
        self.provider = FakeProvider(self.fuse)
        self.delivery = FakeDelivery(self.fuse)
        self.frames = FakeFrames(self.fuse)
        self.database = self.run(Database.open(next(self.fresh_url)))
        self.storage = replace(
            Storage.over(self.database), tasks=FusedTasks(self.database, self.fuse)
        )
        self.workers = [self.worker(), self.worker()]
        self.in_hand: list[tuple[Steps, Task]] = []
        self.numbers = itertools.count(1)
        self.orders: set[int] = set()
        self.seen: dict[int, Task] = {}
        # Why a video may come once more: a crash with it in hand, or a second holder.
        self.excuses: Counter[int] = Counter()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def worker(self) -> Steps:
        context = StepContext(
            self.storage, cast(Progress, NoProgress()), clock=self.clock, wait=self.clock.wait
        )
        return Steps(
            context,
            Submit(context, self.provider, self.frames.publish, deadline=timedelta(minutes=15)),
            Watch(context, self.provider),
            Deliver(context, self.provider, cast(Delivery, self.delivery)),
        )

    # --- people ------------------------------------------------------------------------------

    @rule(user=st.integers(1, 3), with_frame=st.booleans(), taps=st.integers(1, 3))
    def order(self, user: int, with_frame: bool, taps: int) -> None:
        number = next(self.numbers)
        common: dict[str, Any] = {
            "user_id": user,
            "chat": Chat(chat_id=user),
            "message_id": number,
            "lang": "ru",
            "model": "seedance-1-lite-480P-5s",
            "price": Decimal(17),
            "now": self.clock(),
        }
        tasks = self.storage.tasks
        if with_frame:
            frame = Frame(file_id=f"photo-{number}", kind="photo")
            task = self.run(tasks.draft_from_frame(**common, frame=frame, prompt=f"p{number}"))
        else:
            task = self.run(tasks.draft_from_text(**common, prompt=f"p{number}"))
        confirmed = [
            self.run(
                tasks.confirm(
                    task.id,
                    user_id=user,
                    aspect_ratio=AspectRatio.TALL,
                    update_id=number * 10 + tap,
                    now=self.clock(),
                )
            )
            for tap in range(taps)
        ]
        assert confirmed[0] is not None
        assert confirmed[1:] == [None] * (taps - 1)
        self.orders.add(task.id)

    @rule(data=st.data(), stranger=st.booleans())
    def cancel(self, data: st.DataObject, stranger: bool) -> None:
        if task := self._some(data, ACTIVE):
            user = task.user_id + 7 if stranger else task.user_id
            after = self.run(self.storage.tasks.cancel(task.id, user_id=user, now=self.clock()))
            assert (after is not None) == (task.state is TaskState.QUEUED and not stranger)

    @rule(data=st.data())
    def come_back_for_a_kept_video(self, data: st.DataObject) -> None:
        if task := self._some(data, {TaskState.UNDELIVERABLE}):
            self.run(self.storage.tasks.redeliver(task.id, user_id=task.user_id, now=self.clock()))

    # --- the world ---------------------------------------------------------------------------

    @rule(
        create=st.sampled_from(["well", "lost after", "lost before", *CREATE_ERRORS]),
        ending=st.sampled_from(["done", "failed", "never", "no url", "busy"]),
        pending=st.integers(0, 4),
        send=st.sampled_from(["well", "lost after", *SEND_ERRORS]),
        publish=st.sampled_from(["well", "later", "gone"]),
    )
    def the_world_changes(
        self, create: str, ending: str, pending: int, send: str, publish: str
    ) -> None:
        self.provider.on_create, self.provider.ending = create, ending
        self.provider.pending = pending
        self.delivery.on_send = send
        self.frames.on_publish = publish

    @rule(seconds=st.sampled_from([1.0, 31.0, 700.0, 90_000.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.pass_(seconds)

    # --- the workers -------------------------------------------------------------------------

    @rule(which=st.integers(0, 1), limit=st.integers(1, 3))
    def claim(self, which: int, limit: int) -> None:
        claimed = self.run(
            self.storage.tasks.claim_due(
                owner=f"w{which}", now=self.clock(), lease_for=LEASE, limit=limit, slots=None
            )
        )
        held = {task.id for _, task in self.in_hand}
        self.excuses.update(task.id for task in claimed if task.id in held)
        self.in_hand += [(self.workers[which], task) for task in claimed]

    @rule(data=st.data(), crash_at=st.none() | st.integers(0, 9))
    def step(self, data: st.DataObject, crash_at: int | None) -> None:
        """A holder continues with its task, even long after the lease is lost."""
        if not self.in_hand:
            self.clock.pass_(60.0)
            self.claim(0, 3)
        if not self.in_hand:
            return
        index = data.draw(st.integers(0, len(self.in_hand) - 1))
        worker, task = self.in_hand.pop(index)
        self.fuse.left = crash_at
        try:
            with suppress(LeaseLost):
                after = self.run(worker.take(task))
                if after is not None and after.state in ACTIVE:
                    self.in_hand.append((worker, after))
        except Crash:
            # A new process in its place; whatever it had in hand is forgotten.
            self.excuses[task.id] += 1
            self.in_hand = [held for held in self.in_hand if held[0] is not worker]
            self.workers[self.workers.index(worker)] = self.worker()
        finally:
            self.fuse.left = None

    # --- what always holds -------------------------------------------------------------------

    @invariant()
    def the_promises_hold(self) -> None:
        assert all(count == 1 for count in self.provider.charges.values())
        for task_id, count in self.delivery.arrived.items():
            assert count <= 1 + self.excuses[task_id] + self.delivery.lost[task_id]
        for task in self._tasks():
            before = self.seen.get(task.id)
            if task == before:
                continue
            assert before is None or before.state not in ENDED, "what has ended has changed"
            self.seen[task.id] = task
            if self.provider.charges[task.prompt or ""]:
                assert task.state not in {TaskState.DRAFT, TaskState.QUEUED, TaskState.CANCELLED}
            states = [event.state for event in self.run(self.storage.tasks.events(task.id))]
            assert states[-1] is task.state
            assert all(after in ALLOWED[state] for state, after in itertools.pairwise(states))

    # --- the end -----------------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            self._drain()
        finally:
            self.run(self.database.close())
            self.loop.close()

    def _drain(self) -> None:
        """All faults end and time passes: no work may be left."""
        self.provider.on_create, self.delivery.on_send = "well", "well"
        self.provider.ending, self.provider.pending = "done", 0
        self.frames.on_publish = "well"
        for _ in range(60):
            self.in_hand = []
            self.clock.pass_(4_000)
            for _ in range(NEEDED):  # free questions, as bot.jobs.provider_probe asks them
                self.run(self.storage.breaker.probed(self.clock(), answered=True))
            for trail in self.run(self.storage.doubts.undecided()):  # as bot.jobs.doubts does
                if trail.is_reading:
                    read = self.storage.doubts.read(trail.task_id, Decimal(0), now=self.clock())
                    self.run(read)
            self.claim(0, 50)
            for worker, task in list(self.in_hand):
                current: Task | None = task
                while current is not None and current.state in ACTIVE:
                    current = self.run(worker.take(current))
            if not any(task.state in ACTIVE for task in self._tasks()):
                break
        for task in self._tasks():
            assert task.state not in ACTIVE, f"left over: {task}"
            charged = self.provider.charges[task.prompt or ""]
            if task.state in {TaskState.DELIVERED}:
                assert charged == 1
                assert self.delivery.arrived[task.id] >= 1
            elif charged:
                assert task.state in {
                    TaskState.UNKNOWN,
                    TaskState.UNDELIVERABLE,
                    TaskState.FAILED,
                }
                assert task.reason is not None
        told = self._notices()
        for task in self._tasks():
            kind = _TOLD.get(task.state)
            assert kind is None or kind in told.get(task.id, []), f"not told: {task}"

    def _notices(self) -> dict[int, list[NoticeKind]]:
        told: dict[int, list[NoticeKind]] = {}
        waiting = self.run(
            self.storage.outbox.claim(
                owner="teller", now=self.clock(), lease_for=LEASE, limit=10_000
            )
        )
        for row in waiting:
            if row.notice.task_id is not None:
                told.setdefault(row.notice.task_id, []).append(row.notice.kind)
        return told

    def _tasks(self) -> list[Task]:
        found = [self.run(self.storage.tasks.get(task_id)) for task_id in sorted(self.orders)]
        return [task for task in found if task is not None]

    def _some(self, data: st.DataObject, states: Any) -> Task | None:
        fitting = [task for task in self._tasks() if task.state in states]
        return data.draw(st.sampled_from(fitting)) if fitting else None


_TOLD = {
    TaskState.FAILED: NoticeKind.FAILED,
    TaskState.UNKNOWN: NoticeKind.UNKNOWN,
    TaskState.UNDELIVERABLE: NoticeKind.UNDELIVERABLE,
}

_FULL = settings(
    max_examples=int(os.environ.get("LIFE_EXAMPLES", "20")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def test_any_order_of_events_keeps_the_promises_on_sqlite(
    sqlite_template: Path, tmp_path: Path
) -> None:
    def fresh() -> Iterator[str]:
        for number in itertools.count():
            path = shutil.copy(sqlite_template, tmp_path / f"{number}.db")
            yield f"sqlite+aiosqlite:///{path}"

    run_state_machine_as_test(
        type("OnSqlite", (TaskLifecycle,), {"fresh_url": fresh()}), settings=_FULL
    )


@pytest.mark.campaign
def test_any_order_of_events_keeps_the_promises_on_postgresql(postgres: PostgresServer) -> None:
    def fresh() -> Iterator[str]:
        while True:
            yield asyncio.run(postgres.create_filled(_make_tables))

    run_state_machine_as_test(
        type("OnPostgres", (TaskLifecycle,), {"fresh_url": fresh()}),
        settings=settings(_FULL, max_examples=max(_FULL.max_examples // 2, 1)),
    )
