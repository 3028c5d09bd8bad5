"""Deliver a finished video from the provider's link to the person's chat.

Downloads use unnamed temporary files, so that a kill leaves nothing behind; an undelivered video
is kept in a file named by the task's number. It must not know states or the database: the worker
decides what a failure means for a task.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from aiogram.types import InlineKeyboardMarkup
from aiogram.utils.formatting import Text

from bot.core.clock import utc_now
from bot.core.errors import NotNow, TelegramError, TelegramFlood, TelegramLater
from bot.core.task import Task, TaskKind
from bot.jobs.gates import Gates
from bot.media import picture_reader, video_reader
from bot.media.download import DownloadFailed, DownloadTooLarge, NotStored
from bot.runtime.private_files import make_folder
from bot.telegram.messenger import Messenger, SentVideo

logger = logging.getLogger(__name__)

UPLOAD_LIMIT = 50 * 1000 * 1000
LOCAL_UPLOAD_LIMIT = 2000 * 1000 * 1000
"""Largest upload in bytes: for a Bot API server, and for one with --local (docs/telegram.md:
limits).
"""
AT_ONCE = 20
LONG_UPLOAD = 8 * 1000 * 1000
"""Bytes. A smaller file arrives within a second, so no chat action announces it."""

Prepare = Callable[[BinaryIO], Awaitable[video_reader.Video]]
"""Probes a video and prepares it for sending; raises video_reader.NotAVideo."""
Prepared = video_reader.Video | picture_reader.Picture
Caption = Callable[[bool], Text]
"""The text below a video; True: it comes as a document."""
Download = Callable[[str, BinaryIO], Awaitable[int]]
"""Downloads a link into an open file and returns its size in bytes.

Raises the errors of bot.media.download.
"""


@dataclass(frozen=True)
class PreparedVideo:
    """A task's video or picture in an open file, ready to be sent."""

    task: Task
    video: Prepared
    is_kept: bool  # Kept has a copy of it


