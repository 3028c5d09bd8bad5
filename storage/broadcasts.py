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
from storage.engine import Database
from storage.rows import free
from storage.tables import BroadcastState, broadcasts, permits, users

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


_KNOWN = tuple(broadcasts.c[name] for name in Broadcast.__dataclass_fields__)


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

    async def next_people(self, cursor: int, *, limit: int, access: Access) -> list[int]:
        """Return the people after `cursor` whom the bot serves now."""
        async with self._database.transaction() as connection:
            rows = await connection.scalars(
                sa.select(users.c.user_id)
                .where(users.c.user_id > cursor, _served(access))
                .order_by(users.c.user_id)
                .limit(limit)
            )
            return list(rows.all())

    async def advance(self, broadcast_id: int, user_id: int, *, owner: str, sent: bool) -> bool:
        """Record that this person received it, or never will. Return False if it was cancelled or
        the lease was lost.
        """
        async with self._database.transaction() as connection:
            noted = await connection.execute(
                sa.update(broadcasts)
                .where(
                    broadcasts.c.id == broadcast_id,
                    broadcasts.c.state == B.RUNNING,
                    broadcasts.c.lease_owner == owner,
                    broadcasts.c.cursor < user_id,
                )
                .values(
                    cursor=user_id,
                    sent=broadcasts.c.sent + int(sent),
                    refused=broadcasts.c.refused + int(not sent),
                )
            )
            return noted.rowcount == 1

    async def done(
        self, broadcast_id: int, *, owner: str, now: datetime, gone: bool = False
    ) -> bool:
        """RUNNING -> DONE, by the holder of the lease; `gone`: CANCELLED, there is no message to
        send any more."""
        async with self._database.transaction() as connection:
            changed = await connection.execute(
                sa.update(broadcasts)
                .where(
                    broadcasts.c.id == broadcast_id,
                    broadcasts.c.state == B.RUNNING,
                    broadcasts.c.lease_owner == owner,
                )
                .values(
                    state=B.CANCELLED if gone else B.DONE,
                    ended_at=now,
                    lease_owner=None,
                    lease_until=None,
                )
            )
            return changed.rowcount == 1
