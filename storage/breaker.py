"""The breaker's row: it stops the creates of all processes, and survives restarts.

It must not know how a probe works or why a create was lost.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from bot.core.breaker import TRIAL, Breaker, Permit
from storage.connection import Connection
from storage.engine import Database
from storage.provider_account import READINGS_DUE
from storage.rows import NOW
from storage.tables import provider_breaker

_COLUMNS = ("opened_at", "failures", "good", "probe_at", "trial_until")

_READ = sa.select(provider_breaker).where(provider_breaker.c.id == 1)
_READ_WITH_READINGS = _READ.add_columns(READINGS_DUE.label("readings_due"))
_TAKE_TRIAL = (
    sa.update(provider_breaker)
    .where(
        provider_breaker.c.good == sa.bindparam("seen_good"),
        sa.or_(provider_breaker.c.trial_until.is_(None), provider_breaker.c.trial_until <= NOW),
    )
    .values(trial_until=sa.bindparam("until"))
)
_END_TRIAL = sa.update(provider_breaker).values(trial_until=None)
_CLOSE = sa.delete(provider_breaker)
_new = insert(provider_breaker)
_WRITE = _new.on_conflict_do_update(
    index_elements=["id"], set_={name: _new.excluded[name] for name in _COLUMNS}
)


class BreakerStore:
    """The store of the only row of `provider_breaker`; without the row the breaker is closed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self) -> Breaker | None:
        """Return the open breaker; None if it is closed."""
        row = await self._database.read_one(_READ)
        return _breaker_from(row) if row else None

    async def open(self, now: datetime) -> None:
        """Open the breaker after a lost create: stop all creates and any trial."""
        async with self._database.transaction() as connection:
            await connection.lock("breaker")
            await _write(connection, Breaker.opened(now, await read_breaker(connection)))

    async def permit(self, now: datetime) -> Permit:
        """Return whether a create may be sent; after TRIAL, no other create may be sent until it
        ends.
        """
        if await self.get() is None:
            return Permit.FREE
        async with self._database.transaction() as connection:
            breaker, readings_due = await read_with_readings(connection)
            if breaker is None:
                return Permit.FREE
            if not breaker.has_room(now) or readings_due:
                return Permit.NO
            taken = await connection.execute(
                _TAKE_TRIAL, {"seen_good": breaker.good, "now": now, "until": now + TRIAL}
            )
            return Permit.TRIAL if taken.rowcount == 1 else Permit.NO

    async def end_trial(self) -> None:
        """End a trial that was answered but not accepted: the next order may be the trial."""
        async with self._database.transaction() as connection:
            await connection.execute(_END_TRIAL)

    async def probed(self, now: datetime, *, answered: bool) -> Breaker | None:
        """Record a probe; return the breaker after it, None if it was closed."""
        async with self._database.transaction() as connection:
            await connection.lock("breaker")
            breaker = await read_breaker(connection)
            if breaker is None:
                return None
            after = breaker.probed(now, answered=answered)
            await _write(connection, after)
            return after

    async def close(self) -> bool:
        """Close the breaker after an accepted order; return False if it was closed before."""
        async with self._database.transaction() as connection:
            closed = await connection.execute(_CLOSE)
            return closed.rowcount > 0


async def read_breaker(connection: Connection) -> Breaker | None:
    """Return the open breaker, as part of a transaction."""
    row = (await connection.execute(_READ)).one_or_none()
    return _breaker_from(row) if row else None


async def read_with_readings(connection: Connection) -> tuple[Breaker | None, bool]:
    """Return the open breaker, and whether a balance is still to be read after a lost answer:
    creates wait for it. As part of a transaction."""
    row = (await connection.execute(_READ_WITH_READINGS)).one_or_none()
    return (_breaker_from(row), row.readings_due) if row else (None, False)


def _breaker_from(row: sa.Row[Any]) -> Breaker:
    return Breaker(**{name: getattr(row, name) for name in _COLUMNS})


async def _write(connection: Connection, breaker: Breaker) -> None:
    values = {name: getattr(breaker, name) for name in _COLUMNS}
    await connection.execute(_WRITE, {"id": 1, **values})
