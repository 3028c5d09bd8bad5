"""The ledger only grows, agrees with the states of tasks at any moment, and keeps every cap."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from bot.core.caps import Cap, Limit, OrderRules
from bot.core.errors import CreditTooLow, LimitReached
from bot.core.task import ALLOWED, AspectRatio, Chat, Task, TaskState
from storage import Entry, Storage
from storage.tables import ledger, star_refunds
from tests.support.factories import ANN, BOB, MINUTE, NOON, draft, leased, queued, task_in

S = TaskState
PRICE = Decimal("16.4")
DAY = timedelta(days=1)


def cap(which: Cap, videos: int = 0, roubles: int = 0) -> OrderRules:
    return OrderRules(caps={which: Limit(videos, roubles)})


def limited(storage: Storage, terms: OrderRules) -> Storage:
    """The same database, with terms."""
    return Storage.over(storage.database, terms)


async def entries(storage: Storage, task: Task) -> list[tuple[Entry, Decimal]]:
    return [(row.kind, row.roubles) for row in await storage.ledger.of_task(task.id)]


async def end(storage: Storage, task: Task, *way: TaskState) -> None:
    """Move a queued task through these states, with any holder."""
    [lease] = [
        found
        for found in await storage.tasks.claim_due(
            owner="end", now=NOON + DAY, lease_for=MINUTE, limit=10_000, slots=None
        )
        if found.id == task.id
    ]
    for state in way:
        extra = {"provider_id": f"e{task.id}"} if state is S.GENERATING else {}
        after = lease.to(state, run_at=NOON, **extra)
        assert await storage.tasks.save(lease, after, now=NOON + DAY, keep_lease=True)
        lease = after


# --- what is entered -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "kinds"),
    [
        (S.DRAFT, []),
        (S.CANCELLED, []),  # of a draft
        (S.QUEUED, [Entry.RESERVATION]),
        (S.SUBMITTING, [Entry.RESERVATION]),
        (S.UNKNOWN, [Entry.RESERVATION]),
        (S.GENERATING, [Entry.RESERVATION, Entry.CHARGE]),
        (S.DELIVERED, [Entry.RESERVATION, Entry.CHARGE]),
        (S.UNDELIVERABLE, [Entry.RESERVATION, Entry.CHARGE]),
        (S.FAILED, [Entry.RESERVATION, Entry.RETURN]),
    ],
)
async def test_each_state_has_its_entries(
    storage: Storage, other: Storage, state: TaskState, kinds: list[Entry]
) -> None:
    task = await task_in(storage, state)
    assert await entries(other, task) == [(kind, PRICE) for kind in kinds]


async def test_a_cancelled_order_is_returned(storage: Storage, other: Storage) -> None:
    task = await queued(storage)
    assert await storage.tasks.cancel(task.id, user_id=ANN, now=NOON)
    assert await entries(other, task) == [(Entry.RESERVATION, PRICE), (Entry.RETURN, PRICE)]


async def test_a_late_id_is_charged_once(storage: Storage, other: Storage) -> None:
    task = await task_in(storage, S.UNKNOWN)
    for _ in range(2):
        assert await storage.tasks.record_late_id(task.id, "late", now=NOON)
    assert await entries(other, task) == [(Entry.RESERVATION, PRICE), (Entry.CHARGE, PRICE)]


async def test_a_lost_lease_writes_no_entry(storage: Storage, other: Storage) -> None:
    task = await queued(storage)
    lease = await leased(storage)
    await storage.tasks.cancel(task.id, user_id=ANN, now=NOON)
    failed = lease.to(S.FAILED, run_at=NOON)
    assert not await storage.tasks.save(lease, failed, now=NOON)
    assert await entries(other, task) == [(Entry.RESERVATION, PRICE), (Entry.RETURN, PRICE)]


@pytest.mark.parametrize("act", [sa.update(ledger).values(stars=9), sa.delete(ledger)])
async def test_the_database_refuses_to_change_the_ledger(
    storage: Storage, other: Storage, act: Any
) -> None:
    task = await queued(storage)
    with pytest.raises(DBAPIError, match="the ledger only grows"):
        async with storage.database.transaction() as connection:
            await connection.execute(act)
    assert await entries(other, task) == [(Entry.RESERVATION, PRICE)]


# --- what holds at any moment ----------------------------------------------------------------

_CHARGED = {S.GENERATING, S.RENDERED, S.DELIVERED, S.UNDELIVERABLE}


def _walks(seed: int, count: int) -> Iterator[tuple[TaskState, ...]]:
    """Ways through the table of transitions that begin in the queue."""
    dice = random.Random(seed)
    for _ in range(count):
        way: list[TaskState] = []
        state = S.QUEUED
        for _ in range(dice.randrange(7)):
            after = sorted(ALLOWED[state] - {S.CANCELLED})
            if not after:
                break
            state = dice.choice(after)
            way.append(state)
            if state in (S.UNKNOWN, S.UNDELIVERABLE):
                break  # no worker goes on from here
        yield tuple(way)


@pytest.mark.parametrize("seed", range(3))
async def test_the_sums_agree_with_the_states_on_every_path(
    storage: Storage, other: Storage, seed: int
) -> None:
    dice = random.Random(seed)
    walked = []
    for way in _walks(seed, 25):
        task = await queued(storage, price=Decimal(dice.randrange(1, 9_000)) / 100)
        await end(storage, task, *way)
        if not way and dice.random() < 0.5:
            await storage.tasks.cancel(task.id, user_id=ANN, now=NOON)
        walked.append(task.id)
    expected: dict[Entry, Decimal] = defaultdict(Decimal)
    held = Decimal(0)
    for task_id in walked:
        found = await other.tasks.get(task_id)
        assert found is not None
        expected[Entry.RESERVATION] += found.price
        charged = found.state in _CHARGED or found.provider_id is not None
        if charged:
            expected[Entry.CHARGE] += found.price
        elif found.state in (S.FAILED, S.CANCELLED):
            expected[Entry.RETURN] += found.price
        else:
            held += found.price
    sums = await other.ledger.totals(NOON - DAY, NOON + 2 * DAY)
    assert {kind: total.roubles for kind, total in sums.items() if total.rows} == expected
    left = sums[Entry.RESERVATION].roubles - sums[Entry.CHARGE].roubles
    assert left - sums[Entry.RETURN].roubles == held


# --- caps ------------------------------------------------------------------------------------


async def tap(storage: Storage, task: Task, update_id: int, now: Any = NOON) -> Task | None:
    return await storage.tasks.confirm(
        task.id,
        user_id=task.user_id,
        aspect_ratio=AspectRatio.TALL,
        update_id=update_id,
        now=now,
    )


@pytest.mark.parametrize(
    ("terms", "passes"),
    [
        (cap(Cap.GLOBAL_AT_ONCE, videos=7), 7),
        (cap(Cap.GLOBAL_PER_DAY, videos=7), 7),
        (cap(Cap.GLOBAL_AT_ONCE, roubles=100), 6),
        (cap(Cap.GLOBAL_PER_DAY, roubles=100), 6),
        (cap(Cap.USER_AT_ONCE, videos=2), 20),
        (cap(Cap.USER_PER_DAY, roubles=50), 30),
    ],
)
async def test_a_hundred_concurrent_taps_never_exceed_a_cap(
    storage: Storage, other: Storage, terms: OrderRules, passes: int
) -> None:
    drafts = [
        await draft(storage, user_id=person, chat=Chat(chat_id=person))
        for person in range(201, 211)
        for _ in range(10)
    ]
    both = (limited(storage, terms), limited(other, terms))
    taps = await asyncio.gather(
        *(tap(both[n % 2], task, 1_000 + n) for n, task in enumerate(drafts)),
        return_exceptions=True,
    )
    refused = [result for result in taps if isinstance(result, LimitReached)]
    accepted = [result for result in taps if isinstance(result, Task)]
    assert len(accepted) == passes
    assert len(refused) == 100 - passes
    assert (await other.tasks.counts())[S.QUEUED] == passes
    sums = await other.ledger.totals(NOON, NOON + DAY)
    assert sums[Entry.RESERVATION].rows == passes


async def test_a_refused_tap_leaves_the_draft_as_it_was(storage: Storage, other: Storage) -> None:
    await queued(storage)
    task = await draft(storage)
    with pytest.raises(LimitReached) as caught:
        await tap(limited(storage, cap(Cap.USER_AT_ONCE, videos=1)), task, 1)
    assert caught.value.cap is Cap.USER_AT_ONCE
    assert caught.value.renews_at is None
    assert await other.tasks.get(task.id) == task
    assert await other.ledger.of_task(task.id) == []
    assert [event.state for event in await other.tasks.events(task.id)] == [S.DRAFT]


async def test_a_repeated_tap_is_not_counted_again(storage: Storage) -> None:
    strict = limited(storage, cap(Cap.USER_PER_DAY, videos=1))
    task = await draft(storage)
    first = await tap(strict, task, 1)
    assert first is not None
    assert await tap(strict, task, 1) == first


async def test_a_cap_per_day_renews_at_midnight_of_utc(storage: Storage) -> None:
    strict = limited(storage, cap(Cap.USER_PER_DAY, videos=1))
    assert await tap(strict, await draft(storage), 1)
    late = await draft(storage)
    with pytest.raises(LimitReached) as caught:
        await tap(strict, late, 2, NOON + timedelta(hours=11, minutes=59))
    assert caught.value.renews_at == NOON + timedelta(hours=12)
    assert await tap(strict, late, 3, NOON + timedelta(hours=12))


async def test_caps_count_each_person_separately(storage: Storage) -> None:
    strict = limited(storage, cap(Cap.USER_PER_DAY, videos=1))
    assert await tap(strict, await draft(storage), 1)
    assert await tap(strict, await draft(storage, user_id=BOB), 2)


@pytest.mark.parametrize("which", list(Cap))
async def test_an_order_that_fails_before_its_charge_no_longer_counts(
    storage: Storage, which: Cap
) -> None:
    strict = limited(storage, cap(which, videos=1, roubles=20))
    task = await draft(storage)
    assert await tap(strict, task, 1)
    lease = await leased(storage)
    submitting = lease.to(S.SUBMITTING, run_at=NOON)
    assert await storage.tasks.save(lease, submitting, now=NOON)
    with pytest.raises(LimitReached):
        await tap(strict, await draft(storage), 2)
    assert await storage.tasks.save(submitting, submitting.to(S.FAILED, run_at=NOON), now=NOON)
    assert await tap(strict, await draft(storage), 3)


async def test_an_order_that_fails_after_its_charge_counts_for_the_day(storage: Storage) -> None:
    strict = limited(storage, cap(Cap.GLOBAL_PER_DAY, roubles=20))
    task = await draft(storage)
    assert await tap(strict, task, 1)
    await end(storage, task, S.SUBMITTING, S.GENERATING, S.FAILED)
    with pytest.raises(LimitReached):
        await tap(strict, await draft(storage), 2)


async def test_a_finished_order_is_no_longer_in_progress(storage: Storage) -> None:
    strict = limited(storage, cap(Cap.GLOBAL_AT_ONCE, videos=1))
    await task_in(storage, S.RENDERED)
    assert await tap(strict, await draft(storage), 2)


async def test_retrying_an_unknown_order_respects_the_caps(storage: Storage) -> None:
    task = await task_in(storage, S.UNKNOWN)
    strict = limited(storage, cap(Cap.USER_PER_DAY, videos=1))
    with pytest.raises(LimitReached):
        await strict.tasks.retry_unknown(task.id, user_id=ANN, update_id=5, now=NOON)
    again = await storage.tasks.retry_unknown(task.id, user_id=ANN, update_id=6, now=NOON)
    assert again is not None
    assert await entries(storage, again) == [(Entry.RESERVATION, PRICE)]


# --- credit and Stars ------------------------------------------------------------------------

SOLD = OrderRules(sold=True, free_for=frozenset({BOB}))


async def buy(storage: Storage, credit: Decimal, payment: str = "pay-1", stars: int = 10) -> bool:
    return await storage.stars.purchase(
        user_id=ANN, payment_id=payment, stars=stars, credit=credit, now=NOON
    )


async def refunds(storage: Storage) -> list[str]:
    async with storage.database.transaction() as connection:
        rows = await connection.scalars(
            sa.select(star_refunds.c.payment_id).order_by(star_refunds.c.payment_id)
        )
        return list(rows.all())


async def test_a_payment_is_counted_once_however_often_it_comes(
    storage: Storage, other: Storage
) -> None:
    results = await asyncio.gather(*(buy(which, Decimal(50)) for which in (storage, other) * 10))
    assert sorted(results) == [False] * 19 + [True]
    assert await other.ledger.credit(ANN) == 50


async def test_an_order_needs_enough_credit(storage: Storage, other: Storage) -> None:
    await buy(storage, 3 * PRICE)
    drafts = [await draft(storage) for _ in range(10)]
    both = (limited(storage, SOLD), limited(other, SOLD))
    taps = await asyncio.gather(
        *(tap(both[n % 2], task, n) for n, task in enumerate(drafts)), return_exceptions=True
    )
    assert sum(isinstance(result, Task) for result in taps) == 3
    assert sum(isinstance(result, CreditTooLow) for result in taps) == 7
    assert await other.ledger.credit(ANN) == 0


async def test_free_users_pay_nothing(storage: Storage) -> None:
    assert await tap(limited(storage, SOLD), await draft(storage, user_id=BOB), 1)
    assert await storage.ledger.credit(BOB) == 0


@pytest.mark.parametrize("charged", [False, True])
async def test_a_failed_video_returns_the_credit(storage: Storage, charged: bool) -> None:
    await buy(storage, 5 * PRICE)
    task = await draft(storage)
    assert await tap(limited(storage, SOLD), task, 1)
    assert await storage.ledger.credit(ANN) == 4 * PRICE
    await end(storage, task, S.SUBMITTING, *([S.GENERATING] if charged else []), S.FAILED)
    assert await storage.ledger.credit(ANN) == 5 * PRICE
    assert await refunds(storage) == []  # of a large package the credit stays


@pytest.mark.parametrize("charged", [False, True])
async def test_the_payment_for_a_failed_video_is_refunded_once(
    storage: Storage, charged: bool
) -> None:
    await buy(storage, PRICE + 1)
    task = await draft(storage)
    assert await tap(limited(storage, SOLD), task, 1)
    await end(storage, task, S.SUBMITTING, *([S.GENERATING] if charged else []), S.FAILED)
    assert await refunds(storage) == ["pay-1"]
    assert await storage.ledger.credit(ANN) == 0
    assert not await storage.stars.refund("pay-1", now=NOON)
    sums = await storage.ledger.totals(NOON, NOON + 2 * DAY)
    assert sums[Entry.PURCHASE].stars + sums[Entry.REFUND].stars == 0


async def test_a_cancelled_order_returns_credit_and_no_stars(storage: Storage) -> None:
    await buy(storage, PRICE)
    task = await draft(storage)
    assert await tap(limited(storage, SOLD), task, 1)
    assert await storage.tasks.cancel(task.id, user_id=ANN, now=NOON)
    assert await storage.ledger.credit(ANN) == PRICE
    assert await refunds(storage) == []


async def test_concurrent_refunds_and_orders_never_spend_credit_twice(
    storage: Storage, other: Storage
) -> None:
    for n in range(6):
        await buy(storage, PRICE, f"pay-{n}")
    drafts = [await draft(storage) for _ in range(6)]
    selling = limited(storage, SOLD)
    results = await asyncio.gather(
        *(tap(selling, task, n) for n, task in enumerate(drafts)),
        *(other.stars.refund(f"pay-{n}", now=NOON, user_id=ANN) for n in range(6)),
        return_exceptions=True,
    )
    ordered = sum(isinstance(result, Task) for result in results[:6])
    refunded = sum(result is True for result in results[6:])
    assert ordered + refunded == 6
    assert await other.ledger.credit(ANN) == 0
    assert len(await refunds(other)) == refunded


async def test_nobody_refunds_a_payment_of_another_person(storage: Storage) -> None:
    await buy(storage, PRICE)
    assert not await storage.stars.refund("pay-1", now=NOON, user_id=BOB)
    assert not await storage.stars.refund("pay-2", now=NOON, user_id=ANN)
    assert await storage.stars.refund("pay-1", now=NOON, user_id=ANN)


async def test_a_refund_waits_until_telegram_confirms_it(storage: Storage, other: Storage) -> None:
    await buy(storage, PRICE)
    await storage.stars.refund("pay-1", now=NOON)

    async def claim(which: Storage, now: Any) -> list[str]:
        found = await which.stars.claim_refunds(owner="w", now=now, lease_for=MINUTE, limit=9)
        return [refund.payment_id for refund in found]

    assert await claim(storage, NOON) == ["pay-1"]
    assert await claim(other, NOON) == []
    assert await claim(other, NOON + 2 * MINUTE) == ["pay-1"]  # its holder was killed
    await other.stars.refund_later("pay-1", run_at=NOON + DAY, error="Telegram is away")
    assert await claim(storage, NOON + 3 * MINUTE) == []
    assert await claim(storage, NOON + DAY) == ["pay-1"]
    await storage.stars.refund_done("pay-1", now=NOON + DAY)
    assert await claim(storage, NOON + 9 * DAY) == []
