"""Progress shown to a waiting person: one status message for each task.

It is edited only when its text changes, at growing intervals, and never when that could delay a
result. Nothing else depends on it: a failed edit is made later or not at all. It must not
know the database or the provider.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiogram.utils.formatting import Text

from bot import texts
from bot.core.clock import Clock, Sleep
from bot.core.errors import TelegramError, TelegramLater
from bot.core.prices import PriceView
from bot.core.schedule import PRIOR, DurationDistribution
from bot.core.task import Task, TaskKind, TaskState
from bot.telegram.messenger import Messenger
from bot.texts import keyboards
from bot.texts.audience import reader
from bot.texts.subject import about

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
FIRST_SECONDS = 4.0
"""Seconds between the first edits; each later interval is longer."""
GROWTH = 1.35
LONGEST_SECONDS = 30.0
GROUP_SECONDS = 15.0
SENDING_SECONDS = 1.0
"""Seconds; a video that arrives sooner is not announced."""
ACTION_SECONDS = 5.0
"""How long Telegram shows a chat action (Bot API: sendChatAction)."""
DRAFT_SECONDS = 20.0
"""Seconds between updates of a streamed draft, which is shown for 30 (Bot API: sendMessageDraft).
"""
AT_ONCE = 10
REMEMBERED = 10_000
"""The number of tasks whose last text is remembered while they wait without being shown."""


@dataclass
class _Watched:
    task: Task
    distribution: DurationDistribution
    waiting: bool
    held: bool
    next_at: float
    step: float
    last: bool = False  # shown once more, then forgotten
    place: int | None = None  # position in the queue, while no worker has it
    away: bool = False  # the provider does not answer
    no_address: bool = False  # the tunnel through which it fetches photos is not open
    act_at: float = 0.0
    drafted_at: float = 0.0
    began: datetime | None = None  # since when it is being made, by the monotonic clock


class Progress:
    """Keeps the status messages of this worker's tasks and of the queue up to date."""

    def __init__(
        self,
        messenger: Messenger,
        *,
        clock: Clock,
        prices: PriceView | None = None,
        sleep: Sleep = asyncio.sleep,
        steady: Clock | None = None,
    ) -> None:
        self.prices = prices or PriceView(show="always")
        self._messenger = messenger
        self._clock = clock
        self._steady = steady or clock
        self._sleep = sleep
        self._watched: dict[int, _Watched] = {}
        # A task that waits between two tries is shown anew each time, with the same text.
        self._said: dict[int, tuple[int, int]] = {}  # task: message, hash of the text
        self._is_watching = asyncio.Event()
        self._drafts = True
        self.hold: Callable[[], bool] = bool
        """Whether results have to go first: set by who wires it."""

    def show(
        self,
        task: Task,
        distribution: DurationDistribution,
        *,
        waiting: bool = False,
        held: bool = False,
        away: bool = False,
        no_address: bool = False,
    ) -> None:
        """Record the task's current state; a new state is shown at the next tick.

        "Sending" is shown only if the video has not arrived by then. `waiting`: the provider has
        not accepted the task yet. The reason may be `held` (the operator must act), `away` (the
        provider does not answer) or `no_address` (the provider cannot fetch photos).
        """
        if task.card_message_id is None:
            return
        at = self._now() + (SENDING_SECONDS if task.state is TaskState.RENDERED else 0.0)
        known = self._watched.get(task.id)
        self._is_watching.set()
        if known is None:
            first = GROUP_SECONDS if task.chat.chat_id < 0 else FIRST_SECONDS
            known = self._watched[task.id] = _Watched(
                task, distribution, waiting, held, at, first, away=away, no_address=no_address
            )
            self._note_start(known)
            return
        shown = (known.task.state, known.waiting, known.held, known.away, known.no_address)
        if shown != (task.state, waiting, held, away, no_address):
            known.next_at = at
        known.task, known.distribution, known.last = task, distribution, False
        known.waiting, known.held, known.place = waiting, held, None
        known.away, known.no_address = away, no_address
        self._note_start(known)

    def queue(
        self,
        waiting: Iterable[tuple[Task, int]],
        *,
        held: bool,
        away: bool = False,
        no_address: bool = False,
    ) -> None:
        """Set all queued tasks without a worker, with their positions; the list replaces the last
        one. `no_address` applies to tasks with photos.

        Tasks of this worker are left to `show`, which has newer data.
        """
        now, seen = self._now(), set()
        for task, place in waiting:
            if task.card_message_id is None:
                continue
            seen.add(task.id)
            self._is_watching.set()
            lacks = no_address and task.frame is not None
            known = self._watched.get(task.id)
            if known is None:
                # The answer to the press has just shown the position.
                first = GROUP_SECONDS if task.chat.chat_id < 0 else FIRST_SECONDS
                self._watched[task.id] = _Watched(
                    task,
                    PRIOR,
                    task.attempts > 0,
                    held,
                    now + first,
                    first,
                    place=place,
                    away=away,
                    no_address=lacks,
                )
            elif known.place is not None:
                if (known.held, known.away, known.no_address) != (held, away, lacks):
                    known.next_at = min(known.next_at, now)
                known.task, known.place = task, place
                known.waiting, known.held, known.away = task.attempts > 0, held, away
                known.no_address = lacks
        for task_id, watched in list(self._watched.items()):
            if watched.place is not None and task_id not in seen:
                del self._watched[task_id]

    def leave(
        self,
        task: Task,
        distribution: DurationDistribution,
        *,
        held: bool,
        away: bool = False,
        no_address: bool = False,
    ) -> None:
        """Show once that the task waits in the queue without a worker, then forget it."""
        self.show(task, distribution, waiting=True, held=held, away=away, no_address=no_address)
        if watched := self._watched.get(task.id):
            watched.last = True

    def forget(self, task_id: int) -> None:
        """Stop showing the task, unless it is in the queue."""
        watched = self._watched.get(task_id)
        if watched and not watched.last and watched.place is None:
            del self._watched[task_id]

    async def close(self, task: Task) -> None:
        """Delete the status message: the video, or the notice of its end, replaces it.

        It stays and says where the video went, if that is not this chat.
        """
        self._stop(task.id)
        if task.card_message_id is None:
            return
        if task.redirected and task.state in (TaskState.RENDERED, TaskState.DELIVERED):
            with about(task):
                text = texts.statuses.status_redirected(task.lang)
            await self._say_last(task, text)
        else:
            await self._messenger.delete(task.chat, task.card_message_id)

    async def rest(self, task: Task, videos: int) -> None:
        """Show in the status message of an order how many of its videos have not arrived yet."""
        self._stop(task.id)
        with about(task):
            text = texts.statuses.status_rest(task.lang, videos)
        await self._say_last(task, text)

    def _stop(self, task_id: int) -> None:
        self._watched.pop(task_id, None)
        self._said.pop(task_id, None)

    async def _say_last(self, task: Task, text: Text) -> None:
        """Edit the status message of a task that has ended, best effort."""
        if task.card_message_id is not None:
            with suppress(TelegramError):
                await self._messenger.edit(
                    task.chat, task.card_message_id, text, is_media=task.card_is_media
                )

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            if not self._watched:
                self._is_watching.clear()
                await self._is_watching.wait()
            now = self._now()
            due = [
                watched
                for watched in ([] if self.hold() else self._watched.values())
                if watched.next_at <= now or self._acts(watched, now)
            ]
            for start in range(0, len(due), AT_ONCE):
                async with asyncio.TaskGroup() as group:
                    for watched in due[start : start + AT_ONCE]:
                        group.create_task(self._refresh(watched, now))
            await self._sleep(TICK_SECONDS)

    @staticmethod
    def _acts(watched: _Watched, now: float) -> bool:
        return watched.task.state is TaskState.GENERATING and watched.act_at <= now

    async def _refresh(self, watched: _Watched, now: float) -> None:
        if watched.next_at <= now:
            await self._edit(watched)
        if not self._acts(watched, now) or self._messenger.busy(watched.task.chat):
            return
        in_group = watched.task.chat.chat_id < 0
        watched.act_at = now + (GROUP_SECONDS if in_group else ACTION_SECONDS)
        video = watched.task.kind is TaskKind.VIDEO
        action = "record_video" if video else "upload_photo"
        if not await self._messenger.action(watched.task.chat, action):
            watched.act_at = math.inf

    async def _edit(self, watched: _Watched) -> None:
        task = watched.task
        if self._messenger.busy(task.chat):
            return
        if watched.last:
            self._watched.pop(task.id, None)
        with reader(pays=self.prices.seen_by(task.user_id)), about(task):
            text = self._words(watched)
        watched.next_at = self._now() + watched.step
        watched.step = min(watched.step * GROWTH, max(LONGEST_SECONDS, GROUP_SECONDS))
        await self._draft(watched, text)
        if task.card_message_id is None or self._is_said(task, text):
            return
        try:
            await self._messenger.edit(
                task.chat,
                task.card_message_id,
                text,
                is_media=task.card_is_media,
                keyboard=keyboards.results.status(task),
            )
        except TelegramLater as exc:
            watched.next_at = self._now() + max(exc.retry_after, watched.step)
        except TelegramError as exc:
            # The message or the chat is gone; the task continues.
            logger.info("task %d: its status is not shown any more: %s", task.id, exc)
            if watched.place is None:
                self.forget(task.id)
            watched.next_at = math.inf
        else:
            self._said.pop(task.id, None)
            self._said[task.id] = (task.card_message_id, hash(text.as_markdown()))
            if len(self._said) > REMEMBERED:
                del self._said[next(iter(self._said))]

    def _is_said(self, task: Task, text: Text) -> bool:
        return self._said.get(task.id) == (task.card_message_id, hash(text.as_markdown()))

    async def _draft(self, watched: _Watched, text: Text) -> None:
        """Show Telegram's own Stop button beside the status message while cancelling is free.

        It works in private chats only, and is switched off once the server has refused it.
        """
        task, now = watched.task, self._now()
        private = task.chat.chat_id > 0 and task.chat.business_connection_id is None
        if watched.place is None or not private or not self._drafts:
            return
        if now < watched.drafted_at + DRAFT_SECONDS and self._is_said(task, text):
            return
        watched.drafted_at = now
        self._drafts = await self._messenger.draft(task.chat, task.id, text)

    def _words(self, watched: _Watched) -> Text:
        task, lang = watched.task, watched.task.lang
        if task.state is TaskState.RENDERED:
            return texts.statuses.status_sending(lang, task)
        if task.state is TaskState.QUEUED and watched.away:
            return texts.statuses.status_away(lang, task)
        photo = watched.waiting and not watched.held and task.waits_for_photo
        if task.state is TaskState.QUEUED and (watched.no_address or photo):
            return texts.statuses.status_no_address(lang, task)
        if task.state is TaskState.QUEUED and watched.waiting:
            return texts.statuses.status_waiting(lang, task, busy=not watched.held)
        if watched.place is not None:
            return (
                texts.statuses.held(lang)
                if watched.held
                else texts.statuses.status_queued(lang, task, watched.place)
            )
        if task.state in (TaskState.QUEUED, TaskState.SUBMITTING):
            return texts.statuses.status_queued(lang, task)
        assert watched.began is not None
        elapsed = (self._steady() - watched.began).total_seconds()
        return texts.statuses.status_generating(
            lang, task, elapsed=elapsed, distribution=watched.distribution
        )

    def _note_start(self, watched: _Watched) -> None:
        """Note by the monotonic clock when the provider began to make the video."""
        if watched.began is None and watched.task.state is TaskState.GENERATING:
            passed = self._clock() - (watched.task.accepted_at or watched.task.created_at)
            watched.began = self._steady() - max(passed, timedelta(0))

    def _now(self) -> float:
        return self._steady().timestamp()
