"""Updates from Telegram until their handlers have finished, in order within a chat.

It must not know the content of an update: `payload` is the raw text.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from storage.connection import Connection
from storage.due_updates import WINDOW, due
from storage.engine import Database
from storage.rows import NOW, UNLEASED, in_order, lease
from storage.tables import InboxState, inbox, one_of

AHEAD = timedelta(days=1)
"""Urgent updates get a `run_at` this much earlier, because claims are ordered by `run_at`."""

_pending = one_of(inbox.c.state, {InboxState.PENDING})
# One parameter for all rows, `{update_id: [chat_key, payload, is_urgent]}`. With seven parameters
# for each of a hundred rows, SQLAlchemy takes twice as long as the database.
_rows = sa.func.json_each(sa.bindparam("rows", type_=sa.JSON)).table_valued(
    "key", sa.column("value", sa.JSON)
)
_ADD = (
    insert(inbox)
    .from_select(
        ["update_id", "chat_key", "payload", "state", "received_at", "run_at", "attempts"],
        sa.select(
            sa.cast(_rows.c.key, sa.BigInteger),
            _rows.c.value[0].as_string(),
            _rows.c.value[1].as_string(),
            sa.literal(InboxState.PENDING, inbox.c.state.type),
            sa.bindparam("received", type_=inbox.c.received_at.type),
            sa.case(
                (_rows.c.value[2].as_boolean(), sa.bindparam("ahead", type_=inbox.c.run_at.type)),
                else_=sa.bindparam("received", type_=inbox.c.run_at.type),
            ),
            sa.literal(0),
        ).where(sa.true()),  # or SQLite reads ON CONFLICT as a part of the SELECT's FROM
    )
    .on_conflict_do_nothing(index_elements=["update_id"])
)
_CLAIM = lease(due, inbox, inbox.c.attempts).returning(
    inbox.c.update_id, inbox.c.chat_key, inbox.c.payload, inbox.c.attempts, inbox.c.received_at
)
_some = inbox.c.update_id.in_(sa.bindparam("ids", expanding=True))
_FINISH = sa.update(inbox).where(in_order(inbox, _some, _pending)).values(UNLEASED)
_UNCOUNT = _FINISH.values(attempts=inbox.c.attempts - 1)
_held = inbox.c.lease_owner == sa.bindparam("holder")
_EXTEND = (
    sa.update(inbox).where(in_order(inbox, _held, _some, _pending)).returning(inbox.c.update_id)
)
_RELEASE = (
    sa.update(inbox)
    .where(in_order(inbox, _held, _pending))
    .values(attempts=inbox.c.attempts - 1, **UNLEASED)
)
_FORGET = sa.delete(inbox).where(
    one_of(inbox.c.state, {InboxState.DONE}), inbox.c.finished_at < sa.bindparam("before")
)
_COUNT = {
    # one query per state: each state has an index
    state: sa.select(sa.func.count()).where(one_of(inbox.c.state, {state}))
    for state in InboxState
}
_OLDEST = sa.select(sa.func.min(inbox.c.received_at)).where(_pending, inbox.c.run_at <= NOW)


@dataclass(frozen=True, kw_only=True)
class IncomingUpdate:
    """One raw update; updates with the same `chat_key` are handled one after the other."""

    update_id: int
    chat_key: str
    payload: str
    is_urgent: bool = False  # handled before all waiting updates


@dataclass(frozen=True, kw_only=True)
class InboxUpdate:
    """An update leased for handling."""

    update_id: int
    chat_key: str
    payload: str
    attempts: int  # leases taken, including this one
    received_at: datetime


class InboxTurn:
    """Operations within one commit: add new updates, mark finished ones, lease the next ones."""

    def __init__(self, connection: Connection, ended: set[int]) -> None:
        self._connection = connection
        self._ended = ended
        connection.make_nothing_due()  # but `add` and `done` do

    async def add(self, rows: Sequence[IncomingUpdate], *, now: datetime) -> int:
        """Add updates; return how many were new. After the commit Telegram may forget them all."""
        if not rows:
            return 0
        self._connection.is_quiet = False
        values = {
            row.update_id: [row.chat_key, row.payload, row.is_urgent]
            # sorted, so that two processes that add the same updates do not deadlock
            for row in sorted(rows, key=lambda row: row.update_id)
        }
        added = await self._connection.execute(
            _ADD, {"rows": values, "received": now, "ahead": now - AHEAD}
        )
        return added.rowcount

    async def claim(
        self, *, owner: str, now: datetime, lease_for: timedelta, limit: int
    ) -> list[InboxUpdate]:
        """Lease up to `limit` updates, the oldest first, at most one of each chat.

        An update waits for every earlier one of its chat, also for a leased or postponed one.
        """
        if limit <= 0:
            return []
        rows = await self._connection.execute(
            _CLAIM,
            {
                "holder": owner,
                "now": now,
                "until": now + lease_for,
                "most": limit,
                "window": limit + WINDOW,
            },
        )
        claimed = [InboxUpdate(**row._mapping) for row in rows.all()]
        return sorted(claimed, key=lambda update: update.update_id)

    async def done(self, ids: Collection[int], *, now: datetime) -> None:
        """Mark updates as done; the next updates of their chats may become due."""
        self._connection.is_quiet = self._connection.is_quiet and not ids
        self._ended.difference_update(ids)
        await note_done(self._connection, ids, now)


class InboxStore:
    """The store of updates; each update is stored once, however often it arrives."""

    def __init__(self, database: Database, ended: set[int] | None = None) -> None:
        self._database = database
        self.ended = set() if ended is None else ended
        """Updates whose handlers have finished but are not marked: repeating them is harmless. The
        next commit of a task in this process marks them, or the holder of the lease does."""

    async def add(self, rows: Sequence[IncomingUpdate], *, now: datetime) -> int:
        """Run `InboxTurn.add` in its own transaction."""
        async with self.turn() as turn:
            return await turn.add(rows, now=now)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[InboxTurn]:
        """Open a turn when the database is available; commit it at the end."""
        async with self._database.transaction() as connection:
            yield InboxTurn(connection, self.ended)

    async def claim(
        self, *, owner: str, now: datetime, lease_for: timedelta, limit: int
    ) -> list[InboxUpdate]:
        """Run `InboxTurn.claim` in its own transaction."""
        async with self.turn() as turn:
            return await turn.claim(owner=owner, now=now, lease_for=lease_for, limit=limit)

    async def done(self, ids: Collection[int], *, now: datetime) -> None:
        """Run `InboxTurn.done` in its own transaction."""
        async with self.turn() as turn:
            await turn.done(ids, now=now)

    async def set_aside(self, update_id: int, *, error: str, now: datetime) -> None:
        """Set an update aside with its text; the next updates of its chat are handled."""
        values = {"state": InboxState.SET_ASIDE, "finished_at": now, "error": error}
        async with self._database.transaction() as connection:
            await connection.execute(_FINISH, {"ids": [update_id], **values})

    async def later(
        self, update_id: int, *, run_at: datetime, error: str, counts: bool = True
    ) -> None:
        """Postpone an update to `run_at`; its chat waits. Without `counts`, the attempt does not
        count.
        """
        values = {"ids": [update_id], "run_at": run_at, "error": error}
        async with self._database.transaction() as connection:
            await connection.execute(_FINISH if counts else _UNCOUNT, values)

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

    async def forget(self, *, before: datetime) -> int:
        """Delete the numbers of old updates; Telegram repeats nothing after 24 hours."""
        async with self._database.transaction() as connection:
            gone = await connection.execute(_FORGET, {"before": before})
            return gone.rowcount

    async def counts(self, states: Iterable[InboxState] = InboxState) -> dict[InboxState, int]:
        """Count the updates in each of these states, including zeros; counting DONE is slow."""
        async with self._database.transaction() as connection:
            return {state: await connection.scalar(_COUNT[state]) for state in states}

    async def lag(self, now: datetime) -> timedelta:
        """Return how long the oldest update due at `now` has been waiting."""
        oldest = await self._database.read_scalar(_OLDEST, {"now": now})
        return timedelta(0) if oldest is None else now - oldest


async def note_done(connection: Connection, ids: Collection[int], now: datetime) -> None:
    """Mark updates as done, as part of a transaction. The text is deleted, the number stays to
    recognise a repeat."""
    if ids:
        values = {"state": InboxState.DONE, "payload": None, "finished_at": now, "error": None}
        await connection.execute(_FINISH, {"ids": list(ids), **values})
