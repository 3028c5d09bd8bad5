"""The recent durations of each model, from which the times of polls are computed."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from storage.engine import Connection, Database
from storage.tables import durations

KEPT = 200
"""Rows per model; older durations no longer describe the provider
(performance.md: "When to ask").
"""


async def add_duration(
    connection: Connection, model: str, low: float, high: float, now: datetime
) -> None:
    """Insert a duration and delete all but the newest `KEPT` of the model."""
    oldest_kept = (
        sa.select(durations.c.id)
        .where(durations.c.model == model)
        .order_by(durations.c.id.desc())
        .offset(KEPT - 1)
        .limit(1)
        .scalar_subquery()
    )
    await connection.execute(
        sa.insert(durations).values(
            model=model, low_seconds=low, high_seconds=high, recorded_at=now
        )
    )
    await connection.execute(
        sa.delete(durations).where(durations.c.model == model, durations.c.id < oldest_kept)
    )


class DurationStore:
    """The store of durations, as intervals: a video was not ready after `low` seconds and was
    ready after `high`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, model: str, low: float, high: float, *, now: datetime) -> None:
        """Insert a duration in its own transaction."""
        async with self._database.transaction() as connection:
            await add_duration(connection, model, low, high, now)

    async def recent(self, model: str, *, limit: int = KEPT) -> list[tuple[float, float]]:
        """Return (low, high) of the newest `limit`, the oldest first."""
        async with self._database.transaction() as connection:
            rows = await connection.execute(
                sa.select(durations.c.low_seconds, durations.c.high_seconds)
                .where(durations.c.model == model)
                .order_by(durations.c.id.desc())
                .limit(limit)
            )
            return [(row.low_seconds, row.high_seconds) for row in reversed(rows.all())]
