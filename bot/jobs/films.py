"""Join the films that people wait for, and send them.

A request is a row: a kill at any moment repeats the work, which costs nothing. Parts are fetched
from Telegram one after the other into files without a name and joined in the media reader's
process. It must not know who asked, nor which button was pressed.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from typing import BinaryIO

from aiogram import Bot

from bot import texts
from bot.core.clock import Clock, Wait, wait_for
from bot.core.errors import (
    LeaseLost,
    StorageUnavailable,
    TelegramError,
    TelegramFileAway,
    TelegramLater,
    TelegramMoved,
    TelegramRejected,
    TelegramTooLarge,
    TelegramUnreachable,
)
from bot.core.film import FilmProblem
from bot.core.notices import Notice, NoticeKind
from bot.core.schedule import back_off
from bot.jobs.delivery import Prepare
from bot.media import video_reader
from bot.runtime.idle import Idle
from bot.telegram.client import download_file
from bot.telegram.messenger import SLOWEST_UPLOAD, Messenger, SentVideo
from bot.texts import keyboards
from storage import Film, Storage, WantedFilm

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=180)
"""Longer than any step between two renewals, without the upload."""
IDLE_SECONDS = 5.0
"""Seconds between two tries while requests are due or change; without any, the loop sleeps."""
AT_ONCE = 2
PATIENCE = timedelta(days=1)
TRIES = 5
"""For a film that Telegram rejects."""
READ_LIMIT = 20 * 1000 * 1000
"""Bytes that a bot can download (Bot API: getFile)."""

Join = Callable[[Sequence[BinaryIO], BinaryIO], Awaitable[None]]
"""Joins videos in open files into an empty open file; raises video_reader.PartError."""


class _NoFilm(Exception):
    """There is no film of these parts; `part` from 1, when one is to blame."""

    def __init__(self, problem: FilmProblem, part: int | None = None) -> None:
        super().__init__(problem.value)
        self.problem, self.part = problem, part


class FilmJoiner:
    """The loop that joins and sends the requested films."""

    def __init__(
        self,
        bot: Bot,
        storage: Storage,
        messenger: Messenger,
        *,
        clock: Clock,
        owner: str,
        upload_limit: int,
        read_limit: int = READ_LIMIT,
        prepare: Prepare = video_reader.prepare,
        join: Join = video_reader.join,
        wait: Wait = wait_for,
    ) -> None:
        self._bot = bot
        self._storage = storage
        self._messenger = messenger
        self._clock = clock
        self._owner = owner
        self._upload_limit = upload_limit
        self._read_limit = read_limit
        self._prepare = prepare
        self._join = join
        self._idle = Idle(partial(storage.due.next, "films"), clock=clock, wait=wait)
        storage.due.watch_kind("films", self._idle.changed)

    def wake(self) -> None:
        """Look for requests at once; another process may have written them."""
        self._storage.due.ask_again("films")
        self._idle.look()

    async def run(self) -> None:
        """Run until cancelled; an interrupted film is joined again when its lease has expired."""
        while True:
            wanted: list[WantedFilm] = []
            try:
                wanted = await self._storage.films.claim(
                    owner=self._owner, now=self._clock(), lease_for=LEASE, limit=AT_ONCE
                )
                async with asyncio.TaskGroup() as group:
                    for one in wanted:
                        group.create_task(self._make(one))
            except* StorageUnavailable as group_exc:
                logger.warning("films wait: %s", group_exc.exceptions[0])
            if len(wanted) < AT_ONCE:
                await self._idle.until_due(IDLE_SECONDS)

    async def _make(self, wanted: WantedFilm) -> None:
        now, films = self._clock(), self._storage.films
        wait = back_off(wanted.attempts, first=2, cap=600)
        film: Film | None = None
        try:
            film = await films.get(wanted.id)
            if film is None:
                return
            sent = await self._send(film, wanted)
            await films.joined(self._owner, film, sent.file_id)
        except LeaseLost:
            logger.warning("film %d: another process has it", wanted.id)
        except _NoFilm as exc:
            await self._give_up(wanted, film, exc.problem, exc.part)
        except TelegramMoved as exc:
            await self._storage.tasks.migrate_chat(wanted.chat.chat_id, exc.chat_id)
            await films.later(self._owner, wanted.id, now)
        except TelegramUnreachable as exc:
            await self._refused_there(wanted, film, exc)
        except StorageUnavailable:
            raise
        except Exception as exc:
            if not isinstance(exc, TelegramError | OSError):
                logger.exception("film %d: joining it failed", wanted.id)
            refused = isinstance(exc, TelegramRejected) and wanted.attempts >= TRIES
            if refused or now - wanted.wanted_at > PATIENCE:
                await self._give_up(wanted, film, FilmProblem.LATER, None)
                return
            logger.warning("film %d: again in %.0f s: %s", wanted.id, wait, exc)
            wait = max(wait, exc.retry_after) if isinstance(exc, TelegramLater) else wait
            await films.later(self._owner, wanted.id, now + timedelta(seconds=wait))

    async def _refused_there(
        self, wanted: WantedFilm, film: Film | None, exc: TelegramUnreachable
    ) -> None:
        """Send it to the person's own chat, as a single video. When that takes nothing either,
        tell them at their next message."""
        own = film.parts[-1].own_chat if film and film.parts else wanted.chat
        if wanted.chat == own:
            await self._give_up(wanted, film, FilmProblem.NOT_SENT, None)
            return
        logger.warning("film %d: goes to the person's own chat: %s", wanted.id, exc)
        await self._storage.films.redirect(self._owner, wanted.id, own, now=self._clock())

    async def _give_up(
        self, wanted: WantedFilm, film: Film | None, problem: FilmProblem, part: int | None
    ) -> None:
        """Tell why there is no film: where it was asked for, or to the person by its last part."""
        logger.warning("film %d: not joined: %s, part %s", wanted.id, problem, part)
        told = Notice(
            kind=NoticeKind.FILM_NOT_JOINED,
            chat=wanted.chat,
            lang=wanted.lang,
            task_id=film.parts[-1].id if film and film.parts else None,
            reply_to=wanted.reply_to,
            params={"film": wanted.id, "problem": problem.value, "part": part},
        )
        await self._storage.films.give_up(self._owner, wanted.id, told, now=self._clock())

    async def _send(self, film: Film, wanted: WantedFilm) -> SentVideo:
        """Send the film that Telegram has, or join it. Raises _NoFilm, LeaseLost and what is
        tried again later."""
        if len(film.parts) < 2:
            raise _NoFilm(FilmProblem.NOT_ENOUGH)
        if len(film.parts) > video_reader.MAX_PARTS:
            raise _NoFilm(FilmProblem.FILM_TOO_BIG)
        if film.file_id is not None:
            try:
                return await self._upload(film, wanted, film.file_id)
            except TelegramRejected as exc:
                logger.info("film %d: joined again: %s", film.id, exc)
        await self._messenger.action(wanted.chat, "upload_video")
        with ExitStack() as stack:
            parts = await self._fetch(film, stack, wanted.attempts)
            target: BinaryIO = stack.enter_context(tempfile.TemporaryFile())
            try:
                await self._join(parts, target)
            except video_reader.PartsDiffer as exc:
                raise _NoFilm(FilmProblem(exc.what), exc.part + 1) from None
            except video_reader.PartError as exc:
                logger.warning("film %d: %s", film.id, exc)
                raise _NoFilm(FilmProblem.PART_UNUSABLE, exc.part + 1) from None
            except video_reader.NotAVideo as exc:  # nobody knows which part
                logger.warning("film %d: %s", film.id, exc)
                raise _NoFilm(FilmProblem.UNREADABLE) from None
            for part in parts:
                part.close()
            video = await self._prepare(target)
            if video.size > self._upload_limit:
                raise _NoFilm(FilmProblem.FILM_TOO_BIG)
            await self._hold(film, timedelta(seconds=video.size / SLOWEST_UPLOAD))
            try:
                return await self._upload(film, wanted, video)
            except TelegramTooLarge:
                raise _NoFilm(FilmProblem.FILM_TOO_BIG) from None

    async def _fetch(self, film: Film, stack: ExitStack, attempts: int) -> list[BinaryIO]:
        """Download the parts, one after the other. Raises TelegramFileAway while it is worth
        another try."""
        files: list[BinaryIO] = []
        total = 0
        for number, part in enumerate(film.parts, 1):
            assert part.video_file_id is not None
            file: BinaryIO = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
            try:
                total += await download_file(
                    self._bot, part.video_file_id, file, limit=self._read_limit
                )
            except TelegramRejected as exc:
                if isinstance(exc, TelegramFileAway) and attempts < TRIES:
                    raise
                too_big = isinstance(exc, TelegramTooLarge)
                why = FilmProblem.PART_TOO_BIG if too_big else FilmProblem.PART_GONE
                raise _NoFilm(why, number) from None
            if total > self._upload_limit:
                raise _NoFilm(FilmProblem.FILM_TOO_BIG)
            await self._hold(film)
            files.append(file)
        return files

    async def _hold(self, film: Film, longer: timedelta = timedelta(0)) -> None:
        until = self._clock() + LEASE + longer
        if not await self._storage.films.extend(self._owner, film.id, until=until):
            raise LeaseLost("another process has the film")

    async def _upload(
        self, film: Film, wanted: WantedFilm, video: video_reader.Video | str
    ) -> SentVideo:
        caption = texts.films.caption(wanted.lang, film.parts, redirected=wanted.redirected)
        keyboard = keyboards.films.film(wanted.lang, film.id, film.parts[-1])
        if isinstance(video, str):
            return await self._messenger.send_video(
                wanted.chat, video, caption=caption, reply_to=wanted.reply_to, keyboard=keyboard
            )
        return await self._messenger.send_video(
            wanted.chat,
            video.file,
            video.info,
            size=video.size,
            thumbnail=video.thumbnail,
            caption=caption,
            reply_to=wanted.reply_to,
            keyboard=keyboard,
        )
