"""Telegram Stars: /buy, the checkout, the payment, /paysupport and /terms.

A payment counts even if the person was banned or Stars were switched off meanwhile.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from aiogram import Bot, Router
from aiogram.filters import Command
from aiogram.methods import SendInvoice
from aiogram.types import (
    CallbackQuery,
    LabeledPrice,
    Message,
    PreCheckoutQuery,
    SuccessfulPayment,
    User,
)

from bot import texts
from bot.core import stars
from bot.core.clock import Clock
from bot.core.errors import TelegramRejected
from bot.core.stars import CURRENCY, StarsPackages
from bot.texts import keyboards
from bot.texts.callback_data import BuyPackage, RefundPayment
from handlers import reply
from handlers.filters import private
from handlers.gate import EVERYBODY
from storage import Entry, Storage

SHOWN = 5
"""How many payments /paysupport shows, the newest first."""


def router() -> Router:
    router = Router(name="stars")
    router.message.register(paid, a_payment, flags=EVERYBODY)
    router.message.register(refunded_elsewhere, a_refund, flags=EVERYBODY)
    router.message.register(buy, Command("buy"), private, selling)
    router.message.register(paysupport, Command("paysupport"), private, flags=EVERYBODY)
    router.message.register(terms, Command("terms"), flags=EVERYBODY)
    router.callback_query.register(send_invoice, BuyPackage.filter(), selling)
    router.callback_query.register(give_back, RefundPayment.filter(), flags=EVERYBODY)
    router.pre_checkout_query.register(check)
    return router


async def a_payment(message: Message) -> bool:
    """The service message about a payment."""
    return message.successful_payment is not None


async def a_refund(message: Message) -> bool:
    """The service message about returned Stars."""
    return message.refunded_payment is not None


async def selling(event: Any, stars_packages: StarsPackages) -> bool:
    """Whether Stars are on; otherwise these commands do not exist."""
    return bool(stars_packages.packages)


# --- buying --------------------------------------------------------------------------------


async def buy(
    message: Message,
    event_from_user: User,
    storage: Storage,
    stars_packages: StarsPackages,
    lang: str,
) -> None:
    have = await storage.gifts.balance(event_from_user.id)
    await reply.say(
        message,
        texts.payments.buy(lang, have.credit, have.videos),
        keyboards.payments.packages(lang, stars_packages.packages),
    )


async def send_invoice(
    query: CallbackQuery,
    callback_data: BuyPackage,
    bot: Bot,
    stars_packages: StarsPackages,
    lang: str,
) -> None:
    package = stars.Package(stars=callback_data.stars, roubles=callback_data.roubles)
    if not stars_packages.sells(package):
        await reply.toast(query, texts.payments.press_not_on_sale(lang), alert=True)
        return
    title = texts.payments.invoice_title(lang, package)
    await bot(
        SendInvoice(
            chat_id=query.from_user.id,
            title=title,
            description=texts.payments.invoice_description(lang, package),
            payload=package.payload,
            provider_token="",  # Bot API: empty for Stars
            currency=CURRENCY,
            prices=[LabeledPrice(label=title, amount=package.stars)],
        )
    )
    await reply.toast(query, "")


async def check(query: PreCheckoutQuery, stars_packages: StarsPackages, lang: str) -> None:
    """Answer at once: Telegram waits for ten seconds (Bot API: answerPreCheckoutQuery)."""
    package = stars.package_of(query.invoice_payload)
    good = (
        stars_packages.sells(package)
        and package is not None
        and query.currency == CURRENCY
        and query.total_amount == package.stars
    )
    try:
        await query.answer(
            ok=good, error_message=None if good else texts.payments.press_not_on_sale(lang)
        )
    except TelegramRejected:
        return  # too late, or answered before; without an answer no money moves


async def paid(
    message: Message, event_from_user: User, storage: Storage, clock: Clock, lang: str
) -> None:
    payment = message.successful_payment
    assert payment is not None
    package = stars.package_of(payment.invoice_payload)
    if package is None or not _ours(payment, package):
        # A payment without a known package is recorded without credit, and refunded.
        package = None
    await storage.stars.purchase(
        user_id=event_from_user.id,
        payment_id=payment.telegram_payment_charge_id,
        stars=payment.total_amount,
        credit=package.credit if package else Decimal(0),
        lang=lang,
        now=clock(),
    )
    if package is None:
        await storage.stars.refund(payment.telegram_payment_charge_id, now=clock())


def _ours(payment: SuccessfulPayment, package: stars.Package) -> bool:
    return payment.currency == CURRENCY and payment.total_amount == package.stars


# --- refunds -------------------------------------------------------------------------------


async def refunded_elsewhere(message: Message, storage: Storage, clock: Clock) -> None:
    """Record a refund; Telegram reports every refund, also those not requested by this bot."""
    assert message.refunded_payment is not None
    await storage.stars.refunded(message.refunded_payment.telegram_payment_charge_id, now=clock())


async def paysupport(
    message: Message,
    event_from_user: User,
    storage: Storage,
    stars_packages: StarsPackages,
    lang: str,
) -> None:
    credit = await storage.ledger.credit(event_from_user.id)
    paid = await storage.stars.open_payments(event_from_user.id)
    if not (stars_packages.packages or paid or credit):
        await reply.say(message, texts.payments.nothing_sold(lang, stars_packages.contact))
        return
    back = (await storage.stars.unused_payments(event_from_user.id))[:SHOWN]
    await reply.say(
        message,
        texts.payments.paysupport(lang, credit, stars_packages.contact, refundable=bool(back)),
        keyboards.payments.refunds(lang, [(row.id, row.stars, row.at) for row in back]),
    )


async def give_back(
    query: CallbackQuery, callback_data: RefundPayment, storage: Storage, clock: Clock, lang: str
) -> None:
    user_id = query.from_user.id
    payments = await storage.stars.payments(user_id, limit=100)
    [payment_id] = [row.payment_id for row in payments if row.id == callback_data.entry] or [None]
    done = payment_id is not None and (
        await storage.stars.refund(payment_id, now=clock(), user_id=user_id)
        or any(row.payment_id == payment_id and row.kind is Entry.REFUND for row in payments)
    )
    words = (
        texts.payments.press_refunding(lang) if done else texts.payments.press_not_refunded(lang)
    )
    await reply.toast(query, words, alert=True)


async def terms(
    message: Message,
    event_from_user: User,
    storage: Storage,
    stars_packages: StarsPackages,
    lang: str,
) -> None:
    """Show the terms: those of a paid bot if Stars buy videos here, or if the person once paid."""
    sells = stars_packages.packages or await storage.stars.open_payments(event_from_user.id)
    await reply.say(message, texts.payments.terms(lang, stars_packages.contact, sells=bool(sells)))