class KeptVideos:
    """Videos that the chat did not accept, one file each, until they are sent or deleted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, task_id: int) -> BinaryIO | None:
        """Return the kept video of a task, or None."""
        try:
            return self._path(task_id).open("rb")
        except FileNotFoundError:
            return None

    def has(self, task_id: int) -> bool:
        """Whether a video of the task is kept."""
        return self._path(task_id).exists()

    def put(self, task_id: int, file: BinaryIO) -> None:
        """Keep a copy; the write is atomic."""
        make_folder(self._folder)
        part = self._path(task_id).with_suffix(".part")
        file.seek(0)
        with part.open("wb") as copy:
            shutil.copyfileobj(file, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
        part.replace(self._path(task_id))

    def disk(self) -> str:
        """Return the name of this disk, stored beside the folder; it distinguishes hosts."""
        path = self._folder.with_name("disk")
        if not path.exists():
            make_folder(path.parent)
            part = path.with_suffix(f".{secrets.token_hex(4)}")
            part.write_text(secrets.token_hex(8), encoding="ascii")
            with suppress(FileExistsError):  # another process of this host wrote it first
                path.hardlink_to(part)
            part.unlink()
        return path.read_text(encoding="ascii")

    def drop(self, task_id: int) -> None:
        """Delete the kept video of a task."""
        self._path(task_id).unlink(missing_ok=True)

    def ids(self) -> set[int]:
        """Return the tasks that have a file in the folder, complete or partial."""
        if not self._folder.is_dir():
            return set()
        return {int(path.stem) for path in self._folder.iterdir() if path.stem.isdigit()}

    def sweep(self, wanted: Iterable[int]) -> None:
        """Delete partial files and the videos of tasks that no longer need them."""
        for task_id in self.ids():
            self._path(task_id).with_suffix(".part").unlink(missing_ok=True)
        for task_id in self.ids() - set(wanted):
            self.drop(task_id)

    def _path(self, task_id: int) -> Path:
        return self._folder / f"{task_id}.mp4"  # also that of a picture


class Delivery:
    """Download, probe and upload videos, in constant memory and with limited concurrency.

    `disk`: the name of `kept`, when several hosts each have a disk.
    """

    def __init__(
        self,
        messenger: Messenger,
        download: Download,
        kept: KeptVideos,
        prepare: Prepare = video_reader.prepare,
        *,
        upload_limit: int = UPLOAD_LIMIT,
        disk: str | None = None,
        gates: Gates | None = None,
    ) -> None:
        self._messenger = messenger
        self._download = download
        self._kept = kept
        self._prepare = prepare
        self._upload_limit = upload_limit
        self._disk = disk
        self._gates = gates or Gates(utc_now, lambda _: None)
        self._slots = asyncio.Semaphore(AT_ONCE)
        # One after the other: in parallel, all videos would be ready only at the end.
        self._reading = asyncio.Semaphore(max(2, os.cpu_count() or 1))

    async def __call__(
        self,
        task: Task,
        caption: Caption,
        keyboard: InlineKeyboardMarkup | None,
        meet: Callable[[PreparedVideo], Awaitable[bool]] | None = None,
    ) -> SentVideo | None:
        """Send the video to `task.video_chat`; None: `meet` sent it.

        Raises the errors of bot.media.download, NotAVideo, TelegramErrors, and NotNow while the
        host or Telegram is away. After a TelegramError the video is kept, and the next call needs
        no link.
        """
        if task.video_file_id is not None:
            send = (
                self._messenger.send_photo
                if task.kind is TaskKind.PICTURE
                else self._messenger.send_document
                if task.video_is_document
                else self._messenger.send_video
            )
            with self._turn(task):
                return await send(
                    task.video_chat,
                    task.video_file_id,
                    caption=caption(task.video_is_document),
                    reply_to=task.video_reply_to,
                    keyboard=keyboard,
                )
        with self._open(task) as (file, is_kept):
            async with self._slots:
                if not is_kept:
                    await self._fetch(task, file)
                if meet is None:
                    async with self._keeping([(task, file, is_kept)]):
                        with self._turn(task):
                            prepared = await self._prepared(task, file, is_kept=is_kept)
                            return await self._send(prepared, caption, keyboard)
                prepared = await self._prepared(task, file, is_kept=is_kept)
            # Free the slot for other videos while this one waits.
            if await meet(prepared):
                return None
            async with self._slots, self._keeping([(task, file, is_kept)]):
                with self._turn(task):
                    return await self._send(prepared, caption, keyboard)

    async def _fetch(self, task: Task, file: BinaryIO) -> None:
        url = task.video_url or ""
        with self._gates.host(url).turn(task.id, _since(task), away=_host_is_away):
            await self._download(url, file)

    def _turn(self, task: Task) -> AbstractContextManager[None]:
        """Send while Telegram answers. Raises NotNow."""
        return self._gates.telegram.turn(task.id, _since(task), away=_telegram_is_away)

    async def _prepared(self, task: Task, file: BinaryIO, *, is_kept: bool) -> PreparedVideo:
        if os.fstat(file.fileno()).st_size < LONG_UPLOAD:
            video = await self._read(task, file)
        else:
            video, _ = await asyncio.gather(
                self._read(task, file), self._messenger.action(task.video_chat, _uploading(task))
            )
        if video.size > self._upload_limit:
            raise DownloadTooLarge(f"{video.size} bytes are over what can be uploaded")
        return PreparedVideo(task, video, is_kept)

    async def _read(self, task: Task, file: BinaryIO) -> Prepared:
        if task.kind is TaskKind.PICTURE:
            return await self._read_picture(file)
        async with self._reading:
            return await self._prepare(file)

    @staticmethod
    async def _read_picture(file: BinaryIO) -> picture_reader.Picture:
        try:
            return await picture_reader.prepare(file)
        except picture_reader.PictureTooLarge as exc:
            raise DownloadTooLarge(str(exc)) from None

    async def _send(
        self, prepared: PreparedVideo, caption: Caption, keyboard: InlineKeyboardMarkup | None
    ) -> SentVideo:
        task, video = prepared.task, prepared.video
        if isinstance(video, picture_reader.Picture):
            return await self._messenger.send_photo(
                task.video_chat,
                video.file,
                size=video.size,
                caption=caption(False),
                reply_to=task.video_reply_to,
                keyboard=keyboard,
            )
        if video.is_document:
            return await self._messenger.send_document(
                task.video_chat,
                video.file,
                f"video-{task.id}.{video.info.container}",
                size=video.size,
                thumbnail=video.thumbnail,
                caption=caption(True),
                reply_to=task.video_reply_to,
                keyboard=keyboard,
            )
        return await self._messenger.send_video(
            task.video_chat,
            video.file,
            video.info,
            size=video.size,
            thumbnail=video.thumbnail,
            caption=caption(False),
            reply_to=task.video_reply_to,
            keyboard=keyboard,
        )

    async def album(
        self, prepared_videos: Sequence[PreparedVideo], caption: Text
    ) -> list[SentVideo]:
        """Send several videos as one album that replies to the same message, in the order of
        `prepared_videos`.

        Raises TelegramErrors; after such an error all videos are kept.
        """
        first = prepared_videos[0].task
        files = [(one.task, one.video.file, one.is_kept) for one in prepared_videos]
        async with self._slots, self._keeping(files):
            with self._turn(first):
                await self._messenger.action(first.video_chat, _uploading(first))
                return await self._messenger.send_album(
                    first.video_chat,
                    [prepared.video for prepared in prepared_videos],
                    caption=caption,
                    reply_to=first.video_reply_to,
                )

    def fit(self, prepared_videos: Sequence[PreparedVideo]) -> bool:
        """Whether one album can carry all of them: documents are no part of one with videos."""
        if any(prepared.video.is_document for prepared in prepared_videos):
            return False
        return sum(prepared.video.size for prepared in prepared_videos) <= self._upload_limit

    @asynccontextmanager
    async def _keeping(self, files: Sequence[tuple[Task, BinaryIO, bool]]) -> AsyncIterator[None]:
        """Keep the files of the tasks, unless they are kept, when Telegram does not take them."""
        try:
            yield
        except (TelegramError, NotNow):
            for task, file, is_kept in files:
                if not is_kept:
                    await self._keep(task.id, file)
            raise

    async def _keep(self, task_id: int, file: BinaryIO) -> None:
        try:
            await asyncio.to_thread(self._kept.put, task_id, file)
        except OSError as exc:
            # Telegram's error is reported instead; the video will be downloaded again.
            logger.warning("task %d: its video cannot be kept here: %s", task_id, exc.strerror)

    async def kept_by(self, task: Task) -> str | None:
        """Return the disk that has the video; None if no disk has it or there is only one disk."""
        here = await asyncio.to_thread(self._kept.has, task.id)
        return self._disk if here and self._disk else task.kept_by

    def forget(self, task_id: int) -> None:
        """Delete the kept video: the task no longer needs it."""
        self._kept.drop(task_id)

    @contextmanager
    def _open(self, task: Task) -> Iterator[tuple[BinaryIO, bool]]:
        """Return the kept video, or an empty file for it."""
        if (kept := self._kept.open(task.id)) is not None:
            with kept:
                yield kept, True
            return
        with tempfile.TemporaryFile() as file:
            yield file, False


def _uploading(task: Task) -> str:
    """Return the chat action of the upload (Bot API: sendChatAction)."""
    return "upload_photo" if task.kind is TaskKind.PICTURE else "upload_video"


def _since(task: Task) -> datetime:
    """Return what orders the videos that wait: since when it was ordered."""
    return task.confirmed_at or task.created_at


def _host_is_away(exc: Exception) -> bool:
    return isinstance(exc, DownloadFailed) and not isinstance(exc, NotStored)


def _telegram_is_away(exc: Exception) -> bool:
    return isinstance(exc, TelegramLater) and not isinstance(exc, TelegramFlood)
