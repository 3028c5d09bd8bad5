"""Keyboards for buying credit with Stars and giving payments back."""

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
    """What can be bought."""
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
    """Entry, Stars and time of each payment that can be given back."""
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


def refund_payment(lang: str, entry: int, stars: int, at: datetime) -> InlineKeyboardButton:
    """An admin's way to give a payment back."""
    data = Operate(operation=Operation.REFUND, number=entry)
    return parts.button(texts.payments.button_refund(lang, stars, at), data)
