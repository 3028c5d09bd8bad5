"""Rewrite the copies of a message to the operator at once: one admin decided, the others read it.

Best effort: bot/operator/message_buttons.py removes the remaining buttons.
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
) -> None:
    """Show in all copies of the message below which an admin pressed what decides who it was,
    without the buttons that make no sense any more."""
    about = await storage.operator_messages.about(shown.chat.id, shown.message_id)
    if about is None:
        return

    if pressed in keyboards.admin.ONCE:
        await storage.operator_messages.decide(about, now=clock())
    decided, over = await storage.operator_messages.state(about)
    held = await storage.alerts.held()

    def after(notice: Notice) -> Shown:
        said = texts.notices.notice(notice)
        text = texts.admin.decided(notice.lang, said, by.full_name, pressed.name.lower())
        return text, keyboards.notices.operator(notice, held, decided=decided, over=over)

    await rewrite_all(bot, about, after, storage)


async def rewrite_all(
    bot: Bot,
    about: str,
    after: Callable[[Notice], Shown],
    storage: Storage,
) -> None:
    """Rewrite every copy that was sent, as `after` shows it."""
    store = storage.operator_messages

    async def one(message_id: int, notice: Notice) -> None:
        text, keyboard = after(notice)
        try:
            await reply.rewrite(
                bot, notice.chat, message_id, text, is_media=False, keyboard=keyboard
            )
        except TelegramError as exc:
            logger.info("a copy of a message to the operator stays as it is: %s", exc)
        else:
            await store.shows(notice, keyboards.notices.buttons(keyboard))

    await asyncio.gather(*(one(id_, copy) for id_, copy in await store.copies(about)))
