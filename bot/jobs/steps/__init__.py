"""The step of a task in each state; each step ends in one guarded write.

It must not know how tasks are leased or any wire format: the provider's and Telegram's errors
arrive as those of bot/core/errors.py.
"""

from __future__ import annotations

from datetime import datetime

from bot.core.task import Reason, Task, TaskState
from bot.jobs.steps.context import StepContext
from bot.jobs.steps.deliver import Deliver
from bot.jobs.steps.submit import Submit
from bot.jobs.steps.watch import Watch

POISON_CLAIMS = 10
"""A task leased this many times without a completed step counts as one that kills its workers."""


class Steps:
    """The steps of every task of one worker."""

    def __init__(
        self, context: StepContext, submit: Submit, watch: Watch, deliver: Deliver
    ) -> None:
        self._context = context
        self._submit = submit
        self._watch = watch
        self._deliver = deliver
        self.stop = context.stop
        self.lost = context.lost
        self.dropped = context.dropped
        self.signals = submit.signals
        self.release = submit.release

    def held(self, now: datetime) -> bool:
        """Whether submits are on hold because of the provider."""
        return self._submit.held_until(now) is not None

    async def take(self, task: Task) -> Task | None:
        """Run the next step; return the task after it, or None if it was postponed or has ended.

        Raises LeaseLost when another worker has the task, and StorageUnavailable.
        """
        if task.claims > POISON_CLAIMS:
            return await self._set_aside(task)
        match task.state:
            case TaskState.QUEUED:
                accepted = await self._submit(task)
                if not isinstance(accepted, tuple):
                    return accepted
                task, job = accepted
                age = self._context.clock() - (task.accepted_at or task.created_at)
                return await self._watch.judge(task, job, 0.0, age.total_seconds())
            case TaskState.SUBMITTING:
                # The previous worker died between the commit and the answer.
                return await self._context.unknown(task, "the program ended during the call")
            case TaskState.GENERATING:
                return await self._watch(task)
            case TaskState.RENDERED:
                return await self._deliver(task)
            case _:
                return None

    async def _set_aside(self, task: Task) -> None:
        detail = f"{task.claims - 1} workers died with it"
        match task.state:
            case TaskState.SUBMITTING:
                return await self._context.unknown(task, detail)
            case TaskState.GENERATING:
                return await self._watch.put_off(task, detail)
            case TaskState.RENDERED:
                return await self._context.undeliverable(task, Reason.SET_ASIDE, detail)
            case _:
                return await self._context.fail(task, Reason.SET_ASIDE, detail)
