"""What people press: the buttons below messages and what each carries.

A button carries a task's number and nothing else that matters: whose it is and whether it still
counts is decided in the database. Prefixes stay for ever, for old messages keep their buttons.
"""

from __future__ import annotations

from decimal import Decimal

from aiogram.enums import ButtonStyle
from aiogram.filters.callback_data import CallbackData
from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup

from bot import texts
from bot.catalog import CATALOG
from bot.i18n import LANGUAGES
from bot.notice import Notice, NoticeKind
from bot.task import AspectRatio, Task, TaskState


class PickRatio(CallbackData, prefix="r", sep="|"):
    """The order: one tap from the card. A ratio has a colon in it."""

    task_id: int
    ratio: AspectRatio


class CancelTask(CallbackData, prefix="x", sep="|"):
    """Takes back a draft or a queued task."""

    task_id: int


class RetryUnknown(CallbackData, prefix="u", sep="|"):
    """Orders once more, knowing that the first order may have been paid."""

    task_id: int


class Redeliver(CallbackData, prefix="d", sep="|"):
    """Sends a video that was kept."""

    task_id: int


class SetLanguage(CallbackData, prefix="l", sep="|"):
    """The person's own choice."""

    lang: str


def card(task: Task, nearest: AspectRatio | None = None) -> InlineKeyboardMarkup:
    """Ratios in one row, the `nearest` to the photo first and marked; a photo without words has
    nothing but Cancel.
    """
    model = CATALOG.get(task.model)
    ratios = list(model.ratios) if model else list(AspectRatio)
    if nearest in ratios:
        ratios.remove(nearest)
        ratios.insert(0, nearest)
    picks = [
        InlineKeyboardButton(
            text=ratio.value,
            callback_data=PickRatio(task_id=task.id, ratio=ratio).pack(),
            style=ButtonStyle.PRIMARY if ratio is nearest else None,
        )
        for ratio in ratios
    ]
    return _rows(picks if task.prompt else [], [_cancel(task)])


def status(task: Task) -> InlineKeyboardMarkup | None:
    """Cancel, for as long as it is free."""
    return _rows([_cancel(task)]) if task.state is TaskState.QUEUED else None


def unknown(task_id: int, lang: str, price: Decimal) -> InlineKeyboardMarkup:
    """To try again knowingly."""
    return _rows([_button(texts.button_retry(lang, price), RetryUnknown(task_id=task_id))])


def undeliverable(task_id: int, lang: str) -> InlineKeyboardMarkup:
    """To get a video that was kept."""
    return _rows(
        [_button(texts.button_redeliver(lang), Redeliver(task_id=task_id), ButtonStyle.PRIMARY)]
    )


def notice(notice: Notice) -> InlineKeyboardMarkup | None:
    """What goes below the words of a notice."""
    if notice.task_id is None:
        return None
    if notice.kind is NoticeKind.UNKNOWN:
        return unknown(notice.task_id, notice.lang, Decimal(str(notice.params["price"])))
    if notice.kind is NoticeKind.UNDELIVERABLE:
        return undeliverable(notice.task_id, notice.lang)
    return None


def languages() -> InlineKeyboardMarkup:
    """Each in its own name."""
    return _rows(
        [_button(texts.LANGUAGE_NAMES[lang], SetLanguage(lang=lang)) for lang in LANGUAGES]
    )


def _cancel(task: Task) -> InlineKeyboardButton:
    return _button(texts.button_cancel(task.lang), CancelTask(task_id=task.id))


def _button(
    text: str, data: CallbackData, style: ButtonStyle | None = None
) -> InlineKeyboardButton:
    return InlineKeyboardButton(text=text, callback_data=data.pack(), style=style)


def _rows(*rows: list[InlineKeyboardButton]) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup(inline_keyboard=[row for row in rows if row])
