"""Stars in the emulated Telegram: invoices, checkouts, payments and refunds, with Telegram's
errors.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.sandbox.telegram.watching import CannotAct
from tests.sandbox.telegram_client import Client, talking

PRICE = {"label": "Credit", "amount": 50}
INVOICE: dict[str, Any] = {
    "title": "Credit", "description": "For videos", "payload": "p", "currency": "XTR",
    "prices": [PRICE],
}  # fmt: skip


async def checkout(bot: Client) -> dict[str, Any]:
    [update] = await bot.updates(allowed_updates=["pre_checkout_query", "message"], timeout=5)
    await bot.updates(offset=update["update_id"] + 1)
    query: dict[str, Any] = update["pre_checkout_query"]
    return query


async def test_a_payment_is_checked_out_and_refunded_once() -> None:
    async with talking() as (_, bot, anna):
        invoice = (await bot("sendInvoice", chat_id=anna.id, **INVOICE)).result
        assert invoice["reply_markup"]["inline_keyboard"] == [[{"text": "Pay ⭐50", "pay": True}]]
        paying = asyncio.ensure_future(anna.pay(invoice))  # noqa: TID251 - awaited below
        query = await checkout(bot)
        assert (query["invoice_payload"], query["total_amount"]) == ("p", 50)
        yes = {"pre_checkout_query_id": query["id"], "ok": True}
        assert (await bot("answerPreCheckoutQuery", **yes)).result
        again = await bot("answerPreCheckoutQuery", **yes)
        assert again.status == 400
        await paying
        [update] = await bot.updates()
        paid = update["message"]["successful_payment"]
        assert paid["invoice_payload"] == "p"
        charge = {
            "user_id": anna.id,
            "telegram_payment_charge_id": paid["telegram_payment_charge_id"],
        }
        wrong = await bot("refundStarPayment", **charge | {"user_id": 1})
        assert wrong.status == 400
        assert (await bot("refundStarPayment", **charge)).result
        twice = await bot("refundStarPayment", **charge)
        assert "CHARGE_ALREADY_REFUNDED" in twice.error
        assert (await bot.updates())[-1]["message"]["refunded_payment"]["total_amount"] == 50
        listed = (await bot("getStarTransactions")).result["transactions"]
        assert [(one["id"], one["amount"], "receiver" in one) for one in listed] == [
            (charge["telegram_payment_charge_id"], 50, is_refund) for is_refund in (False, True)
        ]
        assert listed[0]["source"]["user"]["id"] == anna.id
        assert (await bot("getStarTransactions", offset=2)).result["transactions"] == []


async def test_a_declined_checkout_takes_nothing() -> None:
    async with talking() as (emulator, bot, anna):
        invoice = (await bot("sendInvoice", chat_id=anna.id, **INVOICE)).result
        paying = asyncio.ensure_future(anna.pay(invoice))  # noqa: TID251 - awaited below
        query = await checkout(bot)
        answer = {"pre_checkout_query_id": query["id"], "ok": False}
        assert (await bot("answerPreCheckoutQuery", **answer)).status == 400
        assert (await bot("answerPreCheckoutQuery", **answer, error_message="sold out")).result
        with pytest.raises(CannotAct, match="sold out"):
            await paying
        assert not emulator.world.till.payments


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"prices": []}, "STARS_INVOICE_INVALID"),
        ({"prices": [PRICE, PRICE]}, "STARS_INVOICE_INVALID"),
        ({"prices": [{"label": "x", "amount": 0}]}, "CURRENCY_TOTAL_AMOUNT_INVALID"),
        ({"provider_token": "x"}, "STARS_INVOICE_INVALID"),
        ({"title": "x" * 33}, ""),
        ({"payload": "x" * 129}, ""),
    ],
)
async def test_a_wrong_invoice_is_refused(changes: dict[str, Any], error: str) -> None:
    async with talking() as (_, bot, anna):
        answer = await bot("sendInvoice", chat_id=anna.id, **INVOICE | changes)
        assert answer.status == 400
        assert error in answer.error
