"""Reserving the price of an order, within the caps and the person's credit."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.sql.base import Executable

from bot.core.alerts import Switch
from bot.core.caps import Cap, Limit, OrderRules, day_start, next_day
from bot.core.errors import CreditTooLow, IntakeHeld, LimitReached
from bot.core.task import ACTIVE, Task, TaskState
from storage.alerts import is_held
from storage.engine import Connection
from storage.money.entries import credit_of, enter
from storage.tables import Entry, in_states, ledger, tasks

S = TaskState


async def reserve(connection: Connection, task: Task, terms: OrderRules, now: datetime) -> None:
    """Enter the order in the ledger, then check whether it exceeds a cap or the credit.

    Raises IntakeHeld, LimitReached and CreditTooLow: the transaction must then be rolled back. On
    PostgreSQL the lock makes orders count one after the other; SQLite's transactions do so anyway.
    """
    if await is_held(connection, Switch.INTAKE, Switch.DRAIN):
        raise IntakeHeld("an admin holds new orders")
    paid = terms.pays(task.user_id)
    await enter(
        connection,
        Entry.RESERVATION,
        now,
        task,
        credit_kopecks=-task.price if paid else Decimal(0),
    )
    if not terms.counted:
        return
    await connection.lock("ledger")
    for mine in (True, False):
        day = Cap.USER_PER_DAY if mine else Cap.GLOBAL_PER_DAY
        at_once = Cap.USER_AT_ONCE if mine else Cap.GLOBAL_AT_ONCE
        if bound := terms.caps.get(at_once):
            whose = [tasks.c.user_id == task.user_id] if mine else []
            await _check(connection, _under_way(*whose), at_once, bound, None)
        if bound := terms.caps.get(day):
            whose = [ledger.c.user_id == task.user_id] if mine else []
            ordered = _ordered_since(day_start(now), *whose)
            await _check(connection, ordered, day, bound, next_day(now))
    if paid and (credit := await credit_of(connection, task.user_id)) < 0:
        raise CreditTooLow(task.price, credit + task.price)


def _under_way(*whose: sa.ColumnElement[bool]) -> Executable:
    """Select the orders that are not finished."""
    return sa.select(
        sa.func.count().label("videos"), sa.func.sum(tasks.c.price_kopecks).label("roubles")
    ).where(in_states(ACTIVE), tasks.c.state != S.RENDERED, *whose)


def _ordered_since(moment: datetime, *whose: sa.ColumnElement[bool]) -> Executable:
    """Select the orders reserved since then, without those returned before they were charged."""
    back = ledger.alias("back")
    return sa.select(
        sa.func.count().label("videos"), sa.func.sum(ledger.c.kopecks).label("roubles")
    ).where(
        ledger.c.at >= moment,
        ledger.c.kind == Entry.RESERVATION,
        *whose,
        ~sa.exists().where(
            back.c.task_id == ledger.c.task_id, back.c.kind == Entry.RETURN, back.c.kopecks != 0
        ),
    )


async def ordered_today(
    connection: Connection, user_id: int, now: datetime
) -> tuple[int, Decimal]:
    """Return the videos and roubles that count against a person's daily cap."""
    ordered = _ordered_since(day_start(now), ledger.c.user_id == user_id)
    row = (await connection.execute(ordered)).one()
    return row.videos, row.roubles or Decimal(0)


async def _check(
    connection: Connection,
    ordered: Executable,
    cap: Cap,
    bound: Limit,
    renews_at: datetime | None,
) -> None:
    found = (await connection.execute(ordered)).one()
    videos, roubles = found.videos, found.roubles or 0
    if (bound.videos and videos > bound.videos) or (bound.roubles and roubles > bound.roubles):
        raise LimitReached(cap, bound, renews_at)
