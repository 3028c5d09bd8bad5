"""Send messages to a chat outside of handlers, for jobs; the only module that does.

It sends to the complete place (topic, business connection, reply) and requests raw answers, so
that an accepted message counts as sent even if aiogram cannot parse the answer. It must not know
why something is sent. The file is long on purpose: how an accepted message is recognized is said
in one place.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from aiogram import Bot
from aiogram.methods import (
    DeleteMessage,
    EditMessageCaption,
    EditMessageReplyMarkup,
    EditMessageText,
    SendChatAction,
    SendDocument,
    SendMediaGroup,
    SendMessage,
    SendMessageDraft,
    SendPhoto,
    SendVideo,
)
from aiogram.types import (
    BufferedInputFile,
    InlineKeyboardMarkup,
    InputFile,
    InputMediaPhoto,
    InputMediaVideo,
    LinkPreviewOptions,
    MediaUnion,
    ReplyParameters,
)
from aiogram.utils.formatting import Text

from bot.core.errors import (
    TelegramError,
    TelegramLost,
    TelegramNotModified,
    TelegramRejected,
    TelegramUnreachable,
)
from bot.core.task import Chat
from bot.media.picture_reader import Picture
from bot.media.video_reader import Video, VideoInfo
from bot.telegram.client import REQUEST_SECONDS
from bot.telegram.rate_limits import RateLimiter

SLOWEST_UPLOAD = 50_000
"""Bytes per second: a slower upload is cancelled and retried."""


class _SendMessage(SendMessage):
    __returning__ = Any  # type: ignore[assignment]


class _SendVideo(SendVideo):
    __returning__ = Any  # type: ignore[assignment]


class _SendPhoto(SendPhoto):
    __returning__ = Any  # type: ignore[assignment]


class _SendDocument(SendDocument):
    __returning__ = Any  # type: ignore[assignment]


class _SendMediaGroup(SendMediaGroup):
    __returning__ = Any  # type: ignore[assignment]


class OpenFile(InputFile):
    """An open file, streamed from its start; it has no name on disk, so a crash leaves nothing."""

    def __init__(self, file: BinaryIO, filename: str) -> None:
        # Each chunk is a round trip to a thread, so chunks are large: a typical video has four.
        super().__init__(filename=filename, chunk_size=1 << 19)
        self._file = file

    async def read(self, bot: Bot) -> AsyncGenerator[bytes, None]:
        self._file.seek(0)
        while chunk := await asyncio.to_thread(self._file.read, self.chunk_size):
            yield chunk


@dataclass(frozen=True)
class SentVideo:
    """Telegram's references to an uploaded video."""

    message_id: int
    file_id: str | None
    is_document: bool = False  # a document's file_id cannot be sent as a video
    thumbnail_file_id: str | None = None  # None: it has no thumbnail


