"""Actions that the task itself does not record, so that a repeated update changes nothing.

A press below a result creates a draft with the same prompt and options. It must not know the
labels.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from bot.core.errors import CardOpened
from bot.core.task import ACTIVE, AspectRatio, Chat, FilmPlace, Frame, Task, TaskState
from storage.connection import Connection
from storage.double_taps import continued_in, opened_below
from storage.engine import Database
from storage.films import go_on, same_place
from storage.rows import COPIED, FRESH, chat_values, task_from
from storage.tables import callback_actions, documents, in_states, tasks
from storage.tasks.leases import add_event

_TASK_OF_ACTION = (
    sa.select(tasks)
    .join(callback_actions, callback_actions.c.task_id == tasks.c.id)
    .where(callback_actions.c.update_id == sa.bindparam("update"))
)
_RECORD = sa.insert(callback_actions)


async def task_of_action(connection: Connection, update_id: int) -> Task | None:
    """Return the task that this update created or ended before, in its current state."""
    row = (await connection.execute(_TASK_OF_ACTION, {"update": update_id})).one_or_none()
    return None if row is None else task_from(row)


async def record_action(
    connection: Connection,
    update_id: int,
    task_id: int,
    now: datetime,
    *,
    source_id: int | None = None,
) -> None:
    """Record the action, as part of the transaction that performs it."""
    action = {"update_id": update_id, "task_id": task_id, "source_id": source_id, "at": now}
    await connection.execute(_RECORD, action)


async def _placed(
    connection: Connection, source: Task, film: FilmPlace, now: datetime
) -> dict[str, Any]:
    if film is FilmPlace.AFTER:
        return await go_on(connection, source, now)
    return same_place(source, now)


class CallbackActionStore:
    """Drafts created by buttons, each once however often its update arrives."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def draft_from(
        self,
        source_id: int,
        *,
        user_id: int,
        update_id: int,
        lang: str,
        model: str,
        price: Decimal,
        now: datetime,
        words: bool = True,
        frame: Frame | None = None,
        frame_message_id: int | None = None,
        frameless: bool = False,
        film: FilmPlace | None = None,
        pressed: tuple[Chat, int] | None = None,
        takes_open: bool = False,
    ) -> Task | None:
        """Create a draft from a task of this person, with current price and model; None if it is
        another person's.

        Without the prompt it waits for a new one; `frame`, a picture from a message, replaces its
        first frame, `frameless` removes it. `film`: which place in the task's film the new
        video takes when it is delivered. `pressed`: the chat and message of the button if that is
        not the task's chat; the draft then belongs there.

        If another press has just opened the same card, raise CardOpened; with `takes_open`, return
        that card, since the caller orders it at once.
        """
        changed: dict[str, Any] = {
            **FRESH,
            "lang": lang,
            "model": model,
            "price_kopecks": price,
            "state": TaskState.DRAFT,
            "created_at": now,
            "run_at": now,
        }
        if not words:
            changed |= dict.fromkeys(("prompt", "original", "rewritten"))
        if pressed is not None:
            changed |= {**chat_values(pressed[0]), "message_id": pressed[1]}
        if frame is not None or frameless:
            changed |= {
                "frame_file_id": frame and frame.file_id,
                "frame_kind": frame and frame.kind,
                "frame_message_id": frame_message_id,
            }
        theirs = (tasks.c.id == source_id, tasks.c.user_id == user_id)
        async with self._database.transaction() as connection:
            await connection.lock(f"presses {user_id}")
            if made := await task_of_action(connection, update_id):
                return made if made.user_id == user_id else None
            same = opened_below(source_id, user_id, changed, film, now)
            if (row := (await connection.execute(same)).one_or_none()) is not None:
                if not takes_open:
                    raise CardOpened
                draft = task_from(row)
                await record_action(connection, update_id, draft.id, now, source_id=source_id)
                return draft
            if film is not None:
                known = (await connection.execute(sa.select(tasks).where(*theirs))).one_or_none()
                if known is None:
                    return None
                changed |= await _placed(connection, task_from(known), film, now)
            kept = [name for name in COPIED if name not in changed]
            source = sa.select(
                *(tasks.c[name] for name in kept),
                *(sa.literal(value, tasks.c[name].type) for name, value in changed.items()),
            ).where(*theirs)
            row = (
                await connection.execute(
                    sa.insert(tasks).from_select([*kept, *changed], source).returning(*tasks.c)
                )
            ).one_or_none()
            if row is None:
                return None
            draft = task_from(row)
            await add_event(connection, draft, now)
            await record_action(connection, update_id, draft.id, now, source_id=source_id)
        return draft

    async def made(self, update_id: int) -> Task | None:
        """Return the task that this update created before, in its current state."""
        async with self._database.transaction() as connection:
            return await task_of_action(connection, update_id)

    async def continued(self, source_id: int, *, user_id: int, chat: Chat, now: datetime) -> bool:
        """Return whether a press in this place has just opened a draft that continues this
        video."""
        return (
            await self._database.read_one(continued_in(source_id, user_id, chat, now)) is not None
        )

    async def running(
        self, source_id: int, *, ratio: AspectRatio | None, update_id: int
    ) -> Task | None:
        """Return an identical unfinished task created by another press below `source_id`, because
        a second press is more likely a mistake than a second order.
        """
        same = tasks.alias("same")
        wanted = (
            sa.select(tasks)
            .join(callback_actions, callback_actions.c.task_id == tasks.c.id)
            .join(same, same.c.id == callback_actions.c.source_id)
            .where(
                callback_actions.c.source_id == source_id,
                callback_actions.c.update_id != update_id,
                in_states(ACTIVE),
                tasks.c.aspect_ratio == ratio,
                tasks.c.prompt.is_not_distinct_from(same.c.prompt),
                tasks.c.frame_file_id.is_not_distinct_from(same.c.frame_file_id),
            )
            .order_by(tasks.c.id.desc())
            .limit(1)
        )
        row = await self._database.read_one(wanted)
        return None if row is None else task_from(row)

    async def document(self, task_id: int) -> str | None:
        """Return the `file_id` of the video as a document, if it was sent as one."""
        wanted = sa.select(documents.c.file_id).where(documents.c.task_id == task_id)
        file_id: str | None = await self._database.read_scalar(wanted)
        return file_id

    async def keep_document(self, task_id: int, file_id: str) -> None:
        """Store the `file_id` of the document, so that it is not uploaded again."""
        known = sa.select(documents.c.task_id).where(documents.c.task_id == task_id)
        new = sa.insert(documents).from_select(
            ["task_id", "file_id"],
            sa.select(tasks.c.id, sa.literal(file_id)).where(
                tasks.c.id == task_id, ~known.exists()
            ),
        )
        async with self._database.transaction() as connection:
            await connection.execute(new)

    async def forget(self, *, before: datetime) -> int:
        """Delete records of presses that Telegram will not repeat; return their number."""
        async with self._database.transaction() as connection:
            gone = await connection.execute(
                sa.delete(callback_actions).where(callback_actions.c.at < before)
            )
            return gone.rowcount
