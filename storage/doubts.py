"""Orders in doubt: the trail of balances of each, and what follows from it, in one commit each.

It must not know how a balance is read, the settings or the texts.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.base import Executable

from bot.core.balance import (
    ACCEPTANCE,
    AT_MOST,
    GAP,
    MISSES,
    REFUNDS,
    Finding,
    Trail,
    Verdict,
    kopecks,
)
from bot.core.notices import Notice, NoticeKind
from bot.core.task import Charge, Reason, Task, TaskState
from storage.audit import add_act
from storage.connection import Connection
from storage.engine import Database
from storage.money.ledger import is_paid_by_person, settle
from storage.outbox import insert_notices
from storage.provider_account import keep_reading, read_charging
from storage.rows import NOW, UNLEASED, task_from
from storage.tables import at_rest, balance_trails, in_states, provider_account, tasks
from storage.tasks.leases import add_event, drop_frame

S = TaskState

_PLAIN = (
    "task_id", "lost_at", "alone", "call_ended", "before_at", "first_at", "second_at", "due_at",
    "misses",
)  # fmt: skip

CLOCKS = timedelta(minutes=1)
"""How far the clocks of two hosts may differ."""
_SETTLED_BY_BALANCE = "settle by balance"

_trails = sa.select(balance_trails).order_by(balance_trails.c.lost_at)
_of_order = balance_trails.c.task_id == sa.bindparam("order")
_TRAIL = _trails.where(_of_order)
_UNDECIDED = _trails.where(balance_trails.c.verdict.is_(None))
_OF_TASKS = _trails.where(balance_trails.c.task_id.in_(sa.bindparam("orders", expanding=True)))

_due = sa.and_(_of_order, balance_trails.c.due_at <= NOW)
_DUE = sa.select(balance_trails).where(_due).with_for_update()
_ADD_READING = sa.update(balance_trails).where(_due)
_CREATES = sa.select(provider_account.c.creates)
_MISS = (
    sa.update(balance_trails)
    .where(_due)
    .values(misses=balance_trails.c.misses + sa.bindparam("counts", type_=sa.Integer))
    .returning(balance_trails.c.misses)
)
_SET = sa.update(balance_trails).where(_of_order)
_TO_DECIDE = (
    sa.select(balance_trails)
    .where(_of_order, balance_trails.c.verdict.is_(None))
    .with_for_update()
)


class DoubtStore:
    """The store of `balance_trails`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def trail(self, task_id: int) -> Trail | None:
        """Return the trail of an order; None if its answer was never lost."""
        found = await self._read(_TRAIL, {"order": task_id})
        return found[0] if found else None

    async def undecided(self) -> list[Trail]:
        """Return the trails without a verdict, the oldest first."""
        return await self._read(_UNDECIDED, {})

    async def of_tasks(self, wanted: list[int]) -> dict[int, Trail]:
        """Return the trails of these orders, by order."""
        found = await self._read(_OF_TASKS, {"orders": wanted}) if wanted else []
        return {trail.task_id: trail for trail in found}

    async def _read(self, statement: Executable, which: dict[str, Any]) -> list[Trail]:
        return [_trail_from(row) for row in await self._database.read(statement, which)]

    # --- readings ----------------------------------------------------------------------------

    async def read(self, task_id: int, funds: Decimal, *, now: datetime) -> bool:
        """Add a reading that is due; return False if another process has added it.

        Creates that were sent since the order make it shared. The second reading is also the
        balance before the next create.
        """
        due = {"order": task_id, "now": now}
        async with self._database.transaction() as connection:
            row = (await connection.execute(_DUE, due)).one_or_none()
            if row is None:
                return False
            creates = await connection.scalar(_CREATES) or 0
            values: dict[str, Any] = {"alone": row.alone and creates == row.creates, "misses": 0}
            if row.first_at is None:
                values |= {"first_kopecks": kopecks(funds), "first_at": now, "due_at": now + GAP}
            else:
                values |= {"second_kopecks": kopecks(funds), "second_at": now, "due_at": None}
            added = await connection.execute(_ADD_READING, {**due, **values})
            if added.rowcount == 1 and row.first_at is not None:
                await keep_reading(connection, funds, row.creates, now)
            return added.rowcount == 1

    async def missed(self, task_id: int, *, now: datetime, wait: timedelta, counts: bool) -> None:
        """Repeat a reading after `wait`; with `counts`, only so often."""
        missed = {"order": task_id, "now": now, "counts": int(counts), "due_at": now + wait}
        async with self._database.transaction() as connection:
            row = (await connection.execute(_MISS, missed)).one_or_none()
            if row is not None and row.misses >= MISSES:
                await connection.execute(_SET, {"order": task_id, "due_at": None})

    # --- verdicts ----------------------------------------------------------------------------

    async def decide(self, task_id: int, *, account: str | None, now: datetime) -> Verdict | None:
        """Settle an order by its trail, once; return None when that has to wait.

        `account`: the mark of the account that is in use, if orders are settled by the balance.
        Nothing but a change by exactly nothing or the price settles an order, and only if
        `bot check --order` saw that the balance of this account moves at acceptance. The price of
        another video that the provider gives back hides a charge, so no change counts only when no
        other paid order failed, or may still fail; and only when the call is over, because a
        frozen process may still send it.
        """
        async with self._database.transaction() as connection:
            # The order before its trail of balances: erasing the person locks them in this
            # order too
            task = await _locked(connection, task_id)
            row = (await connection.execute(_TO_DECIDE, {"order": task_id})).one_or_none()
            if row is None or (trail := _trail_from(row)).is_reading:
                return None
            verdict = await _verdict(connection, trail, account, now)
            if verdict is None:
                return None
            await connection.execute(_SET, {"order": task_id, "verdict": verdict.value})
            if task is None:
                return Verdict.PERSON  # somebody was faster
            if verdict is Verdict.NOT_ACCEPTED:
                await _not_accepted(connection, task, now)
            elif verdict is Verdict.CHARGED:
                await _charged(connection, task, now)
            return verdict


