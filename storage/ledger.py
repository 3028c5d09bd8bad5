"""The ledger: what was spoken for, spent, given back, bought and refunded. It only grows.

Each row is written in the commit that makes it true; balances are sums. The database refuses
everything but inserts. It must not know the words, nor how Stars are moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.base import Executable

from bot.core.alerts import Switch
from bot.core.caps import Bound, Cap, Terms, day_start, next_day
from bot.core.errors import CreditTooLow, IntakeHeld, LimitReached
from bot.core.notices import Notice, NoticeKind
from bot.core.task import ACTIVE, Chat, Task, TaskState
from storage.alerts import is_held
from storage.audit import add_act
from storage.engine import Connection, Database
from storage.outbox import insert_notices
from storage.rows import free
from storage.tables import Entry, in_states, ledger, star_refunds, tasks
from storage.users import lang_of

S = TaskState


@dataclass(frozen=True, kw_only=True)
class LedgerRow:
    """One row of `ledger`; roubles, and Telegram's Stars."""

    id: int
    kind: Entry
    at: datetime
    user_id: int
    task_id: int | None
    payment_id: str | None
    roubles: Decimal
    credit: Decimal
    stars: int


@dataclass(frozen=True, kw_only=True)
class Sum:
    """All rows of one kind in some time."""

    rows: int = 0
    roubles: Decimal = Decimal(0)
    credit: Decimal = Decimal(0)
    stars: int = 0


@dataclass(frozen=True, kw_only=True)
class StarRefund:
    """A payment that Telegram has to be told to give back."""

    payment_id: str
    user_id: int
    attempts: int


# --- parts of somebody's commit --------------------------------------------------------------


