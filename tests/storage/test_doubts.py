"""The trail of an order in doubt, and its verdict, between processes and across kills."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from bot.core.balance import ACCEPTANCE, GAP, MISSES, OLD, REFUNDS, Finding, Verdict
from bot.core.breaker import NEEDED, Permit
from bot.core.notices import NoticeKind
from bot.core.task import Task, TaskState
from storage import Charging, Entry, Storage
from storage.due import VALID
from storage.tables import outbox
from tests.support.factories import ANN, BOB, MINUTE, NOON, SECOND, queued, task_in

S = TaskState
FUNDS, PRICE = Decimal(1234), Decimal("16.4")
ACCOUNT = "a1b2c3d4e5f6"


async def known(storage: Storage, charged: str = ACCEPTANCE, account: str = ACCOUNT) -> None:
    """`bot check --order` saw when this account's balance moves."""
    seen = Charging(charged=charged, account=account, seen_at=NOON)
    assert await storage.account.learn_charging(seen)


async def read_before(storage: Storage, funds: Decimal = FUNDS) -> None:
    creates = await storage.account.begin_reading(NOON)
    assert creates is not None
    assert await storage.account.save_reading(funds, creates, now=NOON)


async def begun(storage: Storage, owner: str = "one", **changes: Any) -> Task:
    """An order whose create is out."""
    task = await queued(storage, **changes)
    [lease] = [
        one
        for one in await storage.tasks.claim_due(
            owner=owner, now=NOON, lease_for=MINUTE, limit=10, slots=None
        )
        if one.id == task.id
    ]
    after = lease.to(S.SUBMITTING, run_at=NOON, submitted_at=NOON)
    assert await storage.tasks.save(lease, after, now=NOON)
    return after


async def lose(storage: Storage, task: Task, *, call_ended: bool = True) -> None:
    after = task.to(S.UNKNOWN, run_at=NOON)
    assert await storage.tasks.save(task, after, now=NOON, call_ended=call_ended)


async def doubt(storage: Storage, **changes: Any) -> Task:
    """An order whose answer was lost, alone, with the balance before it."""
    await read_before(storage)
    task = await begun(storage, **changes)
    await lose(storage, task)
    return task


async def read_twice(storage: Storage, task: Task, funds: Decimal) -> None:
    assert await storage.doubts.read(task.id, funds, now=NOON + SECOND)
    assert await storage.doubts.read(task.id, funds, now=NOON + SECOND + GAP)


async def finding(storage: Storage, task: Task) -> Finding:
    trail = await storage.doubts.trail(task.id)
    assert trail is not None
    return trail.finding


async def state(storage: Storage, task: Task) -> TaskState:
    found = await storage.tasks.get(task.id)
    assert found is not None
    return found.state


async def decide(storage: Storage, task: Task, **changes: Any) -> Verdict | None:
    given: dict[str, Any] = {"account": ACCOUNT, "now": NOON + 2 * MINUTE}
    return await storage.doubts.decide(task.id, **(given | changes))


async def told(storage: Storage) -> list[str]:
    async with storage.database.transaction() as connection:
        return list((await connection.scalars(sa.select(outbox.c.kind))).all())


async def test_no_change_twice_puts_the_order_back_once_and_tells(
    storage: Storage, other: Storage
) -> None:
    await known(storage)
    task = await doubt(storage)
    await read_twice(storage, task, FUNDS)
    found = await asyncio.gather(*(decide(one, task) for one in (storage, other) * 3))
    assert found.count(Verdict.NOT_ACCEPTED) == 1
    assert found.count(None) == 5
    after = await storage.tasks.get(task.id)
    assert after is not None
    assert (after.state, after.reason, after.submitted_at) == (S.QUEUED, None, None)
    assert await told(storage) == [NoticeKind.BACK_IN_QUEUE.value]
    kinds = [row.kind for row in await storage.ledger.of_task(task.id)]
    assert kinds == [Entry.RESERVATION]  # still reserved, for the order that goes out again
    [act] = [one for one in await storage.audit.latest() if one.task_id == task.id]
    assert (act.act, act.actor_id, act.details) == ("settle by balance", 0, {"charged": False})


