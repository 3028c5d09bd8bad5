"""Middlewares around every handler: find the person and the language, and answer bad input."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiogram import BaseMiddleware
from aiogram.types import CallbackQuery, Message, TelegramObject, User

from bot import texts
from bot.core.clock import Clock
from bot.core.errors import CardOpened, InputError
from bot.core.prices import PriceView
from bot.texts.audience import reader
from bot.texts.i18n import language_of
from bot.texts.subject import about
from handlers import reply
from storage import Storage

Handler = Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]]


class Person(BaseMiddleware):
    """Passes `lang` and `person` to handlers; drops updates without a human author.

    Notices that could not reach them are sent to the chat where they write now.

    Somebody who writes as a group or channel is told how to write as themselves.
    """

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        user: User | None = data.get("event_from_user")
        if isinstance(event, Message) and await reply.is_move(event):
            data["lang"] = language_of(user.language_code if user else None)
            return await handler(event, data)  # a service message of the group
        if isinstance(event, Message) and event.is_automatic_forward:
            return None  # a post of the linked channel, in the name of Telegram's own account
        if user is None or user.is_bot:
            if isinstance(event, Message) and event.sender_chat is not None:
                await reply.say(event, texts.cards.anonymous())
            return None
        storage: Storage = data["storage"]
        clock: Clock = data["clock"]
        person = await storage.users.see(
            user.id,
            lang=language_of(user.language_code),
            name=user.full_name,
            username=user.username,
            now=clock(),
        )
        data["lang"], data["person"] = person.lang, person
        if person.owed and isinstance(event, Message):
            await storage.outbox.unpark(user.id, reply.place(event), now=clock())
        prices: PriceView = data["prices"]
        with reader(pays=prices.seen_by(user.id)), about(None):
            return await handler(event, data)


class InputErrorAnswers(BaseMiddleware):
    """Answers unusable input with the problem and what to do, and the second tap of a double
    tap."""

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        try:
            return await handler(event, data)
        except InputError as exc:
            if isinstance(event, Message):
                await reply.say(
                    event, texts.failures.problem(data["lang"], exc.problem, exc.details)
                )
            return None
        except CardOpened:
            if isinstance(event, CallbackQuery):
                await reply.toast(event, texts.results.press_opened(data["lang"]))
            return None
