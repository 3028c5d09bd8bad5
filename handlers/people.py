"""Who uses the bot, for admins: /user and /credit. For everybody else these do not exist."""

from __future__ import annotations

import re
from decimal import Decimal

from aiogram import Router
from aiogram.filters import Command, CommandObject
from aiogram.types import InlineKeyboardMarkup, Message, Update, User

from bot import texts
from bot.core.clock import Clock
from bot.texts import keyboards
from bot.texts.callback_data import Operation
from handlers import reply
from handlers.filters import admin
from storage import Storage

PAYMENTS_SHOWN = 5
MOST_CREDIT = 100_000
"""Roubles that one /credit gives at most: a slip of a digit too many is refused."""

_NUMBER = re.compile(r"[0-9]{1,15}")
_GIFT = re.compile(r"([0-9]{1,15})\s+([0-9]{1,6})")


def router() -> Router:
    router = Router(name="people")
    router.message.register(person, Command("user"), admin)
    router.message.register(credit, Command("credit"), admin)
    return router


async def person(message: Message, command: CommandObject, storage: Storage, lang: str) -> None:
    given = _NUMBER.fullmatch((command.args or "").strip())
    await show_person(message, int(given[0]) if given else 0, storage, lang)


async def show_person(message: Message, user_id: int, storage: Storage, lang: str) -> None:
    """Show what is known about a person, with what an admin can do."""
    user = await storage.users.get(user_id)
    if user is None:
        await reply.say(message, texts.admin.nothing_found(lang))
        return
    paid = await storage.stars.open_payments(user_id)
    about = texts.people.PersonOverview(
        user_id=user_id,
        name=user.name,
        lang=user.lang,
        strikes=user.strikes,
        credit=await storage.ledger.credit(user_id),
        seen=f"{user.seen_at:%d.%m.%Y %H:%M}",
        orders=await storage.tasks.latest(user_id),
        payments=len(paid),
    )
    rows = [[keyboards.admin.operation(lang, Operation.LOOK, t.id)] for t in about.orders[:1]]
    rows += [
        [
            keyboards.payments.refund_payment(
                lang, row.id, row.stars, row.at, is_used=about.credit < row.credit
            )
        ]
        for row in paid[:PAYMENTS_SHOWN]
        if about.credit > 0 or not row.credit
    ]
    keyboard = InlineKeyboardMarkup(inline_keyboard=rows) if rows else None
    await reply.say(message, texts.people.person(lang, about), keyboard)


async def credit(
    message: Message,
    command: CommandObject,
    event_from_user: User,
    event_update: Update,
    storage: Storage,
    clock: Clock,
    lang: str,
) -> None:
    given = _GIFT.fullmatch((command.args or "").strip())
    if given is None or not 0 < int(given[2]) <= MOST_CREDIT:
        await reply.say(message, texts.people.credit_usage(lang))
        return
    user_id, roubles = int(given[1]), Decimal(given[2])
    if await storage.users.get(user_id) is None:
        await reply.say(message, texts.admin.nothing_found(lang))
        return
    now = await storage.ledger.grant(
        user_id,
        roubles,
        by=event_from_user.id,
        update_id=event_update.update_id,
        now=clock(),
    )
    await reply.say(message, texts.people.credited(lang, user_id, roubles, now))
