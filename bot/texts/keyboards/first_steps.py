"""Keyboards of an admin's first steps."""

from __future__ import annotations

from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup

from bot import texts
from bot.texts.callback_data import FirstStep, Operation, Step
from bot.texts.keyboards import admin, parts


def checklist(lang: str) -> InlineKeyboardMarkup:
    """Return a button for each line of the checklist, and the day's numbers."""
    return parts.rows(
        [step(lang, Step.BALANCE), step(lang, Step.PHOTOS)],
        [step(lang, Step.CAPS), step(lang, Step.PEOPLE)],
        [admin.operation(lang, Operation.TODAY)],
    )


def people(lang: str, *, asked: bool) -> InlineKeyboardMarkup:
    """Return the invite; `asked`: with the open requests."""
    requests = [admin.operation(lang, Operation.ASKED)] if asked else []
    return parts.rows([step(lang, Step.INVITE)], requests)


def step(lang: str, one: Step) -> InlineKeyboardButton:
    """Return the button of one step."""
    text = texts.first_steps.button(lang, one.name.lower())
    return parts.button(text, FirstStep(step=one))
