"""Bugs to seed into the bot, each one a broken promise: a campaign must find every one.

Only in a campaign's child process. Each is a mistake that a developer could make who does not know
the reason for the code.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from bot.core.breaker import Permit
from bot.core.task import Task, TaskState
from bot.jobs.steps.context import StepContext
from bot.jobs.steps.submit import Submit
from bot.provider.answers import Job
from bot.telegram.inbox import Inbox
from storage import TaskStore, driver
from storage.connection import Connection
from storage.inbox import InboxTurn
from storage.tasks.leases import HeldTask

_ROW_LOCK = re.compile(r" FOR UPDATE(?: OF \w+)?(?: SKIP LOCKED)?")


def no_intent() -> None:
    """SUBMITTING is written after the call instead of before it."""

    async def _create(
        self: Any, task: Task, image: str | None, permit: Permit
    ) -> tuple[Task, Job]:
        assert task.prompt is not None
        assert task.aspect_ratio is not None
        job = await self._provider.create(
            model=task.model, prompt=task.prompt, ar=task.aspect_ratio.value, image=image
        )
        now = self._context.clock()
        task = await self._context.save(
            task,
            task.to(
                TaskState.SUBMITTING,
                run_at=now,
                submitted_at=now,
                deadline_at=now + self._deadline,
            ),
        )
        return await self._accepted(task, job), job

    Submit._create = _create  # type: ignore[method-assign]


def repost() -> None:
    """A create whose answer was lost is sent again."""

    async def unknown(
        self: StepContext, task: Task, detail: str, *, call_ended: bool = False
    ) -> None:
        after = task.to(TaskState.QUEUED, run_at=self.clock(), submitted_at=None, deadline_at=None)
        await self.save(task, after, keep_lease=False)

    StepContext.unknown = unknown  # type: ignore[method-assign]


def no_fence() -> None:
    """A process that lost a task can still write it, and does not notice the loss."""
    save, extend = TaskStore.save, TaskStore.extend

    async def unfenced(self: TaskStore, lease: Task, after: Task, **more: Any) -> bool:
        now = await self.get(lease.id)
        if now is not None:
            lease = replace(lease, fence=now.fence, state=now.state)
        return await save(self, lease, replace(after, fence=lease.fence), **more)

    async def untold(
        self: TaskStore, owner: str, held: Iterable[HeldTask], **more: Any
    ) -> set[int]:
        pairs = list(held)
        await extend(self, owner, pairs, **more)
        return {task_id for task_id, _ in pairs}

    TaskStore.save = unfenced  # type: ignore[method-assign,assignment]
    TaskStore.extend = untold  # type: ignore[method-assign,assignment]


def no_skip_locked() -> None:
    """Rows are read and then taken, with nothing between two workers (PostgreSQL).

    Neither the row locks nor the lock for the provider's slots are taken.
    """
    lock = Connection.lock

    async def unlocked(self: Connection, name: str) -> None:
        if name != "places":
            await lock(self, name)

    def unlock(
        _connection: Any, _cursor: Any, text: str, values: Any, _context: Any, _many: bool
    ) -> tuple[str, Any]:
        return _ROW_LOCK.sub("", text), values

    # the statements themselves are built when their modules are imported
    sa.event.listen(sa.Engine, "before_cursor_execute", unlock, retval=True)
    Connection.lock = unlocked  # type: ignore[method-assign]


def no_begin_immediate() -> None:
    """Transactions begin as readers, as SQLite has it by default."""
    driver.BEGIN = "BEGIN"


def no_begin() -> None:
    """The line that begins transactions is lost: every statement commits by itself (SQLite)."""
    driver.Writer._begin = lambda self, sql: None  # type: ignore[method-assign]


def early_done() -> None:
    """An update is marked done before it is handled."""
    carry = Inbox._process

    async def _carry(self: Any, update: Any) -> None:
        await self._storage.inbox.done([update.update_id], now=self._clock())
        await asyncio.sleep(0)
        await carry(self, update)

    Inbox._process = _carry  # type: ignore[method-assign]


def confirmed_unsaved() -> None:
    """Telegram may forget updates that are only in this process's memory."""
    add = InboxTurn.add
    kept: dict[int, tuple[Any, list[Any]]] = {}  # one for each process, as `_ended` is

    async def later(self: InboxTurn, rows: Any, *, now: Any) -> int:
        _, held = kept.get(id(self._ended), (None, []))
        kept[id(self._ended)] = self._ended, list(rows)
        await add(self, held, now=now)
        return len(held)

    InboxTurn.add = later  # type: ignore[method-assign]


BUGS: dict[str, Callable[[], None]] = {
    "no-intent": no_intent,
    "repost": repost,
    "no-fence": no_fence,
    "no-skip-locked": no_skip_locked,
    "no-begin-immediate": no_begin_immediate,
    "no-begin": no_begin,
    "early-done": early_done,
    "confirmed-unsaved": confirmed_unsaved,
}


def seed_bug(name: str) -> None:
    """Seed one of BUGS."""
    BUGS[name]()
