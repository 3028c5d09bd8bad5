"""Keyboards for buying credit with Stars and for refunds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup

from bot import texts
from bot.core.stars import Package
from bot.texts.callback_data import (
    BuyPackage,
    Operate,
    Operation,
    RefundPayment,
)
from bot.texts.keyboards import parts


def packages(lang: str, on_sale: Sequence[Package]) -> InlineKeyboardMarkup:
    """Return a button for each package on sale."""
    return parts.rows(
        *(
            [
                parts.button(
                    texts.payments.button_package(lang, package),
                    BuyPackage(stars=package.stars, roubles=package.roubles),
                )
            ]
            for package in on_sale
        )
    )


def refunds(lang: str, payments: Sequence[tuple[int, int, datetime]]) -> InlineKeyboardMarkup:
    """Return a button for each refundable payment, given its ledger entry, Stars and time."""
    return parts.rows(
        *(
            [
                parts.button(
                    texts.payments.button_refund(lang, stars, at), RefundPayment(entry=entry)
                )
            ]
            for entry, stars, at in payments
        )
    )


def refund_payment(
    lang: str, entry: int, stars: int, at: datetime, *, is_used: bool = False
) -> InlineKeyboardButton:
    """Return an admin's button that refunds a payment; `is_used`: in part."""
    operation = Operation.REFUND_REST if is_used else Operation.REFUND
    label = texts.payments.button_refund_rest if is_used else texts.payments.button_refund
    return parts.button(label(lang, stars, at), Operate(operation=operation, number=entry))
