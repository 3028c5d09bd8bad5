"""QUEUED → the provider: the only place where money is spent.

The order of steps matters: SUBMITTING is committed before the call, and the provider's id after
it. Tasks are submitted one at a time, so that a kill leaves at most one UNKNOWN task.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from bot.core.alerts import AlertSignals, Switch
from bot.core.breaker import Permit
from bot.core.errors import (
    FramesAway,
    FramesOff,
    InputError,
    LeaseLost,
    ProviderBusy,
    ProviderError,
    ProviderHeld,
    ProviderLost,
    ProviderRefused,
    StorageUnavailable,
    TelegramError,
    TelegramFileAway,
    TelegramLater,
    TelegramRejected,
    TelegramUnreachable,
)
from bot.core.events import AWAY, ORDERED
from bot.core.schedule import address_wait, back_off
from bot.core.task import PHOTO_WAITS, Reason, Task, TaskState
from bot.jobs.steps.context import PATIENCE, StepContext
from bot.media.bucket import BucketError
from bot.provider.answers import Job
from bot.runtime import metrics

logger = logging.getLogger(__name__)


class CreateClient(Protocol):
    """The part of bot.provider.client that is used here."""

    async def create(
        self, *, model: str, prompt: str, ar: str, image: str | None = None
    ) -> Job: ...


OVERLOADED = 3
"""After this many busy answers in a row, for any task, the provider counts as overloaded."""

FILE_TRIES = 4
"""The largest number of attempts, in about 20 s, to fetch a photo that may be available again
soon."""

NO_ADDRESS = "waits for the address of the tunnel"

PublishFrame = Callable[[Task], Awaitable[str]]
"""Returns the link to a task's first frame; raises FramesOff, FramesAway, InputError,
TelegramErrors and BucketError."""


class Submit:
    """Orders videos, one task after the other."""

    def __init__(
        self,
        context: StepContext,
        provider: CreateClient,
        publish_frame: PublishFrame,
        *,
        deadline: timedelta,
        frames_away: Callable[[], bool] = bool,
        still_leads: Callable[[str], bool] = bool,
        read_balance: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._context = context
        self._provider = provider
        self._publish_frame = publish_frame
        self._frames_away = frames_away
        self._still_leads = still_leads
        self._read_balance = read_balance
        self._deadline = deadline
        self.signals = AlertSignals()
        self._one_at_a_time = asyncio.Lock()
        self._busy = 0
        self._hold: tuple[datetime, datetime] | None = None  # from, until
        self._holds = 0

    def held_until(self, now: datetime) -> datetime | None:
        """The time until which all submits are on hold; None while they are allowed."""
        if self._hold is None:
            return None
        # A clock that was set back must not prolong the hold by hours.
        since, until = self._hold
        return until if since <= now < until else None

    def release(self) -> None:
        """End the hold because the operator reports that the cause is fixed; the next task is
        tried.
        """
        self._hold = None

    async def __call__(self, task: Task) -> tuple[Task, Job] | Task | None:
        """Return the accepted task and its job, the same task if the program stops, or None."""
        context = self._context
        if task.frame is not None and self._frames_away():
            return await self._wait_for_address(task)
        context.progress.show(
            task,
            context.current_estimate(task.model),
            waiting=task.attempts > 0,
            held=self.signals.held is not None,  # why it waited, until an order is accepted
        )
        waited = context.clock() - (task.confirmed_at or task.created_at)
        if task.attempts and waited > PATIENCE:
            await context.fail(task, Reason.PROVIDER_UNAVAILABLE, task.detail or "")
            return None
        image = None
        if task.frame is not None:
            try:
                image = await self._publish_frame(task)
            except (FramesAway, FramesOff, InputError, TelegramError, BucketError) as exc:
                return await self._without_frame(task, exc)
        async with self._one_at_a_time:
            if context.is_lost(task.id):
                # Released unchanged, it would be retried without a pause.
                raise LeaseLost("somebody else has the task")
            if context.stopping:
                return task
            if image is not None and not self._still_leads(image):
                return await self._wait_for_address(task)
            if until := self.held_until(context.clock()):
                held = self.signals.held is not None
                context.progress.leave(task, context.current_estimate(task.model), held=held)
                await context.save(task, task.again(run_at=until), keep_lease=False)
                return None
            if await context.storage.alerts.is_held(Switch.SUBMITS):
                # No worker claims it until an admin releases the queue; then it starts at once.
                return await self._park(task, held=True)
            if task.frame is not None and await context.storage.alerts.is_held(Switch.PHOTOS):
                return await self._park(task, held=False, no_address=True)
            if self._read_balance is not None:
                await self._read_balance()
            permit = await context.storage.breaker.permit(context.clock())
            if permit is Permit.NO:
                # No worker claims it until the provider answers again.
                return await self._park(task, held=False, away=True)
            return await self._create(task, image, permit)

    async def _without_frame(self, task: Task, exc: Exception) -> Task | None:
        """Postpone or end an order whose first frame could not be published."""
        context = self._context
        if isinstance(exc, FramesAway):
            return await self._wait_for_address(task)
        if isinstance(exc, FramesOff):
            return await context.fail(task, Reason.FRAMES_OFF, "PUBLIC_URL is not set")
        if isinstance(exc, InputError):
            return await context.fail(task, Reason.FRAME_UNUSABLE, str(exc))
        is_last = not isinstance(exc, TelegramFileAway) or task.attempts + 1 >= FILE_TRIES
        if isinstance(exc, TelegramRejected | TelegramUnreachable) and is_last:
            return await context.fail(task, Reason.FRAME_UNAVAILABLE, str(exc))
        wait = back_off(task.attempts + 1, first=3, cap=300)
        if isinstance(exc, TelegramLater):
            wait = max(wait, exc.retry_after)
        return await context.later(task, wait, f"{PHOTO_WAITS}{exc}")

    async def _park(
        self, task: Task, *, held: bool, away: bool = False, no_address: bool = False
    ) -> None:
        """Give the task back unchanged: no worker claims it while a switch or the breaker is shut.
        The status message says why.
        """
        context = self._context
        estimate = context.current_estimate(task.model)
        context.progress.leave(task, estimate, held=held, away=away, no_address=no_address)
        await context.save(task, replace(task, claims=0), keep_lease=False)

    async def _wait_for_address(self, task: Task) -> None:
        """Postpone an order with a photo unchanged: nothing was tried, so nothing is counted."""
        context, now = self._context, self._context.clock()
        if task.detail != NO_ADDRESS:  # the status text says so already
            logger.warning("task %d: %s", task.id, NO_ADDRESS)
            context.progress.leave(
                task, context.current_estimate(task.model), held=False, no_address=True
            )
        seconds = address_wait((now - (task.confirmed_at or task.created_at)).total_seconds())
        after = task.again(
            run_at=now + timedelta(seconds=seconds), attempts=task.attempts, detail=NO_ADDRESS
        )
        await context.save(task, after, keep_lease=False)

    async def _create(
        self, task: Task, image: str | None, permit: Permit
    ) -> tuple[Task, Job] | None:
        now = self._context.clock()
        # Written before the call: after a crash we know that a request may be under way. Retried
        # until written: if only the answer is lost, the row claims a request that was never sent.
        task = await self._context.save_with_retry(
            task,
            task.to(
                TaskState.SUBMITTING,
                run_at=now,
                submitted_at=now,
                deadline_at=now + self._deadline,
                attempts=task.attempts,
            ),
        )
        assert task.prompt is not None
        assert task.aspect_ratio is not None
        try:
            job = await self._provider.create(
                model=task.model, prompt=task.prompt, ar=task.aspect_ratio.value, image=image
            )
        except ProviderLost as exc:
            await self._stop_creates()
            return await self._context.unknown(task, str(exc), call_ended=True)
        except ProviderError as exc:
            if permit is Permit.TRIAL:
                with suppress(StorageUnavailable):  # its maximum time ends it
                    await self._context.storage.breaker.end_trial()
            return await self._not_accepted(task, exc)
        self._hold, self._holds, self._busy = None, 0, 0
        self.signals.took(task.model, self._context.clock())
        accepted = await self._accepted(task, job)
        if permit is Permit.TRIAL:
            await self._start_creates()
        return accepted, job

    async def _not_accepted(self, task: Task, exc: ProviderError) -> None:
        """Handle an answer according to which the order was certainly not accepted."""
        if isinstance(exc, ProviderBusy):
            wait = max(back_off(task.attempts + 1, first=3, cap=300), exc.retry_after or 0)
            self._hold_when_overloaded(exc)
            return await self._requeue(task, wait, str(exc), held=False)
        if isinstance(exc, ProviderHeld):
            return await self._requeue(task, self._hold_all(exc), str(exc), held=True)
        assert isinstance(exc, ProviderRefused)
        self._busy = 0  # it accepts orders
        if exc.reason is Reason.MODEL_GONE:
            self.signals.gone[task.model] = self._context.clock()
        return await self._context.fail(task, exc.reason, str(exc))

    async def _stop_creates(self) -> None:
        """Open the breaker first: the answer to the next create would be lost too."""
        breaker, failures = self._context.storage.breaker, 0
        while True:
            try:
                await breaker.open(self._context.clock())
            except StorageUnavailable as exc:
                failures += 1
                logger.error("the creates of other processes are not stopped yet: %s", exc)
                await self._context.sleep(back_off(failures, first=0.2, cap=5))
            else:
                logger.error("the provider does not answer: creates are stopped")
                self._context.storage.cluster.notify(AWAY)
                return

    async def _start_creates(self) -> None:
        """Close the breaker; if this cannot be written, orders are sent one at a time."""
        with suppress(StorageUnavailable):
            if await self._context.storage.breaker.close():
                logger.info("the provider accepts orders again")
                self._context.storage.cluster.notify(ORDERED)

    async def _accepted(self, task: Task, job: Job) -> Task:
        """Save the id of the paid order: retry until it is written, even if the lease was lost."""
        now, tasks = self._context.clock(), self._context.storage.tasks
        after = task.to(TaskState.GENERATING, run_at=now, provider_id=job.id, accepted_at=now)
        failures = 0
        while True:
            try:
                if await tasks.save(task, after, now=now):
                    metrics.moved(task, after, now)
                    metrics.spent(task.model, task.price)
                    return after
                metrics.spent(task.model, task.price)
                if not await tasks.record_late_id(task.id, job.id, now=now):
                    logger.error("task %d: ended before its id %s arrived", task.id, job.id)
                raise LeaseLost("the lease ran out during the call")
            except StorageUnavailable as exc:
                failures += 1
                logger.error("task %d: id %s is not saved yet: %s", task.id, job.id, exc)
                await self._context.sleep(back_off(failures, first=0.2, cap=5))

    async def _requeue(self, task: Task, seconds: float, detail: str, *, held: bool) -> None:
        logger.warning("task %d: not accepted, again in %.0f s: %s", task.id, seconds, detail)
        after = task.to(
            TaskState.QUEUED,
            run_at=self._context.clock() + timedelta(seconds=seconds),
            attempts=task.attempts + 1,
            submitted_at=None,
            deadline_at=None,
            detail=detail,
        )
        self._context.progress.leave(after, self._context.current_estimate(task.model), held=held)
        await self._context.save(task, after, keep_lease=False)

    def _hold_all(self, exc: ProviderHeld) -> float:
        """Hold the whole queue, since every task would fail in the same way; return the duration
        in seconds.
        """
        self._holds += 1
        seconds = back_off(self._holds, first=15, cap=300)
        now = self._context.clock()
        self.signals.held = (exc.hold, now)
        self._hold = (now, now + timedelta(seconds=seconds))
        logger.error("the queue is held for %.0f s: %s (%s)", seconds, exc.hold, exc)
        return seconds

    def _hold_when_overloaded(self, exc: ProviderBusy) -> None:
        """Postpone tasks that would all be refused in the same way; later one of them is tried."""
        self._busy += 1
        if self._busy < OVERLOADED:
            return
        now = self._context.clock()
        seconds = back_off(self._busy - OVERLOADED + 1, first=3, cap=60)
        self._hold = (now, now + timedelta(seconds=max(seconds, exc.retry_after or 0)))
        self.signals.busy_since = self.signals.busy_since or now
