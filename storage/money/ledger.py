"""The ledger of money: entries for the states of a task, and reports.

Each row is written in the commit that makes it true. It must not know the texts or how Stars are
moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from bot.core.caps import Cap, OrderRules
from bot.core.notices import Notice, NoticeKind
from bot.core.prices import Left
from bot.core.task import Chat, Task, TaskState
from storage.audit import add_act
from storage.connection import Connection
from storage.engine import Database
from storage.money.caps import ordered_in_group, ordered_today
from storage.money.entries import (
    IS_SPENT,
    LedgerRow,
    credit_of,
    enter,
    gift_videos_of,
    ledger_rows,
)
from storage.money.gifts import pay_referral, tell_video_back
from storage.money.stars import refund_payment_for_task
from storage.outbox import insert_notices
from storage.people import caps_of
from storage.tables import Entry, ledger
from storage.users import lang_of

S = TaskState

_of_order = ledger.c.task_id == sa.bindparam("order")
_ENTERED = sa.select(
    ledger.c.kind, ledger.c.kopecks, ledger.c.credit_kopecks, ledger.c.videos
).where(_of_order)
_IS_PAID_BY_PERSON = sa.select(ledger.c.id).where(
    _of_order,
    ledger.c.kind == Entry.RESERVATION,
    sa.or_(ledger.c.credit_kopecks != 0, ledger.c.videos != 0),
)


@dataclass(frozen=True, kw_only=True)
class LedgerTotal:
    """The total of all rows of one kind in a period."""

    rows: int = 0
    roubles: Decimal = Decimal(0)
    credit: Decimal = Decimal(0)
    stars: int = 0


async def settle(
    connection: Connection, task: Task, now: datetime, *, not_accepted: bool = False
) -> None:
    """Enter the money of a task that has just changed its state; a repeat enters nothing.

    `not_accepted`: an admin found that the provider charged nothing, whatever was entered before.
    """
    if task.state is S.GENERATING:
        await enter(connection, Entry.CHARGE, now, task)
    elif task.state is S.DELIVERED:
        await pay_referral(connection, task, now)
    elif task.state in (S.CANCELLED, S.FAILED):
        await _give_back(connection, task, now, not_accepted=not_accepted)


async def _give_back(
    connection: Connection, task: Task, now: datetime, *, not_accepted: bool
) -> None:
    """Return what was reserved and not charged; a person's credit also when it was charged."""
    rows = await connection.execute(_ENTERED, {"order": task.id})
    known = {row.kind: row for row in rows.all()}
    if (reserved := known.get(Entry.RESERVATION)) is None:
        return  # a draft
    if Entry.RETURN in known:
        return  # an admin settles it again: what went back went back once
    charged = Entry.CHARGE in known and not not_accepted
    roubles = Decimal(0) if charged else reserved.kopecks
    credit = -reserved.credit_kopecks
    videos = -reserved.videos
    if roubles or credit or videos:
        await enter(
            connection, Entry.RETURN, now, task, kopecks=roubles, credit_kopecks=credit,
            videos=videos,
        )  # fmt: skip
    if videos and task.state is S.FAILED:
        await tell_video_back(connection, task, now)
    if not credit or task.state is not S.FAILED:
        return
    if not await refund_payment_for_task(connection, task, now):
        back = Notice(
            kind=NoticeKind.CREDIT_BACK,
            chat=Chat(chat_id=task.user_id),
            lang=task.lang,
            params={"price": str(task.price)},
        )
        await insert_notices(connection, [back], now)


async def is_paid_by_person(connection: Connection, task_id: int) -> bool:
    """Whether an order was paid from the person's own credit or with a gift video, as part of a
    transaction."""
    found: int | None = await connection.scalar(_IS_PAID_BY_PERSON, {"order": task_id})
    return found is not None


