"""Consents, and deletion of one order, of a person, of old rows.

A row is deleted with all rows that refer to it; durations stay, since they identify nobody. A
worker that holds a deleted task finds no row at its next write and drops it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from bot.core.notices import NoticeKind, access_asked_about
from bot.core.task import Task, TaskState
from storage.connection import Connection
from storage.engine import Database
from storage.films import forget_films
from storage.money.gifts import forget_referrals
from storage.money.ledger import settle
from storage.provider_account import disturb
from storage.rows import in_order, task_from
from storage.tables import (
    BoardState,
    InboxState,
    access_requests,
    at_rest,
    broadcast_retries,
    consents,
    films,
    in_states,
    inbox,
    one_of,
    operator_messages,
    outbox,
    permits,
    photo_requests,
    storyboards,
    tasks,
    users,
)

AT_ONCE = 500
"""Rows deleted per commit: other transactions wait only this long."""

_AT_REST = frozenset(
    {TaskState.CANCELLED, TaskState.FAILED, TaskState.DELIVERED, TaskState.UNKNOWN,
     TaskState.UNDELIVERABLE}
)  # fmt: skip

_AT_PROVIDER = frozenset({TaskState.SUBMITTING, TaskState.GENERATING})

_OVER = _AT_REST - {TaskState.UNKNOWN}

_CONSENTED = sa.select(consents.c.user_id).where(consents.c.user_id == sa.bindparam("person"))
_CONSENT = insert(consents).on_conflict_do_nothing(index_elements=["user_id"])


class PrivacyStore:
    """Consents and deletion."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def consented(self, user_id: int) -> bool:
        """Return whether this person was told who receives their photos, and then ordered a video
        of one or asked for suggestions.
        """
        return await self._database.read_one(_CONSENTED, {"person": user_id}) is not None

    async def consent(self, user_id: int, now: datetime) -> None:
        """Record that this person agreed before an order: to suggestions for a photo."""
        async with self._database.transaction() as connection:
            await note_consent(connection, user_id, now)

    async def erase_task(self, task_id: int, *, user_id: int) -> bool:
        """Delete one finished order of this person, with everything about it.

        An UNKNOWN order is not deleted: an admin still has to find out whether it was paid.
        """
        async with self._database.transaction() as connection:
            gone = await connection.execute(
                sa.delete(tasks)
                .where(tasks.c.id == task_id, tasks.c.user_id == user_id, in_states(_OVER))
                .returning(tasks.c.film_id)
            )
            erased = gone.all()
            await forget_films(connection, [row.film_id for row in erased])
            return len(erased) == 1

    async def erase_person(self, user_id: int, *, now: datetime) -> list[Task]:
        """Delete everything about a person; return their tasks as they were.

        The ledger keeps its sums under their user ID, and decisions of admins stay. Reservations
        of queued orders are returned.
        """
        theirs = tasks.c.user_id == user_id
        # A press that is not committed yet may add variants or the parts of a film. They exist
        # once its rows can be locked. Rows are locked by number, as everywhere, so that two
        # transactions never wait for each other.
        locked = sa.select(tasks.c.id).where(theirs).order_by(tasks.c.id).with_for_update()
        async with self._database.transaction() as connection:
            await connection.execute(
                sa.delete(storyboards).where(
                    in_order(storyboards, storyboards.c.user_id == user_id, deletes=True)
                )
            )
            await connection.execute(locked)
            gone = await connection.execute(sa.delete(tasks).where(theirs).returning(*tasks.c))
            erased = [task_from(row) for row in gone.all()]
            for task in erased:
                # Later parts of a film are drafts with reserved credit; other drafts have none.
                if task.state in (TaskState.DRAFT, TaskState.QUEUED):
                    cancelled = replace(task, state=TaskState.CANCELLED)
                    await settle(connection, cancelled, now)
            if any(task.state in _AT_PROVIDER for task in erased):
                await disturb(connection, now)  # charged or given back without a row
            await connection.execute(
                sa.delete(films).where(in_order(films, films.c.user_id == user_id, deletes=True))
            )
            await connection.execute(sa.delete(consents).where(consents.c.user_id == user_id))
            await connection.execute(
                sa.delete(photo_requests).where(photo_requests.c.user_id == user_id)
            )
            await connection.execute(
                sa.delete(outbox).where(
                    in_order(outbox, outbox.c.waits_for == user_id, deletes=True)
                )
            )
            await connection.execute(
                sa.delete(broadcast_retries).where(broadcast_retries.c.user_id == user_id)
            )
            await connection.execute(
                sa.delete(operator_messages).where(
                    in_order(
                        operator_messages, operator_messages.c.chat_id == user_id, deletes=True
                    )
                )
            )
            await _erase_request(connection, user_id)
            await forget_referrals(connection, user_id)
            await connection.execute(sa.delete(users).where(users.c.user_id == user_id))
            await _erase_updates(connection, user_id)
        return sorted(erased, key=lambda task: task.id)

    async def forget(self, *, drafts_before: datetime, orders_before: datetime) -> list[int]:
        """Delete a batch of older rows; call it again until nothing is left."""
        old = sa.or_(
            sa.and_(
                at_rest({TaskState.DRAFT}),
                tasks.c.storyboard_id.is_(None),  # or the part before it is still made
                tasks.c.run_at < drafts_before,
            ),
            sa.and_(at_rest(_AT_REST), tasks.c.run_at < orders_before),
        )
        async with self._database.transaction() as connection:
            await connection.execute(
                sa.delete(photo_requests).where(photo_requests.c.asked_at < drafts_before)
            )
            gone = await connection.execute(
                sa.delete(tasks)
                .where(in_order(tasks, old, limit=AT_ONCE, deletes=True))
                .returning(tasks.c.id, tasks.c.film_id)
            )
            erased = gone.all()
            await forget_films(connection, [row.film_id for row in erased])
            await _forget_boards(connection, drafts_before, orders_before)
            return [row.id for row in erased]

    async def forget_updates(self, *, before: datetime) -> int:
        """Delete updates set aside before that time, with their text; return their number."""
        async with self._database.transaction() as connection:
            gone = await connection.execute(
                sa.delete(inbox).where(
                    in_order(
                        inbox,
                        one_of(inbox.c.state, {InboxState.SET_ASIDE}),
                        inbox.c.finished_at < before,
                        deletes=True,
                    )
                )
            )
            return gone.rowcount


