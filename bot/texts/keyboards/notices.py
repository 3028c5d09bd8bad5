"""Keyboards of notices: the buttons below a message of the outbox."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from aiogram.types import InlineKeyboardMarkup

from bot.core.alerts import Switch
from bot.core.notices import ENDS_PART, Notice, NoticeKind
from bot.core.task import Reason, Task
from bot.texts.callback_data import (
    Act,
    Operate,
    Operation,
)
from bot.texts.keyboards import access, admin, films, parts, results, storyboards


def operator(
    told: Notice, held: Collection[Switch], *, decided: bool, over: bool
) -> InlineKeyboardMarkup | None:
    """Return the buttons of a message to the operator that make sense now: none when its event is
    over; `decided`: by an admin; `held`: the switches that are set."""
    keyboard = None if over else notice(told)
    if keyboard is None:
        return None
    dropped = {
        Operate(operation=one, number=number).pack()
        for one in admin.senseless(held, decided=decided)
        for number in {0, admin.subject(told.params)}
    }
    rows = [
        [button for button in row if button.callback_data not in dropped]
        for row in keyboard.inline_keyboard
    ]
    rows = [row for row in rows if row]
    return InlineKeyboardMarkup(inline_keyboard=rows) if rows else None


def buttons(keyboard: InlineKeyboardMarkup | None) -> str:
    """Return what the buttons of a keyboard do, so that two can be compared; empty: none."""
    rows = [] if keyboard is None else keyboard.inline_keyboard
    return " ".join(button.callback_data or "" for row in rows for button in row)


def notice(notice: Notice, task: Task | None = None) -> InlineKeyboardMarkup | None:
    """Return the buttons of a notice; `task`: its task in the current state."""
    keyboard = _notice(notice, task)
    return storyboards.after_end(keyboard, task) if notice.kind in ENDS_PART else keyboard


def _notice(notice: Notice, task: Task | None) -> InlineKeyboardMarkup | None:
    if notice.kind is NoticeKind.ACCESS_ASKED:
        return access.decide_access(int(notice.params["user_id"] or 0), notice.lang)
    if notice.kind is NoticeKind.ALERT:
        return admin.alert(notice.lang, notice.params)
    if notice.kind is NoticeKind.PRICES_DIFFER and notice.params.get("takes"):
        return admin.operations(notice.lang, [Operation.TAKE_OVER])
    if notice.kind is NoticeKind.DRAINED:
        return admin.operations(notice.lang, [Operation.RELEASE_INTAKE])
    if notice.kind is NoticeKind.FILM_NOT_JOINED:
        return films.parts_only(notice.lang, int(notice.params["film"] or 0))
    if notice.task_id is None:
        return None
    if notice.kind is NoticeKind.ALBUM and task is not None:
        return results.album(task, [int(one) for one in str(notice.params["videos"]).split(".")])
    if notice.kind is NoticeKind.UNKNOWN:
        return results.unknown(notice.task_id, notice.lang, Decimal(str(notice.params["price"])))
    if notice.kind is NoticeKind.UNDELIVERABLE:
        return results.undeliverable(notice.task_id, notice.lang)
    if notice.kind is NoticeKind.FAILED:
        price = notice.params.get("price")
        return results.failed(
            notice.task_id,
            notice.lang,
            Reason(str(notice.params["reason"])),
            Decimal(str(price)) if price else None,
        )
    if notice.kind is NoticeKind.VIDEO_LINK:
        acts = (Act.RATIO, Act.EDIT_PROMPT)
        return parts.rows([results.below(act, notice.task_id, notice.lang) for act in acts])
    return None
