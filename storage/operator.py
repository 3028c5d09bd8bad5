"""Admins' actions on tasks and updates, each in one commit with its audit row.

None and False mean that the condition did not hold: done before, or too late. It must not know who
is an admin or the texts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bot.core.notices import Notice, NoticeKind
from bot.core.task import Charge, Reason, Task, TaskKind, TaskState
from storage.audit import add_act
from storage.connection import Connection
from storage.engine import Database
from storage.money.entries import IS_SPENT
from storage.money.ledger import is_paid_by_person, settle
from storage.outbox import insert_notices
from storage.rows import UNLEASED, in_order, task_from
from storage.tables import (
    Entry,
    InboxState,
    audit,
    in_states,
    inbox,
    ledger,
    one_of,
    provider_breaker,
    tasks,
)
from storage.tasks.leases import add_event, drop_frame

S = TaskState

SETTLED_AGAIN = frozenset({S.GENERATING, S.RENDERED, S.UNDELIVERABLE, S.FAILED})
"""States in which what an admin settled can be settled again: no video was delivered."""


@dataclass(frozen=True, kw_only=True)
class SetAside:
    """An update that could not be handled."""

    update_id: int
    payload: str | None
    error: str | None


@dataclass(frozen=True, kw_only=True)
class ChartOrder:
    """One order, with the fields that the charts need."""

    user_id: int
    state: TaskState
    ordered_at: datetime  # a later part of a film is queued long after that, or never
    seconds: float | None  # from the press to the video; None without a video, and for a picture


class OperatorStore:
    """The store of the admins' actions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def settle(self, task_id: int, *, charged: bool, by: int, now: datetime) -> Task | None:
        """UNKNOWN -> FAILED: an admin checked the provider's list; the person is told.

        What was settled by hand can be settled differently until its video was delivered.
        """
        detail = "settled: charged" if charged else "settled: not accepted"
        async with self._database.transaction() as connection:
            task = await _move(
                connection,
                now,
                task_id,
                _in_doubt(),
                tasks.c.detail.is_distinct_from(detail),
                state=S.FAILED,
                ended_at=now,
                charged=charged,
                reason=Reason.ANSWER_LOST.value,
                detail=detail,
                fence=tasks.c.fence + 1,
                **UNLEASED,
            )
            if task is None:
                return None
            charge = Charge.TAKEN if charged else Charge.NONE
            if await is_paid_by_person(connection, task_id):
                charge = Charge.RETURNED
            words = Notice(
                kind=NoticeKind.FAILED,
                chat=task.chat,
                lang=task.lang,
                task_id=task.id,
                reply_to=task.reply_to,
                params={"reason": Reason.ANSWER_LOST.value, "charge": charge.value},
            )
            await insert_notices(connection, [words], now)
            await add_act(
                connection,
                "settle",
                by=by,
                now=now,
                subject_id=task.user_id,
                task_id=task_id,
                charged=charged,
            )
            return task

    async def give_id(
        self, task_id: int, provider_id: str, *, by: int, now: datetime
    ) -> Task | None:
        """UNKNOWN -> GENERATING: the order was found at the provider, and is polled.

        What was settled by hand, perhaps with a wrong id, can get another one until a video was
        delivered.
        """
        async with self._database.transaction() as connection:
            known = await connection.scalar(
                sa.select(tasks.c.id).where(tasks.c.provider_id == provider_id)
            )
            if known is not None:
                return None
            task = await _move(
                connection,
                now,
                task_id,
                _in_doubt(),
                state=S.GENERATING,
                provider_id=provider_id,
                accepted_at=now,
                rendered_at=None,
                ended_at=None,
                video_url=None,
                kept_by=None,
                reason=None,
                detail=None,
                fence=tasks.c.fence + 1,
                **UNLEASED,
            )
            if task is not None:
                await add_act(
                    connection, "give id", by=by, now=now, subject_id=task.user_id,
                    task_id=task_id, provider_id=provider_id,
                )  # fmt: skip
            return task

    async def can_settle(self, task_id: int) -> bool:
        """Whether an admin may settle the task now, for the first time or again."""
        async with self._database.transaction() as connection:
            found: int | None = await connection.scalar(
                sa.select(tasks.c.id).where(tasks.c.id == task_id, _in_doubt())
            )
        return found is not None

    async def redeliver(self, task_id: int, *, by: int, now: datetime) -> Task | None:
        """UNDELIVERABLE -> RENDERED: the kept video is sent again."""
        async with self._database.transaction() as connection:
            task = await _move(
                connection,
                now,
                task_id,
                in_states({S.UNDELIVERABLE}),
                state=S.RENDERED,
                reason=None,
                detail=None,
                redirected=False,
            )
            if task is not None:
                await add_act(
                    connection, "redeliver", by=by, now=now, subject_id=task.user_id,
                    task_id=task_id,
                )  # fmt: skip
            return task

    async def hurry(self, *, by: int, now: datetime) -> int:
        """Make postponed queued tasks due now; return their number."""
        async with self._database.transaction() as connection:
            hurried = await connection.execute(
                sa.update(tasks)
                .where(
                    in_order(
                        tasks,
                        in_states({S.QUEUED}),
                        tasks.c.run_at > now,
                        tasks.c.lease_owner.is_(None),
                    )
                )
                .values(run_at=now)
            )
            await connection.execute(
                sa.update(provider_breaker)
                .where(provider_breaker.c.probe_at > now)
                .values(probe_at=now)
            )
            await add_act(connection, "try now", by=by, now=now, tasks=hurried.rowcount)
            return hurried.rowcount

    async def set_aside(self, update_id: int) -> SetAside | None:
        """Return an update with its text; None if it is not set aside."""
        wanted = sa.select(inbox.c.update_id, inbox.c.payload, inbox.c.error).where(
            inbox.c.update_id == update_id, one_of(inbox.c.state, {InboxState.SET_ASIDE})
        )
        row = await self._database.read_one(wanted)
        return None if row is None else SetAside(**row._mapping)

    async def handle_again(self, update_id: int, *, by: int, now: datetime) -> bool:
        """Queue an update that was set aside, with a fresh count of attempts."""
        async with self._database.transaction() as connection:
            changed = await connection.execute(
                sa.update(inbox)
                .where(
                    inbox.c.update_id == update_id,
                    one_of(inbox.c.state, {InboxState.SET_ASIDE}),
                    inbox.c.payload.is_not(None),
                )
                .values(
                    state=InboxState.PENDING,
                    run_at=now,
                    attempts=0,
                    finished_at=None,
                    error=None,
                    **UNLEASED,
                )
            )
            if changed.rowcount == 1:
                await add_act(connection, "handle again", by=by, now=now, update=update_id)
            return changed.rowcount == 1

    async def payment(self, entry: int) -> str | None:
        """Return Telegram's id of a purchase, by its row in the ledger."""
        async with self._database.transaction() as connection:
            found: str | None = await connection.scalar(
                sa.select(ledger.c.payment_id).where(
                    ledger.c.id == entry, ledger.c.kind == Entry.PURCHASE
                )
            )
        return found

    async def outcomes(self, *, since: datetime) -> dict[TaskState, int]:
        """Count the outcomes of the orders since that time."""
        wanted = (
            sa.select(tasks.c.state, sa.func.count().label("number"))
            .join_from(ledger, tasks, _ordered(since))
            .group_by(tasks.c.state)
        )
        rows = await self._database.read(wanted)
        return {row.state: row.number for row in rows}

    async def chart_orders(self, *, since: datetime) -> list[ChartOrder]:
        """Return every order since that time."""
        wanted = sa.select(
            tasks.c.user_id, tasks.c.state, tasks.c.kind, tasks.c.confirmed_at, tasks.c.ended_at,
            ledger.c.at,
        ).join_from(ledger, tasks, _ordered(since))  # fmt: skip
        rows = await self._database.read(wanted)
        return [
            ChartOrder(
                user_id=row.user_id,
                state=row.state,
                ordered_at=row.at,
                seconds=(row.ended_at - row.confirmed_at).total_seconds()
                if row.state is S.DELIVERED and row.kind == TaskKind.VIDEO and row.ended_at
                else None,
            )
            for row in rows
        ]

    async def money(self, bounds: Sequence[datetime]) -> list[tuple[float, float]]:
        """Return for each day between two `bounds`: roubles charged by the provider, Stars
        received.
        """
        wanted = sa.select(ledger.c.kind, ledger.c.at, ledger.c.kopecks, ledger.c.stars).where(
            ledger.c.at >= bounds[0],
            sa.or_(ledger.c.kind.in_([Entry.PURCHASE, Entry.REFUND]), IS_SPENT),
        )
        found = [(0.0, 0.0)] * (len(bounds) - 1)
        async with self._database.transaction() as connection:
            for row in (await connection.execute(wanted)).all():
                day = bisect_right(bounds, row.at) - 1
                if 0 <= day < len(found):
                    spent, stars = found[day]
                    charged = float(row.kopecks) if row.kind is Entry.CHARGE else 0.0
                    found[day] = (spent + charged, stars + row.stars)
        return found


