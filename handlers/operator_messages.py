"""Close the copies of a message to the operator: one admin decided, and the others read it.

Best effort: a copy that cannot be edited keeps buttons that change nothing any more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from aiogram import Bot
from aiogram.types import InlineKeyboardMarkup, Message, User
from aiogram.utils.formatting import Text

from bot import texts
from bot.core.clock import Clock
from bot.core.errors import TelegramError
from bot.core.notices import Notice
from bot.texts import keyboards
from bot.texts.callback_data import Operation
from handlers import reply
from storage import Storage

logger = logging.getLogger(__name__)

Shown = tuple[Text, InlineKeyboardMarkup | None]


async def close(
    bot: Bot,
    shown: Message,
    pressed: Operation,
    by: User,
    storage: Storage,
    clock: Clock,
    *,
    others_only: bool = False,
) -> None:
    """Close the copies of the message below which an admin pressed what decides.

    `others_only`: the pressed one shows something else now.
    """
    about = await storage.operator_messages.about(shown.chat.id, shown.message_id)
    if about is None:
        return

    def after(notice: Notice) -> Shown:
        said = texts.notices.notice(notice)
        text = texts.admin.decided(notice.lang, said, by.full_name, pressed.name.lower())
        return text, keyboards.notices.decided(notice)

    but = shown if others_only else None
    await rewrite_all(bot, about, after, storage, clock, but=but)


async def rewrite_all(
    bot: Bot,
    about: str,
    after: Callable[[Notice], Shown],
    storage: Storage,
    clock: Clock,
    *,
    but: Message | None = None,
) -> None:
    """Rewrite every copy that was sent, as `after` shows it; `but`: a copy that is rewritten
    already."""
    skip = None if but is None else (but.chat.id, but.message_id)

    async def one(message_id: int, notice: Notice) -> None:
        text, keyboard = after(notice)
        try:
            await reply.rewrite(
                bot, notice.chat, message_id, text, is_media=False, keyboard=keyboard
            )
        except TelegramError as exc:
            logger.info("a copy of a message to the operator stays as it is: %s", exc)

    copies = await storage.operator_messages.decide(about, now=clock())
    await asyncio.gather(
        *(one(id_, copy) for id_, copy in copies if (copy.chat.chat_id, id_) != skip)
    )
