"""Send variants of one order as one album when they finish close together.

Variants of this worker wait here with their video files open. The last variant sends all of them,
and one commit ends all their tasks. No variant waits long, or for a variant that will not finish
soon; a variant without an album is sent alone. It must not know how a video is fetched or sent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from bot import texts
from bot.core.errors import (
    BotError,
    LeaseLost,
    StorageUnavailable,
    TelegramError,
    TelegramRejected,
)
from bot.core.notices import Notice, NoticeKind
from bot.core.task import Task, TaskKind, TaskState
from bot.jobs.delivery import Delivery, PreparedVideo
from bot.jobs.steps.context import StepContext
from bot.texts.audience import reader
from bot.texts.subject import about

logger = logging.getLogger(__name__)

WINDOW = timedelta(seconds=20)
"""The longest time in seconds that a finished video waits for the others of its order."""
PICTURE_WINDOW = timedelta(seconds=90)
"""The same for pictures, which are made within seconds but submitted one after the other."""
LOOK_SECONDS = 2.0
"""Seconds between a waiting variant's checks whether the others will finish soon."""

Meeting = Callable[[PreparedVideo], Awaitable[bool]]
"""Waits for the other variants; returns True if the video was sent with them and that is
committed.
"""


@dataclass(eq=False)
class _WaitingVariant:
    prepared: PreparedVideo
    # set when another variant sends this one too
    came: asyncio.Future[BotError | bool] | None = None


class Albums:
    """The meeting point where the variants of an order wait for each other."""

    def __init__(self, context: StepContext, delivery: Delivery) -> None:
        self._context = context
        self._delivery = delivery
        self._waiting: dict[int, dict[int, _WaitingVariant]] = {}

    def meeting(self, task: Task) -> Meeting | None:
        """Return the meeting point of the task's order; None if the task is sent alone.

        A task that failed once is sent alone: an album that Telegram rejects is not tried again.
        """
        if task.order is None or task.attempts > 0:
            return None
        return partial(self._meet, task, task.order)

    async def _meet(self, task: Task, order: int, prepared: PreparedVideo) -> bool:
        """Wait for the others. Raises Telegram's error about the album, and LeaseLost."""
        waiting = self._waiting.setdefault(order, {})
        me = waiting[task.id] = _WaitingVariant(prepared)
        try:
            try:
                await self._wait(task, order, waiting, me)
            except LeaseLost:
                if me.came is None:
                    # its video is being sent by another variant, and the file must stay open
                    raise
            if me.came is None:
                await self._send(waiting)
            assert me.came is not None
            outcome = await me.came
        finally:
            waiting.pop(task.id, None)
            if not waiting and self._waiting.get(order) is waiting:
                del self._waiting[order]
        if isinstance(outcome, BotError):
            raise outcome
        return outcome

    async def _wait(
        self, task: Task, order: int, waiting: dict[int, _WaitingVariant], me: _WaitingVariant
    ) -> None:
        """Wait until no other variant will finish soon, or another one sends this one."""
        window = PICTURE_WINDOW if task.kind is TaskKind.PICTURE else WINDOW
        until = (task.rendered_at or self._context.clock()) + window
        while me.came is None and (left := (until - self._context.clock()).total_seconds()) > 0:
            if not await self._any_near(task, order, waiting):
                return
            if me.came is None and not await self._context.wait(task.id, min(left, LOOK_SECONDS)):
                return  # the program stops: send the waiting videos

    async def _any_near(self, task: Task, order: int, waiting: dict[int, _WaitingVariant]) -> bool:
        others: list[Task] = []
        with suppress(StorageUnavailable):
            others = await self._context.storage.tasks.variants(order)
        return any(other.id not in waiting and _is_near(other, task) for other in others)

    async def _send(self, waiting: dict[int, _WaitingVariant]) -> None:
        """Send all waiting variants together and report the result to each."""
        together = sorted(waiting.values(), key=lambda variant: variant.prepared.task.id)
        waiting.clear()
        loop = asyncio.get_running_loop()
        for variant in together:
            variant.came = loop.create_future()
        outcomes: dict[int, BotError | bool] = {}
        try:
            outcomes = await self._send_album([variant.prepared for variant in together])
        finally:
            for variant in together:
                if variant.came is not None and not variant.came.done():
                    variant.came.set_result(outcomes.get(variant.prepared.task.id, False))

    async def _send_album(
        self, prepared_videos: Sequence[PreparedVideo]
    ) -> dict[int, BotError | bool]:
        tasks = [prepared.task for prepared in prepared_videos]
        places = {(task.video_chat.chat_id, task.video_chat.message_thread_id) for task in tasks}
        if len(tasks) == 1 or len(places) > 1 or not self._delivery.fit(prepared_videos):
            return {}
        pays = self._context.progress.prices.seen_by(tasks[0].user_id)
        with reader(pays=pays), about(tasks[0]):
            caption = texts.results.caption(tasks[0], len(tasks))
        try:
            sent = await self._delivery.album(prepared_videos, caption)
        except TelegramRejected as exc:
            logger.warning("tasks %s come one by one: %s", [task.id for task in tasks], exc)
            return {}
        except TelegramError as exc:
            return {task.id: exc for task in tasks}
        now = self._context.clock()
        changes = [
            (
                task,
                task.to(
                    TaskState.DELIVERED,
                    run_at=now,
                    video_message_id=one.message_id,
                    video_file_id=one.file_id,
                    thumbnail_file_id=one.thumbnail_file_id,
                ),
            )
            for task, one in zip(tasks, sent, strict=True)
        ]
        written = await self._context.save_all_with_retry(
            changes, partial(_buttons, reply_to=sent[0].message_id)
        )
        lost = LeaseLost("somebody else has the task")
        return {task.id: True if task.id in written else lost for task in tasks}


_BEFORE = (TaskState.QUEUED, TaskState.SUBMITTING)
"""A picture may be done in the answer to its create, while the next one waits to be submitted."""


def _is_near(other: Task, task: Task) -> bool:
    """Whether `other` is likely to finish soon after `task`: it takes as long, and its lease is
    held here or by nobody."""
    if other.lease_owner not in (None, task.lease_owner):
        return False
    if other.kind is TaskKind.PICTURE and other.state in _BEFORE:
        return other.attempts == 0
    if other.state is TaskState.RENDERED:
        return other.attempts == 0 and other.video_file_id is None
    if other.state is not TaskState.GENERATING or other.overdue:
        return False
    return (other.accepted_at or other.created_at) - (
        task.accepted_at or task.created_at
    ) <= WINDOW


def _buttons(tasks: Sequence[Task], reply_to: int) -> Notice:
    """Write the notice with the buttons: an album has none (Bot API: sendMediaGroup)."""
    first = tasks[0]
    return Notice(
        kind=NoticeKind.ALBUM,
        chat=first.video_chat,
        lang=first.lang,
        task_id=first.id,
        reply_to=reply_to,
        params={"videos": ".".join(str(task.id) for task in tasks)},
    )
