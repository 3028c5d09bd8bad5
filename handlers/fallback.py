"""Updates that no other handler accepted: answered in private chats, ignored in groups."""

from __future__ import annotations

from aiogram import Bot, Router
from aiogram.enums import ContentType
from aiogram.types import CallbackQuery, Message

from bot import texts
from bot.core.errors import InputError
from bot.core.task import Problem
from handlers import reply
from handlers.filters import private, unknown_command

# Content types that a person sends; all others are service messages (a pin, a new title, a timer).
# UNKNOWN: Telegram added the content after this aiogram, or a part of it could not be parsed.
_SENT = frozenset(
    {
        ContentType.ANIMATION, ContentType.AUDIO, ContentType.CHECKLIST, ContentType.CONTACT,
        ContentType.DICE, ContentType.GAME, ContentType.GIVEAWAY, ContentType.GIVEAWAY_WINNERS,
        ContentType.INVOICE, ContentType.LIVE_PHOTO, ContentType.LOCATION, ContentType.PAID_MEDIA,
        ContentType.POLL, ContentType.RICH_MESSAGE, ContentType.STICKER, ContentType.STORY,
        ContentType.UNKNOWN, ContentType.VENUE, ContentType.VIDEO, ContentType.VIDEO_NOTE,
        ContentType.VOICE,
    }
)  # fmt: skip


def router() -> Router:
    router = Router(name="fallback")
    router.message.register(refuse_command, private, unknown_command)
    router.message.register(refuse, private, sent)
    router.callback_query.register(forget_button)
    return router


async def sent(message: Message, bot: Bot) -> bool:
    """Return whether a person sent this. A video from the bot's own inline mode needs no
    answer."""
    is_own = message.via_bot is not None and message.via_bot.id == bot.id
    return message.content_type in _SENT and not is_own


async def refuse_command(message: Message, lang: str) -> None:
    await reply.say(message, texts.commands.unknown_command(lang))


async def refuse(message: Message) -> None:
    raise InputError(Problem.UNSUPPORTED_MESSAGE)


async def forget_button(query: CallbackQuery, lang: str) -> None:
    """Answer a button of an older version."""
    await reply.toast(query, texts.statuses.press_expired(lang), alert=True)
