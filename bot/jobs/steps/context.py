"""Shared operations of all steps: guarded writes, ending a task, timers and estimates.

It must not know the wire formats of Telegram and the provider, or how tasks are leased.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from bot.core.alerts import Switch
from bot.core.clock import Clock, Sleep, Wait, wait_for
from bot.core.errors import LeaseLost, StorageUnavailable
from bot.core.events import DOUBT
from bot.core.gate import Gate
from bot.core.notices import Notice, NoticeKind
from bot.core.schedule import PRIOR, DurationDistribution, Durations, back_off
from bot.core.task import ACTIVE, Charge, Reason, Task, TaskState
from bot.jobs.gates import Gates
from bot.jobs.progress import Progress
from bot.runtime import metrics
from storage import Storage

logger = logging.getLogger(__name__)

PATIENCE = timedelta(days=1)
"""How long an order may wait for acceptance, a late job is polled, and a delivery is retried."""
_DETAIL = 1000
Saved = TypeVar("Saved")

_STRIKES = frozenset({Reason.SENSITIVE_CONTENT, Reason.UNSAFE_PROMPT})

_FOR_WANT_OF_A_PHOTO = frozenset(
    {Reason.PROVIDER_FAILED, Reason.INVALID_INPUT, Reason.PROVIDER_REFUSED, Reason.NO_RESULT,
     Reason.NEVER_FINISHED}
)  # fmt: skip
"""Failures that a first frame which nobody fetched explains; moderation may refuse before it."""


class StepContext:
    """State shared by all steps of one worker: guarded writes, timers, estimates."""

    def __init__(
        self,
        storage: Storage,
        progress: Progress,
        *,
        clock: Clock,
        wait: Wait = wait_for,
        sleep: Sleep = asyncio.sleep,
        steady: Clock | None = None,
    ) -> None:
        self.storage = storage
        self.progress = progress
        self.clock = clock
        self.sleep = sleep
        self.stopping = False
        self._wait_for = wait
        self._durations: dict[str, Durations] = {}
        self._learning = asyncio.Lock()
        self._lost: set[int] = set()
        self._timers: dict[int, asyncio.Event] = defaultdict(asyncio.Event)
        self.steady = steady or clock
        """The monotonic clock."""
        self.gates = Gates(self.steady, self._wake)

    # --- writing -----------------------------------------------------------------------------

    async def save(
        self,
        task: Task,
        after: Task,
        *,
        notices: tuple[Notice, ...] = (),
        keep_lease: bool = True,
        took: tuple[float, float] | None = None,
        call_ended: bool = False,
    ) -> Task:
        """Write once, guarded by the lease; raises LeaseLost when another worker has the task."""
        if not await self.storage.tasks.save(
            task,
            after,
            now=self.clock(),
            notices=notices,
            keep_lease=keep_lease,
            took=took,
            call_ended=call_ended,
        ):
            raise LeaseLost("somebody else has the task")
        metrics.moved(task, after, self.clock())
        return after

    async def save_with_retry(
        self, task: Task, after: Task, notices: tuple[Notice, ...] = ()
    ) -> Task:
        """Write an outside event that cannot be undone: retry until it is written."""
        return await self._save_with_retry(
            task.id, lambda: self.save(task, after, notices=notices)
        )

    async def save_all_with_retry(
        self,
        changes: Sequence[tuple[Task, Task]],
        tell: Callable[[Sequence[Task]], Notice],
    ) -> set[int]:
        """Write several tasks in one commit, with the notice about them; return those still held
        here."""

        async def save() -> set[int]:
            return await self.storage.tasks.save_together(changes, now=self.clock(), tell=tell)

        written = await self._save_with_retry(changes[0][0].id, save)
        for task, after in changes:
            if task.id in written:
                metrics.moved(task, after, self.clock())
        return written

    async def _save_with_retry(self, task_id: int, save: Callable[[], Awaitable[Saved]]) -> Saved:
        failures = 0
        while True:
            try:
                return await save()
            except StorageUnavailable as exc:
                failures += 1
                logger.error("task %d: what was done is not saved yet: %s", task_id, exc)
                await self.sleep(back_off(failures, first=0.2, cap=5))

    async def later(self, task: Task, seconds: float, detail: str, **changes: Any) -> None:
        """Postpone the same step; any worker may take it then."""
        logger.warning("task %d: again in %.0f s: %s", task.id, seconds, detail)
        run_at = self.clock() + timedelta(seconds=seconds)
        after = task.again(run_at=run_at, detail=detail[:_DETAIL], **changes)
        await self.save(task, after, keep_lease=False)

    async def fail(self, task: Task, reason: Reason, detail: str) -> None:
        """End the task without a video."""
        if reason in _FOR_WANT_OF_A_PHOTO and await self._hold_photos(task):
            reason = Reason.FRAME_UNFETCHED
        logger.debug("task %d: fails: %s (%s)", task.id, reason, detail)
        after = self._ended(task, TaskState.FAILED, reason, detail)
        charge = after.charge
        if await self.storage.ledger.is_paid_by_person(task.id):
            charge = Charge.RETURNED  # in the commit that saves the failure
        strikes = 0
        if reason in _STRIKES:
            with suppress(StorageUnavailable):
                person = await self.storage.users.get(task.user_id)
                strikes = person.strikes + 1 if person else 1
        words = notice(
            NoticeKind.FAILED,
            task,
            reason=reason.value,
            charge=charge.value,
            price=str(task.price),
            strikes=str(strikes),
        )
        await self.save(task, after, notices=(words,))
        if strikes:
            with suppress(StorageUnavailable):
                await self.storage.users.count_refusal(task.user_id)

    async def _hold_photos(self, task: Task) -> bool:
        """Pause orders with a photo when the provider accepted this one and nobody has fetched its
        photo: every other would fail and be charged in the same way. Frames in a bucket are not
        seen. Before the failure is saved: that deletes the frame."""
        if task.provider_id is None or not await self.storage.frames.is_unfetched(task.id):
            return False
        if await self.storage.alerts.hold(Switch.PHOTOS, by=0, now=self.clock()):
            logger.error("task %d: nobody fetched its photo: photos are paused", task.id)
        return True

    async def unknown(self, task: Task, detail: str, *, call_ended: bool = False) -> None:
        """End in UNKNOWN: it is not known whether the provider accepted the order; it is not
        repeated. `call_ended`: the call was made here and is over.
        """
        logger.error("task %d: nobody knows whether it was accepted: %s", task.id, detail)
        after = self._ended(task, TaskState.UNKNOWN, Reason.ANSWER_LOST, detail)
        words = notice(NoticeKind.UNKNOWN, task, price=str(task.price))
        await self.save(task, after, notices=(words,), call_ended=call_ended)
        self.storage.cluster.notify(DOUBT)

    async def undeliverable(self, task: Task, reason: Reason, detail: str, **changes: Any) -> None:
        """End in UNDELIVERABLE: the video exists, but the chat does not accept it or it cannot be
        fetched.
        """
        logger.error("task %d: the video cannot be delivered: %s (%s)", task.id, reason, detail)
        after = replace(self._ended(task, TaskState.UNDELIVERABLE, reason, detail), **changes)
        words = notice(NoticeKind.UNDELIVERABLE, task, reason=reason.value)
        await self.save(task, after, notices=(words,))

    async def close(self, task: Task) -> None:
        """Return the notice about the end of the task; it replaces the status message."""
        await close_status(self.storage, self.progress, task)

    def _ended(self, task: Task, state: TaskState, reason: Reason, detail: str) -> Task:
        return task.to(state, run_at=self.clock(), reason=reason, detail=detail[:_DETAIL])

    # --- waiting -----------------------------------------------------------------------------

    async def wait(self, task_id: int, seconds: float) -> bool:
        """Wait; return False if the program stops first; raise LeaseLost if another worker takes
        the task.
        """
        if not self.stopping and task_id not in self._lost and seconds > 0:
            await self._wait_for(self._timers[task_id], seconds)
        if task_id in self._lost:
            raise LeaseLost("somebody else has the task")
        return not self.stopping

    async def wait_turn(self, task_id: int, gate: Gate, *, at_most: float = math.inf) -> bool:
        """Wait until the gate may let the task through; False when the program stops first."""
        if not await self.wait(task_id, min(gate.seconds(task_id), at_most)):
            return False
        self._timers[task_id].clear()  # the gate may have set it
        return True

    def _wake(self, task_id: int) -> None:
        self._timers[task_id].set()

    def stop(self) -> None:
        """Stop waiting for all timers."""
        self.stopping = True
        for timer in self._timers.values():
            timer.set()

    def lost(self, task_id: int) -> None:
        """End the timer of a task that another worker has taken."""
        self._lost.add(task_id)
        if task_id in self._timers:
            self._timers[task_id].set()

    def is_lost(self, task_id: int) -> bool:
        """Whether another worker is known to have the task."""
        return task_id in self._lost

    def dropped(self, task_id: int) -> None:
        """Forget the task: this worker has finished with it."""
        self.gates.leave(task_id)
        self._lost.discard(task_id)
        self._timers.pop(task_id, None)
        self.progress.forget(task_id)

    # --- learning ----------------------------------------------------------------------------

    def current_estimate(self, model: str) -> DurationDistribution:
        """Return the estimate in memory, which is good enough for a status text."""
        known = self._durations.get(model)
        return known.distribution() if known else PRIOR

    async def distribution(self, model: str) -> DurationDistribution:
        """Return how long `model` takes, learnt from its last durations."""
        return (await self._learnt(model)).distribution()

    async def learn(self, model: str, low: float, high: float) -> None:
        """Record that a job was pending `low` seconds after its acceptance and done at `high`; the
        next `save` writes this.
        """
        (await self._learnt(model)).add(low, high)

    async def _learnt(self, model: str) -> Durations:
        async with self._learning:  # a hundred tasks claimed together ask together
            if model not in self._durations:
                recent = await self.storage.durations.recent(model)
                self._durations[model] = Durations.of(recent)
        return self._durations[model]


async def close_status(storage: Storage, progress: Progress, task: Task) -> None:
    """Delete the status message with the last task of an order. Before that, once its own task has
    ended, it shows how many videos are still missing.
    """
    if task.parts_after and task.storyboard_id is not None:
        with suppress(StorageUnavailable):
            if await storage.storyboards.is_under_way(task.storyboard_id):
                return progress.forget(task.id)  # the message shows the next part
    if task.order is None:
        return await progress.close(task)
    with suppress(StorageUnavailable):
        order = await storage.tasks.variants(task.order)
        first = next((one for one in order if one.id == task.order), None)
        left = sum(one.state in ACTIVE for one in order)
        if first is not None and not left:
            await progress.close(first)
        elif first is not None and first.state not in ACTIVE:
            await progress.rest(first, left)
    return None


def notice(kind: NoticeKind, task: Task, **params: str) -> Notice:
    """Return a notice about `task` that replies to the person's message."""
    return Notice(
        kind=kind,
        chat=task.chat,
        lang=task.lang,
        task_id=task.id,
        reply_to=task.message_id,
        params=params,
    )