async def reserve(connection: Connection, task: Task, terms: Terms, now: datetime) -> None:
    """The order is entered, and then it is looked whether that was one too many.

    Raises IntakeHeld, LimitReached and CreditTooLow: the commit must not happen.
    On PostgreSQL the lock lets one order after the other count; SQLite's transactions do so
    anyhow.
    """
    if await is_held(connection, Switch.INTAKE, Switch.DRAIN):
        raise IntakeHeld("an admin holds new orders")
    paid = terms.pays(task.user_id)
    await _enter(
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
    if paid and (credit := await _credit(connection, task.user_id)) < 0:
        raise CreditTooLow(task.price, credit + task.price)


async def settle(connection: Connection, task: Task, now: datetime) -> None:
    """The money of a task that has just come into its state; a repeat enters nothing."""
    if task.state is S.GENERATING:
        await _enter(connection, Entry.CHARGE, now, task)
    elif task.state in (S.CANCELLED, S.FAILED):
        await _give_back(connection, task, now)


async def _give_back(connection: Connection, task: Task, now: datetime) -> None:
    """What was reserved and not charged; a person's credit also when it was charged."""
    rows = await connection.execute(
        sa.select(ledger.c.kind, ledger.c.kopecks, ledger.c.credit_kopecks).where(
            ledger.c.task_id == task.id
        )
    )
    known = {row.kind: row for row in rows.all()}
    if (reserved := known.get(Entry.RESERVATION)) is None:
        return  # a draft
    roubles = Decimal(0) if Entry.CHARGE in known else reserved.kopecks
    credit = -reserved.credit_kopecks
    if roubles or credit:
        await _enter(connection, Entry.RETURN, now, task, kopecks=roubles, credit_kopecks=credit)
    if not credit or task.state is not S.FAILED:
        return
    if not await _refund_what_was_for_it(connection, task, now):
        back = Notice(
            kind=NoticeKind.CREDIT_BACK,
            chat=Chat(chat_id=task.user_id),
            lang=task.lang,
            params={"price": str(task.price)},
        )
        await insert_notices(connection, [back], now)


async def _refund_what_was_for_it(connection: Connection, task: Task, now: datetime) -> bool:
    """A payment too small for two such videos was for this one: its Stars go back.

    False: there is none; of a larger one the credit stays, for the next try.
    """
    await connection.lock("ledger")
    refunded = ledger.alias("refunded")
    payment = (
        await connection.execute(
            sa.select(ledger)
            .where(
                ledger.c.user_id == task.user_id,
                ledger.c.kind == Entry.PURCHASE,
                ledger.c.credit_kopecks < 2 * task.price,
                ledger.c.credit_kopecks <= await _credit(connection, task.user_id),
                ~sa.exists().where(
                    refunded.c.payment_id == ledger.c.payment_id,
                    refunded.c.kind == Entry.REFUND,
                ),
            )
            .order_by(ledger.c.id.desc())
            .limit(1)
        )
    ).one_or_none()
    return payment is not None and await _refund(connection, payment, task.id, now)


async def _refund(
    connection: Connection, payment: sa.Row[Any], task_id: int | None, now: datetime
) -> bool:
    """Enters the refund, and leaves word for Telegram. False: it was refunded before."""
    entered = await connection.execute(
        insert(ledger)
        .values(
            kind=Entry.REFUND,
            at=now,
            user_id=payment.user_id,
            payment_id=payment.payment_id,
            kopecks=Decimal(0),
            credit_kopecks=-payment.credit_kopecks,
            stars=-payment.stars,
        )
        .on_conflict_do_nothing()
    )
    if entered.rowcount != 1:
        return False
    await connection.execute(
        sa.insert(star_refunds).values(
            payment_id=payment.payment_id,
            user_id=payment.user_id,
            task_id=task_id,
            created_at=now,
            run_at=now,
            attempts=0,
        )
    )
    return True


async def _enter(
    connection: Connection,
    kind: Entry,
    now: datetime,
    task: Task,
    *,
    kopecks: Decimal | None = None,
    credit_kopecks: Decimal = Decimal(0),
) -> None:
    await connection.execute(
        insert(ledger)
        .values(
            kind=kind,
            at=now,
            user_id=task.user_id,
            task_id=task.id,
            kopecks=task.price if kopecks is None else kopecks,
            credit_kopecks=credit_kopecks,
            stars=0,
        )
        .on_conflict_do_nothing()
    )


# --- counting ----------------------------------------------------------------------------------


def _under_way(*whose: sa.ColumnElement[bool]) -> Executable:
    """Ordered, and not yet made."""
    return sa.select(
        sa.func.count().label("videos"), sa.func.sum(tasks.c.price_kopecks).label("roubles")
    ).where(in_states(ACTIVE), tasks.c.state != S.RENDERED, *whose)


def _ordered_since(moment: datetime, *whose: sa.ColumnElement[bool]) -> Executable:
    """Reserved since then, and not given back before it was charged."""
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


async def _check(
    connection: Connection,
    ordered: Executable,
    cap: Cap,
    bound: Bound,
    renews_at: datetime | None,
) -> None:
    found = (await connection.execute(ordered)).one()
    videos, roubles = found.videos, found.roubles or 0
    if (bound.videos and videos > bound.videos) or (bound.roubles and roubles > bound.roubles):
        raise LimitReached(cap, bound, renews_at)


async def _credit(connection: Connection, user_id: int) -> Decimal:
    credit: Decimal | None = await connection.scalar(
        sa.select(sa.func.sum(ledger.c.credit_kopecks)).where(ledger.c.user_id == user_id)
    )
    return credit or Decimal(0)


# --- the store -----------------------------------------------------------------------------------


class LedgerStore:
    """What is asked of the ledger, and payments in Stars."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def credit(self, user_id: int) -> Decimal:
        """Roubles that the person bought and has not ordered for."""
        async with self._database.transaction() as connection:
            return await _credit(connection, user_id)

    async def sums(
        self, since: datetime, until: datetime, *, user_id: int | None = None
    ) -> dict[Entry, Sum]:
        """Each kind's rows from `since` on and before `until`, kinds without rows included."""
        wanted = (
            sa.select(
                ledger.c.kind,
                sa.func.count().label("rows"),
                sa.func.sum(ledger.c.kopecks).label("roubles"),
                sa.func.sum(ledger.c.credit_kopecks).label("credit"),
                sa.func.sum(ledger.c.stars).label("stars"),
            )
            .where(ledger.c.at >= since, ledger.c.at < until)
            .group_by(ledger.c.kind)
        )
        if user_id is not None:
            wanted = wanted.where(ledger.c.user_id == user_id)
        found = dict.fromkeys(Entry, Sum())
        async with self._database.transaction() as connection:
            for row in (await connection.execute(wanted)).all():
                found[row.kind] = Sum(
                    rows=row.rows, roubles=row.roubles, credit=row.credit, stars=int(row.stars)
                )
        return found

    async def of_task(self, task_id: int) -> list[LedgerRow]:
        """All that was entered about a task, the oldest first."""
        return await self._rows(ledger.c.task_id == task_id)

    async def payments(self, user_id: int, *, limit: int = 10) -> list[LedgerRow]:
        """Purchases and refunds of a person, the newest first."""
        rows = await self._rows(
            ledger.c.user_id == user_id, ledger.c.kind.in_([Entry.PURCHASE, Entry.REFUND])
        )
        return rows[::-1][:limit]

    async def open_payments(self, user_id: int) -> list[LedgerRow]:
        """Purchases that were not given back, the newest first."""
        rows = await self.payments(user_id, limit=100)
        gone = {row.payment_id for row in rows if row.kind is Entry.REFUND}
        return [r for r in rows if r.kind is Entry.PURCHASE and r.payment_id not in gone]

    async def _rows(self, *conditions: sa.ColumnElement[bool]) -> list[LedgerRow]:
        async with self._database.transaction() as connection:
            rows = await connection.execute(
                sa.select(ledger).where(*conditions).order_by(ledger.c.id)
            )
            return [
                LedgerRow(
                    id=row.id,
                    kind=row.kind,
                    at=row.at,
                    user_id=row.user_id,
                    task_id=row.task_id,
                    payment_id=row.payment_id,
                    roubles=row.kopecks,
                    credit=row.credit_kopecks,
                    stars=row.stars,
                )
                for row in rows.all()
            ]

    async def purchase(
        self,
        *,
        user_id: int,
        payment_id: str,
        stars: int,
        credit: Decimal,
        now: datetime,
        lang: str = "en",
    ) -> bool:
        """Stars came in, for `credit` roubles; the person is told in the same commit.

        False: this payment was counted before.
        """
        async with self._database.transaction() as connection:
            entered = await connection.execute(
                insert(ledger)
                .values(
                    kind=Entry.PURCHASE,
                    at=now,
                    user_id=user_id,
                    payment_id=payment_id,
                    kopecks=Decimal(0),
                    credit_kopecks=credit,
                    stars=stars,
                )
                .on_conflict_do_nothing()
            )
            if entered.rowcount != 1:
                return False
            if credit:
                whole = await _credit(connection, user_id)
                paid = Notice(
                    kind=NoticeKind.STARS_PAID,
                    chat=Chat(chat_id=user_id),
                    lang=lang,
                    params={"stars": stars, "credit": str(whole)},
                )
                await insert_notices(connection, [paid], now)
            return True

    async def refund(
        self,
        payment_id: str,
        *,
        now: datetime,
        user_id: int | None = None,
        admin: int | None = None,
    ) -> bool:
        """Gives a payment's Stars back, if its whole credit is there; a person only their own.

        `admin`: who does it for them.

        False: no such payment, refunded before, or already spent on videos.
        """
        async with self._database.transaction() as connection:
            await connection.lock("ledger")
            conditions = [ledger.c.payment_id == payment_id, ledger.c.kind == Entry.PURCHASE]
            if user_id is not None:
                conditions.append(ledger.c.user_id == user_id)
            payment = (
                await connection.execute(sa.select(ledger).where(*conditions))
            ).one_or_none()
            if payment is None:
                return False
            if await _credit(connection, payment.user_id) < payment.credit_kopecks:
                return False
            done = await _refund(connection, payment, None, now)
            if done and admin is not None:
                await add_act(
                    connection, "refund", by=admin, now=now, subject_id=payment.user_id,
                    entry=payment.id,
                )  # fmt: skip
            return done

    async def refunded(self, payment_id: str, *, now: datetime) -> bool:
        """Telegram gave the Stars back by itself, or we asked it to. False: known, or not ours."""
        async with self._database.transaction() as connection:
            await connection.lock("ledger")
            payment = (
                await connection.execute(
                    sa.select(ledger).where(
                        ledger.c.payment_id == payment_id, ledger.c.kind == Entry.PURCHASE
                    )
                )
            ).one_or_none()
            if payment is None or not await _refund(connection, payment, None, now):
                return False
            await connection.execute(
                sa.update(star_refunds)
                .where(star_refunds.c.payment_id == payment_id)
                .values(done_at=now)
            )
            return True

    async def claim_refunds(
        self, *, owner: str, now: datetime, lease_for: timedelta, limit: int
    ) -> list[StarRefund]:
        """Leases of refunds that Telegram does not know of."""
        due = (
            sa.select(star_refunds.c.payment_id)
            .where(
                star_refunds.c.done_at.is_(None),
                star_refunds.c.run_at <= now,
                free(star_refunds, now),
            )
            .order_by(star_refunds.c.run_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("due")
        )
        async with self._database.transaction() as connection:
            rows = await connection.execute(
                sa.update(star_refunds)
                .where(star_refunds.c.payment_id.in_(sa.select(due.c.payment_id)))
                .values(
                    lease_owner=owner,
                    lease_until=now + lease_for,
                    attempts=star_refunds.c.attempts + 1,
                )
                .returning(
                    star_refunds.c.payment_id, star_refunds.c.user_id, star_refunds.c.attempts
                )
            )
            return [StarRefund(**row._mapping) for row in rows.all()]

    async def refund_done(self, payment_id: str, *, now: datetime) -> None:
        """Telegram gave the Stars back: the person is told in the same commit, once."""
        async with self._database.transaction() as connection:
            done = (
                await connection.execute(
                    sa.update(star_refunds)
                    .where(
                        star_refunds.c.payment_id == payment_id, star_refunds.c.done_at.is_(None)
                    )
                    .values(done_at=now, error=None, lease_owner=None, lease_until=None)
                    .returning(star_refunds.c.user_id, star_refunds.c.task_id)
                )
            ).one_or_none()
            if done is None:
                return
            stars = await connection.scalar(
                sa.select(ledger.c.stars).where(
                    ledger.c.payment_id == payment_id, ledger.c.kind == Entry.PURCHASE
                )
            )
            back = Notice(
                kind=NoticeKind.STARS_BACK,
                chat=Chat(chat_id=done.user_id),
                lang=await lang_of(connection, done.user_id),
                params={"stars": stars, "failed": done.task_id is not None},
            )
            await insert_notices(connection, [back], now)

    async def refund_later(self, payment_id: str, *, run_at: datetime, error: str) -> None:
        """Again at `run_at`."""
        async with self._database.transaction() as connection:
            await connection.execute(
                sa.update(star_refunds)
                .where(star_refunds.c.payment_id == payment_id)
                .values(run_at=run_at, error=error[:500], lease_owner=None, lease_until=None)
            )
