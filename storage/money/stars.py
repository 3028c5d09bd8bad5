"""Payments in Telegram Stars: purchases of credit, refunds, and requests to Telegram."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from bot.core.notices import Notice, NoticeKind
from bot.core.task import Chat, Task
from storage.audit import add_act
from storage.connection import Connection
from storage.engine import Database
from storage.journal import note
from storage.money.entries import LedgerRow, credit_of, ledger_rows
from storage.outbox import insert_notices
from storage.rows import first_due, lease
from storage.tables import Entry, ledger, star_refunds
from storage.users import lang_of


@dataclass(frozen=True, kw_only=True)
class StarRefund:
    """A payment that Telegram has still to refund."""

    payment_id: str
    user_id: int
    attempts: int


@dataclass(frozen=True, kw_only=True)
class RefusedRefund:
    """A refund that Telegram refuses; `entry`: the payment's number in the ledger."""

    entry: int
    user_id: int
    stars: int
    error: str


async def refund_payment_for_task(connection: Connection, task: Task, now: datetime) -> bool:
    """Refund the payment for this task: one that is too small for two such videos.

    Return False without such a payment; the credit of a larger payment stays for another order.
    """
    await connection.lock("ledger")
    for payment in await _unused(connection, task.user_id):
        if payment.credit_kopecks < 2 * task.price:
            return await _refund(connection, payment.payment_id, task.id, now)
    return False


_OF_PERSON = (
    sa.select(
        ledger.c.id,
        ledger.c.kind,
        ledger.c.task_id,
        ledger.c.payment_id,
        ledger.c.credit_kopecks,
    )
    .where(ledger.c.user_id == sa.bindparam("person"))
    .order_by(ledger.c.id)
)


async def _unused(connection: Connection, user_id: int) -> list[sa.Row[Any]]:
    """Return the purchases of which nothing was spent and that were not refunded, the newest
    first, as part of a transaction.

    Orders use older credit first. So a payment is unused if, since then, the credit was never
    below the amount of the payment. A later gift does not make a used payment unused. Orders whose
    price was returned do not count.
    """
    rows = (await connection.execute(_OF_PERSON, {"person": user_id})).all()
    given_back = {row.task_id for row in rows if row.kind is Entry.RETURN}
    refunded = {row.payment_id for row in rows if row.kind is Entry.REFUND}
    counted = [row for row in rows if row.task_id is None or row.task_id not in given_back]
    credit = lowest = sum((row.credit_kopecks for row in counted), Decimal(0))
    found = []
    for row in reversed(counted):
        lowest = min(lowest, credit)
        if (
            row.kind is Entry.PURCHASE
            and row.payment_id not in refunded
            and (lowest >= row.credit_kopecks or not row.credit_kopecks)
        ):
            found.append(row)
        credit -= row.credit_kopecks
    return found


_mine = ledger.alias("mine")
_credit: sa.ColumnElement[Any] = (
    sa.select(sa.func.sum(_mine.c.credit_kopecks))
    .where(_mine.c.user_id == ledger.c.user_id)
    .correlate(ledger)
    .scalar_subquery()
)
"""The credit of the person whose row of `ledger` it is."""


async def _refund(
    connection: Connection,
    payment_id: str,
    task_id: int | None,
    now: datetime,
    *conditions: sa.ColumnElement[bool],
    credit: sa.ColumnElement[Any] = ledger.c.credit_kopecks,
) -> bool:
    """Enter the refund and queue the request to Telegram; `credit`: what the person loses.

    False: no such payment, refunded before, or a condition does not hold.
    """
    columns = {
        "kind": sa.literal(Entry.REFUND, ledger.c.kind.type),
        "at": sa.literal(now, ledger.c.at.type),
        "user_id": ledger.c.user_id,
        "payment_id": ledger.c.payment_id,
        "kopecks": sa.literal(Decimal(0), ledger.c.kopecks.type),
        "credit_kopecks": -credit,
        "stars": -ledger.c.stars,
    }
    payment = sa.select(*columns.values()).where(
        ledger.c.payment_id == payment_id, ledger.c.kind == Entry.PURCHASE, *conditions
    )
    entered = (
        await connection.execute(
            insert(ledger)
            .from_select(list(columns), payment)
            .on_conflict_do_nothing()
            .returning(ledger.c.user_id, ledger.c.stars, ledger.c.credit_kopecks)
        )
    ).one_or_none()
    if entered is None:
        return False
    user_id, stars, roubles = entered.user_id, -entered.stars, -entered.credit_kopecks
    note(
        connection, f"ID {user_id}: {stars} Stars refunded, {roubles} ₽ of credit taken back",
        user=user_id, stars=stars, roubles=roubles, task=task_id,
    )  # fmt: skip
    await connection.execute(
        sa.insert(star_refunds).values(
            payment_id=payment_id,
            user_id=user_id,
            task_id=task_id,
            created_at=now,
            run_at=now,
            attempts=0,
        )
    )
    return True


