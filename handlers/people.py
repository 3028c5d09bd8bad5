"""Who uses the bot, for admins: /people, /invites, /user, /credit and their buttons. For everybody
else these do not exist."""

from __future__ import annotations

import re
from decimal import Decimal

from aiogram import Bot, Router
from aiogram.enums import ChatType
from aiogram.filters import Command, CommandObject
from aiogram.types import CallbackQuery, InlineKeyboardMarkup, Message, Update, User
from aiogram.utils.formatting import Text

from bot import texts
from bot.core.access import Access, Verdict
from bot.core.caps import Cap, own_caps
from bot.core.clock import Clock
from bot.texts import keyboards
from bot.texts.callback_data import (
    Operation,
    RevokeInvite,
    SetCap,
    ShowInvites,
    ShowPeople,
)
from handlers import reply
from handlers.filters import admin
from storage import Section, Storage

ON_A_PAGE = 8
INVITES_SHOWN = 10
PAYMENTS_SHOWN = 5
MOST_CREDIT = 100_000
"""Roubles that one /credit gives at most: a slip of a digit too many is refused."""

_ID = re.compile(r"-?[0-9]{1,15}")
_NAME = re.compile(r"@[A-Za-z0-9_]{1,64}")
_GIFT = re.compile(r"(\S+)\s+([0-9]{1,6})")


def router() -> Router:
    router = Router(name="people")
    for command, handler in (
        ("people", people), ("invites", invites), ("user", person), ("credit", credit),
    ):  # fmt: skip
        router.message.register(handler, Command(command), admin)
    router.callback_query.register(turn_page, ShowPeople.filter(), admin)
    router.callback_query.register(show_invites, ShowInvites.filter(), admin)
    router.callback_query.register(revoke, RevokeInvite.filter(), admin)
    router.callback_query.register(set_cap, SetCap.filter(), admin)
    return router


async def subject_of(message: Message, given: str, storage: Storage) -> int | None:
    """Return the person or group that an admin named: an ID, a @name, the author of the message
    that was replied to, or "group" for the group itself. None: nobody. The old ID
    of a group that became a supergroup gives its new ID."""
    if _ID.fullmatch(given):
        return await storage.people.id_now(int(given)) or None
    if _NAME.fullmatch(given):
        return await storage.people.find(given)
    if given == "group" and message.chat.type != ChatType.PRIVATE:
        return message.chat.id
    replied = reply.replied_to(message)
    if given or replied is None or replied.from_user is None:
        return None
    # an anonymous admin or a channel is no person
    is_person = not replied.from_user.is_bot and replied.sender_chat is None
    return replied.from_user.id if is_person else None


def earlier_id(given: str, subject_id: int) -> int | None:
    """Return the old ID by which an admin named a group that became a supergroup."""
    return int(given) if _ID.fullmatch(given) and int(given) != subject_id else None


def is_reply(message: Message) -> bool:
    """Whether the message replies to anything, also of another chat."""
    return bool(reply.replied_to(message) or message.external_reply or message.reply_to_story)


def is_name(given: str) -> bool:
    """Whether this is a @name."""
    return _NAME.fullmatch(given) is not None


# --- lists ---------------------------------------------------------------------------------


async def people(message: Message, storage: Storage, lang: str) -> None:
    text, keyboard = await _page(Section.ALLOWED, 0, storage, lang)
    await reply.say(message, text, keyboard)


async def turn_page(
    query: CallbackQuery, callback_data: ShowPeople, bot: Bot, storage: Storage, lang: str
) -> None:
    known = callback_data.section in list(Section)
    section = Section(callback_data.section) if known else Section.ALLOWED
    text, keyboard = await _page(section, callback_data.page, storage, lang)
    await _rewrite(query, bot, text, keyboard)


