"""Reserve the price of an order, within the caps and the person's credit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.base import Executable

from bot.core.alerts import Switch
from bot.core.caps import Cap, Limit, OrderRules, day_start, next_day
from bot.core.errors import CreditTooLow, IntakeHeld, LimitReached, PhotosHeld
from bot.core.task import ACTIVE, Task, TaskState
from storage.alerts import is_held
from storage.connection import Connection
from storage.journal import note
from storage.money.entries import credit_of, enter, gift_videos_of
from storage.people import caps_of, id_now
from storage.tables import Entry, in_states, ledger, moved_groups, tasks

S = TaskState

# Rows that count towards a person's daily cap; gift videos do not
_of_person = sa.and_(ledger.c.user_id == sa.bindparam("person"), ledger.c.videos == 0)
# Under all ids of a group that became a supergroup, whichever of them is asked about
_group = id_now(sa.bindparam("group", type_=sa.BigInteger))


def _in_group(chat_id: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    earlier = sa.select(moved_groups.c.old_id).where(moved_groups.c.new_id == _group)
    return sa.or_(chat_id == _group, chat_id.in_(earlier))


def _under_way(*whose: sa.ColumnElement[bool]) -> Executable:
    """Select the orders that are not finished."""
    return sa.select(
        sa.func.count().label("videos"), sa.func.sum(tasks.c.price_kopecks).label("roubles")
    ).where(in_states(ACTIVE), tasks.c.state != S.RENDERED, *whose)


def _ordered_since(*whose: sa.ColumnElement[bool]) -> Executable:
    """Select the orders reserved since a time, except those returned before they were charged."""
    back = ledger.alias("back")
    return sa.select(
        sa.func.count().label("videos"), sa.func.sum(ledger.c.kopecks).label("roubles")
    ).where(
        ledger.c.at >= sa.bindparam("since"),
        ledger.c.kind == Entry.RESERVATION,
        *whose,
        ~sa.exists().where(
            back.c.task_id == ledger.c.task_id, back.c.kind == Entry.RETURN, back.c.kopecks != 0
        ),
    )


_DAY_OF_PERSON = _ordered_since(_of_person)
_DAY_OF_GROUP = _ordered_since(_in_group(ledger.c.chat_id))


_UNDER_WAY_OF_PERSON = _under_way(tasks.c.user_id == sa.bindparam("person"))
_UNDER_WAY_OF_GROUP = _under_way(_in_group(tasks.c.chat_id))

# The caps for orders at the same time and for a day, with the rows that count
_CAPS = (
    (Cap.USER_AT_ONCE, _UNDER_WAY_OF_PERSON, Cap.USER_PER_DAY, _DAY_OF_PERSON),
    (Cap.GROUP_AT_ONCE, _UNDER_WAY_OF_GROUP, Cap.GROUP_PER_DAY, _DAY_OF_GROUP),
    (Cap.GLOBAL_AT_ONCE, _under_way(), Cap.GLOBAL_PER_DAY, _ordered_since()),
)


async def check_photos(connection: Connection, terms: OrderRules) -> None:
    """Raise PhotosHeld when no first frame can be passed on: by the settings, or paused."""
    if not terms.photos or await is_held(connection, Switch.PHOTOS):
        raise PhotosHeld("orders with a photo are paused")


async def reserve(connection: Connection, task: Task, terms: OrderRules, now: datetime) -> None:
    """Enter the order in the ledger, then check whether it exceeds a cap or the credit.

    Own caps of the person and of the group replace those of the settings. A gift video is used
    instead of credit, or beyond the person's cap of a day.

    Raises IntakeHeld, PhotosHeld, LimitReached and CreditTooLow: the transaction must then be
    rolled back. On PostgreSQL the lock makes orders count one after the other; SQLite's
    transactions do so anyway.
    """
    if await is_held(connection, Switch.INTAKE, Switch.DRAIN):
        raise IntakeHeld("an admin holds new orders")
    if task.frame is not None:
        await check_photos(connection, terms)
    paid = terms.pays(task.user_id)
    own = await caps_of(connection, [task.user_id, task.chat.chat_id])
    caps, is_gift = terms.caps | own, False
    if counted := terms.counted or bool(own):
        await connection.lock("ledger")
        is_gift = await _uses_gift(connection, task, terms, caps.get(Cap.USER_PER_DAY), now)
    await enter(
        connection,
        Entry.RESERVATION,
        now,
        task,
        credit_kopecks=-task.price if paid and not is_gift else Decimal(0),
        videos=-1 if is_gift else 0,
    )
    note(
        connection,
        f"task {task.id}: ordered: {task.model}, {task.price} ₽",
        task=task.id,
        user=task.user_id,
        model=task.model,
        roubles=task.price,
    )
    if not counted:
        return
    whose = {
        "person": task.user_id,
        "group": task.chat.chat_id,
        "since": day_start(now, terms.zone),
    }
    renews_at = next_day(now, terms.zone)
    for at_once, under_way, day, ordered in _CAPS:
        if bound := caps.get(at_once):
            await _check(connection, under_way, whose, at_once, bound, None)
        if (bound := caps.get(day)) and not (is_gift and day is Cap.USER_PER_DAY):
            await _check(connection, ordered, whose, day, bound, renews_at)
    if bound := caps.get(Cap.GROUP_ALLOWANCE):
        await _check(connection, _DAY_OF_GROUP, whose, Cap.GROUP_ALLOWANCE, bound, renews_at)
    if paid and not is_gift and (credit := await credit_of(connection, task.user_id)) < 0:
        raise CreditTooLow(task.price, credit + task.price)


async def _uses_gift(
    connection: Connection, task: Task, terms: OrderRules, bound: Limit | None, now: datetime
) -> bool:
    """Whether the order uses a gift video: where it would be paid, or where the person has
    reached `bound`, their cap of a day. The lock of the ledger is held."""
    if await gift_videos_of(connection, task.user_id) < 1:
        return False
    if terms.pays(task.user_id):
        return True
    if not bound:
        return False
    theirs = {"person": task.user_id, "since": day_start(now, terms.zone)}
    found = (await connection.execute(_DAY_OF_PERSON, theirs)).one()
    return _exceeds(bound, found.videos + 1, (found.roubles or 0) + task.price)


def _exceeds(bound: Limit, videos: int, roubles: Decimal) -> bool:
    return bool(
        (bound.videos and videos > bound.videos) or (bound.roubles and roubles > bound.roubles)
    )


async def ordered_today(
    connection: Connection, user_id: int, now: datetime, zone: tzinfo
) -> tuple[int, Decimal]:
    """Return the videos and roubles that count against a person's daily cap."""
    theirs = {"person": user_id, "since": day_start(now, zone)}
    row = (await connection.execute(_DAY_OF_PERSON, theirs)).one()
    return row.videos, row.roubles or Decimal(0)


async def ordered_in_group(
    connection: Connection, chat_id: int, now: datetime, zone: tzinfo
) -> int:
    """Return the videos that count against a group's caps of a day."""
    its = {"group": chat_id, "since": day_start(now, zone)}
    return int((await connection.execute(_DAY_OF_GROUP, its)).one().videos)


async def _check(
    connection: Connection,
    counted: Executable,
    whose: Mapping[str, Any],
    cap: Cap,
    bound: Limit,
    renews_at: datetime | None,
) -> None:
    found = (await connection.execute(counted, whose)).one()
    if _exceeds(bound, found.videos, found.roubles or Decimal(0)):
        raise LimitReached(cap, bound, renews_at)
