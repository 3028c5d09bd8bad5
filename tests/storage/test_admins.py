"""A new bot is claimed once, with the code of its last start; the database has only a digest."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from bot.core.access import CLAIM_LIFE, CLAIM_PREFIX, CLAIM_TRIES
from bot.core.notices import NoticeKind
from bot.core.task import Chat
from storage import ClaimResult, Storage
from storage.tables import audit, claim_code

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ANN, BORIS = 7, 8


async def offered(storage: Storage, now: datetime = NOON) -> str:
    code = await storage.admins.offer_claim(now)
    assert code is not None
    return code


async def test_the_code_makes_one_admin_and_works_once(storage: Storage, other: Storage) -> None:
    code = await offered(storage)
    assert code.startswith(CLAIM_PREFIX)
    assert len(code) <= 64
    assert await other.admins.claim(code, user_id=ANN, now=NOON) is ClaimResult.CLAIMED
    assert await storage.admins.claimed() == {ANN}
    assert await storage.admins.claimed_at(ANN) == NOON
    assert await storage.admins.claimed_at(BORIS) is None
    assert await storage.admins.claim(code, user_id=BORIS, now=NOON) is ClaimResult.TAKEN
    # The update of the first person again, after a crash.
    assert await storage.admins.claim(code, user_id=ANN, now=NOON) is ClaimResult.CLAIMED
    acts = [(act.actor_id, act.act, act.subject_id) for act in await storage.audit.latest()]
    assert acts == [(ANN, "claim", ANN)]


async def test_of_many_people_at_once_one_claims_it(storage: Storage, other: Storage) -> None:
    code = await offered(storage)
    results = await asyncio.gather(
        *(
            (storage, other)[number % 2].admins.claim(code, user_id=number, now=NOON)
            for number in range(1, 11)
        )
    )
    assert results.count(ClaimResult.CLAIMED) == 1
    assert results.count(ClaimResult.TAKEN) == 9
    assert len(await storage.admins.claimed()) == 1


async def test_wrong_codes_end_it_also_in_another_process_until_a_new_start(
    storage: Storage, other: Storage
) -> None:
    code = await offered(storage)
    for number in range(CLAIM_TRIES):
        which = (storage, other)[number % 2]
        wrong = await which.admins.claim(f"{CLAIM_PREFIX}guess", user_id=BORIS, now=NOON)
        assert wrong is ClaimResult.WRONG
    assert await other.admins.claim(code, user_id=ANN, now=NOON) is ClaimResult.OVER
    fresh = await offered(other)
    assert fresh != code
    assert await storage.admins.claim(code, user_id=ANN, now=NOON) is ClaimResult.WRONG
    assert await storage.admins.claim(fresh, user_id=ANN, now=NOON) is ClaimResult.CLAIMED


@pytest.mark.parametrize(
    ("after", "result"),
    [(CLAIM_LIFE - SECOND, ClaimResult.CLAIMED), (CLAIM_LIFE, ClaimResult.OVER)],
)
async def test_the_code_expires(storage: Storage, after: timedelta, result: ClaimResult) -> None:
    code = await offered(storage)
    assert await storage.admins.claim(code, user_id=ANN, now=NOON + after) is result


async def test_only_a_bot_that_let_nobody_in_can_be_claimed(storage: Storage) -> None:
    code = await offered(storage)
    assert await storage.admins.nobody_let_in()
    await storage.access.allow(BORIS, by=1, now=NOON)
    assert not await storage.admins.nobody_let_in()
    assert await storage.admins.claim(code, user_id=ANN, now=NOON) is ClaimResult.OVER
    assert await storage.admins.offer_claim(NOON) is None
    await storage.access.ban(BORIS, by=1, now=NOON)  # nobody is let in again
    code = await offered(storage)
    assert await storage.admins.claim(code, user_id=ANN, now=NOON) is ClaimResult.CLAIMED
    assert await storage.admins.offer_claim(NOON) is None


async def test_a_withdrawn_code_is_worth_nothing(storage: Storage) -> None:
    code = await offered(storage)
    await storage.admins.withdraw_claim()
    assert await storage.admins.claim(code, user_id=ANN, now=NOON) is ClaimResult.OVER


async def test_an_admin_who_claimed_can_be_removed_once(storage: Storage) -> None:
    await storage.admins.claim(await offered(storage), user_id=ANN, now=NOON)
    assert await storage.admins.remove(ANN, by=1, now=NOON)
    assert not await storage.admins.remove(ANN, by=1, now=NOON)
    assert await storage.admins.claimed() == frozenset()


async def test_what_waited_for_an_admin_is_not_told_to_who_is_none_any_more(
    storage: Storage,
) -> None:
    """They had blocked the bot; their next message would bring them the requests for access."""
    assert await storage.admins.claim(await offered(storage), user_id=ANN, now=NOON)
    await storage.access.ask(
        user_id=5, name="Eve", username="eve", lang="en", admins={ANN, BORIS}, now=NOON
    )
    await storage.ledger.grant(ANN, Decimal(5), by=BORIS, update_id=1, now=NOON)
    for one in await storage.outbox.claim(
        owner="o", now=NOON, lease_for=timedelta(minutes=1), limit=9
    ):
        await storage.outbox.park(one.id, one.notice.chat.chat_id)
    await storage.admins.remove(ANN, by=BORIS, now=NOON)
    for person in (ANN, BORIS):
        await storage.outbox.unpark(person, Chat(chat_id=person), now=NOON)
    told = await storage.outbox.claim(owner="o", now=NOON, lease_for=timedelta(minutes=1), limit=9)
    assert sorted((one.notice.chat.chat_id, one.notice.kind) for one in told) == [
        (ANN, NoticeKind.CREDIT_GIVEN),  # their own
        (BORIS, NoticeKind.ACCESS_ASKED),
    ]


async def test_the_code_is_nowhere_in_the_rows(storage: Storage) -> None:
    code = await offered(storage)
    async with storage.database.transaction() as connection:
        [row] = (await connection.execute(sa.select(claim_code))).all()
    secret = code.removeprefix(CLAIM_PREFIX)
    assert secret not in str(row)
    await storage.admins.claim(code, user_id=ANN, now=NOON)
    async with storage.database.transaction() as connection:
        assert (await connection.execute(sa.select(claim_code))).all() == []
        rows = (await connection.execute(sa.select(audit))).all()
    assert secret not in str(rows)
