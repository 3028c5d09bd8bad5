"""Cancel waiting orders when a person blocks the bot or a group removes it.

Nothing has to be done when a person starts the bot again, or a group adds it again: all other rows
were kept.
"""

from __future__ import annotations

import logging

from aiogram import Bot, Router
from aiogram.enums import ChatMemberStatus, ChatType
from aiogram.methods import GetChatMember
from aiogram.types import ChatMemberUpdated

from bot.core.clock import Clock
from bot.core.errors import TelegramUnreachable
from storage import Storage

logger = logging.getLogger(__name__)

_AWAY = frozenset({ChatMemberStatus.LEFT, ChatMemberStatus.KICKED})


def router() -> Router:
    router = Router(name="membership")
    router.my_chat_member.register(lost, is_away)
    return router


async def is_away(event: ChatMemberUpdated) -> bool:
    """Return whether the bot was blocked or removed."""
    return event.new_chat_member.status in _AWAY


async def lost(event: ChatMemberUpdated, bot: Bot, storage: Storage, clock: Clock) -> None:
    """Cancel the orders of this chat that were not sent to the provider: they would be paid for,
    but could not be delivered here.

    A group is asked about first: the update may be old, or name the old ID of a supergroup
    (telegram-bot-api #266). TelegramMoved then moves what belongs to it and handles the update
    there (bot/telegram/inbox.py).
    """
    chat = event.chat
    if chat.type != ChatType.PRIVATE and await _is_there(bot, chat.id):
        return
    cancelled = await storage.departures.cancel(chat.id, now=clock())
    where = "blocked by" if chat.type == ChatType.PRIVATE else "removed from"
    logger.info("%s chat %d: %d waiting orders cancelled", where, chat.id, len(cancelled))


async def _is_there(bot: Bot, chat_id: int) -> bool:
    try:
        me = await bot(GetChatMember(chat_id=chat_id, user_id=bot.id))
    except TelegramUnreachable:
        return False
    return me.status not in _AWAY