async def note_consent(connection: Connection, user_id: int, now: datetime) -> None:
    """Record a consent, as part of a transaction; the first time counts."""
    await connection.execute(_CONSENT, {"user_id": user_id, "at": now})


async def _forget_boards(
    connection: Connection, drafts_before: datetime, orders_before: datetime
) -> None:
    is_draft = storyboards.c.state == BoardState.DRAFT
    old = sa.or_(
        sa.and_(is_draft, storyboards.c.changed_at < drafts_before),
        sa.and_(~is_draft, storyboards.c.changed_at < orders_before),
    )
    await connection.execute(
        sa.delete(storyboards).where(in_order(storyboards, old, limit=AT_ONCE, deletes=True))
    )


async def _erase_request(connection: Connection, user_id: int) -> None:
    """Delete a person's request for access, or only its name while it waits or was declined.

    Otherwise they could ask again and again, and each time every admin would be told.
    """
    asked = access_requests.c.user_id == user_id
    decided = sa.exists().where(permits.c.subject_id == user_id)  # this stays
    over = sa.or_(access_requests.c.allowed.is_(True), decided)
    await connection.execute(sa.delete(access_requests).where(asked, over))
    await connection.execute(
        sa.update(access_requests).where(asked).values(name="", username=None)
    )
    about = access_asked_about(user_id)
    waits = sa.exists().where(asked, access_requests.c.allowed.is_(None))
    # The buttons of a request that waits must still work; there is no name in these rows.
    await connection.execute(
        sa.delete(operator_messages).where(
            in_order(operator_messages, operator_messages.c.about == about, ~waits, deletes=True)
        )
    )
    # What an admin cannot be told yet has the name too.
    unsent = await connection.execute(
        sa.select(outbox.c.id, outbox.c.params)
        .where(outbox.c.kind == NoticeKind.ACCESS_ASKED.value)
        .order_by(outbox.c.id)
        .with_for_update()
    )
    for row in unsent.all():
        if row.params.get("about") == about:
            nameless = {**row.params, "name": "", "username": None}
            await connection.execute(
                sa.update(outbox).where(outbox.c.id == row.id).values(params=nameless)
            )


async def _erase_updates(connection: Connection, user_id: int) -> None:
    """Delete the text of a person's updates that could not be handled; the numbers stay."""
    rows = await connection.execute(
        sa.select(inbox.c.update_id, inbox.c.payload).where(
            one_of(inbox.c.state, {InboxState.SET_ASIDE}),
            inbox.c.payload.like(f"%{user_id}%"),
        )
    )
    theirs = [row.update_id for row in rows.all() if _tells_of(row.payload, user_id)]
    for start in range(0, len(theirs), AT_ONCE):
        await connection.execute(
            sa.update(inbox)
            .where(in_order(inbox, inbox.c.update_id.in_(theirs[start : start + AT_ONCE])))
            .values(payload=None)
        )


def _tells_of(payload: str, user_id: int) -> bool:
    """Whether a person's user ID appears anywhere in this update."""
    try:
        waiting: list[Any] = [json.loads(payload)]
    except (ValueError, RecursionError):
        return True  # the text contains the number, and cannot be parsed
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if part.get("id") == user_id:
                return True
            waiting.extend(part.values())
        elif isinstance(part, Iterable) and not isinstance(part, str):
            waiting.extend(part)
    return False
