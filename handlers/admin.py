"""Running the bot from a chat: /admin, /order, /settle, /broadcast and their buttons. For admins
only; for everybody else these commands do not exist."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from aiogram import Bot, Router
from aiogram.enums import ChatType
from aiogram.filters import Command, CommandObject
from aiogram.types import (
    CallbackQuery,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    Message,
    Update,
    User,
)
from aiogram.utils.formatting import Text

from bot import texts
from bot.core.access import Access
from bot.core.alerts import Switch
from bot.core.caps import day_start
from bot.core.catalog_file import Taken
from bot.core.clock import Clock
from bot.core.task import ACTIVE, TaskState
from bot.texts import keyboards
from bot.texts.callback_data import Operate, Operation, Step
from bot.texts.subject import speak_of
from handlers import first_steps, operator_messages, people, reply
from handlers.context import Balance, FindJob, Offer, TakeOver, Wake
from handlers.filters import admin
from storage import Entry, Storage

ASKED_AT_ONCE, ASKED_COUNTED = 5, 100
S, O = TaskState, Operation  # noqa: E741 - beside each other they read well

_NUMBER = re.compile(r"[0-9]{1,15}")
_SETTLE = re.compile(r"([0-9]{1,15})\s+(\S{1,200})")


def router() -> Router:
    router = Router(name="admin")
    for command, handler in (
        ("admin", panel), ("order", order), ("settle", settle),
        ("broadcast", broadcast),
    ):  # fmt: skip
        router.message.register(handler, Command(command), admin)
    router.callback_query.register(operate, Operate.filter(), admin)
    return router


# --- looking -------------------------------------------------------------------------------


async def panel(
    message: Message,
    event_from_user: User,
    access: Access,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    balance: Balance,
    lang: str,
) -> None:
    claimed = await storage.admins.claimed_at(event_from_user.id)
    if claimed is not None and clock() - claimed < first_steps.GREETED:
        await first_steps.show(message, storage, access, offer, balance, lang)
    text, keyboard = await _today(storage, clock, offer, lang)
    await reply.say(message, text, keyboard)


async def _today(
    storage: Storage, clock: Clock, offer: Offer, lang: str
) -> tuple[Text, InlineKeyboardMarkup]:
    now = clock()
    since = day_start(now, offer.zone)
    outcomes = await storage.operator.outcomes(since=since)
    counts = await storage.tasks.counts(ACTIVE)
    sums = await storage.ledger.totals(since, now + timedelta(seconds=1))
    held = await storage.alerts.held()
    alerts = await storage.alerts.all_open()
    asked = await storage.access.waiting(limit=ASKED_COUNTED)
    numbers = texts.admin.Today(
        ordered=sum(number for state, number in outcomes.items() if state is not S.DRAFT),
        delivered=outcomes.get(S.DELIVERED, 0),
        failed=outcomes.get(S.FAILED, 0),
        unknown=outcomes.get(S.UNKNOWN, 0),
        undeliverable=outcomes.get(S.UNDELIVERABLE, 0),
        cancelled=outcomes.get(S.CANCELLED, 0),
        queued=counts[S.QUEUED],
        making=counts[S.SUBMITTING] + counts[S.GENERATING] + counts[S.RENDERED],
        spent=sums[Entry.CHARGE].roubles,
        stars=sums[Entry.PURCHASE].stars + sums[Entry.REFUND].stars,
        asked=len(asked),
        alerts=[(alert.kind, alert.params) for alert in alerts.values()],
        held=list(held),
        tunnel=offer.tunnel_state(),
        translates=offer.translator is not None,
        translates_by=offer.translates_by,
        views=offer.viewer is not None,
        views_by=offer.views_by,
        stories_by=offer.stories_by,
    )
    closed = Switch.INTAKE in held or Switch.DRAIN in held
    photos = O.RELEASE_PHOTOS if Switch.PHOTOS in held else O.HOLD_PHOTOS
    keyboard = keyboards.admin.operations(
        lang,
        [O.RELEASE_INTAKE] if closed else [O.HOLD_INTAKE, O.DRAIN],
        [O.RELEASE_SUBMITS if Switch.SUBMITS in held else O.HOLD_SUBMITS],
        *([[photos]] if offer.photos_on else []),
        [O.TRY_NOW, O.TODAY],
        *([[O.ASKED]] if asked else []),
    )
    keyboard.inline_keyboard.append([keyboards.first_steps.step(lang, Step.LIST)])
    return texts.admin.today(lang, numbers), keyboard


async def order(message: Message, command: CommandObject, storage: Storage, lang: str) -> None:
    if number := _number(command):
        await _show_order(message, number, storage, lang)
    else:
        await reply.say(message, texts.admin.order_usage(lang))


async def _show_order(message: Message, task_id: int, storage: Storage, lang: str) -> None:
    task = await storage.tasks.get(task_id)
    if task is None:
        await reply.say(message, texts.admin.nothing_found(lang))
        return
    speak_of(task)
    acts: list[list[InlineKeyboardButton]] = []
    if task.state is S.UNDELIVERABLE:
        acts.append([keyboards.admin.operation(lang, O.REDELIVER, task.id)])
    in_doubt = await storage.operator.can_settle(task.id)
    if in_doubt:
        acts.append([keyboards.admin.operation(lang, O.NOT_CHARGED, task.id)])
        acts.append([keyboards.admin.operation(lang, O.CHARGED, task.id)])
    acts.append([keyboards.admin.operation(lang, O.PERSON, task.user_id)])
    text = texts.admin.order(
        lang, task, await storage.tasks.events(task.id),
        in_doubt=in_doubt, trail=await storage.doubts.trail(task.id),
    )  # fmt: skip
    await reply.say(message, text, InlineKeyboardMarkup(inline_keyboard=acts))


# --- acting --------------------------------------------------------------------------------


async def settle(
    message: Message,
    command: CommandObject,
    event_from_user: User,
    storage: Storage,
    clock: Clock,
    wake: Wake,
    find_job: FindJob,
    lang: str,
) -> None:
    given = _SETTLE.fullmatch((command.args or "").strip())
    if given is None:
        known = _number(command)
        if known and await storage.tasks.get(known) is None:
            await reply.say(message, texts.admin.nothing_found(lang))
            return
        trail = await storage.doubts.trail(known) if known else None
        await reply.say(message, texts.admin.settle_usage(lang, trail))
        return
    found = await find_job(given[2])
    if not found:
        await reply.say(message, texts.admin.not_found_there(lang, answered=found is not None))
        return
    task = await storage.operator.give_id(
        int(given[1]), given[2], by=event_from_user.id, now=clock()
    )
    if task is None:
        await reply.say(message, texts.admin.not_given(lang))
        return
    wake()
    trail = await storage.doubts.trail(task.id)
    await reply.say(message, texts.admin.given(lang, task, trail))


async def broadcast(
    message: Message,
    event_from_user: User,
    event_update: Update,
    storage: Storage,
    clock: Clock,
    access: Access,
    lang: str,
) -> None:
    source = reply.replied_to(message)
    if source is None or message.chat.type != ChatType.PRIVATE:
        await reply.say(message, texts.admin.broadcast_usage(lang))
        return
    made = await storage.broadcasts.draft(
        by=event_from_user.id,
        lang=lang,
        from_chat_id=message.chat.id,
        message_id=source.message_id,
        update_id=event_update.update_id,
        now=clock(),
        access=access,
    )
    await reply.say(
        message,
        texts.admin.broadcast(lang, made.state.value, made.total, 0, 0),
        keyboards.admin.operations(lang, [O.SEND], [O.STOP], number=made.id),
    )


async def operate(
    query: CallbackQuery,
    callback_data: Operate,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    wake: Wake,
    try_now: Wake,
    offer: Offer,
    take_over: TakeOver,
    access: Access,
    lang: str,
) -> None:
    pressed = callback_data.operation
    if pressed is O.TAKE_OVER:
        taken = await _take_over(query, take_over, storage, clock, lang)
        if taken and isinstance(query.message, Message):
            await operator_messages.close(
                bot, query.message, pressed, query.from_user, storage, clock
            )
        return
    if pressed in (O.ALLOW, O.BAN, O.UNBAN):
        await people.decide(
            query, callback_data.number, pressed, bot=bot, access=access,
            storage=storage, clock=clock, lang=lang,
        )  # fmt: skip
        return
    number = callback_data.number
    shown = query.message if isinstance(query.message, Message) else None
    done = await _perform(pressed, number, shown, storage, by=query.from_user.id, now=clock())
    if pressed in _WAKES:
        wake()
    if pressed is O.TRY_NOW:
        try_now()
    if shown is not None:
        await _look(pressed, number, shown, storage, lang)
    if pressed in (O.REFUND, O.REFUND_REST) and not done:
        await reply.toast(query, texts.admin.not_refunded(lang), alert=True)
    else:
        await reply.toast(query, texts.admin.pressed(lang, done=done))
    if shown is None:
        return
    if done and pressed in keyboards.admin.DECIDES:
        await operator_messages.close(bot, shown, pressed, query.from_user, storage, clock)
    if pressed in (O.SEND, O.STOP):
        await _show_broadcast(shown, number, bot, storage, lang)
    elif pressed in _PANEL:
        await storage.operator_messages.replaced(shown.chat.id, shown.message_id)
        text, keyboard = await _today(storage, clock, offer, lang)
        place = reply.place(shown)
        await reply.rewrite(bot, place, shown.message_id, text, is_media=False, keyboard=keyboard)


async def _perform(
    pressed: Operation,
    number: int,
    shown: Message | None,
    storage: Storage,
    *,
    by: int,
    now: datetime,
) -> bool:
    """Change what the button says; False: that was done already, or is not possible any more."""
    if switch := _HOLDS.get(pressed):
        return await storage.alerts.hold(switch, by=by, now=now)
    if switches := _RELEASES.get(pressed):
        return await storage.alerts.release(switches, by=by, now=now)
    match pressed:
        case O.TRY_NOW:
            await storage.operator.hurry(by=by, now=now)
        case O.REDELIVER:
            return await storage.operator.redeliver(number, by=by, now=now) is not None
        case O.CHARGED | O.NOT_CHARGED:
            charged = pressed is O.CHARGED
            settled = await storage.operator.settle(number, charged=charged, by=by, now=now)
            return settled is not None
        case O.HANDLE:
            return await storage.operator.handle_again(number, by=by, now=now)
        case O.REFUND | O.REFUND_REST:
            payment_id, rest = await storage.operator.payment(number), pressed is O.REFUND_REST
            return payment_id is not None and await storage.stars.refund(
                payment_id, now=now, admin=by, rest=rest
            )
        case O.REFUND_AGAIN | O.REFUND_SETTLED:
            again = pressed is O.REFUND_AGAIN
            return await storage.stars.decide_refused(number, again=again, by=by, now=now)
        case O.SEND:
            return shown is not None and await storage.broadcasts.start(
                number, shown_message_id=shown.message_id, by=by, now=now
            )
        case O.STOP:
            return await storage.broadcasts.stop(number, by=by, now=now)
    return True


async def _look(
    pressed: Operation, number: int, shown: Message, storage: Storage, lang: str
) -> None:
    """Answer a button that only shows something."""
    match pressed:
        case O.ASKED:
            await _show_requests(shown, storage, lang)
        case O.LOOK:
            await _show_order(shown, number, storage, lang)
        case O.PERSON:
            await people.show_person(shown, number, storage, lang)
        case O.UPDATE:
            await _show_update(shown, number, storage, lang)


_HOLDS = {
    O.HOLD_INTAKE: Switch.INTAKE,
    O.DRAIN: Switch.DRAIN,
    O.HOLD_SUBMITS: Switch.SUBMITS,
    O.HOLD_PHOTOS: Switch.PHOTOS,
}
_RELEASES = {
    O.RELEASE_INTAKE: (Switch.INTAKE, Switch.DRAIN),
    O.RELEASE_SUBMITS: (Switch.SUBMITS,),
    O.RELEASE_PHOTOS: (Switch.PHOTOS,),
}
_PANEL = frozenset({O.TODAY, O.TRY_NOW, *_HOLDS, *_RELEASES})
"""Below them the numbers of today change."""
_WAKES = (O.RELEASE_SUBMITS, O.RELEASE_PHOTOS, O.REDELIVER)
"""After them the worker has something to do."""


async def _take_over(
    query: CallbackQuery, take_over: TakeOver, storage: Storage, clock: Clock, lang: str
) -> bool:
    taken = await take_over()
    if taken is Taken.DONE:
        await storage.audit.add("take over catalog", by=query.from_user.id, now=clock())
    bad = taken in (Taken.NO_ANSWER, Taken.NOT_WRITTEN)
    await reply.toast(query, texts.admin.taken_over(lang, taken), alert=bad)
    return taken is Taken.DONE


async def _show_requests(message: Message, storage: Storage, lang: str) -> None:
    for asked in await storage.access.waiting(limit=ASKED_AT_ONCE):
        text = texts.access.access_asked(lang, asked.user_id, asked.name, asked.username)
        await reply.say(message, text, keyboards.access.decide_access(asked.user_id, lang))


async def _show_update(message: Message, number: int, storage: Storage, lang: str) -> None:
    found = await storage.operator.set_aside(number)
    if found is None:
        await reply.say(message, texts.admin.nothing_found(lang))
        return
    text = texts.admin.update(lang, number, found.error or "", found.payload or "—")
    keyboard = keyboards.admin.operations(lang, [O.HANDLE], number=number)
    await reply.say(message, text, keyboard)


async def _show_broadcast(
    shown: Message, number: int, bot: Bot, storage: Storage, lang: str
) -> None:
    now = await storage.broadcasts.get(number)
    if now is None:
        return
    text = texts.admin.broadcast(lang, now.state.value, now.total, now.sent, now.refused)
    running = now.state.value == "running"
    keyboard = keyboards.admin.operations(lang, [O.STOP], number=number) if running else None
    await reply.rewrite(
        bot, reply.place(shown), shown.message_id, text, is_media=False, keyboard=keyboard
    )


def _number(command: CommandObject) -> int:
    given = _NUMBER.fullmatch((command.args or "").strip())
    return int(given[0]) if given else 0