async def test_exactly_the_price_less_is_charged_and_stays_for_its_id(storage: Storage) -> None:
    await known(storage)
    task = await doubt(storage)
    await read_twice(storage, task, FUNDS - PRICE)
    assert await decide(storage, task) is Verdict.CHARGED
    assert await decide(storage, task) is None
    assert await state(storage, task) is S.UNKNOWN
    kinds = [row.kind for row in await storage.ledger.of_task(task.id)]
    assert kinds == [Entry.RESERVATION, Entry.CHARGE]
    assert await told(storage) == [NoticeKind.CHARGED.value]
    given = await storage.operator.give_id(task.id, "found", by=1, now=NOON + 3 * MINUTE)
    assert given is not None
    kinds = [row.kind for row in await storage.ledger.of_task(task.id)]
    assert kinds == [Entry.RESERVATION, Entry.CHARGE]  # charged once


@pytest.mark.parametrize("funds", [FUNDS - PRICE - 1, FUNDS + PRICE, FUNDS - 2 * PRICE])
async def test_any_other_change_is_left_to_a_person(storage: Storage, funds: Decimal) -> None:
    await known(storage)
    task = await doubt(storage)
    await read_twice(storage, task, funds)
    assert await decide(storage, task) is Verdict.PERSON
    assert await state(storage, task) is S.UNKNOWN
    assert await told(storage) == []


async def test_a_balance_that_moves_between_the_readings_is_left_to_a_person(
    storage: Storage,
) -> None:
    await known(storage)
    task = await doubt(storage)
    assert await storage.doubts.read(task.id, FUNDS, now=NOON + SECOND)
    assert await storage.doubts.read(task.id, FUNDS - PRICE, now=NOON + SECOND + GAP)
    assert await finding(storage, task) is Finding.UNSTEADY
    assert await decide(storage, task) is Verdict.PERSON


@pytest.mark.parametrize(
    ("charged", "account", "used"),
    [("later", ACCOUNT, ACCOUNT), ("never", ACCOUNT, ACCOUNT), ("unknown", ACCOUNT, ACCOUNT),
     (ACCEPTANCE, "another", ACCOUNT), (ACCEPTANCE, ACCOUNT, None)],
)  # fmt: skip
async def test_without_evidence_of_this_account_nothing_is_settled(
    storage: Storage, charged: str, account: str, used: str | None
) -> None:
    await known(storage, charged, account)
    task = await doubt(storage)
    await read_twice(storage, task, FUNDS)
    assert await decide(storage, task, account=used) is Verdict.PERSON
    assert await state(storage, task) is S.UNKNOWN


async def test_without_any_check_nothing_is_settled(storage: Storage) -> None:
    task = await doubt(storage)
    await read_twice(storage, task, FUNDS)
    assert await decide(storage, task) is Verdict.PERSON


async def test_the_newest_check_counts(storage: Storage) -> None:
    await known(storage)
    old = Charging(charged="later", account=ACCOUNT, seen_at=NOON - MINUTE)
    assert not await storage.account.learn_charging(old)
    new = Charging(charged="later", account=ACCOUNT, seen_at=NOON + MINUTE)
    assert await storage.account.learn_charging(new)
    assert await storage.account.charging() == new


# --- other creates, refunds, top-ups -----------------------------------------------------------


async def test_a_create_of_another_process_between_the_readings_is_seen(
    storage: Storage, other: Storage
) -> None:
    await known(storage)
    task = await doubt(storage)
    assert await storage.doubts.read(task.id, FUNDS, now=NOON + SECOND)
    second = await begun(other, "two", user_id=BOB)
    after = second.to(S.GENERATING, run_at=NOON, provider_id="p2")
    assert await other.tasks.save(second, after, now=NOON)
    assert await storage.doubts.read(task.id, FUNDS - PRICE, now=NOON + SECOND + GAP)
    assert await finding(storage, task) is Finding.SHARED
    assert await decide(storage, task) is Verdict.PERSON


async def test_a_create_that_is_out_beside_it_is_seen(storage: Storage, other: Storage) -> None:
    await known(storage)
    await read_before(storage)
    await begun(other, "two", user_id=BOB)
    task = await begun(storage)
    await lose(storage, task)
    await read_twice(storage, task, FUNDS - PRICE)
    assert await finding(storage, task) is Finding.SHARED


async def test_two_lost_answers_are_both_left_to_a_person(
    storage: Storage, other: Storage
) -> None:
    await known(storage)
    await read_before(storage)
    tasks = [await begun(storage), await begun(other, "two", user_id=BOB)]
    for task in tasks:
        await lose(storage, task)
        await read_twice(storage, task, FUNDS - PRICE)
        assert await decide(storage, task) is Verdict.PERSON


