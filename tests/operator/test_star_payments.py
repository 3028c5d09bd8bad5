"""Payments and refunds whose message was lost are found in Telegram's list, once each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiogram.methods import GetStarTransactions
from aiogram.types import StarTransaction, StarTransactions

from bot.core.notices import NoticeKind
from bot.operator.star_payments import LOOK_BACK, PAGE, StarPayments
from storage import Storage, open_storage
from tests.support.databases import with_tables
from tests.support.factories import ANN, BOB, MINUTE, NOON

OURS = "credit|100|170"


class Telegram:
    """Has a list of transactions."""

    def __init__(self) -> None:
        self.listed: list[StarTransaction] = []
        self.asked: list[int] = []

    def add(self, number: str, *, at: datetime = NOON, back: bool = False, **changes: Any) -> None:
        user = {"id": changes.pop("user_id", ANN), "is_bot": False, "first_name": "A"}
        partner = {
            "type": "user", "transaction_type": "invoice_payment", "user": user,
            "invoice_payload": changes.pop("payload", OURS),
        }  # fmt: skip
        side = {"receiver" if back else "source": partner}
        raw = {"id": number, "amount": 100, "date": int(at.timestamp()), **side, **changes}
        self.listed.append(StarTransaction.model_validate(raw))

    async def __call__(self, method: GetStarTransactions) -> StarTransactions:
        assert method.offset is not None
        assert method.limit == PAGE
        self.asked.append(method.offset)
        page = self.listed[method.offset : method.offset + method.limit]
        return StarTransactions(transactions=page)


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with open_storage(with_tables(tmp_path / "bot.db")) as opened:
        yield opened


def payments(storage: Storage, telegram: Telegram) -> StarPayments:
    async def sleep(seconds: float) -> None:
        await asyncio.sleep(0)

    bot: Any = telegram
    return StarPayments(bot, storage, clock=lambda: NOON + MINUTE, sleep=sleep)


async def pay(storage: Storage, user_id: int, payment_id: str) -> bool:
    """Record a payment as its message does; return whether it was new."""
    return await storage.stars.purchase(
        user_id=user_id, payment_id=payment_id, stars=100, credit=Decimal(170), now=NOON
    )


async def test_a_payment_whose_message_was_lost_is_credited_once_and_told(
    storage: Storage,
) -> None:
    telegram = Telegram()
    await storage.users.see(ANN, lang="ru", name="A", now=NOON)
    telegram.add("one")
    first, second = payments(storage, telegram), payments(storage, telegram)
    assert await first.collect() == 1
    assert await first.collect() == await second.collect() == 0
    assert await storage.ledger.credit(ANN) == 170
    # the message comes after all
    assert not await pay(storage, ANN, "one")
    [told] = await storage.outbox.claim(owner="w", now=NOON + MINUTE, lease_for=MINUTE, limit=9)
    assert (told.notice.kind, told.notice.lang) == (NoticeKind.STARS_PAID, "ru")
    assert await storage.ledger.credit(ANN) == 170


async def test_what_the_bot_knows_or_did_not_sell_changes_nothing(storage: Storage) -> None:
    telegram = Telegram()
    await pay(storage, BOB, "known")
    telegram.add("known", user_id=BOB)
    telegram.add("old", at=NOON - LOOK_BACK)
    telegram.add("of another bot", payload="subscription")
    telegram.add("of another price", amount=99)
    telegram.add("from nobody", source={"type": "fragment"})
    assert await payments(storage, telegram).collect() == 0
    assert await storage.ledger.credit(ANN) == 0
    assert await storage.ledger.credit(BOB) == 170


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("newest_first", [False, True])
async def test_a_refund_whose_message_was_lost_takes_the_credit_back(
    storage: Storage, is_known: bool, newest_first: bool
) -> None:
    telegram = Telegram()
    if is_known:
        await pay(storage, ANN, "one")
    telegram.add("one")
    telegram.add("one", back=True)
    if newest_first:
        telegram.listed.reverse()
    assert await payments(storage, telegram).collect() == (1 if is_known else 2)
    assert await storage.ledger.credit(ANN) == 0
    assert await payments(storage, telegram).collect() == 0


async def test_a_long_list_is_read_once(storage: Storage) -> None:
    telegram = Telegram()
    for number in range(2 * PAGE + 1):
        telegram.add(str(number), at=NOON - timedelta(days=30))
    reader = payments(storage, telegram)
    assert await reader.collect() == 0
    assert telegram.asked == [0, PAGE, 2 * PAGE]
    telegram.add("new")
    assert await reader.collect() == 1
    assert telegram.asked[3:] == [2 * PAGE + 1]
