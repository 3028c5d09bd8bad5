"""The provider's account as far as it is known: its last balance, and how many creates were sent.

`creates` counts the creates of every process that were or may have been accepted. It changes in
the commit that begins or ends a create, so two equal values mean that nothing was bought between
them, without comparing clocks. It must not know how a balance is read or what it means.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from bot.core.balance import OLD, REFUNDS, USABLE, kopecks
from bot.core.task import Task, TaskState
from storage.connection import Connection
from storage.engine import Database
from storage.tables import balance_trails, in_states, provider_account

S = TaskState


@dataclass(frozen=True, kw_only=True)
class Charging:
    """When the balance moves, as `bot check --order` saw it."""

    charged: str  # bot.cli.order_report.Charged
    account: str  # bot.provider.account.account_mark
    seen_at: datetime


READINGS_DUE = sa.exists().where(
    balance_trails.c.verdict.is_(None), balance_trails.c.due_at.is_not(None)
)
"""Whether a balance is still to be read after a lost answer: creates wait for it."""

_READ = sa.select(provider_account)
_IS_CREATE_OUT = sa.select(sa.exists().where(in_states({S.SUBMITTING})))
_new = insert(provider_account)
_LEARN_CHARGING = _new.on_conflict_do_update(
    index_elements=["id"],
    set_={name: _new.excluded[name] for name in ("charged", "charged_account", "charged_seen_at")},
    where=sa.or_(
        provider_account.c.charged_seen_at.is_(None),
        provider_account.c.charged_seen_at < _new.excluded.charged_seen_at,
    ),
)
_KEEP_READING = _new.on_conflict_do_update(
    index_elements=["id"],
    set_={name: _new.excluded[name] for name in ("funds_kopecks", "read_at", "read_creates")},
    where=provider_account.c.creates == _new.excluded.read_creates,
)
_COUNT_CREATE = _new.on_conflict_do_update(
    index_elements=["id"],
    set_={
        "creates": provider_account.c.creates
        + sa.bindparam("change", type_=provider_account.c.creates.type)
    },
)
_DISTURB = sa.update(provider_account)
_new_trail = insert(balance_trails)
_BEGIN_TRAIL = _new_trail.on_conflict_do_update(
    index_elements=["task_id"],
    set_={
        column.name: _new_trail.excluded[column.name]
        for column in balance_trails.c
        if not column.primary_key
    },
)


class AccountStore:
    """The store of the only row of `provider_account`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin_reading(self, now: datetime) -> int | None:
        """Return the number of creates, to be given to `save_reading`; None when a reading is not
        needed, because the last one is not old, or would prove nothing, because a create is out.
        """
        async with self._database.transaction() as connection:
            row = (await connection.execute(_READ)).one_or_none()
            if row is not None and row.read_at and abs(now - row.read_at) < OLD:
                return None
            if row is not None and row.disturbed_at and now - row.disturbed_at < REFUNDS:
                return None
            if await connection.scalar(_IS_CREATE_OUT):
                return None
            return 0 if row is None else int(row.creates)

    async def save_reading(self, funds: Decimal, creates: int, *, now: datetime) -> bool:
        """Keep a balance; return False if a create was sent since `begin_reading`."""
        async with self._database.transaction() as connection:
            return await keep_reading(connection, funds, creates, now)

    async def disturb(self, now: datetime) -> None:
        """Money moves now that no order of this bot explains."""
        async with self._database.transaction() as connection:
            await disturb(connection, now)

    async def learn_charging(self, seen: Charging) -> bool:
        """Keep what `bot check --order` saw; return False if a newer check is known."""
        values = {
            "id": 1,
            "charged": seen.charged,
            "charged_account": seen.account,
            "charged_seen_at": seen.seen_at,
        }
        async with self._database.transaction() as connection:
            learnt = await connection.execute(_LEARN_CHARGING, values)
            return learnt.rowcount == 1

    async def charging(self) -> Charging | None:
        """Return what `bot check --order` saw last; None if it never saw anything."""
        async with self._database.transaction() as connection:
            return await read_charging(connection)


async def read_charging(connection: Connection) -> Charging | None:
    """See AccountStore.charging, as part of a transaction."""
    row = (await connection.execute(_READ)).one_or_none()
    if row is None or row.charged_seen_at is None:
        return None
    return Charging(charged=row.charged, account=row.charged_account, seen_at=row.charged_seen_at)


async def keep_reading(
    connection: Connection, funds: Decimal, creates: int, now: datetime
) -> bool:
    """See AccountStore.save_reading, as part of a transaction."""
    values = {"funds_kopecks": kopecks(funds), "read_at": now, "read_creates": creates}
    saved = await connection.execute(_KEEP_READING, {"id": 1, **values})
    return saved.rowcount == 1


async def count_create(connection: Connection, change: int = 1) -> None:
    """Count a create that begins (1) or that was certainly not accepted (-1)."""
    await connection.execute(_COUNT_CREATE, {"id": 1, "creates": max(change, 0), "change": change})


async def disturb(connection: Connection, now: datetime) -> None:
    """See AccountStore.disturb, as part of a transaction."""
    await count_create(connection)
    await connection.execute(_DISTURB, {"disturbed_at": now})


async def note_create(
    connection: Connection, lease: Task, after: Task, now: datetime, *, call_ended: bool
) -> None:
    """Count a create with the change of its task; a lost answer begins a trail."""
    if after.state is S.SUBMITTING:
        await count_create(connection)
    elif lease.state is not S.SUBMITTING:
        return
    elif after.state is S.UNKNOWN:
        await _begin_trail(connection, after, now, call_ended=call_ended)
    elif after.provider_id is None:
        await count_create(connection, -1)


async def _begin_trail(
    connection: Connection, task: Task, now: datetime, *, call_ended: bool
) -> None:
    """Keep the balance before the create. The order was alone if it is the only create since."""
    account = (await connection.execute(_READ)).one_or_none()
    creates = account.creates if account is not None else 0
    values = {
        "price_kopecks": task.price, "lost_at": now, "creates": creates, "alone": False,
        "call_ended": call_ended, "due_at": now, "misses": 0, "verdict": None,
        "before_kopecks": None, "before_at": None, "first_kopecks": None, "first_at": None,
        "second_kopecks": None, "second_at": None,
    }  # fmt: skip
    sent_at = task.submitted_at or now
    if account is not None and account.read_at and account.read_at >= sent_at - USABLE:
        values["before_kopecks"], values["before_at"] = account.funds_kopecks, account.read_at
        values["alone"] = account.creates == account.read_creates + 1
    await connection.execute(_BEGIN_TRAIL, {"task_id": task.id, **values})
