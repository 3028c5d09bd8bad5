"""Access to the bot: requests, invites, and the admins' /allow, /ban, /invite."""

from __future__ import annotations

import re
from datetime import timedelta

from aiogram import Bot, F, Router
from aiogram.enums import ChatType
from aiogram.filters import Command, CommandObject, CommandStart
from aiogram.types import CallbackQuery, Message, Update, User
from aiogram.utils.deep_linking import create_start_link

from bot import texts
from bot.core.access import Access
from bot.core.clock import Clock
from bot.texts.callback_data import AskAccess, DecideAccess
from handlers import reply
from handlers.filters import admin
from handlers.gate import EVERYBODY
from storage import RedeemResult, RequestStatus, Storage
from storage.access import INVITE_PREFIX

USES, DAYS = range(1, 1001), range(1, 366)
_NUMBERS = re.compile(r"([0-9]{1,4})(?:\s+([0-9]{1,3}))?")


def router() -> Router:
    router = Router(name="access")
    invited = CommandStart(deep_link=True, magic=F.args.startswith(INVITE_PREFIX))
    router.message.register(redeem, invited, flags=EVERYBODY)
    router.message.register(allow, Command("allow"), admin)
    router.message.register(ban, Command("ban"), admin)
    router.message.register(invite, Command("invite"), admin)
    router.callback_query.register(ask, AskAccess.filter(), flags=EVERYBODY)
    router.callback_query.register(decide, DecideAccess.filter(), admin)
    return router


# --- strangers -----------------------------------------------------------------------------


async def ask(
    query: CallbackQuery, access: Access, storage: Storage, clock: Clock, lang: str
) -> None:
    user = query.from_user
    if access.admits(user.id, await storage.access.verdicts(user.id)):
        asked = RequestStatus.ALLOWED
    else:
        asked = await storage.access.ask(
            user_id=user.id,
            name=user.full_name,
            username=user.username,
            lang=lang,
            admins=access.admins,
            now=clock(),
        )
    match asked:
        case RequestStatus.SENT:
            await reply.toast(query, texts.access.press_asked(lang), alert=True)
        case RequestStatus.WAITING:
            await reply.toast(query, texts.access.press_asked_already(lang), alert=True)
        case RequestStatus.ALLOWED:
            await reply.toast(query, texts.access.access_granted(lang).render()[0], alert=True)
        case RequestStatus.DENIED | RequestStatus.BANNED:
            await reply.toast(query, texts.access.press_denied(lang), alert=True)


async def redeem(
    message: Message,
    command: CommandObject,
    event_from_user: User,
    access: Access,
    storage: Storage,
    clock: Clock,
    lang: str,
) -> None:
    user_id = event_from_user.id
    if not access.admits(user_id, await storage.access.verdicts(user_id)):
        outcome = await storage.access.redeem(command.args or "", user_id=user_id, now=clock())
        if outcome not in (RedeemResult.WELCOME, RedeemResult.KNOWN):
            await reply.say(message, texts.access.invite_refused(lang, outcome.value))
            return
    await reply.say(message, texts.access.access_granted(lang))


# --- admins --------------------------------------------------------------------------------


async def decide(
    query: CallbackQuery,
    callback_data: DecideAccess,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    lang: str,
) -> None:
    request = await storage.access.decide(
        callback_data.user_id, allow=callback_data.allow, by=query.from_user.id, now=clock()
    )
    if request is None or request.allowed is None:
        await reply.toast(query, texts.statuses.press_expired(lang), alert=True)
        return
    text = texts.access.access_decided(
        lang, request.user_id, request.name, allowed=request.allowed
    )
    await reply.toast(query, text.render()[0])
    if isinstance(query.message, Message):
        await reply.rewrite(
            bot, reply.place(query.message), query.message.message_id, text, is_media=False
        )


async def allow(
    message: Message,
    command: CommandObject,
    event_from_user: User,
    storage: Storage,
    clock: Clock,
    lang: str,
) -> None:
    if (subject := _subject(message, command)) is None:
        await reply.say(message, texts.access.allow_usage(lang))
        return
    await storage.access.allow(subject, by=event_from_user.id, now=clock())
    await reply.say(message, texts.access.allowed(lang, subject))


async def ban(
    message: Message,
    command: CommandObject,
    event_from_user: User,
    access: Access,
    storage: Storage,
    clock: Clock,
    lang: str,
) -> None:
    if (subject := _subject(message, command)) is None:
        await reply.say(message, texts.access.allow_usage(lang))
    elif access.is_admin(subject):
        await reply.say(message, texts.access.admin_stays(lang))
    else:
        await storage.access.ban(subject, by=event_from_user.id, now=clock())
        await reply.say(message, texts.access.banned(lang, subject))


def _subject(message: Message, command: CommandObject) -> int | None:
    """Return the given id, the author of the replied-to message, or the group; else None."""
    if command.args:
        number = command.args.strip()
        digits = number.removeprefix("-")
        return int(number) if digits.isascii() and digits.isdigit() and len(digits) < 16 else None
    replied = message.reply_to_message
    if replied and replied.from_user and not replied.from_user.is_bot:
        return replied.from_user.id
    return None if message.chat.type == ChatType.PRIVATE else message.chat.id


async def invite(
    message: Message,
    command: CommandObject,
    event_from_user: User,
    event_update: Update,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    lang: str,
) -> None:
    given = _NUMBERS.fullmatch((command.args or "1").strip())
    uses, days = (int(given[1]), int(given[2] or 7)) if given else (0, 0)
    if uses not in USES or days not in DAYS:
        await reply.say(message, texts.access.invite_usage(lang))
        return
    now = clock()
    made = await storage.access.invite(
        by=event_from_user.id,
        uses=uses,
        expires_at=now + timedelta(days=days),
        update_id=event_update.update_id,
        now=now,
    )
    link = await create_start_link(bot, made.token)
    left = (made.expires_at - now).total_seconds()
    await reply.say(message, texts.access.invite_made(lang, link, made.uses, left))
