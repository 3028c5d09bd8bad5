"""Access to the bot: requests, invites, and the admins' /allow, /ban, /invite."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from aiogram import Bot, F, Router
from aiogram.enums import ChatType
from aiogram.filters import Command, CommandObject, CommandStart
from aiogram.types import CallbackQuery, Message, Update, User
from aiogram.utils.deep_linking import create_start_link
from aiogram.utils.formatting import Text

from bot import texts
from bot.core.access import Access
from bot.core.clock import Clock
from bot.core.notices import Notice, access_asked_about
from bot.texts.callback_data import AskAccess, DecideAccess
from handlers import operator_messages, people, reply
from handlers.context import AdminsChanged
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
    shown = query.message
    if isinstance(shown, Message) and not await storage.operator_messages.about(
        shown.chat.id, shown.message_id
    ):  # from the list of /admin; what was sent to every admin is rewritten below
        await reply.rewrite(bot, reply.place(shown), shown.message_id, text, is_media=False)

    def after(notice: Notice) -> operator_messages.Shown:
        return texts.access.access_decided(
            notice.lang, request.user_id, request.name, allowed=bool(request.allowed)
        ), None

    about = access_asked_about(request.user_id)
    await operator_messages.rewrite_all(bot, about, after, storage)


async def allow(
    message: Message,
    command: CommandObject,
    event_from_user: User,
    storage: Storage,
    clock: Clock,
    lang: str,
) -> None:
    if (subject := await _subject(message, command, storage)) is None:
        await _explain(message, command, lang)
        return
    await storage.access.allow(
        subject, by=event_from_user.id, now=clock(), name=_title(message, subject)
    )
    earlier = people.earlier_id((command.args or "").strip(), subject)
    await reply.say(message, texts.access.allowed(lang, subject, earlier))


async def ban(
    message: Message,
    command: CommandObject,
    event_from_user: User,
    access: Access,
    storage: Storage,
    clock: Clock,
    admins_changed: AdminsChanged,
    lang: str,
) -> None:
    by, now = event_from_user.id, clock()
    if (subject := await _subject(message, command, storage)) is None:
        await _explain(message, command, lang)
        return
    if access.is_admin(subject):
        if not access.outranks(by, subject):
            await reply.say(message, texts.access.admin_stays(lang))
            return
        await storage.admins.remove(subject, by=by, now=now)
        await admins_changed()
    await storage.access.ban(subject, by=by, now=now, name=_title(message, subject))
    earlier = people.earlier_id((command.args or "").strip(), subject)
    await reply.say(message, texts.access.banned(lang, subject, earlier))


async def _subject(message: Message, command: CommandObject, storage: Storage) -> int | None:
    """Return the person or group that is meant; without a name in a group the group itself."""
    given = (command.args or "").strip()
    found = await people.subject_of(message, given, storage)
    if found is not None or given or message.chat.type == ChatType.PRIVATE:
        return found
    # a reply to a message of no person applies to nobody
    return None if people.is_reply(message) else message.chat.id


def _title(message: Message, subject: int) -> str | None:
    """Return the name of the group in which an admin decides about it."""
    return message.chat.title if subject == message.chat.id else None


async def _explain(message: Message, command: CommandObject, lang: str) -> None:
    given = (command.args or "").strip()
    name = people.is_name(given)
    await reply.say(
        message, texts.access.not_met(lang, given) if name else texts.access.allow_usage(lang)
    )


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
    text = await make_invite(
        bot, storage, by=event_from_user.id, uses=uses, days=days,
        update_id=event_update.update_id, now=clock(), lang=lang,
    )  # fmt: skip
    await reply.say(message, text)


async def make_invite(
    bot: Bot,
    storage: Storage,
    *,
    by: int,
    uses: int,
    days: int,
    update_id: int,
    now: datetime,
    lang: str,
) -> Text:
    """Create the invite of this update and return the text with its link."""
    made = await storage.access.invite(
        by=by, uses=uses, expires_at=now + timedelta(days=days), update_id=update_id, now=now
    )
    link = await create_start_link(bot, made.token)
    left = (made.expires_at - now).total_seconds()
    return texts.access.invite_made(lang, link, made.uses, left)