class Messenger:
    """Sends, edits and deletes; raises TelegramErrors (bot/core/errors.py)."""

    def __init__(self, bot: Bot, pace: RateLimiter) -> None:
        self._bot = bot
        self._pace = pace

    async def send(
        self,
        chat: Chat,
        text: Text,
        *,
        reply_to: int | None = None,
        keyboard: InlineKeyboardMarkup | None = None,
    ) -> int:
        """Send a message to the chat; return its id."""

        async def attempt(words: dict[str, Any]) -> Any:
            return await self._bot(
                _SendMessage(
                    chat_id=chat.chat_id,
                    message_thread_id=chat.message_thread_id,
                    business_connection_id=chat.business_connection_id,
                    reply_parameters=_reply(reply_to),
                    reply_markup=keyboard,
                    link_preview_options=LinkPreviewOptions(is_disabled=True),
                    **words,
                )
            )

        return _message_id(await _send_plain_if_needed(attempt, text.as_kwargs(), "entities"))

    async def send_video(
        self,
        chat: Chat,
        video: BinaryIO | str,
        info: VideoInfo | None = None,
        *,
        size: int = 0,
        thumbnail: bytes | None = None,
        caption: Text,
        reply_to: int | None = None,
        keyboard: InlineKeyboardMarkup | None = None,
    ) -> SentVideo:
        """Send a video, uploaded from an open file or by its `file_id` (Bot API: sendVideo).

        Never by URL: a silent MP4 would arrive as a GIF.
        """
        return await self._send_file(
            _SendVideo,
            chat,
            caption,
            size=size,
            video=video if isinstance(video, str) else OpenFile(video, "video.mp4"),
            width=info.width if info else None,
            height=info.height if info else None,
            duration=info.duration if info else None,
            thumbnail=_thumbnail(thumbnail),
            supports_streaming=True,
            reply_parameters=_reply(reply_to),
            reply_markup=keyboard,
        )

    async def send_photo(
        self,
        chat: Chat,
        photo: BinaryIO | str,
        *,
        size: int = 0,
        caption: Text,
        reply_to: int | None = None,
        keyboard: InlineKeyboardMarkup | None = None,
    ) -> SentVideo:
        """Send a picture, uploaded from an open file or by its `file_id` (Bot API: sendPhoto)."""
        return await self._send_file(
            _SendPhoto,
            chat,
            caption,
            size=size,
            photo=photo if isinstance(photo, str) else OpenFile(photo, "picture.jpg"),
            reply_parameters=_reply(reply_to),
            reply_markup=keyboard,
        )

    async def send_document(
        self,
        chat: Chat,
        file: BinaryIO | str,
        filename: str = "",
        *,
        size: int = 0,
        thumbnail: bytes | None = None,
        caption: Text,
        reply_to: int | None = None,
        keyboard: InlineKeyboardMarkup | None = None,
    ) -> SentVideo:
        """Send a video that Telegram does not play, uploaded as a file or by its `file_id`."""
        return await self._send_file(
            _SendDocument,
            chat,
            caption,
            size=size,
            document=file if isinstance(file, str) else OpenFile(file, filename),
            thumbnail=_thumbnail(thumbnail),
            disable_content_type_detection=True,
            reply_parameters=_reply(reply_to),
            reply_markup=keyboard,
        )

    async def _send_file(
        self,
        method: type[_SendVideo | _SendPhoto | _SendDocument],
        chat: Chat,
        caption: Text,
        *,
        size: int,
        **fields: Any,
    ) -> SentVideo:
        """Call `method` with its own `fields`; an upload of `size` bytes gets more time."""

        async def attempt(words: dict[str, Any]) -> Any:
            return await self._bot(
                method(
                    chat_id=chat.chat_id,
                    message_thread_id=chat.message_thread_id,
                    business_connection_id=chat.business_connection_id,
                    **fields,
                    **words,
                ),
                request_timeout=REQUEST_SECONDS + size // SLOWEST_UPLOAD,
            )

        words = caption.as_caption_kwargs()
        return _sent_video(await _send_plain_if_needed(attempt, words, "caption_entities"))

    async def send_album(
        self,
        chat: Chat,
        videos: Sequence[Video | Picture],
        *,
        caption: Text,
        reply_to: int | None = None,
    ) -> list[SentVideo]:
        """Send several videos or pictures, uploaded from open files, as one album (Bot API:
        sendMediaGroup).

        Only the first has the caption: clients then show it below the album.
        """
        files = [
            OpenFile(one.file, "picture.jpg" if isinstance(one, Picture) else "video.mp4")
            for one in videos
        ]

        async def attempt(words: dict[str, Any]) -> Any:
            album: list[MediaUnion] = [
                InputMediaPhoto(media=file, **({} if number else words))
                if isinstance(video, Picture)
                else InputMediaVideo(
                    media=file,
                    width=video.info.width,
                    height=video.info.height,
                    duration=video.info.duration,
                    thumbnail=_thumbnail(video.thumbnail),
                    supports_streaming=True,
                    **({} if number else words),
                )
                for number, (file, video) in enumerate(zip(files, videos, strict=True))
            ]
            return await self._bot(
                _SendMediaGroup(  # type: ignore[call-arg] # two old fields with defaults
                    chat_id=chat.chat_id,
                    message_thread_id=chat.message_thread_id,
                    business_connection_id=chat.business_connection_id,
                    media=album,
                    reply_parameters=_reply(reply_to),
                ),
                request_timeout=REQUEST_SECONDS
                + sum(video.size for video in videos) // SLOWEST_UPLOAD,
            )

        words = caption.as_caption_kwargs()
        answer = await _send_plain_if_needed(attempt, words, "caption_entities")
        if not isinstance(answer, list) or len(answer) != len(videos):
            raise TelegramLost("the answer does not name as many messages")
        return [_sent_video(one) for one in answer]

    async def edit(
        self,
        chat: Chat,
        message_id: int,
        text: Text,
        *,
        is_media: bool,
        keyboard: InlineKeyboardMarkup | None = None,
    ) -> None:
        """Edit a message of the bot; an unchanged text is no error."""
        method: EditMessageText | EditMessageCaption
        where: dict[str, Any] = {
            "chat_id": chat.chat_id,
            "message_id": message_id,
            "business_connection_id": chat.business_connection_id,
            "reply_markup": keyboard,
        }
        if is_media:
            method = EditMessageCaption(**where, **text.as_caption_kwargs())
        else:
            method = EditMessageText(
                **where,
                **text.as_kwargs(),
                link_preview_options=LinkPreviewOptions(is_disabled=True),
            )
        try:
            await self._bot(method)
        except TelegramNotModified:
            return

    async def edit_keyboard(
        self, chat: Chat, message_id: int, keyboard: InlineKeyboardMarkup | None
    ) -> None:
        """Replace the buttons below a message of the bot; None takes them away."""
        try:
            await self._bot(
                EditMessageReplyMarkup(
                    chat_id=chat.chat_id,
                    message_id=message_id,
                    business_connection_id=chat.business_connection_id,
                    reply_markup=keyboard,
                )
            )
        except TelegramNotModified:
            return

    async def delete(self, chat: Chat, message_id: int) -> None:
        """Delete a message of the bot, best effort: nothing depends on it."""
        try:
            await self._bot(DeleteMessage(chat_id=chat.chat_id, message_id=message_id))
        except TelegramError:
            return

    async def action(self, chat: Chat, action: str) -> bool:
        """Show the chat action ("sending video…"); nothing depends on it.

        False: the chat cannot be written to, and will not show it later either.
        """
        if self.busy(chat):
            return True
        try:
            await self._bot(
                SendChatAction(
                    chat_id=chat.chat_id,
                    message_thread_id=chat.message_thread_id,
                    business_connection_id=chat.business_connection_id,
                    action=action,
                )
            )
        except TelegramUnreachable:
            return False
        except TelegramError:
            return True
        return True

    async def draft(self, chat: Chat, draft_id: int, text: Text) -> bool:
        """Show a text with Telegram's own Stop button for 30 seconds (Bot API: sendMessageDraft).

        Nothing depends on it; return False if this server does not accept it.
        """
        try:
            await self._bot(
                SendMessageDraft(
                    chat_id=chat.chat_id,
                    message_thread_id=chat.message_thread_id,
                    draft_id=draft_id,
                    can_stop=True,
                    **text.as_kwargs(),
                )
            )
        except TelegramRejected:
            return False
        except TelegramError:
            return True
        return True

    def busy(self, chat: Chat) -> bool:
        """Whether an unimportant edit should be skipped now."""
        return self._pace.busy(chat.chat_id)


