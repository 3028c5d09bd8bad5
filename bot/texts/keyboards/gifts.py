"""Keyboards about gifts: the promo codes that an admin can revoke."""

from __future__ import annotations

from collections.abc import Sequence

from aiogram.types import InlineKeyboardMarkup

from bot import texts
from bot.texts.callback_data import RevokePromo
from bot.texts.keyboards import parts


def promos(lang: str, numbers: Sequence[int]) -> InlineKeyboardMarkup | None:
    """Return a button for each code that works."""
    if not numbers:
        return None
    return parts.rows(
        *(
            [parts.button(texts.people.button_revoke(lang, shown), RevokePromo(number=number))]
            for shown, number in enumerate(numbers, 1)
        )
    )
