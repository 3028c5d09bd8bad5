"""Refunds: which payment, how often, the notices, and the entries of the ledger."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from bot.core.caps import OrderRules
from bot.core.notices import NoticeKind
from bot.core.task import AspectRatio, Task, TaskState
from storage import Entry, Storage
from storage.tables import outbox, star_refunds
from tests.support.factories import ANN, BOB, MINUTE, NOON, draft

S = TaskState
PRICE = Decimal("16.4")
DAY = timedelta(days=1)


async def buy(
    storage: Storage, payment: str, credit: Decimal = PRICE, *, who: int = ANN, stars: int = 10
) -> None:
    assert await storage.stars.purchase(
        user_id=who, payment_id=payment, stars=stars, credit=credit, now=NOON
    )


async def waiting(storage: Storage) -> list[dict[str, Any]]:
    """The rows of `star_refunds`, by payment."""
    async with storage.database.transaction() as connection:
        wanted = sa.select(star_refunds).order_by(star_refunds.c.payment_id)
        return [dict(row._mapping) for row in (await connection.execute(wanted)).all()]


async def told(storage: Storage, kind: NoticeKind) -> list[tuple[int, dict[str, Any]]]:
    async with storage.database.transaction() as connection:
        wanted = sa.select(outbox).where(outbox.c.kind == kind.value).order_by(outbox.c.id)
        return [(row.chat_id, row.params) for row in (await connection.execute(wanted)).all()]


async def failed(storage: Storage, price: Decimal = PRICE) -> Task:
    """An order of Ann's that was paid from her credit, and failed."""
    selling = Storage.over(storage.database, OrderRules(sold=True))
    task = await draft(storage, price=price)
    ordered = await selling.tasks.confirm(
        task.id, user_id=ANN, aspect_ratio=AspectRatio.TALL, update_id=task.id, now=NOON
    )
    assert ordered is not None
    [lease] = [
        lease
        for lease in await storage.tasks.claim_due(
            owner="w", now=NOON, lease_for=MINUTE, limit=99, slots=None
        )
        if lease.id == task.id
    ]
    after = lease.to(S.FAILED, run_at=NOON)
    assert await storage.tasks.save(lease, after, now=NOON)
    return after


# --- which payment ---------------------------------------------------------------------------


async def test_the_newest_payment_for_one_video_is_refunded(
    storage: Storage,
) -> None:
    await buy(storage, "old")
    await buy(storage, "new")
    await buy(storage, "large", 2 * PRICE)  # as good for the next try
    await buy(storage, "of Bob", who=BOB)
    task = await failed(storage)
    [refund] = await waiting(storage)
    assert (refund["payment_id"], refund["user_id"], refund["task_id"]) == ("new", ANN, task.id)
    assert (refund["created_at"], refund["run_at"], refund["attempts"]) == (NOON, NOON, 0)
    assert await storage.ledger.credit(ANN) == 3 * PRICE
    assert await storage.ledger.credit(BOB) == PRICE


async def test_a_refunded_payment_is_not_refunded_again(storage: Storage) -> None:
    await buy(storage, "older")
    await buy(storage, "newer")
    await failed(storage)
    await failed(storage)
    assert [one["payment_id"] for one in await waiting(storage)] == ["newer", "older"]
    assert await storage.ledger.credit(ANN) == 0


async def test_a_payment_already_spent_is_not_refunded(storage: Storage) -> None:
    await buy(storage, "small", PRICE + 5)
    selling = Storage.over(storage.database, OrderRules(sold=True))
    spent = await draft(storage, price=Decimal(5))
    assert await selling.tasks.confirm(
        spent.id, user_id=ANN, aspect_ratio=AspectRatio.TALL, update_id=2, now=NOON
    )
    await failed(storage)
    assert await waiting(storage) == []
    assert await storage.ledger.credit(ANN) == PRICE
    [(chat, params)] = await told(storage, NoticeKind.CREDIT_BACK)
    assert (chat, params) == (ANN, {"price": "16.4"})


async def test_returned_credit_is_reported_when_no_stars_are_refunded(storage: Storage) -> None:
    await buy(storage, "of one video")
    await failed(storage)
    assert await told(storage, NoticeKind.CREDIT_BACK) == []
    await buy(storage, "of many", 9 * PRICE)
    await failed(storage)
    assert await told(storage, NoticeKind.CREDIT_BACK) == [(ANN, {"price": "16.4"})]


# --- the ledger ------------------------------------------------------------------------------


async def test_a_refund_reverses_credit_and_stars_and_no_spent_roubles(
    storage: Storage,
) -> None:
    await buy(storage, "p", stars=77)
    assert await storage.stars.refund("p", now=NOON + MINUTE)
    refund, purchase = await storage.stars.payments(ANN)
    assert (purchase.kind, purchase.roubles, purchase.credit, purchase.stars) == (
        Entry.PURCHASE, Decimal(0), PRICE, 77,
    )  # fmt: skip
    assert (refund.kind, refund.roubles, refund.credit, refund.stars) == (
        Entry.REFUND, Decimal(0), -PRICE, -77,
    )  # fmt: skip
    assert (refund.at, refund.payment_id, refund.task_id) == (NOON + MINUTE, "p", None)