async def _refund_done(connection: Connection, payment_id: str, now: datetime) -> bool:
    """Mark a refund as confirmed and tell the person; False: it was marked before."""
    done = (
        await connection.execute(
            sa.update(star_refunds)
            .where(star_refunds.c.payment_id == payment_id, star_refunds.c.done_at.is_(None))
            .values(done_at=now, refused_at=None, error=None, lease_owner=None, lease_until=None)
            .returning(star_refunds.c.user_id, star_refunds.c.task_id)
        )
    ).one_or_none()
    if done is None:
        return False
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
    return True


_is_open = sa.and_(star_refunds.c.done_at.is_(None), star_refunds.c.refused_at.is_(None))
_due = first_due(star_refunds, _is_open, order_by=(star_refunds.c.run_at,))
_CLAIM_REFUNDS = lease(_due, star_refunds, star_refunds.c.attempts).returning(
    star_refunds.c.payment_id, star_refunds.c.user_id, star_refunds.c.attempts
)
_REFUSED = (
    sa.select(ledger.c.id.label("entry"), ledger.c.user_id, ledger.c.stars)
    .add_columns(sa.func.coalesce(star_refunds.c.error, "").label("error"))
    .join_from(star_refunds, ledger, ledger.c.payment_id == star_refunds.c.payment_id)
    .where(
        star_refunds.c.refused_at.is_not(None),
        star_refunds.c.done_at.is_(None),
        ledger.c.kind == Entry.PURCHASE,
    )
    .order_by(star_refunds.c.created_at)
)