async def test_a_create_that_was_certainly_refused_disturbs_nothing(storage: Storage) -> None:
    await known(storage)
    await read_before(storage)
    refused = await begun(storage, user_id=BOB)
    assert await storage.tasks.save(refused, refused.to(S.FAILED, run_at=NOON), now=NOON)
    busy = await begun(storage)
    assert await storage.tasks.save(busy, busy.to(S.QUEUED, run_at=NOON), now=NOON)
    again = busy.to(S.QUEUED, run_at=NOON).to(S.SUBMITTING, run_at=NOON, submitted_at=NOON)
    assert await storage.tasks.save(busy.to(S.QUEUED, run_at=NOON), again, now=NOON)
    await lose(storage, again)
    await read_twice(storage, again, FUNDS)
    assert await decide(storage, again) is Verdict.NOT_ACCEPTED


async def test_no_balance_is_read_while_a_create_is_out(storage: Storage, other: Storage) -> None:
    await begun(other, "two")
    assert await storage.account.begin_reading(NOON) is None


async def test_a_reading_during_which_a_create_began_is_not_kept(
    storage: Storage, other: Storage
) -> None:
    creates = await storage.account.begin_reading(NOON)
    assert creates is not None
    task = await begun(other, "two")
    assert not await storage.account.save_reading(FUNDS, creates, now=NOON)
    await lose(other, task)
    trail = await storage.doubts.trail(task.id)
    assert trail is not None
    assert trail.before is None


async def test_a_fresh_reading_of_any_process_is_not_repeated(
    storage: Storage, other: Storage
) -> None:
    await read_before(other)
    assert await storage.account.begin_reading(NOON + OLD - SECOND) is None
    assert await storage.account.begin_reading(NOON + OLD) == 0


async def test_an_order_check_disturbs_what_it_could_explain(
    storage: Storage, other: Storage
) -> None:
    await known(storage)
    task = await doubt(storage)
    await other.account.disturb(NOON + SECOND)
    await read_twice(storage, task, FUNDS - PRICE)
    assert await decide(storage, task) is Verdict.PERSON
    assert await storage.account.begin_reading(NOON + REFUNDS) is None


async def test_erasing_somebody_whose_order_is_at_the_provider_disturbs(storage: Storage) -> None:
    await known(storage)
    await task_in(storage, S.GENERATING, user_id=BOB)
    task = await doubt(storage)
    await storage.privacy.erase_person(BOB, now=NOON + SECOND)
    await read_twice(storage, task, FUNDS)
    assert await finding(storage, task) is Finding.SHARED


async def test_a_price_given_back_hides_a_charge(storage: Storage) -> None:
    """A failed video's price comes back in the minute in which the order was charged."""
    await known(storage)
    failing = await begun(storage, user_id=BOB)
    making = failing.to(S.GENERATING, run_at=NOON, provider_id="p9", accepted_at=NOON)
    assert await storage.tasks.save(failing, making, now=NOON)
    task = await doubt(storage)
    await read_twice(storage, task, FUNDS)
    assert await decide(storage, task) is None  # it may still fail
    assert await storage.tasks.save(making, making.to(S.FAILED, run_at=NOON), now=NOON)
    assert await decide(storage, task) is Verdict.PERSON


async def test_the_verdict_waits_for_other_videos_and_comes_when_they_are_there(
    storage: Storage,
) -> None:
    await known(storage)
    other_task = await begun(storage, user_id=BOB)
    making = other_task.to(S.GENERATING, run_at=NOON, provider_id="p9", accepted_at=NOON)
    assert await storage.tasks.save(other_task, making, now=NOON)
    task = await doubt(storage)
    await read_twice(storage, task, FUNDS)
    assert await decide(storage, task) is None
    assert await storage.tasks.save(making, making.to(S.RENDERED, run_at=NOON), now=NOON)
    assert await decide(storage, task) is Verdict.NOT_ACCEPTED


async def test_a_verdict_that_waits_for_a_day_is_left_to_a_person(storage: Storage) -> None:
    await known(storage)
    other_task = await begun(storage, user_id=BOB)
    making = other_task.to(S.GENERATING, run_at=NOON, provider_id="p9", accepted_at=NOON)
    assert await storage.tasks.save(other_task, making, now=NOON)
    task = await doubt(storage)
    await read_twice(storage, task, FUNDS)
    later = NOON + timedelta(days=1)
    assert await decide(storage, task, now=later) is Verdict.PERSON


# --- kills, and people who are faster ----------------------------------------------------------


