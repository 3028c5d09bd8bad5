"""Gifts: /promo and its link, /gift, /friends and its link, and a group's /allowance.

A code or a link gives no access to the bot.
"""

from __future__ import annotations

import re
from datetime import timedelta

from aiogram import Bot, F, Router
from aiogram.enums import ChatMemberStatus, ChatType
from aiogram.filters import Command, CommandObject, CommandStart
from aiogram.methods import GetChatMember
from aiogram.types import CallbackQuery, InlineKeyboardMarkup, Message, Update, User
from aiogram.utils.deep_linking import create_start_link
from aiogram.utils.formatting import Text

from bot import texts
from bot.core.access import Access
from bot.core.caps import Cap
from bot.core.clock import Clock
from bot.core.errors import TelegramRejected, TelegramUnreachable
from bot.core.gifts import FRIEND_PREFIX, PROMO_PREFIX, read_code, read_gift, read_promo
from bot.core.stars import StarsPackages
from bot.texts import keyboards
from bot.texts.callback_data import RevokePromo
from handlers import commands, people, reply
from handlers.context import Offer
from handlers.filters import admin, private
from handlers.gate import EVERYBODY, tell_how_to_ask
from storage import FriendResult, PromoResult, Storage
from storage import User as Person

CODES_SHOWN = 10
MOST_ALLOWANCE = 1_000
_RUNS_THE_GROUP = frozenset({ChatMemberStatus.CREATOR, ChatMemberStatus.ADMINISTRATOR})
_GIFT = re.compile(r"(?:(\S+)\s+)?([0-9]\S*)")
_NUMBER = re.compile(r"[0-9]{1,4}")


def router() -> Router:
    router = Router(name="gifts")
    of_code = CommandStart(deep_link=True, magic=F.args.startswith(PROMO_PREFIX))
    of_friend = CommandStart(deep_link=True, magic=F.args.startswith(FRIEND_PREFIX))
    router.message.register(open_code, of_code)
    # strangers too: who invited them is noted before they are let in
    router.message.register(open_friend, of_friend, private, flags=EVERYBODY)
    router.message.register(promo, Command("promo"))
    router.message.register(gift, Command("gift"), admin)
    router.message.register(friends, Command("friends"), private, refers)
    router.message.register(allowance, Command("allowance"), in_group)
    router.message.register(explain_allowance, Command("allowance"), private)
    router.callback_query.register(revoke, RevokePromo.filter(), admin)
    return router


async def refers(message: Message, offer: Offer) -> bool:
    """Whether referrals bring a bonus; otherwise the command does not exist."""
    return offer.bonus is not None


async def in_group(message: Message) -> bool:
    """The message is from a group."""
    return message.chat.type != ChatType.PRIVATE


# --- promo codes -----------------------------------------------------------------------------


async def promo(
    message: Message,
    command: CommandObject,
    event_from_user: User,
    event_update: Update,
    bot: Bot,
    access: Access,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
) -> None:
    """Use a code; an admin also makes codes and lists them."""
    given = (command.args or "").strip()
    code = read_code(given)
    if code is not None:
        await _redeem(message, code, event_from_user.id, storage, clock, offer, lang)
        return
    if not access.is_admin(event_from_user.id):
        # One word that cannot be a code, in Cyrillic letters for example, is a wrong code.
        is_wrong = len(given.split()) == 1
        unknown = texts.gifts.promo_refused(lang, PromoResult.UNKNOWN.value)
        await reply.say(message, unknown if is_wrong else texts.gifts.promo_usage(lang))
        return
    if not given:
        await reply.say(message, *await _codes(storage, clock, lang))
        return
    order = read_promo(given)
    if order is None:
        await reply.say(message, texts.gifts.promo_making(lang))
        return
    now = clock()
    made = await storage.gifts.make_promo(
        order.code,
        order.gift,
        uses=order.people,
        expires_at=now + timedelta(days=order.days),
        by=event_from_user.id,
        update_id=event_update.update_id,
        now=now,
    )
    if made is None:
        await reply.say(message, texts.gifts.promo_taken(lang, order.code or ""))
        return
    link = await create_start_link(bot, PROMO_PREFIX + made.code)
    left = (made.expires_at - now).total_seconds()
    text = texts.gifts.promo_made(
        lang, made.code, link, made.uses, made.gift, left, sold=offer.rules.sold
    )
    await reply.say(message, text)


async def open_code(
    message: Message,
    command: CommandObject,
    event_from_user: User,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
) -> None:
    """Use the code of a link."""
    code = read_code((command.args or "").removeprefix(PROMO_PREFIX))
    if code is None:
        await reply.say(message, texts.gifts.promo_refused(lang, PromoResult.UNKNOWN.value))
        return
    await _redeem(message, code, event_from_user.id, storage, clock, offer, lang)


async def _redeem(
    message: Message,
    code: str,
    user_id: int,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
) -> None:
    result, given = await storage.gifts.redeem(code, user_id=user_id, now=clock())
    have = await storage.gifts.balance(user_id)
    if result is PromoResult.GIVEN and given is not None:
        sold = offer.rules.sold
        text = texts.gifts.redeemed(lang, given, have.videos, have.credit, sold=sold)
    else:
        already = result is PromoResult.ALREADY
        text = texts.gifts.promo_refused(
            lang, result.value, have.videos if already else 0, have.credit if already else None
        )
    await reply.say(message, text)