async def test_only_a_persons_own_payments_are_listed_newest_first(
    storage: Storage,
) -> None:
    for number in range(12):
        await buy(storage, f"p{number}")
    await buy(storage, "his", who=BOB)
    await failed(storage, Decimal(8))  # less than half of any: no Stars go back
    found = await storage.stars.payments(ANN)
    assert [row.payment_id for row in found] == [f"p{number}" for number in range(11, 1, -1)]
    assert len(await storage.stars.payments(ANN, limit=3)) == 3
    assert {row.kind for row in await storage.stars.payments(ANN, limit=99)} == {Entry.PURCHASE}


async def test_a_purchase_notice_shows_the_whole_credit(storage: Storage) -> None:
    await buy(storage, "one")
    await buy(storage, "two", Decimal(5), stars=3)
    assert await told(storage, NoticeKind.STARS_PAID) == [
        (ANN, {"stars": 10, "credit": "16.4"}),
        (ANN, {"stars": 3, "credit": "21.4"}),
    ]


async def test_a_payment_without_credit_is_entered_without_a_notice(storage: Storage) -> None:
    await buy(storage, "nothing", Decimal(0))
    assert await told(storage, NoticeKind.STARS_PAID) == []
    assert len(await storage.stars.payments(ANN)) == 1


# --- until Telegram knows --------------------------------------------------------------------


async def claim(
    storage: Storage, now: datetime, *, owner: str = "w", limit: int = 9
) -> list[tuple[str, int]]:
    found = await storage.stars.claim_refunds(owner=owner, now=now, lease_for=MINUTE, limit=limit)
    return [(refund.payment_id, refund.attempts) for refund in found]


async def test_refunds_are_leased_in_order_up_to_the_limit(
    storage: Storage,
) -> None:
    for number, payment in enumerate(("a late", "z early", "b later")):
        await buy(storage, payment)
        moment = NOON + (2 - number % 2) * MINUTE + (number // 2) * MINUTE
        assert await storage.stars.refund(payment, now=moment)
    now = NOON + 5 * MINUTE
    assert await claim(storage, NOON) == []
    assert await claim(storage, now, owner="one", limit=1) == [("z early", 1)]
    late, _, early = await waiting(storage)
    assert (early["lease_owner"], early["lease_until"]) == ("one", now + MINUTE)
    assert (late["lease_owner"], late["attempts"]) == (None, 0)
    assert sorted(await claim(storage, now)) == [("a late", 1), ("b later", 1)]
    assert await claim(storage, now + 2 * MINUTE, limit=1) == [("z early", 2)]


async def test_a_postponed_refund_has_no_lease_and_a_reason(storage: Storage) -> None:
    await buy(storage, "p")
    assert await storage.stars.refund("p", now=NOON)
    await claim(storage, NOON)
    await storage.stars.refund_later("p", run_at=NOON + DAY, error="x" * 900)
    [row] = await waiting(storage)
    assert (row["run_at"], row["error"]) == (NOON + DAY, "x" * 500)
    assert (row["lease_owner"], row["lease_until"], row["done_at"]) == (None, None, None)
    assert await claim(storage, NOON + DAY) == [("p", 2)]
    await storage.stars.refund_done("p", now=NOON + DAY)
    [row] = await waiting(storage)
    assert (row["done_at"], row["error"]) == (NOON + DAY, None)
    assert (row["lease_owner"], row["lease_until"]) == (None, None)


async def test_a_confirmed_refund_notifies_its_payer_once(storage: Storage) -> None:
    await buy(storage, "other", stars=99)
    await buy(storage, "of a failed one", stars=33)
    await failed(storage)
    assert await storage.stars.refund("other", now=NOON)
    for _ in range(2):
        await storage.stars.refund_done("of a failed one", now=NOON + MINUTE)
        await storage.stars.refund_done("other", now=NOON + MINUTE)
        await storage.stars.refund_done("of nobody", now=NOON + MINUTE)
    assert await told(storage, NoticeKind.STARS_BACK) == [
        (ANN, {"stars": 33, "failed": True}),
        (ANN, {"stars": 99, "failed": False}),
    ]


@pytest.mark.parametrize("known", [False, True])
async def test_a_refund_made_by_telegram_is_entered_once_and_not_requested_any_more(
    storage: Storage, known: bool
) -> None:
    await buy(storage, "p")
    await buy(storage, "other")
    if known:
        assert await storage.stars.refund("p", now=NOON)
    assert await storage.stars.refunded("p", now=NOON)
    assert not await storage.stars.refunded("p", now=NOON)
    assert not await storage.stars.refunded("of nobody", now=NOON)
    assert await storage.ledger.credit(ANN) == PRICE
    [row] = await waiting(storage)
    assert row["payment_id"] == "p"
    assert row["done_at"] == NOON
    assert await claim(storage, NOON) == []


async def test_a_payment_is_refunded_only_if_all_its_credit_is_unused(storage: Storage) -> None:
    await buy(storage, "p")
    selling = Storage.over(storage.database, OrderRules(sold=True))
    task = await draft(storage, price=Decimal("0.01"))
    assert await selling.tasks.confirm(
        task.id, user_id=ANN, aspect_ratio=AspectRatio.TALL, update_id=1, now=NOON
    )
    assert not await storage.stars.refund("p", now=NOON)
    assert await waiting(storage) == []
