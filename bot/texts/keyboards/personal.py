"""Keyboards of a person's own settings: defaults, language, deleting their data."""

from __future__ import annotations

from collections.abc import Sequence

from aiogram.enums import ButtonStyle
from aiogram.types import InlineKeyboardMarkup

from bot import texts
from bot.core.catalog import Model
from bot.core.task import AspectRatio
from bot.texts.callback_data import (
    DeleteMe,
    SetLanguage,
    SetModel,
    SetRatio,
)
from bot.texts.i18n import LANGUAGES
from bot.texts.keyboards import parts
from bot.texts.keyboards.cards import choices


def settings(
    lang: str, model: Model, ratio: AspectRatio | None, models: Sequence[Model]
) -> InlineKeyboardMarkup:
    """Return a person's defaults; a press sets a default, or removes the ratio already set."""
    ratios = [
        parts.button(
            one.value,
            SetRatio(ratio="-" if one is ratio else one.value),
            ButtonStyle.SUCCESS if one is ratio else None,
        )
        for one in AspectRatio
    ]
    return parts.rows(
        *choices(lang, model, models, lambda one: SetModel(model=one.id)),
        ratios,
        *languages(lang).inline_keyboard,
    )


def delete_me(user_id: int, lang: str) -> InlineKeyboardMarkup:
    """Return the button to confirm; in a group it works only for this person."""
    return parts.rows(
        [
            parts.button(
                texts.privacy.button_delete_me(lang),
                DeleteMe(user_id=user_id, sure=1),
                ButtonStyle.DANGER,
            )
        ],
        [parts.button(texts.privacy.button_keep_me(lang), DeleteMe(user_id=user_id, sure=0))],
    )


def languages(chosen: str | None = None) -> InlineKeyboardMarkup:
    """Return each language under its own name."""
    return parts.rows(
        [
            parts.button(
                texts.commands.LANGUAGE_NAMES[lang],
                SetLanguage(lang=lang),
                ButtonStyle.SUCCESS if lang == chosen else None,
            )
            for lang in LANGUAGES
        ]
    )