def _ordered(since: datetime) -> sa.ColumnElement[bool]:
    """Select the orders since that time by their reservations, because the ledger has an index by
    day.
    """
    return sa.and_(
        ledger.c.at >= since,
        ledger.c.kind == Entry.RESERVATION,
        ledger.c.task_id == tasks.c.id,
    )


def _in_doubt() -> sa.ColumnElement[bool]:
    """Unknown, or settled by an admin before and not delivered."""
    by_hand = sa.exists().where(
        audit.c.task_id == tasks.c.id, audit.c.act.in_(["settle", "give id"])
    )
    return sa.or_(in_states({S.UNKNOWN}), sa.and_(in_states(SETTLED_AGAIN), by_hand))


async def _move(
    connection: Connection,
    now: datetime,
    task_id: int,
    *conditions: sa.ColumnElement[bool],
    charged: bool | None = None,
    **values: Any,
) -> Task | None:
    """One guarded statement, its event and its ledger entries. `charged`: what an admin found."""
    row = (
        await connection.execute(
            sa.update(tasks)
            .where(tasks.c.id == task_id, *conditions)
            .values(attempts=0, claims=0, run_at=now, **values)
            .returning(*tasks.c)
        )
    ).one_or_none()
    if row is None:
        return None
    task = task_from(row)
    if charged:
        # Before the next entries, which would otherwise return the price: the money is spent.
        await settle(connection, replace(task, state=S.GENERATING), now)
    elif charged is False:
        await settle(connection, task, now, not_accepted=True)
    await add_event(connection, task, now)
    await drop_frame(connection, task)
    return task