_ON_FORMATTING = re.compile(r"entities|entity_", re.IGNORECASE)
"""`can't parse entities` of the Bot API server, ENTITY_MENTION_USER_INVALID of Telegram."""


async def _send_plain_if_needed(attempt: Any, words: dict[str, Any], entities: str) -> Any:
    """Send without formatting when that is refused."""
    try:
        return await attempt(words)
    except TelegramRejected as exc:
        if not _ON_FORMATTING.search(str(exc)) or not words.get(entities):
            raise
    return await attempt(words | {entities: None})


def _reply(message_id: int | None) -> ReplyParameters | None:
    if message_id is None:
        return None
    return ReplyParameters(message_id=message_id, allow_sending_without_reply=True)


def _thumbnail(jpeg: bytes | None) -> BufferedInputFile | None:
    return BufferedInputFile(jpeg, "thumb.jpg") if jpeg else None


def _sent_video(answer: Any) -> SentVideo:
    message_id = _message_id(answer)
    if isinstance(sizes := answer.get("photo"), list):  # the sizes of one picture
        found = [size for size in sizes if isinstance(size, dict) and size.get("file_id")]
        if found:
            largest = max(found, key=lambda size: size.get("width", 0) * size.get("height", 0))
            return SentVideo(message_id, str(largest["file_id"]))
    # A silent clip may come back as an animation or a document.
    for kind in ("video", "animation", "document"):
        if isinstance(media := answer.get(kind), dict) and media.get("file_id"):
            small = media.get("thumbnail")
            return SentVideo(
                message_id,
                str(media["file_id"]),
                kind == "document",
                str(small["file_id"])
                if isinstance(small, dict) and small.get("file_id")
                else None,
            )
    return SentVideo(message_id, None)


def _message_id(answer: Any) -> int:
    message_id = answer.get("message_id") if isinstance(answer, dict) else None
    if not isinstance(message_id, int):
        raise TelegramLost("the answer names no message")
    return message_id
