"""Notices to be sent: written in the commit that makes them true, deleted once they are sent.

It must not know the texts or how a message is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.core.notices import Notice, NoticeKind
from bot.core.task import Chat
from storage.connection import Connection
from storage.engine import Database
from storage.rows import UNLEASED, chat_from, chat_values, first_due, in_order, lease
from storage.tables import outbox


@dataclass(frozen=True, kw_only=True)
class WaitingNotice:
    """A notice leased for sending."""

    id: int
    attempts: int  # leases taken, including this one
    created_at: datetime
    notice: Notice


_ADD = sa.insert(outbox)
_due = first_due(outbox, outbox.c.waits_for.is_(None), order_by=(outbox.c.id,))
_CLAIM = lease(_due, outbox, outbox.c.attempts).returning(*outbox.c)
_one = outbox.c.id == sa.bindparam("number")
_DONE = sa.delete(outbox).where(_one)
_SET = sa.update(outbox).where(_one).values(UNLEASED)
_WAKE = (
    sa.update(outbox)
    .where(
        in_order(
            outbox,
            outbox.c.waits_for == sa.bindparam("person"),
            sa.or_(sa.bindparam("private", type_=sa.Boolean), outbox.c.task_id.is_not(None)),
        )
    )
    .values(UNLEASED)
)
_FORGET_PARKED = sa.delete(outbox).where(
    in_order(
        outbox,
        outbox.c.waits_for.is_not(None),
        outbox.c.created_at < sa.bindparam("before"),
        deletes=True,
    )
)
_held = outbox.c.lease_owner == sa.bindparam("holder")
_EXTEND = (
    sa.update(outbox)
    .where(in_order(outbox, _held, outbox.c.id.in_(sa.bindparam("ids", expanding=True))))
    .returning(outbox.c.id)
)
_RELEASE = (
    sa.update(outbox)
    .where(in_order(outbox, _held))
    .values(attempts=outbox.c.attempts - 1, **UNLEASED)
)
_COUNT = sa.select(sa.func.count()).select_from(outbox).where(outbox.c.waits_for.is_(None))


async def insert_notices(connection: Connection, notices: Sequence[Notice], now: datetime) -> None:
    """Insert notices, as part of a transaction."""
    if notices:
        await connection.execute(
            _ADD,
            [
                {
                    "task_id": notice.task_id,
                    "kind": notice.kind.value,
                    **chat_values(notice.chat),
                    "reply_to": notice.reply_to,
                    "lang": notice.lang,
                    "params": dict(notice.params),
                    "created_at": now,
                    "run_at": now,
                    "attempts": 0,
                }
                for notice in notices
            ],
        )


class OutboxStore:
    """The store of notices; a notice is deleted only after Telegram accepted it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, notices: Sequence[Notice], *, now: datetime) -> None:
        """Add notices that do not belong to a change of a task."""
        async with self._database.transaction() as connection:
            await insert_notices(connection, notices, now)

    async def claim(
        self, *, owner: str, now: datetime, lease_for: timedelta, limit: int
    ) -> list[WaitingNotice]:
        """Lease up to `limit` due notices, the oldest first."""
        async with self._database.transaction() as connection:
            connection.make_nothing_due()
            rows = await connection.execute(
                _CLAIM, {"holder": owner, "now": now, "until": now + lease_for, "most": limit}
            )
            return sorted((_notice(row) for row in rows.all()), key=lambda waiting: waiting.id)

    async def done(self, notice_id: int) -> None:
        """Delete a notice that was sent or never will be."""
        async with self._database.transaction() as connection:
            await connection.execute(_DONE, {"number": notice_id})

    async def later(self, notice_id: int, run_at: datetime) -> None:
        """Postpone a notice to `run_at`."""
        async with self._database.transaction() as connection:
            await connection.execute(_SET, {"number": notice_id, "run_at": run_at})

    async def redirect(self, notice_id: int, chat: Chat, *, now: datetime) -> None:
        """Send a notice to another chat instead, as a new notice."""
        async with self._database.transaction() as connection:
            await connection.execute(
                _SET, {"number": notice_id, **chat_values(chat), **_anew(now)}
            )

    async def park(self, notice_id: int, user_id: int) -> None:
        """Keep a notice until this person writes: now they cannot be told."""
        async with self._database.transaction() as connection:
            await connection.execute(_SET, {"number": notice_id, "waits_for": user_id})

    async def unpark(self, user_id: int, chat: Chat, *, now: datetime) -> int:
        """Send the notices that wait for this person, who wrote in `chat`; return how many.

        Those about their orders go to that chat; all others only to their own.
        """
        theirs = {"person": user_id, "private": chat.chat_id == user_id}
        async with self._database.transaction() as connection:
            woken = await connection.execute(_WAKE, {**theirs, **chat_values(chat), **_anew(now)})
            return woken.rowcount

    async def forget_parked(self, *, before: datetime) -> int:
        """Delete notices that were written before then and still wait for a person."""
        async with self._database.transaction() as connection:
            gone = await connection.execute(_FORGET_PARKED, {"before": before})
            return gone.rowcount

    async def extend(self, owner: str, ids: Iterable[int], *, until: datetime) -> set[int]:
        """Renew the leases that `owner` still holds until `until`; return which."""
        async with self._database.transaction() as connection:
            connection.make_nothing_due()
            rows = await connection.scalars(
                _EXTEND, {"holder": owner, "ids": list(ids), "lease_until": until}
            )
            return set(rows.all())

    async def release(self, owner: str) -> None:
        """Release leases at a clean stop: other processes may take them, and no attempt is
        counted.
        """
        async with self._database.transaction() as connection:
            await connection.execute(_RELEASE, {"holder": owner})

    async def count(self) -> int:
        """Return how many notices wait to be sent, without those that wait for a person."""
        async with self._database.transaction() as connection:
            return (await connection.scalar(_COUNT)) or 0


def _anew(now: datetime) -> dict[str, Any]:
    """The columns of a notice that starts again: nothing was tried at its chat."""
    return {
        "reply_to": None,
        "waits_for": None,
        "created_at": now,
        "run_at": now,
        "attempts": 0,
    }


def _notice(row: sa.Row[Any]) -> WaitingNotice:
    return WaitingNotice(
        id=row.id,
        attempts=row.attempts,
        created_at=row.created_at,
        notice=Notice(
            kind=NoticeKind(row.kind),
            chat=chat_from(row),
            lang=row.lang,
            task_id=row.task_id,
            reply_to=row.reply_to,
            params=row.params,
        ),
    )