class LedgerStore:
    """Queries about money: a person's credit, sums of a period, the entries of a task."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def credit(self, user_id: int) -> Decimal:
        """Return the person's unused credit in roubles."""
        async with self._database.transaction() as connection:
            return await credit_of(connection, user_id)

    async def left_today(
        self, user_id: int, rules: OrderRules, price: Decimal, now: datetime
    ) -> Left | None:
        """Return what a person may still order today at this price; None: there is no cap.

        Counted as storage.money.caps.reserve counts.
        """
        async with self._database.transaction() as connection:
            caps = rules.caps | await caps_of(connection, [user_id])
            bound = caps.get(Cap.USER_PER_DAY)
            if not bound:
                return None
            videos, roubles = await ordered_today(connection, user_id, now, rules.zone)
            gifts = await gift_videos_of(connection, user_id)
        by_videos = max(bound.videos - videos, 0)
        by_roubles = max(int((bound.roubles - roubles) // price), 0) if price else by_videos
        if not bound.roubles:
            return Left(by_videos, bound.videos, gifts)
        left = min(by_videos, by_roubles) if bound.videos else by_roubles
        return Left(left, gifts=gifts)

    async def ordered_in_group(self, chat_id: int, rules: OrderRules, now: datetime) -> int:
        """Return the videos that count against a group's caps today."""
        async with self._database.transaction() as connection:
            return await ordered_in_group(connection, chat_id, now, rules.zone)

    async def totals(
        self, since: datetime, until: datetime, *, user_id: int | None = None
    ) -> dict[Entry, LedgerTotal]:
        """Return the total of each kind in `since` <= time < `until`, zeros included. Charges that
        an admin has taken back do not count."""
        wanted = (
            sa.select(
                ledger.c.kind,
                sa.func.count().label("rows"),
                sa.func.sum(ledger.c.kopecks).label("roubles"),
                sa.func.sum(ledger.c.credit_kopecks).label("credit"),
                sa.func.sum(ledger.c.stars).label("stars"),
            )
            .where(
                ledger.c.at >= since,
                ledger.c.at < until,
                sa.or_(ledger.c.kind != Entry.CHARGE, IS_SPENT),
            )
            .group_by(ledger.c.kind)
        )
        if user_id is not None:
            wanted = wanted.where(ledger.c.user_id == user_id)
        found = dict.fromkeys(Entry, LedgerTotal())
        async with self._database.transaction() as connection:
            for row in (await connection.execute(wanted)).all():
                found[row.kind] = LedgerTotal(
                    rows=row.rows, roubles=row.roubles, credit=row.credit, stars=int(row.stars)
                )
        return found

    async def is_paid_by_person(self, task_id: int) -> bool:
        """Whether an order was paid from the person's own credit."""
        async with self._database.transaction() as connection:
            return await is_paid_by_person(connection, task_id)

    async def grant(
        self, user_id: int, roubles: Decimal, *, by: int, update_id: int, now: datetime
    ) -> Decimal:
        """Give a person credit, as an admin; the person is told. The same update gives it once.

        Returns the credit after it.
        """
        async with self._database.transaction() as connection:
            entered = await connection.execute(
                insert(ledger)
                .values(
                    kind=Entry.GRANT,
                    at=now,
                    user_id=user_id,
                    payment_id=f"update {update_id}",
                    kopecks=Decimal(0),
                    credit_kopecks=roubles,
                    stars=0,
                )
                .on_conflict_do_nothing()
            )
            credit = await credit_of(connection, user_id)
            if entered.rowcount == 1:
                await add_act(
                    connection, "grant credit", by=by, now=now, subject_id=user_id,
                    roubles=str(roubles),
                )  # fmt: skip
                given = Notice(
                    kind=NoticeKind.CREDIT_GIVEN,
                    chat=Chat(chat_id=user_id),
                    lang=await lang_of(connection, user_id),
                    params={"roubles": str(roubles), "credit": str(credit)},
                )
                await insert_notices(connection, [given], now)
            return credit

    async def between(self, since: datetime, until: datetime) -> list[LedgerRow]:
        """Return all entries from `since` on and before `until`, the oldest first."""
        return await ledger_rows(self._database, ledger.c.at >= since, ledger.c.at < until)

    async def of_task(self, task_id: int) -> list[LedgerRow]:
        """Return all entries of a task, the oldest first."""
        return await ledger_rows(self._database, ledger.c.task_id == task_id)