async def _verdict(
    connection: Connection, trail: Trail, account: str | None, now: datetime
) -> Verdict | None:
    seen = await read_charging(connection)
    known = seen is not None and seen.charged == ACCEPTANCE and seen.account == account
    if account is None or not known:
        return Verdict.PERSON
    if trail.finding is Finding.PRICE:
        return Verdict.CHARGED
    if trail.finding is not Finding.SAME or not trail.call_ended:
        return Verdict.PERSON
    assert trail.before_at is not None
    assert trail.second_at is not None
    by_then = trail.second_at + CLOCKS
    failed = sa.exists().where(
        at_rest({S.FAILED}),
        tasks.c.run_at >= trail.before_at - REFUNDS,
        tasks.c.provider_id.is_not(None),
        tasks.c.accepted_at <= by_then,
    )
    if await connection.scalar(sa.select(failed)):
        return Verdict.PERSON
    open_ = sa.exists().where(in_states({S.GENERATING}), tasks.c.accepted_at <= by_then)
    if await connection.scalar(sa.select(open_)):
        return None if now - trail.lost_at < AT_MOST else Verdict.PERSON
    return Verdict.NOT_ACCEPTED


async def _locked(connection: Connection, task_id: int) -> Task | None:
    """Return the task while it is in doubt, locked: an order for it made again is seen below."""
    row = (
        await connection.execute(
            sa.select(tasks).where(tasks.c.id == task_id, in_states({S.UNKNOWN})).with_for_update()
        )
    ).one_or_none()
    return None if row is None else task_from(row)


async def _not_accepted(connection: Connection, task: Task, now: datetime) -> None:
    """Back to the queue; if the person ordered it again meanwhile, it ends free of charge."""
    again: int | None = await connection.scalar(
        sa.select(tasks.c.id).where(tasks.c.retry_of == task.id)
    )
    if again is None:
        await _change(
            connection, task.id, now, state=S.QUEUED, submitted_at=None, deadline_at=None,
            reason=None, detail="settled by the balance: not accepted", overdue=False,
        )  # fmt: skip
        await _tell(connection, task, NoticeKind.BACK_IN_QUEUE, now)
        await _note(connection, task, now, charged=False)
        return
    await _change(
        connection, task.id, now, state=S.FAILED, ended_at=now, reason=Reason.ANSWER_LOST.value,
        detail="settled by the balance: not accepted",
    )  # fmt: skip
    paid = await is_paid_by_person(connection, task.id)
    charge = Charge.RETURNED if paid else Charge.NONE
    await _tell(
        connection, task, NoticeKind.FAILED, now,
        reason=Reason.ANSWER_LOST.value, charge=charge.value,
    )  # fmt: skip
    # under the name of an admin's act, so that an admin can settle it differently
    await _note(connection, task, now, act="settle", charged=False)


async def _charged(connection: Connection, task: Task, now: datetime) -> None:
    """The money is spent; the order stays in doubt until somebody gives its id."""
    await settle(connection, replace(task, state=S.GENERATING), now)
    await _tell(connection, task, NoticeKind.CHARGED, now, price=str(task.price))
    await _note(connection, task, now, charged=True)


async def _change(connection: Connection, task_id: int, now: datetime, **values: Any) -> Task:
    row = (
        await connection.execute(
            sa.update(tasks)
            .where(tasks.c.id == task_id)
            .values(
                attempts=0, claims=0, run_at=now, fence=tasks.c.fence + 1, **UNLEASED, **values
            )
            .returning(*tasks.c)
        )
    ).one()
    task = task_from(row)
    await add_event(connection, task, now)
    await drop_frame(connection, task)
    return task


async def _tell(
    connection: Connection, task: Task, kind: NoticeKind, now: datetime, **params: str
) -> None:
    words = Notice(
        kind=kind, chat=task.chat, lang=task.lang, task_id=task.id, reply_to=task.reply_to,
        params=params,
    )  # fmt: skip
    await insert_notices(connection, [words], now)


async def _note(
    connection: Connection,
    task: Task,
    now: datetime,
    *,
    charged: bool,
    act: str = _SETTLED_BY_BALANCE,
) -> None:
    await add_act(
        connection, act, by=0, now=now, subject_id=task.user_id, task_id=task.id, charged=charged
    )


def _trail_from(row: sa.Row[Any]) -> Trail:
    return Trail(
        **{name: getattr(row, name) for name in _PLAIN},
        price=row.price_kopecks,
        before=row.before_kopecks,
        first=row.first_kopecks,
        second=row.second_kopecks,
        verdict=None if row.verdict is None else Verdict(row.verdict),
    )
