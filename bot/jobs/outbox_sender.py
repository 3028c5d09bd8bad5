"""Send the notices of the outbox: results and delays that a person must not miss.

A notice is sent at least once: it leaves the outbox after Telegram accepted it. The module must
not know why a notice was written.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Set
from datetime import timedelta
from functools import partial

from bot import texts
from bot.core.clock import Clock, Wait, wait_for
from bot.core.errors import (
    StorageUnavailable,
    TelegramError,
    TelegramLater,
    TelegramMoved,
    TelegramRejected,
    TelegramUnreachable,
)
from bot.core.notices import Notice, NoticeKind
from bot.core.schedule import back_off
from bot.core.task import Chat, Task, TaskState
from bot.jobs.progress import Progress
from bot.jobs.steps.context import close_status
from bot.runtime import logs
from bot.runtime.idle import Idle
from bot.telegram.messenger import Messenger
from bot.texts import keyboards
from bot.texts.audience import reader
from bot.texts.subject import about
from storage import Storage, WaitingNotice

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
IDLE_SECONDS = 1.0
AT_ONCE = 10
PATIENCE = timedelta(days=2)
AGAIN = timedelta(minutes=10)
"""Between two tries of a group that takes no messages to the operator."""

ENDS = frozenset({NoticeKind.FAILED, NoticeKind.UNKNOWN, NoticeKind.UNDELIVERABLE,
                  NoticeKind.VIDEO_LINK})  # fmt: skip
"""Notices that replace the status message: it is deleted after one of them."""


class OutboxSender:
    """The loop that sends notices from the outbox to the chats."""

    def __init__(
        self,
        storage: Storage,
        messenger: Messenger,
        progress: Progress,
        *,
        clock: Clock,
        owner: str,
        admins: Set[int] = frozenset(),
        wait: Wait = wait_for,
    ) -> None:
        self._storage = storage
        self._messenger = messenger
        self._progress = progress
        self._clock = clock
        self._owner = owner
        self._admins = admins  # it may change: somebody claims the bot
        self._idle = Idle(partial(storage.due.next, "outbox"), clock=clock, wait=wait)
        storage.due.watch_kind("outbox", self._idle.changed)
        self._stopping = False

    def stop(self) -> None:
        """Stop claiming notices."""
        self._stopping = True
        self._idle.wake()

    async def run(self) -> None:
        """Run until `stop`; notices being sent are finished first."""
        while not self._stopping:
            try:
                waiting = await self._storage.outbox.claim(
                    owner=self._owner, now=self._clock(), lease_for=LEASE, limit=AT_ONCE
                )
                async with asyncio.TaskGroup() as group:
                    for notice in waiting:
                        group.create_task(self._send_notice(notice))
            except* StorageUnavailable as group_exc:
                logger.warning("notices wait: %s", group_exc.exceptions[0])
                waiting = []
            if len(waiting) < AT_ONCE:
                await self._idle.until_due(IDLE_SECONDS)

    async def _send_notice(self, waiting: WaitingNotice) -> None:
        task_id, chat_id = waiting.notice.task_id, waiting.notice.chat.chat_id
        with logs.about(**({} if task_id is None else {"task": task_id}), chat=chat_id):
            await self._deliver(waiting)

    async def _deliver(self, waiting: WaitingNotice) -> None:
        notice, outbox = waiting.notice, self._storage.outbox
        task = await self._storage.tasks.get(notice.task_id) if notice.task_id else None
        if notice.task_id and (task is None or not still_true(notice.kind, task)):
            return await outbox.done(waiting.id)
        wait = back_off(waiting.attempts, first=2, cap=600)
        now = self._clock()
        # A notice without a task is for the person of this private chat.
        reads = task.user_id if task else notice.chat.chat_id
        with reader(pays=self._progress.prices.seen_by(reads)), about(task):
            text = texts.notices.notice(notice, task)
            keyboard = keyboards.notices.notice(notice, task)
        operator = self._storage.operator_messages
        if notice.about is not None:  # its event may have ended while this copy waited
            decided, over = await operator.state(notice.about)
            held = await self._storage.alerts.held()
            keyboard = keyboards.notices.operator(notice, held, decided=decided, over=over)
        try:
            message_id = await self._messenger.send(
                notice.chat,
                text,
                reply_to=notice.reply_to,
                keyboard=keyboard,
            )
            if notice.about is not None:
                await operator.sent(notice, message_id, keyboards.notices.buttons(keyboard))
        except TelegramMoved as exc:
            await self._storage.tasks.migrate_chat(notice.chat.chat_id, exc.chat_id)
            return await outbox.later(waiting.id, now)
        except TelegramUnreachable as exc:
            logger.warning("not told there (%s): %s", _about(notice), exc)
            if notice.about is not None:
                return await self._to_other_admins(waiting)
            if await self._elsewhere(waiting, task):
                return None
        except TelegramRejected as exc:
            logger.warning("nobody to tell (%s): %s", _about(notice), exc)
        except TelegramError as exc:
            if now - waiting.created_at < PATIENCE:
                wait = max(wait, exc.retry_after) if isinstance(exc, TelegramLater) else wait
                return await outbox.later(waiting.id, now + timedelta(seconds=wait))
            logger.warning("a notice (%s) could not be sent: %s", _about(notice), exc)
        await outbox.done(waiting.id)
        if task is not None and notice.kind in ENDS:
            await close_status(self._storage, self._progress, task)
        return None

    async def _elsewhere(self, waiting: WaitingNotice, task: Task | None) -> bool:
        """Handle a place that cannot be written to: tell the person in their own chat or, when
        that takes nothing either, at their next message. False: there is nobody to tell.
        """
        notice, outbox, now = waiting.notice, self._storage.outbox, self._clock()
        own = Chat(chat_id=task.user_id) if task else notice.chat
        if notice.kind is NoticeKind.ALBUM or own.chat_id < 0:
            return False
        if notice.chat != own:
            await outbox.redirect(waiting.id, own, now=now)
            return True
        await outbox.park(waiting.id, own.chat_id)
        if task is not None and notice.kind in ENDS:
            await close_status(self._storage, self._progress, task)
        return True

    async def _to_other_admins(self, waiting: WaitingNotice) -> None:
        """Tell every other admin what this chat cannot be told, each once. A group that takes
        nothing, without an admin, is tried again for PATIENCE."""
        notice, now = waiting.notice, self._clock()
        others = self._admins - {notice.chat.chat_id}
        if notice.chat.chat_id > 0 or others:
            await self._storage.operator_messages.fall_back(waiting.id, notice, others, now=now)
        elif now - waiting.created_at < PATIENCE:
            await self._storage.outbox.later(waiting.id, now + AGAIN)
        else:
            await self._storage.outbox.done(waiting.id)


def _about(notice: Notice) -> str:
    return f"task {notice.task_id}: {notice.kind}" if notice.task_id else notice.kind.value


def still_true(kind: NoticeKind, task: Task) -> bool:
    """Whether the notice is still true: a late id or a late video may have overtaken it."""
    match kind:
        case NoticeKind.UNKNOWN | NoticeKind.CHARGED:
            return task.state is TaskState.UNKNOWN
        case NoticeKind.OVERDUE:
            return task.state is TaskState.GENERATING
        case NoticeKind.UNDELIVERABLE:
            return task.state is TaskState.UNDELIVERABLE
        case _:
            return True
