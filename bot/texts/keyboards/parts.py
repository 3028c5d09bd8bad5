"""Building blocks of keyboards: one button, a row list, the Cancel button."""

from __future__ import annotations

from aiogram.enums import ButtonStyle
from aiogram.filters.callback_data import CallbackData
from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup

from bot import texts
from bot.core.task import Task
from bot.texts.callback_data import (
    CancelTask,
)


def cancel(task: Task) -> InlineKeyboardButton:
    """Return the button that cancels a draft or a queued order."""
    return button(texts.statuses.button_cancel(task.lang), CancelTask(task_id=task.id))


def button(
    text: str, data: CallbackData, style: ButtonStyle | None = None
) -> InlineKeyboardButton:
    """Return a button that sends `data` back when it is pressed."""
    return InlineKeyboardButton(text=text, callback_data=data.pack(), style=style)


def rows(*rows: list[InlineKeyboardButton]) -> InlineKeyboardMarkup:
    """Return the keyboard of these rows; empty rows are left out."""
    return InlineKeyboardMarkup(inline_keyboard=[row for row in rows if row])
