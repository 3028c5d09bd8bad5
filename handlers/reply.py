"""Send the answers of handlers to the same place; errors that do not matter are ignored.

Errors about an old button or a deleted message are ignored; all others are raised, and the update
is handled again later. It must not know the texts.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from aiogram import Bot
from aiogram.enums import ChatType
from aiogram.methods import (
    DeleteMessage,
    EditMessageCaption,
    EditMessageMedia,
    EditMessageReplyMarkup,
    EditMessageText,
)
from aiogram.types import (
    CallbackQuery,
    InaccessibleMessage,
    InlineKeyboardMarkup,
    InputFile,
    InputMediaPhoto,
    LinkPreviewOptions,
    Message,
    ReplyParameters,
)
from aiogram.utils.formatting import Text

from bot.core.errors import (
    TelegramError,
    TelegramLater,
    TelegramNotModified,
    TelegramRejected,
    TelegramUnreachable,
)
from bot.core.task import Chat

_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
_LONG_AGO = datetime.fromtimestamp(0, UTC)


def place(message: Message | InaccessibleMessage) -> Chat:
    """Return where to answer this message, now or later; for a message that is too old, only the
    chat.
    """
    if isinstance(message, InaccessibleMessage):
        return Chat(chat_id=message.chat.id)
    return Chat(
        chat_id=message.chat.id,
        # Replies in ordinary groups have a thread id too, but it cannot be used for sending.
        message_thread_id=message.message_thread_id if message.is_topic_message else None,
        business_connection_id=message.business_connection_id,
    )


def replied_to(message: Message) -> Message | None:
    """Return the message that the person replied to.

    Telegram links every message of a topic to the service message that opened the topic: nobody
    replied to that.
    """
    replied = message.reply_to_message
    if replied is None or replied.forum_topic_created is not None:
        return None
    opens_topic = message.is_topic_message and replied.message_id == message.message_thread_id
    return None if opens_topic else replied


async def say(
    message: Message,
    text: Text,
    keyboard: InlineKeyboardMarkup | None = None,
    *,
    quotes: bool = False,
) -> int:
    """Answer with a text; return the id of the answer. `quotes`: also a command in private."""
    sent = await message.answer(
        **text.as_kwargs(),
        reply_parameters=_to(message, quotes=quotes),
        reply_markup=keyboard,
        link_preview_options=_NO_PREVIEW,
    )
    return sent.message_id


async def show(
    message: Message,
    photo: str | InputFile,
    caption: Text,
    keyboard: InlineKeyboardMarkup | None = None,
    *,
    quotes: bool = False,
) -> int | None:
    """Answer with a picture; return the id of the answer, or None when Telegram takes no picture
    here: a group may forbid them, and still take words. `quotes`: see `say`."""
    with suppress(TelegramRejected, TelegramUnreachable):
        return (await picture(message, photo, caption, keyboard, quotes=quotes)).message_id
    return None


async def picture(
    message: Message,
    photo: str | InputFile,
    caption: Text,
    keyboard: InlineKeyboardMarkup | None = None,
    *,
    quotes: bool = False,
) -> Message:
    """Answer with a picture; return the answer, which identifies Telegram's copy."""
    return await message.answer_photo(
        photo,
        **caption.as_caption_kwargs(),
        reply_parameters=_to(message, quotes=quotes),
        reply_markup=keyboard,
    )


async def document(message: Message, file: str | InputFile) -> str | None:
    """Answer with a file; return its `file_id`, or None if Telegram does not accept it."""
    with suppress(TelegramRejected):
        sent = await message.answer_document(
            file, disable_content_type_detection=True, reply_parameters=_to(message)
        )
        return sent.document.file_id if sent.document else None
    return None


async def video(
    message: Message,
    file_id: str,
    caption: Text,
    keyboard: InlineKeyboardMarkup | None = None,
    *,
    is_document: bool = False,
    is_photo: bool = False,
) -> bool:
    """Answer with a video or picture that Telegram has; False when Telegram no longer has it."""
    send = (
        message.answer_photo
        if is_photo
        else message.answer_document
        if is_document
        else message.answer_video
    )
    with suppress(TelegramRejected):
        await send(
            file_id,
            **caption.as_caption_kwargs(),
            reply_parameters=_to(message),
            reply_markup=keyboard,
        )
        return True
    return False


