"""After the clock was set back, due times and leases are moved back by the same time."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from storage import IncomingUpdate, Storage, set_back
from storage.tables import broadcast_retries, metadata, provider_breaker, tasks
from tests.support.factories import MINUTE, NOON, leased, queued

HOUR = timedelta(hours=1)

KNOWN = {(column.table.name, column.name) for column in set_back._COLUMNS}


@pytest.mark.parametrize("name", ["run_at", "lease_until", "probe_at", "trial_until", "due_at"])
def test_every_time_that_something_waits_for_is_known(name: str) -> None:
    there = {(table.name, name) for table in metadata.sorted_tables if name in table.columns}
    assert there
    assert there <= KNOWN


async def test_times_ahead_move_and_others_stay(storage: Storage) -> None:
    await queued(storage)
    task = await leased(storage)
    async with storage.database.transaction() as connection:
        await connection.execute(
            sa.update(tasks).values(run_at=NOON + HOUR, lease_until=NOON + HOUR + MINUTE)
        )
        await connection.execute(
            sa.insert(broadcast_retries),
            [
                {"broadcast_id": 1, "user_id": n, "since": NOON, "run_at": at, "attempts": 1}
                for n, at in ((1, NOON + 2 * HOUR), (2, NOON + MINUTE / 2), (3, NOON - HOUR))
            ],
        )
    await storage.breaker.open(NOON + HOUR)

    assert await set_back.bring_nearer(storage.database, HOUR, now=NOON) == 4

    async with storage.database.transaction() as connection:
        retries = (
            await connection.execute(
                sa.select(broadcast_retries.c.run_at).order_by(broadcast_retries.c.user_id)
            )
        ).scalars()
        assert list(retries) == [NOON + HOUR, NOON + MINUTE / 2, NOON - HOUR]
        probe_at = await connection.scalar(sa.select(provider_breaker.c.probe_at))
        assert NOON <= probe_at <= NOON + MINUTE
    moved = await storage.tasks.get(task.id)
    assert moved is not None
    assert (moved.run_at, moved.lease_until) == (NOON, NOON + MINUTE)


async def test_the_newest_update_shows_a_set_back_until_it_is_corrected(storage: Storage) -> None:
    assert await set_back.newest(storage.database) is None
    update = IncomingUpdate(update_id=1, chat_key="7", payload="{}")
    await storage.inbox.add([update], now=NOON + HOUR)
    assert await set_back.newest(storage.database) == NOON + HOUR
    await set_back.bring_nearer(storage.database, HOUR, now=NOON)
    assert await set_back.newest(storage.database) == NOON
