"""Bring due times and leases nearer after the clock was set back.

They were computed from the clock as it was before. Without a correction, a row that was due in
seconds would wait for as long as the clock was set back. It must not know who watches the clock.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from storage.column_types import UtcDateTime
from storage.engine import Database
from storage.tables import (
    InboxState,
    alerts,
    balance_trails,
    broadcast_retries,
    broadcasts,
    films,
    inbox,
    one_of,
    outbox,
    provider_breaker,
    star_refunds,
    tasks,
)

SOON = timedelta(minutes=1)
"""Times that are at most this far ahead are not changed: leases that were renewed since then."""

_COLUMNS = (
    tasks.c.run_at,
    tasks.c.lease_until,
    tasks.c.deadline_at,
    inbox.c.run_at,
    inbox.c.lease_until,
    outbox.c.run_at,
    outbox.c.lease_until,
    films.c.run_at,
    films.c.lease_until,
    star_refunds.c.run_at,
    star_refunds.c.lease_until,
    broadcasts.c.lease_until,
    broadcast_retries.c.run_at,
    provider_breaker.c.probe_at,
    provider_breaker.c.trial_until,
    balance_trails.c.due_at,
    balance_trails.c.lost_at,  # the first reading is due from then on
)
"""The columns with due times and leases. The end of a link is not corrected: a link may last
longer."""

_LIMIT = sa.bindparam("limit", type_=UtcDateTime())
_OPEN = {
    inbox: one_of(inbox.c.state, {InboxState.PENDING}),
}


def _ahead(column: sa.Column[datetime]) -> sa.Select[tuple[datetime]]:
    key = tuple(column.table.primary_key)
    return (
        sa.select(*key, column)
        .where(column > _LIMIT, _OPEN.get(column.table, sa.true()))
        .order_by(*key)
        .with_for_update()
    )


def _move(column: sa.Column[datetime]) -> sa.Update:
    own = (key == sa.bindparam(f"own_{key.name}") for key in column.table.primary_key)
    return sa.update(column.table).where(*own).values({column: sa.bindparam("moved")})


_MOVES = tuple((column, _ahead(column), _move(column)) for column in _COLUMNS)
# An alert closes when something happens after `opened_at`.
_ALERTS = (
    sa.update(alerts)
    .where(alerts.c.opened_at > _LIMIT, alerts.c.closed_at.is_(None))
    .values(opened_at=_LIMIT)
)
# Corrected too, or a start within the next hours would take them for another set-back.
_RECEIVED = sa.update(inbox).where(inbox.c.received_at > _LIMIT).values(received_at=_LIMIT)
_NEWEST = sa.select(sa.func.max(inbox.c.received_at))


async def bring_nearer(database: Database, by: timedelta, *, now: datetime) -> int:
    """Move the times that lie ahead of `now`, which is `by` less than it would have been; return
    how many. Raises StorageUnavailable."""
    moved = 0
    async with database.transaction() as connection:
        for column, ahead, move in _MOVES:
            rows = (await connection.execute(ahead, {"limit": now + SOON})).all()
            if not rows:
                continue
            moved += len(rows)
            names = [f"own_{key.name}" for key in column.table.primary_key]
            await connection.execute(
                move,
                [
                    {**dict(zip(names, row[:-1], strict=True)), "moved": row[-1] - by}
                    for row in rows
                ],
            )
        await connection.execute(_ALERTS, {"limit": now})
        await connection.execute(_RECEIVED, {"limit": now})
    return moved


async def newest(database: Database) -> datetime | None:
    """Return when the newest update was received: the clock has already shown that time."""
    found: datetime | None = await database.read_scalar(_NEWEST)
    return found