async def test_a_kill_between_reading_and_settling_loses_nothing(
    storage: Storage, other: Storage
) -> None:
    await known(storage)
    task = await doubt(storage)
    assert await storage.doubts.read(task.id, FUNDS, now=NOON + SECOND)
    [trail] = await other.doubts.undecided()  # what the next process finds
    assert (trail.before, trail.first, trail.second) == (FUNDS, FUNDS, None)
    assert not await other.doubts.read(task.id, FUNDS, now=NOON + 2 * SECOND)  # not due
    assert await other.doubts.read(task.id, FUNDS, now=NOON + SECOND + GAP)
    assert await decide(other, task) is Verdict.NOT_ACCEPTED
    assert await other.doubts.undecided() == []


async def test_an_order_whose_process_died_is_not_sent_again(storage: Storage) -> None:
    """Its process may be frozen, and send the create later."""
    await known(storage)
    await read_before(storage)
    task = await begun(storage)
    await lose(storage, task, call_ended=False)
    await read_twice(storage, task, FUNDS)
    assert await finding(storage, task) is Finding.SAME
    assert await decide(storage, task) is Verdict.PERSON


async def test_two_processes_add_one_reading(storage: Storage, other: Storage) -> None:
    task = await doubt(storage)
    now = NOON + SECOND
    added = await asyncio.gather(
        *(one.doubts.read(task.id, FUNDS, now=now) for one in (storage, other) * 3)
    )
    assert added.count(True) == 1


async def test_an_admin_who_was_faster_is_not_overruled(storage: Storage) -> None:
    await known(storage)
    task = await doubt(storage)
    await read_twice(storage, task, FUNDS)
    assert await storage.operator.settle(task.id, charged=True, by=1, now=NOON)
    assert await decide(storage, task) is Verdict.PERSON
    assert await state(storage, task) is S.FAILED


async def test_an_order_made_again_meanwhile_is_not_made_twice(
    storage: Storage, other: Storage
) -> None:
    await known(storage)
    task = await doubt(storage)
    await read_twice(storage, task, FUNDS)
    again, _ = await asyncio.gather(
        other.tasks.retry_unknown(task.id, user_id=ANN, update_id=77, now=NOON),
        decide(storage, task),
    )
    if again is None:
        assert await state(storage, task) is S.QUEUED
        return
    assert await state(storage, task) is S.FAILED  # free of charge: the new one is made
    kinds = [row.kind for row in await storage.ledger.of_task(task.id)]
    assert kinds == [Entry.RESERVATION, Entry.RETURN]


async def test_an_order_made_again_before_ends_free_of_charge(storage: Storage) -> None:
    await known(storage)
    task = await doubt(storage)
    assert await storage.tasks.retry_unknown(task.id, user_id=ANN, update_id=77, now=NOON)
    await read_twice(storage, task, FUNDS)
    assert await decide(storage, task) is Verdict.NOT_ACCEPTED
    assert await state(storage, task) is S.FAILED
    assert await told(storage) == [NoticeKind.FAILED.value]
    assert await storage.operator.can_settle(task.id)


# --- what waits for the readings ---------------------------------------------------------------


async def test_creates_wait_for_both_readings(storage: Storage, other: Storage) -> None:
    task = await doubt(storage)
    await storage.breaker.open(NOON)
    for _ in range(NEEDED):
        await storage.breaker.probed(NOON, answered=True)
    await queued(storage, user_id=BOB)
    terms: Any = {"owner": "x", "now": NOON, "lease_for": MINUTE, "limit": 9, "slots": 9}
    assert await other.breaker.permit(NOON) is Permit.NO
    assert await other.tasks.claim_due(**terms) == []
    assert await storage.due.next("tasks", NOON) == NOON + VALID  # nobody tries meanwhile
    await read_twice(storage, task, FUNDS)
    assert await storage.due.next("tasks", NOON) == NOON
    assert len(await other.tasks.claim_due(**terms)) == 1
    assert await other.breaker.permit(NOON) is Permit.TRIAL


async def test_a_balance_that_cannot_be_read_does_not_hold_creates_forever(
    storage: Storage,
) -> None:
    task = await doubt(storage)
    now = NOON
    for _ in range(20):  # while the provider is away, nothing is counted
        now += SECOND
        await storage.doubts.missed(task.id, now=now, wait=SECOND, counts=False)
    for _ in range(MISSES):
        assert await finding(storage, task) is Finding.READING
        now += SECOND
        await storage.doubts.missed(task.id, now=now, wait=SECOND, counts=True)
    assert await finding(storage, task) is Finding.UNREAD
    assert await decide(storage, task) is Verdict.PERSON


async def test_the_trail_goes_with_its_order(storage: Storage) -> None:
    await doubt(storage)
    await storage.privacy.erase_person(ANN, now=NOON)
    assert await storage.doubts.undecided() == []
