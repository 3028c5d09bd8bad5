"""Filters: which updates a handler accepts. They are coroutines, because aiogram runs other
filters in threads.
"""

from __future__ import annotations

import re
from typing import Any

from aiogram import Bot
from aiogram.enums import ChatType
from aiogram.types import Message, MessageEntity, TelegramObject, User

from bot.core.access import Access
from handlers import reply


def words_in(message: Message) -> str | None:
    """Return the text or caption of a message, or the plain text of a rich message; None if it has
    none (bot/telegram/rich_messages.py)."""
    text = message.text or message.caption
    if text is None and message.rich_message is not None:
        said = [getattr(block, "text", None) for block in message.rich_message.blocks]
        text = "\n".join(line for line in said if isinstance(line, str)) or None
    return text


async def admin(event: TelegramObject, event_from_user: User, access: Access) -> bool:
    """The update is from an admin; for everybody else the command does not exist."""
    return access.is_admin(event_from_user.id)


async def private(message: Message) -> bool:
    """The update is from a private chat."""
    return message.chat.type == ChatType.PRIVATE


async def addressed(message: Message, bot: Bot) -> bool | dict[str, Any]:
    """The message is addressed to this bot: any message in private, a mention or a reply in a
    group. A forwarded post does not address the bot, even if it mentions it.

    Passes `words`: the text or caption without the mention, or None without either.
    """
    text = words_in(message)
    mention = await _mention(message, bot)
    words = _without(text, mention) if mention and text else text
    if message.chat.type == ChatType.PRIVATE or (mention and message.forward_origin is None):
        return {"words": words}
    replied = reply.replied_to(message)
    if replied and replied.from_user and replied.from_user.id == bot.id:
        return False if _calls_others(message) else {"words": text}
    return False


async def written(message: Message) -> bool:
    """Accept a text or a rich message that is not a command."""
    is_text = message.text is not None or message.rich_message is not None
    return is_text and words_in(message) is not None and not _is_command(message)


async def unknown_command(message: Message) -> bool:
    """A command that no earlier handler accepted, also as a caption."""
    return _is_command(message)


async def no_command(message: Message) -> bool:
    """Accept what is not a command; in a group it may be one for another bot."""
    return not _is_command(message)


def _is_command(message: Message) -> bool:
    entities = message.entities or message.caption_entities or ()
    if any(e.type == "bot_command" and e.offset == 0 for e in entities):
        return True
    # Telegram marks commands in Latin letters only; /помощь is meant as one, and no prompt.
    return re.match(r"/[^\W\d_]", words_in(message) or "") is not None


async def _mention(message: Message, bot: Bot) -> MessageEntity | None:
    """Return the first mention of the bot."""
    text = message.text or message.caption or ""
    entities: list[MessageEntity] = message.entities or message.caption_entities or []
    mentions = [one for one in entities if one.type == "mention"]
    if not mentions:
        return None
    name = f"@{(await bot.me()).username}".lower()
    return next((one for one in mentions if one.extract_from(text).lower() == name), None)


def _calls_others(message: Message) -> bool:
    """Return whether a reply to the bot begins with a mention: it shows the video to a friend."""
    first = next(iter(message.entities or message.caption_entities or ()), None)
    return first is not None and not first.offset and first.type in ("mention", "text_mention")


def _without(text: str, entity: MessageEntity) -> str:
    """Replace an entity by a space; its place is counted in UTF-16 units."""
    units = text.encode("utf-16-le", "surrogatepass")
    start, end = 2 * entity.offset, 2 * (entity.offset + entity.length)
    return (units[:start] + " ".encode("utf-16-le") + units[end:]).decode("utf-16-le", "replace")
