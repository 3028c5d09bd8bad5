"""RENDERED → the chat. A failed delivery is not a failed video: the video is kept, and the
delivery is retried.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace

from aiogram.utils.formatting import Text

from bot import texts
from bot.core.errors import (
    NotNow,
    ProviderError,
    StorageUnavailable,
    TelegramError,
    TelegramLater,
    TelegramMoved,
    TelegramRejected,
    TelegramTooLarge,
    TelegramUnreachable,
)
from bot.core.gate import Gate
from bot.core.notices import Notice, NoticeKind
from bot.core.schedule import back_off
from bot.core.task import Reason, Task, TaskState
from bot.jobs.delivery import Delivery
from bot.jobs.steps.album import Albums
from bot.jobs.steps.context import PATIENCE, StepContext, notice
from bot.jobs.steps.watch import ResultClient
from bot.media import picture_reader, video_reader
from bot.media.download import DownloadFailed, DownloadGone, DownloadRefused, DownloadTooLarge
from bot.texts import keyboards
from bot.texts.audience import reader
from bot.texts.subject import about

logger = logging.getLogger(__name__)

TRIES = 5
"""Attempts for a link without a video, and for a video that Telegram rejects."""


class Deliver:
    """Delivers one finished video to its chat."""

    def __init__(self, context: StepContext, provider: ResultClient, delivery: Delivery) -> None:
        self._context = context
        self._provider = provider
        self._delivery = delivery
        self._albums = Albums(context, delivery)

    async def __call__(self, task: Task) -> Task | None:
        """Deliver; return None when the task has ended or was postponed.

        It ends in DELIVERED or UNDELIVERABLE. Returns the task when it continues at once, with the
        person's own chat, and the unchanged task when the program stops.
        """
        context = self._context
        context.progress.show(task, context.current_estimate(task.model))
        while True:
            try:
                return await self._deliver(task)
            except NotNow as exc:  # the host of the video, or Telegram, is away
                if not await context.wait_turn(task.id, exc.gate):
                    return task

    async def _deliver(self, task: Task) -> Task | None:
        context = self._context
        pays = context.progress.prices.seen_by(task.user_id)
        with reader(pays=pays), about(task):
            keyboard = keyboards.results.result(task)

        def caption(as_file: bool) -> Text:
            with reader(pays=pays), about(task):
                return texts.results.caption(task, as_file=as_file)

        try:
            sent = await self._delivery(
                task,
                caption,
                keyboard,
                self._albums.meeting(task),
            )
        except (DownloadTooLarge, TelegramTooLarge) as exc:
            return await self._link_only(task, str(exc))
        except DownloadRefused as exc:
            return await self._fresh_link(task, exc, Reason.RESULT_REFUSED)
        except DownloadGone as exc:
            return await self._fresh_link(task, exc, Reason.RESULT_GONE)
        except (video_reader.NotAVideo, picture_reader.NotAPicture) as exc:
            return await self._fresh_link(task, exc, Reason.RESULT_UNUSABLE)
        except (DownloadFailed, OSError, RuntimeError) as exc:
            # These errors are faults of the network or of this machine, not of the video.
            at = context.gates.host(task.video_url)
            return await self._again(task, exc, Reason.RESULT_GONE, at, refresh=True)
        except TelegramUnreachable as exc:
            if task.video_chat != task.own_chat:
                return await self._redirect(task, str(exc))
            return await self._give_up(task, Reason.CHAT_UNREACHABLE, str(exc))
        except TelegramMoved as exc:
            await context.storage.tasks.migrate_chat(task.chat.chat_id, exc.chat_id)
            return await context.later(task, 0, "the group has moved")
        except TelegramRejected as exc:
            if task.attempts + 1 >= TRIES:
                return await self._link_only(task, str(exc))
            return await self._again(task, exc, Reason.CHAT_UNREACHABLE, context.gates.telegram)
        except TelegramError as exc:
            return await self._again(task, exc, Reason.CHAT_UNREACHABLE, context.gates.telegram)
        if sent is not None:
            after = task.to(
                TaskState.DELIVERED,
                run_at=context.clock(),
                video_message_id=sent.message_id,
                video_file_id=sent.file_id or task.video_file_id,
                thumbnail_file_id=sent.thumbnail_file_id or task.thumbnail_file_id,
                video_is_document=sent.is_document if sent.file_id else task.video_is_document,
            )
            await context.save_with_retry(task, after, await self._film_stopped(task))
        await asyncio.to_thread(self._delivery.forget, task.id)
        await context.close(task)
        return None

    async def _film_stopped(self, task: Task) -> tuple[Notice, ...]:
        """Return a notice if the film was stopped because the order of this part was in doubt.

        A doubt cancels the later parts. The notice about the doubt says so, but it is not sent if
        the doubt ends first.
        """
        if task.parts_after:
            with suppress(StorageUnavailable):
                if await self._context.storage.storyboards.stopped_by_doubt(task):
                    return (notice(NoticeKind.FILM_STOPPED, task),)
        return ()

    async def _redirect(self, task: Task, detail: str) -> Task:
        """Send the video to the private chat: the chat of the order was tried once and refuses it.

        Written before that send: after a kill the place is not tried again.
        """
        logger.warning("task %d: goes to the person's own chat: %s", task.id, detail)
        kept_by = await self._delivery.kept_by(task)
        after = replace(task, redirected=True, claims=0, detail=detail, kept_by=kept_by)
        return await self._context.save(task, after)

    async def _again(
        self, task: Task, exc: Exception, reason: Reason, gate: Gate, *, refresh: bool = False
    ) -> None:
        if self._context.clock() - (task.rendered_at or task.created_at) > PATIENCE:
            return await self._give_up(task, reason, str(exc))
        wait = back_off(task.attempts + 1, first=2, cap=300)
        if isinstance(exc, TelegramLater):
            wait = max(wait, exc.retry_after)
        if gate.is_away:
            wait = 0.0  # the gate says when
        if refresh:
            self._show_ready(task)
        url = await self._link(task) if refresh and task.attempts >= TRIES else task.video_url
        kept_by = await self._delivery.kept_by(task)
        return await self._context.later(task, wait, str(exc), video_url=url, kept_by=kept_by)

    async def _give_up(self, task: Task, reason: Reason, detail: str) -> None:
        kept_by = await self._delivery.kept_by(task)
        return await self._context.undeliverable(task, reason, detail, kept_by=kept_by)

    async def _fresh_link(self, task: Task, exc: Exception, reason: Reason) -> None:
        """Try again later: the provider may return another link, or the old one may work then."""
        if task.attempts + 1 >= TRIES:
            return await self._context.undeliverable(task, reason, str(exc))
        wait = back_off(task.attempts + 1, first=2, cap=60)
        self._show_ready(task)
        return await self._context.later(task, wait, str(exc), video_url=await self._link(task))

    def _show_ready(self, task: Task) -> None:
        """Show that the video exists: a download that fails at once would leave the status of an
        earlier state, with its Cancel button, until the next success."""
        estimate = self._context.current_estimate(task.model)
        self._context.progress.leave(task, estimate, held=False)

    async def _link(self, task: Task) -> str | None:
        """Ask the provider for the link; return the known link when it does not answer."""
        if task.provider_id is not None:
            with suppress(ProviderError):
                return (await self._provider.result(task.provider_id)).url or task.video_url
        return task.video_url

    async def _link_only(self, task: Task, detail: str) -> None:
        """Send the link instead, because Telegram does not accept the file."""
        words = notice(NoticeKind.VIDEO_LINK, task, url=task.video_url or "")
        after = task.to(TaskState.DELIVERED, run_at=self._context.clock(), detail=detail)
        await self._context.save(task, after, notices=(words,))
        await asyncio.to_thread(self._delivery.forget, task.id)
