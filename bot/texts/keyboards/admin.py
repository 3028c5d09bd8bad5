"""Keyboards for admins: operations that help with an alert, and operations on one object."""

from __future__ import annotations

from collections.abc import Sequence

from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup

from bot import texts
from bot.core.alerts import AlertKind, Params
from bot.texts.callback_data import (
    Operate,
    Operation,
)
from bot.texts.keyboards import parts

_O = Operation

_BELOW_ALERTS: dict[AlertKind, tuple[Operation, ...]] = {
    AlertKind.LOW_BALANCE: (_O.HOLD_INTAKE, _O.TODAY),
    AlertKind.NO_BALANCE: (_O.TRY_NOW, _O.HOLD_INTAKE),
    AlertKind.KEY_REFUSED: (_O.TRY_NOW, _O.HOLD_INTAKE),
    AlertKind.WRONG_ADDRESS: (_O.TRY_NOW, _O.HOLD_INTAKE),
    AlertKind.MODEL_GONE: (_O.HOLD_INTAKE, _O.TODAY),
    AlertKind.OVERLOADED: (_O.TRY_NOW, _O.TODAY),
    AlertKind.CHARGED_FAILURES: (_O.HOLD_INTAKE, _O.TODAY),
    AlertKind.PROVIDER_AWAY: (_O.TRY_NOW, _O.TODAY),
    AlertKind.UNDELIVERABLE: (_O.REDELIVER, _O.LOOK),
    AlertKind.UNKNOWN: (_O.NOT_CHARGED, _O.CHARGED, _O.LOOK),
    AlertKind.ID_WANTED: (_O.LOOK, _O.CHARGED, _O.NOT_CHARGED),
    AlertKind.REFUND_REFUSED: (_O.REFUND_AGAIN, _O.REFUND_SETTLED),
    AlertKind.SET_ASIDE: (_O.HANDLE, _O.UPDATE),
    AlertKind.NO_UPDATES: (_O.TODAY,),
    AlertKind.OTHER_POLLER: (_O.TODAY,),
    AlertKind.PHOTOS_UNFETCHED: (_O.RELEASE_PHOTOS, _O.LOOK),
    AlertKind.DISK_LOW: (_O.HOLD_INTAKE, _O.TODAY),
}


def alert(lang: str, params: Params) -> InlineKeyboardMarkup:
    """Return the operations that help with an alert."""
    number = int(params.get("task") or params.get("update") or params.get("refund") or 0)
    return parts.rows(
        *([operation(lang, one, number)] for one in _BELOW_ALERTS[AlertKind(str(params["alert"]))])
    )


def operation(lang: str, one: Operation, number: int = 0) -> InlineKeyboardButton:
    """Return one button of an admin."""
    text = texts.admin.button(lang, one.name.lower())
    return parts.button(text, Operate(operation=one, number=number))


def operations(lang: str, *rows: Sequence[Operation], number: int = 0) -> InlineKeyboardMarkup:
    """Return rows of an admin's buttons about the same object."""
    return parts.rows(*([operation(lang, one, number) for one in row] for row in rows))