def pressed_in(query: CallbackQuery, known: Chat) -> Chat:
    """Return where the button was pressed. For an old message Telegram tells only the chat; the
    rest is that of `known`, if it is in the same chat.
    """
    message = query.message
    assert message
    if isinstance(message, InaccessibleMessage) and message.chat.id == known.chat_id:
        return known
    return place(message)


def below(query: CallbackQuery, known: Chat) -> Message:
    """Return the pressed message, to be answered where it is; `known`: see `pressed_in`."""
    assert query.message
    chat = pressed_in(query, known)
    shown = Message(
        message_id=query.message.message_id,
        date=_LONG_AGO,
        chat=query.message.chat,
        message_thread_id=chat.message_thread_id,
        is_topic_message=chat.message_thread_id is not None,
        business_connection_id=chat.business_connection_id,
    )
    return shown.as_(query.bot)


async def is_move(message: Message) -> bool:
    """Whether this is one of the two messages about a group that became a supergroup: the last of
    the group, or the first of the supergroup, which comes in the name of the supergroup itself.
    """
    return bool(message.migrate_to_chat_id or message.migrate_from_chat_id)


async def rewrite(
    bot: Bot,
    chat: Chat,
    message_id: int,
    text: Text,
    *,
    is_media: bool,
    keyboard: InlineKeyboardMarkup | None = None,
) -> bool:
    """Edit text and buttons of a message of the bot; return whether it still exists."""
    where: dict[str, Any] = {
        "chat_id": chat.chat_id,
        "message_id": message_id,
        "business_connection_id": chat.business_connection_id,
        "reply_markup": keyboard,
    }
    try:
        if is_media:
            await bot(EditMessageCaption(**where, **text.as_caption_kwargs()))
        else:
            await bot(
                EditMessageText(**where, **text.as_kwargs(), link_preview_options=_NO_PREVIEW)
            )
    except TelegramNotModified:
        return True
    except TelegramRejected:
        return False
    return True


async def change_buttons(
    bot: Bot, chat: Chat, message_id: int, keyboard: InlineKeyboardMarkup
) -> None:
    """Replace the buttons below a message of the bot, if it still exists."""
    with suppress(TelegramNotModified, TelegramRejected):
        await bot(
            EditMessageReplyMarkup(
                chat_id=chat.chat_id,
                message_id=message_id,
                business_connection_id=chat.business_connection_id,
                reply_markup=keyboard,
            )
        )


async def replace(
    bot: Bot,
    chat: Chat,
    message_id: int,
    photo: str | InputFile,
    caption: Text,
    keyboard: InlineKeyboardMarkup | None = None,
) -> bool:
    """Replace picture, text and buttons of a bot's message; False: it no longer exists, or its
    chat takes no pictures."""
    media = InputMediaPhoto(media=photo, **caption.as_caption_kwargs())
    try:
        await bot(
            EditMessageMedia(
                chat_id=chat.chat_id,
                message_id=message_id,
                business_connection_id=chat.business_connection_id,
                media=media,
                reply_markup=keyboard,
            )
        )
    except TelegramNotModified:
        return True
    except (TelegramRejected, TelegramUnreachable):
        return False
    return True


async def take_away(bot: Bot, chat: Chat, message_id: int) -> None:
    """Delete a message of the bot, best effort."""
    with suppress(TelegramError):
        await bot(DeleteMessage(chat_id=chat.chat_id, message_id=message_id))


async def toast(query: CallbackQuery, text: str = "", *, alert: bool = False) -> None:
    """Answer a press; an `alert` has to be closed by hand.

    Telegram does not show a late answer, so a failed answer is not repeated.
    """
    with suppress(TelegramRejected, TelegramLater):
        await query.answer(text, show_alert=alert)


def _to(message: Message, *, quotes: bool = False) -> ReplyParameters | None:
    """Return what the answer replies to. In a private chat a command needs no quote: its answer
    is next to it."""
    if not quotes and message.chat.type == ChatType.PRIVATE and _is_command(message):
        return None
    return ReplyParameters(message_id=message.message_id, allow_sending_without_reply=True)


def _is_command(message: Message) -> bool:
    entities = message.entities or ()
    return any(one.type == "bot_command" and one.offset == 0 for one in entities)
