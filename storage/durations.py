"""The recent durations of each model, from which the times of polls are computed."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from storage.connection import Connection
from storage.engine import Database
from storage.tables import durations

KEPT = 200
"""Rows per model; older durations no longer describe the provider
(performance.md: "When to ask").
"""


_of_model = durations.c.model == sa.bindparam("of_model")
_oldest_kept = (
    sa.select(durations.c.id)
    .where(_of_model)
    .order_by(durations.c.id.desc())
    .offset(KEPT - 1)
    .limit(1)
    .scalar_subquery()
)
_ADD = sa.insert(durations)
_TRIM = sa.delete(durations).where(_of_model, durations.c.id < _oldest_kept)
_RECENT = (
    sa.select(durations.c.low_seconds, durations.c.high_seconds)
    .where(_of_model)
    .order_by(durations.c.id.desc())
    .limit(sa.bindparam("most", type_=sa.Integer))
)


async def add_duration(
    connection: Connection, model: str, low: float, high: float, now: datetime
) -> None:
    """Insert a duration and delete all but the newest `KEPT` of the model."""
    await connection.execute(
        _ADD, {"model": model, "low_seconds": low, "high_seconds": high, "recorded_at": now}
    )
    await connection.execute(_TRIM, {"of_model": model})


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
        rows = await self._database.read(_RECENT, {"of_model": model, "most": limit})
        return [(row.low_seconds, row.high_seconds) for row in reversed(rows)]
