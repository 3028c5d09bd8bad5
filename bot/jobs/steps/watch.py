"""GENERATING → the provider's final answer: poll at the times of bot.core.schedule.

A paid task is not given up quickly: an answer that would end it has to be repeated, and past the
deadline the task is polled for another day, at growing intervals.
"""

from __future__ import annotations

import logging
import math
from datetime import datetime, timedelta
from typing import Protocol

from bot.core.errors import NotNow, ProviderBusy, ProviderHeld, ProviderRefused
from bot.core.notices import NoticeKind
from bot.core.schedule import back_off, next_poll, overdue_wait
from bot.core.task import Reason, Task, TaskState
from bot.jobs.steps.context import PATIENCE, StepContext, notice
from bot.provider.answers import Job, JobStatus

logger = logging.getLogger(__name__)

CONFIRMATIONS = 3
"""An answer that would end a paid task must come this many times before it counts."""
PUT_OFF_SECONDS = 3600.0
"""A paid task may kill its worker this many times."""


class ResultClient(Protocol):
    """The part of bot.provider.client that is used here."""

    async def result(self, task_id: str) -> Job: ...


class Watch:
    """Follows one job to its end, with the timer in memory."""

    def __init__(self, context: StepContext, provider: ResultClient) -> None:
        self._context = context
        self._provider = provider

    async def __call__(self, task: Task) -> Task | None:
        """Return the rendered task, the unchanged task if the program stops, or None if it was
        postponed or ended.
        """
        assert task.provider_id is not None
        context, since = self._context, task.accepted_at or task.created_at
        distribution = await context.distribution(task.model)
        context.progress.show(task, distribution)
        gate = context.gates.polls
        began = context.steady() - max(context.clock() - since, timedelta(0))
        deadline = math.inf
        if task.deadline_at is not None:
            deadline = (task.deadline_at - since).total_seconds()
        pending_at, failures, doubts = 0.0, 0, 0
        # Taken over from another worker: it may be ready already, and one answer shows that it
        # does not kill workers.
        late = task.overdue or task.claims > 1 or self._age(began) > distribution.early
        wait = 0.0 if late else None
        while True:
            if wait is None:
                told_in = math.inf if task.overdue else deadline - self._age(began)
                wait = self._until_next(task, self._age(began), told_in, failures)
            if not await context.wait(task.id, wait):
                return task
            wait = None
            job: Job | None = None
            try:
                with gate.turn(task.id, since, away=_is_away):
                    job = await self._provider.result(task.provider_id)
                failures = 0
            except NotNow:
                told_in = math.inf if task.overdue else deadline - self._age(began)
                if not await context.wait_turn(task.id, gate, at_most=told_in):
                    return task
                if not task.overdue and self._age(began) >= deadline:
                    gate.leave(task.id)
                    return await self._past_deadline(task, self._age(began), deadline)
                wait = 0.0
                continue
            except ProviderBusy as exc:
                failures += 1
                logger.info("task %d: %s", task.id, exc)
                if exc.retry_after:
                    wait = max(
                        exc.retry_after, back_off(failures, first=distribution.step, cap=60)
                    )
            except ProviderHeld as exc:
                failures += 1
                logger.error("task %d: cannot be polled: %s (%s)", task.id, exc.hold, exc)
            except ProviderRefused as exc:
                doubts += 1
                if doubts >= CONFIRMATIONS:
                    return await context.fail(task, exc.reason, str(exc))
            if job is not None:
                if job.status is JobStatus.PENDING:
                    pending_at, doubts = self._age(began), 0
                elif job.status is JobStatus.FAILED or job.url is not None:
                    return await self.judge(task, job, pending_at, self._age(began))
                else:
                    doubts += 1
                    if doubts >= CONFIRMATIONS:
                        return await context.fail(task, Reason.NO_RESULT, "done without a link")
            if gate.is_away:
                wait = 0.0  # the gate says when
            is_late = self._age(began) >= deadline
            # A postponed overdue task would be polled long after the outage.
            if is_late and not (task.overdue and gate.is_away):
                return await self._past_deadline(task, self._age(began), deadline)
            if task.claims > 1:  # it completed a step, so it does not kill workers
                task = await context.save(task, task.again(run_at=task.run_at, attempts=0))

    async def judge(self, task: Task, job: Job, pending_at: float, ready_at: float) -> Task | None:
        """Handle a finished job. `pending_at` and `ready_at`: the ages in seconds at which it was
        last pending, and first ready."""
        if job.status is JobStatus.FAILED:
            return await self._context.fail(task, job.reason or Reason.PROVIDER_FAILED, job.detail)
        if job.status is JobStatus.PENDING or job.url is None:
            return task
        now = self._context.clock()
        after = task.to(TaskState.RENDERED, run_at=now, rendered_at=now, video_url=job.url)
        self._context.progress.show(after, self._context.current_estimate(task.model))
        took = pending_at, ready_at
        await self._context.learn(task.model, *took)
        await self._context.save(task, after, took=took if took[1] > 0 else None)
        return after

    async def put_off(self, task: Task, detail: str) -> None:
        """Poll again much later: its workers died repeatedly, perhaps for another reason, and the
        task is paid for.
        """
        logger.error("task %d: postponed for %.0f s: %s", task.id, PUT_OFF_SECONDS, detail)
        run_at = self._context.clock() + timedelta(seconds=PUT_OFF_SECONDS)
        words = () if task.overdue else (notice(NoticeKind.OVERDUE, task),)
        after = task.again(run_at=run_at, overdue=True, detail=detail)
        await self._context.save(task, after, keep_lease=False, notices=words)

    def _age(self, began: datetime) -> float:
        """Return the seconds since then, by the monotonic clock."""
        return (self._context.steady() - began).total_seconds()

    def _until_next(self, task: Task, age: float, told_in: float, failures: int) -> float:
        """Return the seconds until the next poll; `told_in`: until the person is told that it
        takes longer."""
        distribution = self._context.current_estimate(task.model)
        wait = next_poll(age, distribution) - age
        if failures:
            return max(back_off(failures, first=distribution.step, cap=60), wait)
        # The last poll before the person is told is at the deadline itself.
        return min(wait, max(told_in, 0.0))

    async def _past_deadline(self, task: Task, age: float, deadline: float) -> None:
        """Tell the person once that it takes longer; then any worker may poll, at growing
        intervals.
        """
        if age > deadline + PATIENCE.total_seconds():
            return await self._context.fail(task, Reason.NEVER_FINISHED, "pending for a day")
        run_at = self._context.clock() + timedelta(seconds=overdue_wait(age))
        words = () if task.overdue else (notice(NoticeKind.OVERDUE, task),)
        after = task.again(run_at=run_at, overdue=True)
        await self._context.save(task, after, keep_lease=False, notices=words)
        return None


def _is_away(exc: Exception) -> bool:
    """Whether a poll of another task would fail as well."""
    return isinstance(exc, ProviderBusy | ProviderHeld)