async def _page(
    section: Section, page: int, storage: Storage, lang: str
) -> tuple[Text, InlineKeyboardMarkup]:
    counts = await storage.people.counts()
    pages = max(1, -(-counts[section] // ON_A_PAGE))
    page = max(0, min(page, pages - 1))
    shown = await storage.people.page(section, limit=ON_A_PAGE, offset=page * ON_A_PAGE)
    rows = [
        f"{texts.people.named(one.name, one.username)} · {one.subject_id}"
        + (" 🚫" if section is Section.GROUPS and one.verdict.value == "banned" else "")
        for one in shown
    ]
    return (
        texts.people.people(lang, section.value, rows, page, pages),
        keyboards.people.people(
            lang,
            section.value,
            [one.subject_id for one in shown],
            {one.value: count for one, count in counts.items()},
            page,
            pages,
        ),
    )


async def invites(message: Message, storage: Storage, clock: Clock, lang: str) -> None:
    text, keyboard = await _invites(storage, clock, lang)
    await reply.say(message, text, keyboard)


async def show_invites(
    query: CallbackQuery, bot: Bot, storage: Storage, clock: Clock, lang: str
) -> None:
    text, keyboard = await _invites(storage, clock, lang)
    await _rewrite(query, bot, text, keyboard)


async def revoke(
    query: CallbackQuery,
    callback_data: RevokeInvite,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    lang: str,
) -> None:
    done = await storage.people.revoke(callback_data.number, by=query.from_user.id, now=clock())
    text, keyboard = await _invites(storage, clock, lang)
    await _rewrite(query, bot, text, keyboard, answer=texts.admin.pressed(lang, done=done))


async def _invites(
    storage: Storage, clock: Clock, lang: str
) -> tuple[Text, InlineKeyboardMarkup | None]:
    now = clock()
    shown = await storage.people.invites(now, limit=INVITES_SHOWN)
    rows = [(one.used, one.uses, (one.expires_at - now).total_seconds()) for one in shown]
    return (
        texts.people.invites(lang, rows),
        keyboards.people.invites(lang, [one.number for one in shown]),
    )


# --- one of them ---------------------------------------------------------------------------


async def person(message: Message, command: CommandObject, storage: Storage, lang: str) -> None:
    given = (command.args or "").strip()
    subject_id = await subject_of(message, given, storage)
    if subject_id is not None:
        await show_person(message, subject_id, storage, lang, earlier_id(given, subject_id))
    elif is_name(given):
        await reply.say(message, texts.access.not_met(lang, given))
    else:
        await reply.say(message, texts.people.user_usage(lang))


async def show_person(
    message: Message, subject_id: int, storage: Storage, lang: str, earlier: int | None = None
) -> None:
    """Show what is known about a person or a group, with what an admin can do."""
    shown = await overview(subject_id, storage, lang, earlier)
    if shown is None:
        await reply.say(message, texts.admin.nothing_found(lang))
    else:
        await reply.say(message, *shown)


async def overview(
    subject_id: int, storage: Storage, lang: str, earlier: int | None = None
) -> tuple[Text, InlineKeyboardMarkup] | None:
    """Return what is known about a person or a group, with its buttons; None if nothing is known.
    `earlier`: the old ID by which an admin named a group."""
    user = await storage.users.get(subject_id) if subject_id > 0 else None
    known = await storage.people.get(subject_id)
    caps = await storage.people.caps(subject_id)
    if user is None and known is None and not caps and subject_id > 0:
        return None
    verdict = known.verdict if known else None
    at_once, per_day = (caps.get(cap) for cap in own_caps(subject_id))
    below = [
        keyboards.people.access(lang, subject_id, verdict),
        *keyboards.people.caps(lang, subject_id, at_once, per_day),
    ]
    if user is None:
        name = known.name if known else None
        text = texts.people.subject(
            lang, subject_id, name, verdict, caps.get(Cap.GROUP_ALLOWANCE), earlier
        )
        return text, InlineKeyboardMarkup(inline_keyboard=below)
    have = await storage.gifts.balance(subject_id)
    about = texts.people.PersonOverview(
        user_id=subject_id,
        name=user.name,
        username=user.username,
        verdict=verdict,
        lang=user.lang,
        strikes=user.strikes,
        credit=have.credit,
        gifts=have.videos,
        seen_at=user.seen_at,
        orders=await storage.tasks.latest(subject_id),
    )
    rows = [[keyboards.admin.operation(lang, Operation.LOOK, t.id)] for t in about.orders[:1]]
    paid = await storage.stars.open_payments(subject_id)
    rows += [
        [
            keyboards.payments.refund_payment(
                lang, row.id, row.stars, row.at, is_used=about.credit < row.credit
            )
        ]
        for row in paid[:PAYMENTS_SHOWN]
        if about.credit > 0 or not row.credit
    ]
    return texts.people.person(lang, about), InlineKeyboardMarkup(inline_keyboard=rows + below)


async def set_cap(
    query: CallbackQuery,
    callback_data: SetCap,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    lang: str,
) -> None:
    named, videos = callback_data.subject_id, callback_data.videos
    subject_id = await storage.people.id_now(named)
    done = await storage.people.set_cap(
        subject_id,
        own_caps(subject_id)[callback_data.per_day],
        None if videos < 0 else videos,
        by=query.from_user.id,
        now=clock(),
    )
    shown = await overview(subject_id, storage, lang, earlier_id(str(named), subject_id))
    answer = texts.admin.pressed(lang, done=done)
    if shown is None:
        await reply.toast(query, answer)
    else:
        await _rewrite(query, bot, *shown, answer=answer)


async def decide(
    query: CallbackQuery,
    named: int,
    decision: Operation,
    *,
    bot: Bot,
    access: Access,
    storage: Storage,
    clock: Clock,
    lang: str,
) -> None:
    """Let a person or a group in, or ban them, by a button of their overview. Only the button that
    was shown below a ban ends it.
    """
    by, now = query.from_user.id, clock()
    subject_id = await storage.people.id_now(named)
    is_in = decision is not Operation.BAN
    if is_in:
        unban = decision is Operation.UNBAN
        done = await storage.access.allow(subject_id, by=by, now=now, even_banned=unban)
    elif access.is_admin(subject_id):
        await reply.toast(query, texts.access.admin_stays(lang).render()[0], alert=True)
        return
    else:
        done = await storage.access.ban(subject_id, by=by, now=now)
    answer = texts.admin.pressed(lang, done=done)
    if is_in and not done:
        known = await storage.people.get(subject_id)
        if known is not None and known.verdict is Verdict.BANNED:
            answer = texts.access.press_banned_meanwhile(lang)
    shown = await overview(subject_id, storage, lang, earlier_id(str(named), subject_id))
    if shown is not None:
        await _rewrite(query, bot, *shown, answer=answer)


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
    user_id, roubles = await subject_of(message, given[1], storage), Decimal(given[2])
    if user_id is None or await storage.users.get(user_id) is None:
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


async def _rewrite(
    query: CallbackQuery,
    bot: Bot,
    text: Text,
    keyboard: InlineKeyboardMarkup | None,
    *,
    answer: str = "",
) -> None:
    await reply.toast(query, answer)
    if isinstance(query.message, Message):
        await reply.rewrite(
            bot,
            reply.place(query.message),
            query.message.message_id,
            text,
            is_media=False,
            keyboard=keyboard,
        )
