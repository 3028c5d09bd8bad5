"""Broadcasts, messages to everybody: a row records the progress, so a kill repeats at most one
send.

It must not know the content of the message or how it is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from bot.core.access import Access, Verdict
from storage.audit import add_act
from storage.connection import Connection
from storage.engine import Database
from storage.rows import free
from storage.tables import BroadcastState, broadcast_retries, broadcasts, permits, users

B = BroadcastState


@dataclass(frozen=True, kw_only=True)
class Broadcast:
    """A message of an admin to everybody."""

    id: int
    made_by: int
    lang: str
    from_chat_id: int
    message_id: int
    state: BroadcastState
    total: int
    sent: int
    refused: int  # people who blocked the bot, or never wrote to it in private
    cursor: int
    shown_message_id: int | None


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """Somebody to send to; `since`: when Telegram failed for them first, None: not yet."""

    user_id: int
    since: datetime | None = None
    attempts: int = 0


_KNOWN = tuple(broadcasts.c[name] for name in Broadcast.__dataclass_fields__)


_R = broadcast_retries.c


def _served(access: Access) -> sa.ColumnElement[bool]:
    """People whom the bot would serve in their own chat (bot/core/access.py: Access.admits).

    Those who asked for access and were not let in are not among them, nor are members of an
    allowed group who may use the bot there alone.
    """

    def decided(verdict: Verdict) -> sa.ColumnElement[bool]:
        return sa.exists().where(
            permits.c.subject_id == users.c.user_id, permits.c.verdict == verdict
        )

    let_in = sa.or_(
        sa.true() if access.is_open else decided(Verdict.ALLOWED),
        users.c.user_id.in_(sorted(access.allowed)),
    )
    return sa.or_(
        users.c.user_id.in_(sorted(access.admins)),
        sa.and_(let_in, ~decided(Verdict.BANNED)),
    )


class BroadcastStore:
    """The store of broadcasts: an admin drafts and starts them, the holder of the lease sends
    them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def draft(
        self,
        *,
        by: int,
        lang: str,
        from_chat_id: int,
        message_id: int,
        update_id: int,
        now: datetime,
        access: Access,
    ) -> Broadcast:
        """Create a draft with its audience counted: whom the bot serves; the same update gets the
        same draft again."""
        async with self._database.transaction() as connection:
            total = await connection.scalar(
                sa.select(sa.func.count()).select_from(users).where(_served(access))
            )
            await connection.execute(
                insert(broadcasts)
                .values(
                    update_id=update_id,
                    made_by=by,
                    lang=lang,
                    from_chat_id=from_chat_id,
                    message_id=message_id,
                    state=B.DRAFT,
                    created_at=now,
                    total=total,
                    sent=0,
                    refused=0,
                    cursor=0,
                )
                .on_conflict_do_nothing(index_elements=["update_id"])
            )
            row = await connection.execute(
                sa.select(*_KNOWN).where(broadcasts.c.update_id == update_id)
            )
            return Broadcast(**row.one()._mapping)

    async def get(self, broadcast_id: int) -> Broadcast | None:
        """Return the broadcast."""
        async with self._database.transaction() as connection:
            row = (
                await connection.execute(sa.select(*_KNOWN).where(broadcasts.c.id == broadcast_id))
            ).one_or_none()
        return None if row is None else Broadcast(**row._mapping)

    async def start(
        self, broadcast_id: int, *, shown_message_id: int, by: int, now: datetime
    ) -> bool:
        """DRAFT -> RUNNING, shown in that message; return False if started or cancelled before."""
        return await self._change(
            broadcast_id, [B.DRAFT], "broadcast", by, now,
            state=B.RUNNING, shown_message_id=shown_message_id,
        )  # fmt: skip

    async def stop(self, broadcast_id: int, *, by: int, now: datetime) -> bool:
        """DRAFT or RUNNING -> CANCELLED: at most one more person receives it."""
        return await self._change(
            broadcast_id, [B.DRAFT, B.RUNNING], "stop broadcast", by, now,
            state=B.CANCELLED, ended_at=now,
        )  # fmt: skip

    async def _change(
        self,
        broadcast_id: int,
        states: list[BroadcastState],
        act: str,
        by: int,
        now: datetime,
        **values: Any,
    ) -> bool:
        async with self._database.transaction() as connection:
            changed = await connection.execute(
                sa.update(broadcasts)
                .where(broadcasts.c.id == broadcast_id, broadcasts.c.state.in_(states))
                .values(**values)
            )
            if changed.rowcount == 1:
                await add_act(connection, act, by=by, now=now, broadcast=broadcast_id)
                if values["state"] is B.CANCELLED:
                    await _forget_retries(connection, broadcast_id)
            return changed.rowcount == 1

    async def claim(self, *, owner: str, now: datetime, lease_for: timedelta) -> Broadcast | None:
        """Lease a running broadcast; its holder renews the lease with the same call."""
        mine = sa.or_(broadcasts.c.lease_owner == owner, free(broadcasts))
        first = (
            sa.select(broadcasts.c.id)
            .where(broadcasts.c.state == B.RUNNING, mine)
            .order_by(broadcasts.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        async with self._database.transaction() as connection:
            connection.make_nothing_due()
            row = (
                await connection.execute(
                    sa.update(broadcasts)
                    .where(broadcasts.c.id == first)
                    .values(lease_owner=owner, lease_until=now + lease_for)
                    .returning(*_KNOWN),
                    {"now": now},
                )
            ).one_or_none()
        return None if row is None else Broadcast(**row._mapping)

    async def next_people(
        self, running: Broadcast, *, limit: int, access: Access, now: datetime
    ) -> list[Recipient]:
        """Return people whom the bot serves now: those to be tried again, then those after the
        cursor."""
        again = (
            sa.select(_R.user_id, _R.since, _R.attempts)
            .join(users, users.c.user_id == _R.user_id)
            .where(_R.broadcast_id == running.id, _R.run_at <= now, _served(access))
            .order_by(_R.run_at, _R.user_id)
            .limit(limit)
        )
        new = (
            sa.select(users.c.user_id)
            .where(users.c.user_id > running.cursor, _served(access))
            .order_by(users.c.user_id)
        )
        async with self._database.transaction() as connection:
            rows = (await connection.execute(again)).all()
            found = [Recipient(**row._mapping) for row in rows]
            rest = await connection.scalars(new.limit(limit - len(found)))
            return found + [Recipient(user_id=user_id) for user_id in rest.all()]

    async def postpone(
        self, broadcast_id: int, user_id: int, *, owner: str, now: datetime, run_at: datetime
    ) -> bool:
        """Record that Telegram failed for this person, who is tried again at `run_at`. Return
        False if it was cancelled or the lease was lost.
        """
        again = insert(broadcast_retries).values(
            broadcast_id=broadcast_id, user_id=user_id, since=now, run_at=run_at, attempts=1
        )
        once_more = again.on_conflict_do_update(
            index_elements=["broadcast_id", "user_id"],
            set_={"run_at": run_at, "attempts": _R.attempts + 1},
        )
        async with self._database.transaction() as connection:
            is_ours = await _pass_by(connection, broadcast_id, user_id, owner)
            if is_ours:
                await connection.execute(once_more)
            return is_ours

    async def postponed(self, broadcast_id: int) -> int:
        """Return how many people are tried again."""
        count = sa.select(sa.func.count()).where(_R.broadcast_id == broadcast_id)
        return await self._database.read_scalar(count) or 0

    async def advance(self, broadcast_id: int, user_id: int, *, owner: str, sent: bool) -> bool:
        """Record that this person received it, or never will. Return False if it was cancelled or
        the lease was lost.
        """
        async with self._database.transaction() as connection:
            is_ours = await _pass_by(
                connection, broadcast_id, user_id, owner,
                sent=broadcasts.c.sent + int(sent), refused=broadcasts.c.refused + int(not sent),
            )  # fmt: skip
            if is_ours:
                await _forget_retries(connection, broadcast_id, _R.user_id == user_id)
            return is_ours

    async def rest(self, broadcast_id: int, *, owner: str, access: Access) -> bool:
        """Give the lease back until somebody is tried again; those whom the bot does not serve any
        more are not. Return False if nobody is tried again.
        """
        row = broadcasts.c.id == broadcast_id
        held = sa.select(broadcasts.c.id).where(row, broadcasts.c.lease_owner == owner)
        served = sa.exists().where(users.c.user_id == _R.user_id, _served(access))
        first = sa.select(sa.func.min(_R.run_at)).where(_R.broadcast_id == broadcast_id)
        async with self._database.transaction() as connection:
            if await connection.scalar(held.with_for_update()) is None:
                return True  # another process has it
            await _forget_retries(connection, broadcast_id, ~served)
            until = await connection.scalar(first)
            if until is not None:
                await connection.execute(
                    sa.update(broadcasts).where(row).values(lease_owner=None, lease_until=until)
                )
            return until is not None

    async def done(
        self, broadcast_id: int, *, owner: str, now: datetime, gone: bool = False
    ) -> bool:
        """RUNNING -> DONE, by the holder of the lease; `gone`: CANCELLED, there is no message to
        send any more."""
        async with self._database.transaction() as connection:
            changed = await connection.execute(
                sa.update(broadcasts)
                .where(_held(broadcast_id, owner))
                .values(
                    state=B.CANCELLED if gone else B.DONE,
                    ended_at=now,
                    lease_owner=None,
                    lease_until=None,
                )
            )
            if changed.rowcount == 1:
                await _forget_retries(connection, broadcast_id)
            return changed.rowcount == 1


def _held(broadcast_id: int, owner: str) -> sa.ColumnElement[bool]:
    """Return the condition for a running broadcast whose lease `owner` holds."""
    return sa.and_(
        broadcasts.c.id == broadcast_id,
        broadcasts.c.state == B.RUNNING,
        broadcasts.c.lease_owner == owner,
    )


async def _pass_by(
    connection: Connection, broadcast_id: int, user_id: int, owner: str, **counts: Any
) -> bool:
    """Move the cursor past this person, or past nobody when they were tried again. Return False if
    it was cancelled or the lease was lost.
    """
    cursor = broadcasts.c.cursor
    is_next = sa.or_(
        cursor < user_id,
        sa.exists().where(_R.broadcast_id == broadcast_id, _R.user_id == user_id),
    )
    noted = await connection.execute(
        sa.update(broadcasts)
        .where(_held(broadcast_id, owner), is_next)
        .values(cursor=sa.case((cursor < user_id, user_id), else_=cursor), **counts)
    )
    return noted.rowcount == 1


async def _forget_retries(
    connection: Connection, broadcast_id: int, *whose: sa.ColumnElement[bool]
) -> None:
    await connection.execute(
        sa.delete(broadcast_retries).where(_R.broadcast_id == broadcast_id, *whose)
    )
