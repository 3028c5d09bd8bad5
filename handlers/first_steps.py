"""Claiming a new bot with the link of its start, and an admin's first steps after that."""

from __future__ import annotations

from datetime import timedelta

from aiogram import Bot, F, Router
from aiogram.filters import CommandObject, CommandStart
from aiogram.types import CallbackQuery, Message, Update, User

from bot import texts
from bot.core.access import CLAIM_PREFIX, Access
from bot.core.clock import Clock
from bot.texts import keyboards
from bot.texts.callback_data import FirstStep, Step
from bot.texts.first_steps import FirstSteps
from handlers import reply
from handlers.access import make_invite
from handlers.context import AdminsChanged, Balance, Offer
from handlers.filters import admin, private
from handlers.gate import EVERYBODY
from storage import ClaimResult, Storage

GREETED = timedelta(days=1)
"""How long after the claim /admin shows the first steps too."""
INVITE_DAYS = 7


def router() -> Router:
    router = Router(name="first_steps")
    # Only in private: in a group others would see the code.
    opened = CommandStart(deep_link=True, magic=F.args.startswith(CLAIM_PREFIX))
    router.message.register(claim, opened, private, flags=EVERYBODY)
    router.callback_query.register(press, FirstStep.filter(), admin)
    return router


async def claim(
    message: Message,
    command: CommandObject,
    event_from_user: User,
    access: Access,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    balance: Balance,
    admins_changed: AdminsChanged,
    lang: str,
) -> None:
    user_id = event_from_user.id
    if not access.is_admin(user_id):
        # With an admin the code is worthless, also to somebody who guesses it.
        result = ClaimResult.TAKEN
        if not access.admins:
            code = command.args or ""
            result = await storage.admins.claim(code, user_id=user_id, now=clock())
        if result is not ClaimResult.CLAIMED:
            await reply.say(message, texts.first_steps.claim_refused(lang, result.value))
            return
        await admins_changed()
    await show(message, storage, access, offer, balance, lang, welcome=True)


async def show(
    message: Message,
    storage: Storage,
    access: Access,
    offer: Offer,
    balance: Balance,
    lang: str,
    *,
    welcome: bool = False,
) -> None:
    """Send the checklist."""
    facts = await _facts(storage, access, offer, balance)
    text = texts.first_steps.checklist(lang, facts, welcome=welcome)
    await reply.say(message, text, keyboards.first_steps.checklist(lang))


async def press(
    query: CallbackQuery,
    callback_data: FirstStep,
    event_update: Update,
    bot: Bot,
    access: Access,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    balance: Balance,
    lang: str,
) -> None:
    await reply.toast(query)
    if not isinstance(query.message, Message):
        return
    step = callback_data.step
    if step is Step.INVITE:
        text = await make_invite(
            bot, storage, by=query.from_user.id, uses=1, days=INVITE_DAYS,
            update_id=event_update.update_id, now=clock(), lang=lang,
        )  # fmt: skip
        await reply.say(query.message, text)
        return
    if step is Step.LIST:
        await show(query.message, storage, access, offer, balance, lang)
        return
    facts = await _facts(storage, access, offer, balance)
    if step is Step.PEOPLE:
        asked = bool(await storage.access.waiting(limit=1))
        keyboard = keyboards.first_steps.people(lang, asked=asked)
        await reply.say(query.message, texts.first_steps.people(lang, facts), keyboard)
        return
    text = {
        Step.BALANCE: texts.first_steps.balance,
        Step.PHOTOS: texts.first_steps.photos,
        Step.CAPS: texts.first_steps.caps,
    }[step](lang, facts)
    await reply.say(query.message, text)


async def _facts(storage: Storage, access: Access, offer: Offer, balance: Balance) -> FirstSteps:
    let_in = await storage.access.let_in()
    return FirstSteps(
        balance=await balance(),
        model=offer.model,
        photos_on=offer.photos_on,
        tunnel=offer.tunnel_state(),
        caps=offer.rules.caps,
        is_open=access.is_open,
        people=len((let_in | access.allowed) - access.admins),
    )
