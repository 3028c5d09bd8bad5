"""The breaker's row: it stops the creates of all processes, and survives restarts.

It must not know what a probe is, nor why a create was lost.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from bot.core.breaker import TRIAL, Breaker, Permit
from storage.engine import Connection, Database
from storage.tables import provider_breaker

_COLUMNS = ("opened_at", "failures", "good", "probe_at", "trial_until")


class BreakerStore:
    """The one row of `provider_breaker`; without it the breaker is closed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self) -> Breaker | None:
        """Return the open breaker; None: it is closed."""
        async with self._database.transaction() as connection:
            return await read_breaker(connection)

    async def open(self, now: datetime) -> None:
        """A create was lost: stop all creates, and any trial."""
        async with self._database.transaction() as connection:
            await connection.lock("breaker")
            await _write(connection, Breaker.opened(now, await read_breaker(connection)))

    async def permit(self, now: datetime) -> Permit:
        """Ask whether a create may go out; with TRIAL no other one may until it ends."""
        async with self._database.transaction() as connection:
            breaker = await read_breaker(connection)
            if breaker is None:
                return Permit.FREE
            if not breaker.has_room(now):
                return Permit.NO
            taken = await connection.execute(
                sa.update(provider_breaker)
                .where(
                    provider_breaker.c.good == breaker.good,
                    sa.or_(
                        provider_breaker.c.trial_until.is_(None),
                        provider_breaker.c.trial_until <= now,
                    ),
                )
                .values(trial_until=now + TRIAL)
            )
            return Permit.TRIAL if taken.rowcount == 1 else Permit.NO

    async def end_trial(self) -> None:
        """The trial was answered, but not accepted: the next order may try."""
        async with self._database.transaction() as connection:
            await connection.execute(sa.update(provider_breaker).values(trial_until=None))

    async def probed(self, now: datetime, *, answered: bool) -> Breaker | None:
        """Record a free question; return the breaker after it, None when it was closed."""
        async with self._database.transaction() as connection:
            await connection.lock("breaker")
            breaker = await read_breaker(connection)
            if breaker is None:
                return None
            after = breaker.probed(now, answered=answered)
            await _write(connection, after)
            return after

    async def close(self) -> bool:
        """An order was accepted: creates go out again. False: it was closed before."""
        async with self._database.transaction() as connection:
            closed = await connection.execute(sa.delete(provider_breaker))
            return closed.rowcount > 0


async def read_breaker(connection: Connection) -> Breaker | None:
    """Return the open breaker, as part of a transaction."""
    row = (
        await connection.execute(sa.select(provider_breaker).where(provider_breaker.c.id == 1))
    ).one_or_none()
    return Breaker(**{name: getattr(row, name) for name in _COLUMNS}) if row else None


async def _write(connection: Connection, breaker: Breaker) -> None:
    values = {name: getattr(breaker, name) for name in _COLUMNS}
    await connection.execute(
        insert(provider_breaker)
        .values(id=1, **values)
        .on_conflict_do_update(index_elements=["id"], set_=values)
    )
