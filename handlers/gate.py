"""Runs before all handlers: checks access and passes the person's limits on orders.

A refused update has no effect. Handlers with the flag `everybody` also serve strangers.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from aiogram import BaseMiddleware
from aiogram.dispatcher.flags import get_flag
from aiogram.enums import ChatType
from aiogram.types import (
    CallbackQuery,
    Chat,
    InlineQuery,
    InlineQueryResultsButton,
    Message,
    PreCheckoutQuery,
    TelegramObject,
    Update,
    User,
)
from aiogram.utils.formatting import Text

from bot import texts
from bot.core.access import Access, Verdict, Verdicts
from bot.core.clock import Clock
from bot.core.errors import (
    CreditTooLow,
    IntakeHeld,
    LimitReached,
    PhotosHeld,
    TelegramRejected,
)
from bot.texts import keyboards
from bot.texts.i18n import language_of
from handlers import reply
from handlers.middlewares import Handler
from storage import Storage

EVERYBODY = {"everybody": True}
"""Return the flags of a handler that strangers may use."""


class Gate(BaseMiddleware):
    """Tells strangers how to ask for access; does not answer banned people."""

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        user: User | None = data.get("event_from_user")
        if user is None or user.is_bot or get_flag(data, "everybody"):
            return await handler(event, data)
        access: Access = data["access"]
        chat: Chat | None = data.get("event_chat")
        decided = Verdicts()
        if not access.is_admin(user.id):
            storage: Storage = data["storage"]
            decided = await storage.access.verdicts(user.id, chat.id if chat else None)
        if access.admits(user.id, decided):
            return await handler(event, data)
        banned = Verdict.BANNED in (decided.person, decided.chat)
        lang = await _lang_of(user, data["storage"])
        if not banned and isinstance(event, Message) and event.chat.type == ChatType.PRIVATE:
            await tell_how_to_ask(event, user, access, data["event_update"], lang)
        else:
            await _refuse(event, data["event_update"], lang, banned=banned)
        return None


async def _lang_of(user: User, storage: Storage) -> str:
    """Return the language that a stranger chose with /language, or that of the person's Telegram
    app."""
    known = await storage.users.get(user.id)
    if known is not None and known.lang_chosen:
        return known.lang
    return language_of(user.language_code)


async def tell_how_to_ask(
    message: Message, user: User, access: Access, update: Update, lang: str
) -> None:
    """Tell a stranger in private that the bot is closed, and how to ask for access."""
    if message is not update.message:
        return  # an edited message
    heard = bool(access.admins)
    ask = keyboards.access.ask_access(lang) if heard else None
    await reply.say(message, texts.access.closed(lang, user.id, somebody_hears=heard), ask)


async def _refuse(event: TelegramObject, update: Update, lang: str, *, banned: bool) -> None:
    if isinstance(event, CallbackQuery):
        words = texts.access.press_denied(lang) if banned else texts.access.press_closed(lang)
        await reply.toast(event, words, alert=True)
    elif isinstance(event, PreCheckoutQuery):
        with suppress(TelegramRejected):  # too late: without an answer Telegram makes no payment
            await event.answer(ok=False, error_message=texts.access.press_denied(lang))
    elif isinstance(event, InlineQuery):
        ask = InlineQueryResultsButton(text=texts.access.button_ask(lang), start_parameter="ask")
        with suppress(TelegramRejected):  # too late: the person has typed on
            await event.answer([], cache_time=10, is_personal=True, button=None if banned else ask)
    elif isinstance(event, Message) and event is update.message and not banned:
        await reply.say(event, texts.access.closed_group(lang))


class LimitAnswers(BaseMiddleware):
    """Answer an order that a cap or the person's credit forbids: the reason, and when to try
    again.
    """

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        lang: str = data["lang"]
        try:
            return await handler(event, data)
        except LimitReached as exc:
            clock: Clock = data["clock"]
            left = (exc.renews_at - clock()).total_seconds() if exc.renews_at else None
            words = texts.payments.limit_reached(lang, exc.cap, exc.bound, left)
        except CreditTooLow as exc:
            words = texts.payments.credit_too_low(lang, exc.price, exc.credit)
        except IntakeHeld:
            words = texts.payments.intake_held(lang)
        except PhotosHeld:
            words = texts.payments.photos_held(lang)
        if isinstance(event, CallbackQuery):
            await reply.toast(event, words, alert=True)
        elif isinstance(event, Message):
            await reply.say(event, Text(words))
        return None
