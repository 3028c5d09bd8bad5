"""Orders in doubt: the trail of balances of each, and what follows from it, in one commit each.

It must not know how a balance is read, the settings or the texts.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

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
from storage.engine import Connection, Database
from storage.money.ledger import is_paid_by_person, settle
from storage.outbox import insert_notices
from storage.provider_account import keep_reading, read_charging
from storage.rows import UNLEASED, task_from
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


class DoubtStore:
    """The store of `balance_trails`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def trail(self, task_id: int) -> Trail | None:
        """Return the trail of an order; None if its answer was never lost."""
        found = await self._trails(balance_trails.c.task_id == task_id)
        return found[0] if found else None

    async def undecided(self) -> list[Trail]:
        """Return the trails without a verdict, the oldest first."""
        return await self._trails(balance_trails.c.verdict.is_(None))

    async def of_tasks(self, wanted: list[int]) -> dict[int, Trail]:
        """Return the trails of these orders, by order."""
        found = await self._trails(balance_trails.c.task_id.in_(wanted)) if wanted else []
        return {trail.task_id: trail for trail in found}

    async def _trails(self, which: sa.ColumnElement[bool]) -> list[Trail]:
        wanted = sa.select(balance_trails).where(which).order_by(balance_trails.c.lost_at)
        async with self._database.transaction() as connection:
            return [_trail_from(row) for row in (await connection.execute(wanted)).all()]

    # --- readings ----------------------------------------------------------------------------

    async def read(self, task_id: int, funds: Decimal, *, now: datetime) -> bool:
        """Add a reading that is due; return False if another process has added it.

        Creates that were sent since the order make it shared. The second reading is also the
        balance before the next create.
        """
        due = sa.and_(balance_trails.c.task_id == task_id, balance_trails.c.due_at <= now)
        async with self._database.transaction() as connection:
            row = (
                await connection.execute(sa.select(balance_trails).where(due).with_for_update())
            ).one_or_none()
            if row is None:
                return False
            creates = await connection.scalar(sa.select(provider_account.c.creates)) or 0
            values: dict[str, Any] = {"alone": row.alone and creates == row.creates, "misses": 0}
            if row.first_at is None:
                values |= {"first_kopecks": kopecks(funds), "first_at": now, "due_at": now + GAP}
            else:
                values |= {"second_kopecks": kopecks(funds), "second_at": now, "due_at": None}
            added = await connection.execute(sa.update(balance_trails).where(due).values(values))
            if added.rowcount == 1 and row.first_at is not None:
                await keep_reading(connection, funds, row.creates, now)
            return added.rowcount == 1

    async def missed(self, task_id: int, *, now: datetime, wait: timedelta, counts: bool) -> None:
        """Repeat a reading after `wait`; with `counts`, only so often."""
        due = sa.and_(balance_trails.c.task_id == task_id, balance_trails.c.due_at <= now)
        async with self._database.transaction() as connection:
            missed = await connection.execute(
                sa.update(balance_trails)
                .where(due)
                .values(misses=balance_trails.c.misses + int(counts), due_at=now + wait)
                .returning(balance_trails.c.misses)
            )
            row = missed.one_or_none()
            if row is not None and row.misses >= MISSES:
                await connection.execute(
                    sa.update(balance_trails)
                    .where(balance_trails.c.task_id == task_id)
                    .values(due_at=None)
                )

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
            row = (
                await connection.execute(
                    sa.select(balance_trails)
                    .where(balance_trails.c.task_id == task_id, balance_trails.c.verdict.is_(None))
                    .with_for_update()
                )
            ).one_or_none()
            if row is None or (trail := _trail_from(row)).is_reading:
                return None
            verdict = await _verdict(connection, trail, account, now)
            if verdict is None:
                return None
            await connection.execute(
                sa.update(balance_trails)
                .where(balance_trails.c.task_id == task_id)
                .values(verdict=verdict.value)
            )
            task = await _locked(connection, task_id)
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
