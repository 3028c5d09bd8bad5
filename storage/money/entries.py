"""Rows of the ledger: write one, read them, and sum up a person's credit.

The ledger only grows: the database refuses everything but inserts. Balances are sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from bot.core.task import Task
from storage.connection import Connection
from storage.engine import Database
from storage.tables import Entry, ledger

_ENTER = insert(ledger).on_conflict_do_nothing()
_later = ledger.alias("later")
IS_SPENT = sa.and_(
    ledger.c.kind == Entry.CHARGE,
    ~sa.exists().where(
        _later.c.task_id == ledger.c.task_id,
        _later.c.kind == Entry.RETURN,
        _later.c.kopecks != 0,
        _later.c.id > ledger.c.id,
    ),
)
"""The condition for a charge that no admin has taken back ("It was not accepted")."""
_of_person = ledger.c.user_id == sa.bindparam("person")
_CREDIT = sa.select(sa.func.sum(ledger.c.credit_kopecks)).where(_of_person)
_GIFT_VIDEOS = sa.select(sa.func.sum(ledger.c.videos)).where(_of_person)


@dataclass(frozen=True, kw_only=True)
class LedgerRow:
    """One row of `ledger`; amounts in roubles and in Telegram Stars."""

    id: int
    kind: Entry
    at: datetime
    user_id: int
    task_id: int | None
    payment_id: str | None
    roubles: Decimal
    credit: Decimal
    stars: int
    videos: int = 0


async def enter(
    connection: Connection,
    kind: Entry,
    now: datetime,
    task: Task,
    *,
    kopecks: Decimal | None = None,
    credit_kopecks: Decimal = Decimal(0),
    videos: int = 0,
) -> None:
    """Insert one entry of a task, `kopecks` defaulting to its price; a repeat inserts nothing."""
    await connection.execute(
        _ENTER,
        {
            "kind": kind,
            "at": now,
            "user_id": task.user_id,
            "task_id": task.id,
            "chat_id": task.chat.chat_id,
            "kopecks": task.price if kopecks is None else kopecks,
            "credit_kopecks": credit_kopecks,
            "stars": 0,
            "videos": videos,
        },
    )


async def credit_of(connection: Connection, user_id: int) -> Decimal:
    """Return the person's unused credit in roubles."""
    credit: Decimal | None = await connection.scalar(_CREDIT, {"person": user_id})
    return credit or Decimal(0)


async def gift_videos_of(connection: Connection, user_id: int) -> int:
    """Return how many gift videos the person has not used."""
    videos: int | None = await connection.scalar(_GIFT_VIDEOS, {"person": user_id})
    return int(videos or 0)


async def ledger_rows(database: Database, *conditions: sa.ColumnElement[bool]) -> list[LedgerRow]:
    """Return the rows that meet all conditions, the oldest first."""
    async with database.transaction() as connection:
        rows = await connection.execute(sa.select(ledger).where(*conditions).order_by(ledger.c.id))
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
                videos=row.videos,
            )
            for row in rows.all()
        ]