async def revoke(
    query: CallbackQuery,
    callback_data: RevokePromo,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    lang: str,
) -> None:
    done = await storage.gifts.revoke_promo(
        callback_data.number, by=query.from_user.id, now=clock()
    )
    await reply.toast(query, texts.admin.pressed(lang, done=done))
    if isinstance(query.message, Message):
        text, keyboard = await _codes(storage, clock, lang)
        await reply.rewrite(
            bot, reply.place(query.message), query.message.message_id, text, is_media=False,
            keyboard=keyboard,
        )  # fmt: skip


async def _codes(
    storage: Storage, clock: Clock, lang: str
) -> tuple[Text, InlineKeyboardMarkup | None]:
    now = clock()
    shown = await storage.gifts.promos(now, limit=CODES_SHOWN)
    rows = [
        (one.code, one.gift, one.used, one.uses, (one.expires_at - now).total_seconds())
        for one in shown
    ]
    return (
        texts.gifts.promos(lang, rows),
        keyboards.gifts.promos(lang, [one.number for one in shown]),
    )


# --- an admin gives --------------------------------------------------------------------------


async def gift(
    message: Message,
    command: CommandObject,
    event_from_user: User,
    event_update: Update,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
) -> None:
    given = _GIFT.fullmatch((command.args or "").strip())
    present = read_gift(given[2]) if given else None
    if given is None or present is None:
        await reply.say(message, texts.gifts.gift_usage(lang))
        return
    user_id = await people.subject_of(message, given[1] or "", storage)
    if user_id is None or await storage.users.get(user_id) is None:
        await reply.say(message, texts.admin.nothing_found(lang))
        return
    have = await storage.gifts.give(
        user_id, present, by=event_from_user.id, update_id=event_update.update_id, now=clock()
    )
    sold = offer.rules.sold
    text = texts.gifts.gifted(lang, user_id, present, have.videos, have.credit, sold=sold)
    await reply.say(message, text)


# --- referrals -------------------------------------------------------------------------------


async def friends(
    message: Message,
    event_from_user: User,
    bot: Bot,
    storage: Storage,
    offer: Offer,
    lang: str,
) -> None:
    """Show the person's own link."""
    assert offer.bonus is not None  # the filter
    token = await storage.gifts.referral_token(event_from_user.id)
    if token is None:
        return  # their data was deleted a moment ago
    link = await create_start_link(bot, token)
    count = await storage.gifts.friends(event_from_user.id)
    await reply.say(message, texts.gifts.friends(lang, link, offer.bonus, count))


async def open_friend(
    message: Message,
    command: CommandObject,
    event_from_user: User,
    event_update: Update,
    bot: Bot,
    storage: Storage,
    access: Access,
    clock: Clock,
    stars_packages: StarsPackages,
    offer: Offer,
    lang: str,
    person: Person,
) -> None:
    """Note who invited this person, and greet them."""
    user_id = event_from_user.id
    decided = await storage.access.verdicts(user_id)
    is_in = access.admits(user_id, decided)
    if not is_in and decided.person is not None:
        return  # banned
    if offer.bonus is not None:
        result = await storage.gifts.open_link(
            command.args or "", user_id=user_id, bonus=offer.bonus, now=clock()
        )
        text = (
            texts.gifts.friend_noted(lang, offer.bonus)
            if result is FriendResult.NOTED
            else texts.gifts.friend_refused(lang, result.value)
        )
        await reply.say(message, text)
    if is_in:
        await commands.start(
            message, event_from_user, bot, storage, access, stars_packages, lang, offer, person
        )
    else:
        await tell_how_to_ask(message, event_from_user, access, event_update, lang)


# --- a group's allowance ---------------------------------------------------------------------


async def allowance(
    message: Message,
    command: CommandObject,
    event_from_user: User,
    bot: Bot,
    access: Access,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
) -> None:
    """Show what the group may order, or set it as one of the group's own admins."""
    group, given = message.chat.id, (command.args or "").strip().lower()
    caps = await storage.people.caps(group)
    most = caps.get(Cap.GROUP_PER_DAY) or None
    if given:
        videos = int(given) if _NUMBER.fullmatch(given) else 0
        if given != "off" and not 1 <= videos <= MOST_ALLOWANCE:
            text = texts.gifts.allowance_usage(lang, most or MOST_ALLOWANCE)
            await reply.say(message, text)
            return
        if not (access.is_admin(event_from_user.id) or await _runs(bot, group, event_from_user)):
            await reply.say(message, texts.gifts.allowance_not_admin(lang))
            return
        if most and videos > most:
            await reply.say(message, texts.gifts.allowance_too_high(lang, most))
            return
        await storage.people.set_cap(
            group, Cap.GROUP_ALLOWANCE, videos or None, by=event_from_user.id, now=clock()
        )
        caps = await storage.people.caps(group)
    used = await storage.ledger.ordered_in_group(group, offer.rules, clock())
    text = texts.gifts.allowance(lang, caps.get(Cap.GROUP_ALLOWANCE), used, most)
    await reply.say(message, text)


async def explain_allowance(message: Message, lang: str) -> None:
    """Say in a private chat where the command works."""
    await reply.say(message, texts.gifts.allowance_in_private(lang))


async def _runs(bot: Bot, group: int, user: User) -> bool:
    """Whether the person is an admin of the group in Telegram, now."""
    try:
        member = await bot(GetChatMember(chat_id=group, user_id=user.id))
    except (TelegramRejected, TelegramUnreachable):
        return False
    return member.status in _RUNS_THE_GROUP
