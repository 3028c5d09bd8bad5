"""The ledger of money: entries for the states of a task, and reports.

Each row is written in the commit that makes it true. It must not know the texts or how Stars are
moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa

from bot.core.notices import Notice, NoticeKind
from bot.core.task import Chat, Task, TaskState
from storage.engine import Connection, Database
from storage.money.entries import LedgerRow, credit_of, enter, ledger_rows
from storage.money.stars import refund_payment_for_task
from storage.outbox import insert_notices
from storage.tables import Entry, ledger

S = TaskState


@dataclass(frozen=True, kw_only=True)
class LedgerTotal:
    """The total of all rows of one kind in a period."""

    rows: int = 0
    roubles: Decimal = Decimal(0)
    credit: Decimal = Decimal(0)
    stars: int = 0


async def settle(connection: Connection, task: Task, now: datetime) -> None:
    """Write the entries of a task that has just changed its state; a repeat writes nothing."""
    if task.state is S.GENERATING:
        await enter(connection, Entry.CHARGE, now, task)
    elif task.state in (S.CANCELLED, S.FAILED):
        await _give_back(connection, task, now)


async def _give_back(connection: Connection, task: Task, now: datetime) -> None:
    """Write a return of the reserved price if it was not charged; credit is returned even after a
    charge.
    """
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
        await enter(connection, Entry.RETURN, now, task, kopecks=roubles, credit_kopecks=credit)
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


class LedgerStore:
    """Queries about money: a person's credit, sums of a period, the entries of a task."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def credit(self, user_id: int) -> Decimal:
        """Return the person's unused credit in roubles."""
        async with self._database.transaction() as connection:
            return await credit_of(connection, user_id)

    async def totals(
        self, since: datetime, until: datetime, *, user_id: int | None = None
    ) -> dict[Entry, LedgerTotal]:
        """Return the total of each kind from `since` until before `until`, zeros included."""
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
        found = dict.fromkeys(Entry, LedgerTotal())
        async with self._database.transaction() as connection:
            for row in (await connection.execute(wanted)).all():
                found[row.kind] = LedgerTotal(
                    rows=row.rows, roubles=row.roubles, credit=row.credit, stars=int(row.stars)
                )
        return found

    async def of_task(self, task_id: int) -> list[LedgerRow]:
        """Return all entries of a task, the oldest first."""
        return await ledger_rows(self._database, ledger.c.task_id == task_id)
