"""Keyboards for requests to use the bot."""

from __future__ import annotations

from aiogram.enums import ButtonStyle
from aiogram.types import InlineKeyboardMarkup

from bot import texts
from bot.texts.callback_data import (
    AskAccess,
    DecideAccess,
)
from bot.texts.keyboards import parts


def ask_access(lang: str) -> InlineKeyboardMarkup:
    """The button below the answer to somebody without access."""
    return parts.rows(
        [parts.button(texts.access.button_ask(lang), AskAccess(), ButtonStyle.PRIMARY)]
    )


def decide_access(user_id: int, lang: str) -> InlineKeyboardMarkup:
    """The buttons below an access request, for an admin."""
    return parts.rows(
        [
            parts.button(
                texts.access.button_allow(lang),
                DecideAccess(user_id=user_id, allow=True),
                ButtonStyle.SUCCESS,
            ),
            parts.button(
                texts.access.button_deny(lang),
                DecideAccess(user_id=user_id, allow=False),
                ButtonStyle.DANGER,
            ),
        ]
    )
