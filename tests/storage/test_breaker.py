"""The breaker's row stops all processes, and one order goes first."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from bot.core.breaker import NEEDED, TRIAL, Permit
from storage import Storage

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def ready(storage: Storage) -> None:
    await storage.breaker.open(NOON)
    for _ in range(NEEDED):
        await storage.breaker.probed(NOON, answered=True)


async def test_without_a_row_creates_are_free(storage: Storage) -> None:
    assert await storage.breaker.permit(NOON) is Permit.FREE
    assert await storage.breaker.probed(NOON, answered=True) is None
    assert not await storage.breaker.close()


async def test_an_open_breaker_stops_other_processes_and_survives_restarts(
    storage: Storage, other: Storage
) -> None:
    await storage.breaker.open(NOON)
    assert await other.breaker.permit(NOON) is Permit.NO
    known = await other.breaker.get()
    assert known is not None
    assert known.failures == 1


async def test_one_process_of_many_sends_the_trial(storage: Storage, other: Storage) -> None:
    await ready(storage)
    permits = await asyncio.gather(
        *(which.breaker.permit(NOON) for which in (storage, other) * 10)
    )
    assert permits.count(Permit.TRIAL) == 1
    assert permits.count(Permit.NO) == 19
    await storage.breaker.end_trial()
    assert await other.breaker.permit(NOON) is Permit.TRIAL
    assert await other.breaker.permit(NOON + TRIAL) is Permit.TRIAL  # whoever tried has died


async def test_an_accepted_order_closes_the_breaker_and_a_lost_one_does_not(
    storage: Storage,
) -> None:
    await ready(storage)
    assert await storage.breaker.permit(NOON) is Permit.TRIAL
    await storage.breaker.open(NOON + timedelta(seconds=1))
    assert await storage.breaker.permit(NOON) is Permit.NO
    assert await storage.breaker.close()
    assert await storage.breaker.permit(NOON) is Permit.FREE


async def test_an_answer_that_comes_late_lets_no_second_order_out(
    storage: Storage, other: Storage
) -> None:
    """Found by the simulation: two processes had asked the free question at the same time."""
    await ready(storage)
    assert await storage.breaker.permit(NOON) is Permit.TRIAL
    await other.breaker.probed(NOON + timedelta(seconds=1), answered=True)
    assert await other.breaker.permit(NOON + timedelta(seconds=1)) is Permit.NO