class StarPaymentStore:
    """The store of payments in Stars, and of refunds to request from Telegram."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def payments(self, user_id: int, *, limit: int = 10) -> list[LedgerRow]:
        """Return the purchases and refunds of a person, the newest first."""
        rows = await ledger_rows(
            self._database,
            ledger.c.user_id == user_id,
            ledger.c.kind.in_([Entry.PURCHASE, Entry.REFUND]),
        )
        return rows[::-1][:limit]

    async def open_payments(self, user_id: int) -> list[LedgerRow]:
        """Return the purchases that were not refunded, the newest first."""
        rows = await self.payments(user_id, limit=100)
        gone = {row.payment_id for row in rows if row.kind is Entry.REFUND}
        return [r for r in rows if r.kind is Entry.PURCHASE and r.payment_id not in gone]

    async def unused_payments(self, user_id: int) -> list[LedgerRow]:
        """Return the purchases that a person may have refunded, the newest first."""
        async with self._database.transaction() as connection:
            unused = {row.id for row in await _unused(connection, user_id)}
        return [row for row in await self.open_payments(user_id) if row.id in unused]

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
        """Enter a purchase for `credit` roubles; the person is told in the same commit.

        Return False if this payment was entered before.
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
            note(
                connection, f"ID {user_id}: paid {stars} Stars for {credit} ₽",
                user=user_id, stars=stars, roubles=credit,
            )  # fmt: skip
            if credit:
                whole = await credit_of(connection, user_id)
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
        rest: bool = False,
    ) -> bool:
        """Refund a payment whose whole credit is unused; a person only their own, and not on the
        credit of a later gift.

        `admin`: the admin who does it for them. `rest`: a payment that was used in part: the rest
        of its credit is taken back, and all its Stars go back, because Telegram refunds only whole
        payments (Bot API: refundStarPayment). False: no such payment, refunded before, or spent on
        videos.
        """
        async with self._database.transaction() as connection:
            await connection.lock("ledger")
            if rest:
                used = sa.and_(_credit > 0, _credit < ledger.c.credit_kopecks)
                done = await _refund(connection, payment_id, None, now, used, credit=_credit)
            elif user_id is not None:
                unused = {row.payment_id for row in await _unused(connection, user_id)}
                done = payment_id in unused and await _refund(connection, payment_id, None, now)
            else:
                # without credit: a payment that the bot did not ask for
                whole = sa.or_(ledger.c.credit_kopecks == 0, _credit >= ledger.c.credit_kopecks)
                done = await _refund(connection, payment_id, None, now, whole)
            if done and admin is not None:
                payment = (
                    await connection.execute(
                        sa.select(ledger.c.id, ledger.c.user_id).where(
                            ledger.c.payment_id == payment_id, ledger.c.kind == Entry.PURCHASE
                        )
                    )
                ).one()
                act = "refund rest" if rest else "refund"
                await add_act(
                    connection, act, by=admin, now=now, subject_id=payment.user_id,
                    entry=payment.id,
                )  # fmt: skip
            return done

    async def refunded(self, payment_id: str, *, now: datetime) -> bool:
        """Record a refund that Telegram reports, and end the request for it, even if Telegram had
        refused that. Return False if the refund is known or its payment is not the bot's."""
        async with self._database.transaction() as connection:
            await connection.lock("ledger")
            if not await _refund(connection, payment_id, None, now):
                return await _refund_done(connection, payment_id, now)
            await connection.execute(
                sa.update(star_refunds)
                .where(star_refunds.c.payment_id == payment_id)
                .values(done_at=now)
            )
            return True

    async def claim_refunds(
        self, *, owner: str, now: datetime, lease_for: timedelta, limit: int
    ) -> list[StarRefund]:
        """Lease refunds that Telegram has not confirmed."""
        async with self._database.transaction() as connection:
            connection.make_nothing_due()
            rows = await connection.execute(
                _CLAIM_REFUNDS,
                {"holder": owner, "now": now, "until": now + lease_for, "most": limit},
            )
            return [StarRefund(**row._mapping) for row in rows.all()]

    async def refund_done(self, payment_id: str, *, now: datetime) -> None:
        """Mark a refund as confirmed; the person is told in the same commit, once."""
        async with self._database.transaction() as connection:
            await _refund_done(connection, payment_id, now)

    async def refund_later(self, payment_id: str, *, run_at: datetime, error: str) -> None:
        """Postpone a refund to `run_at`."""
        async with self._database.transaction() as connection:
            await connection.execute(
                sa.update(star_refunds)
                .where(star_refunds.c.payment_id == payment_id)
                .values(run_at=run_at, error=error[:500], lease_owner=None, lease_until=None)
            )

    async def refund_refused(self, payment_id: str, *, now: datetime, error: str) -> None:
        """Stop asking Telegram: it will not do it. The person gets no notice."""
        async with self._database.transaction() as connection:
            await connection.execute(
                sa.update(star_refunds)
                .where(star_refunds.c.payment_id == payment_id, star_refunds.c.done_at.is_(None))
                .values(refused_at=now, error=error[:500], lease_owner=None, lease_until=None)
            )

    async def refused(self) -> list[RefusedRefund]:
        """Return the refunds that Telegram refuses, the oldest first."""
        async with self._database.transaction() as connection:
            return [RefusedRefund(**row._mapping) for row in await connection.execute(_REFUSED)]

    async def decide_refused(self, entry: int, *, again: bool, by: int, now: datetime) -> bool:
        """Ask Telegram again, or end a refused refund that an admin settled in another way.

        False: it is not refused any more.
        """
        payment = sa.select(ledger.c.payment_id).where(
            ledger.c.id == entry, ledger.c.kind == Entry.PURCHASE
        )
        values = {"run_at": now, "attempts": 0} if again else {"done_at": now}
        async with self._database.transaction() as connection:
            user_id: int | None = await connection.scalar(
                sa.update(star_refunds)
                .where(
                    star_refunds.c.payment_id == payment.scalar_subquery(),
                    star_refunds.c.refused_at.is_not(None),
                    star_refunds.c.done_at.is_(None),
                )
                .values(refused_at=None, **values)
                .returning(star_refunds.c.user_id)
            )
            if user_id is not None:
                act = "refund again" if again else "refund settled"
                await add_act(connection, act, by=by, now=now, subject_id=user_id, entry=entry)
            return user_id is not None
