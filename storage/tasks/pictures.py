"""Pictures made by an image model: the draft of a picture for a card, and the picture as the first
frame of that card.

A picture is a task like any other; here it only begins and ends. A press that is repeated finds
the draft that it made. It must not know the labels.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from bot.core.task import Chat, Frame, Task, TaskKind, TaskState
from storage.connection import Connection
from storage.double_taps import check_not_pressed
from storage.engine import Database
from storage.films import same_place
from storage.rows import FRESH, chat_values, in_chat, task_from
from storage.tables import in_states, tasks
from storage.tasks.callback_actions import record_action, task_of_action
from storage.tasks.leases import add_event

Place = tuple[Chat, int]
"""Where a button was pressed, and the message there."""


class PictureStore:
    """Drafts of pictures, and cards that begin with one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def draw(
        self,
        source_id: int,
        *,
        user_id: int,
        update_id: int,
        lang: str,
        model: str,
        price: Decimal,
        now: datetime,
        change: bool = False,
        pressed: Place | None = None,
    ) -> Task | None:
        """Return the draft of a picture for a card of this person; an open one is not made twice.

        With `change` it starts from the photo of the card, or from a picture made before, and
        waits for words. None: not theirs, or there is no photo to change or no prompt to draw.
        CardOpened: another press has just opened it.
        """
        async with self._database.transaction() as connection:
            await connection.lock(f"presses {user_id}")
            if made := await task_of_action(connection, update_id):
                return made if made.user_id == user_id else None
            source = await _one(connection, tasks.c.id == source_id, tasks.c.user_id == user_id)
            if source is None:
                return None
            frame = _frame(source) if change else None
            if (frame if change else source.prompt) is None:
                return None
            prompt = None if change else source.prompt
            card = source.id if source.kind is TaskKind.VIDEO else source.picture_for
            chat, message_id = pressed or (source.chat, source.message_id)
            draft = await _one(
                connection,
                *_open(user_id, chat, TaskKind.PICTURE),
                tasks.c.picture_for.is_not_distinct_from(card),
                tasks.c.frame_file_id.is_not_distinct_from(frame and frame.file_id),
                tasks.c.prompt.is_not_distinct_from(prompt),
            )
            if draft is not None:
                await check_not_pressed(connection, draft.id, source.id, now)
            else:
                draft = await _insert(
                    connection, now, user_id=user_id, lang=lang, model=model, price_kopecks=price,
                    kind=TaskKind.PICTURE.value, picture_for=card, message_id=message_id,
                    prompt=prompt, original=None if change else source.original,
                    rewritten=None if change else source.rewritten,
                    aspect_ratio=source.aspect_ratio, **chat_values(chat), **_columns(frame),
                )  # fmt: skip
            await record_action(connection, update_id, draft.id, now, source_id=source.id)
            return draft

    async def use(
        self,
        picture_id: int,
        *,
        user_id: int,
        update_id: int,
        lang: str,
        model: str,
        price: Decimal,
        now: datetime,
        pressed: Place | None = None,
    ) -> Task | None:
        """Return the card that starts with this picture; None: it is not theirs, or not there.

        The card that it was made for gets it as its first frame while it is a draft. Otherwise a
        new draft with the same prompt is made, once for each picture as long as it is open.
        CardOpened: another press has just opened it.
        """
        async with self._database.transaction() as connection:
            await connection.lock(f"presses {user_id}")
            if made := await task_of_action(connection, update_id):
                return made if made.user_id == user_id else None
            picture = await _one(
                connection,
                tasks.c.id == picture_id,
                tasks.c.user_id == user_id,
                tasks.c.kind == TaskKind.PICTURE.value,
                tasks.c.video_file_id.is_not(None),
            )
            if picture is None:
                return None
            frame = _columns(_frame(picture))
            chat, message_id = pressed or (picture.chat, picture.message_id)
            theirs = _open(user_id, chat, TaskKind.VIDEO)
            draft = await _one(connection, *theirs, tasks.c.frame_file_id == picture.video_file_id)
            if draft is not None:
                await check_not_pressed(connection, draft.id, picture.id, now)
            else:
                draft = await _update(
                    connection,
                    *theirs,
                    tasks.c.id == picture.picture_for,
                    **frame,
                    media_group_id=None,
                    revision=tasks.c.revision + 1,
                )
            if draft is None:
                # changed photos have words about the change, which are no prompt of a video
                words = ("prompt", "original", "rewritten")
                told: dict[str, Any] = (
                    dict.fromkeys(words)
                    if picture.frame
                    else {name: getattr(picture, name) for name in words}
                )
                if card := await _one(
                    connection, tasks.c.id == picture.picture_for, tasks.c.user_id == user_id
                ):
                    told = {name: getattr(card, name) for name in words}
                    if card.film_id is not None:
                        told |= same_place(card, now)
                draft = await _insert(
                    connection, now, user_id=user_id, lang=lang, model=model, price_kopecks=price,
                    message_id=message_id, aspect_ratio=picture.aspect_ratio,
                    **chat_values(chat), **frame, **told,
                )  # fmt: skip
            await record_action(connection, update_id, draft.id, now, source_id=picture.id)
            return draft


def _frame(source: Task) -> Frame | None:
    """Return what a new task starts from: the picture, or the photo of a card."""
    if source.kind is TaskKind.PICTURE:
        file_id = source.video_file_id
        return None if file_id is None else Frame(file_id=file_id, kind="picture")
    return source.frame


def _columns(frame: Frame | None) -> dict[str, str | None]:
    if frame is None:
        return {"frame_file_id": None, "frame_kind": None}
    return {"frame_file_id": frame.file_id, "frame_kind": frame.kind}


def _open(user_id: int, chat: Chat, kind: TaskKind) -> list[sa.ColumnElement[bool]]:
    """Return the conditions for open drafts of this person in this place."""
    return [
        tasks.c.user_id == user_id,
        in_states({TaskState.DRAFT}),
        tasks.c.kind == kind.value,
        in_chat(tasks, chat),
    ]


async def _one(connection: Connection, *conditions: sa.ColumnElement[bool]) -> Task | None:
    """Return the newest task for which the conditions hold."""
    found = await connection.execute(
        sa.select(tasks).where(*conditions).order_by(tasks.c.id.desc()).limit(1)
    )
    row = found.one_or_none()
    return None if row is None else task_from(row)


async def _update(
    connection: Connection, *conditions: sa.ColumnElement[bool], **values: Any
) -> Task | None:
    row = (
        await connection.execute(
            sa.update(tasks).where(*conditions).values(**values).returning(*tasks.c)
        )
    ).one_or_none()
    return None if row is None else task_from(row)


async def _insert(connection: Connection, now: datetime, **values: Any) -> Task:
    new = FRESH | values | {"state": TaskState.DRAFT, "created_at": now, "run_at": now}
    row = (await connection.execute(sa.insert(tasks).values(**new).returning(*tasks.c))).one()
    draft = task_from(row)
    await add_event(connection, draft, now)
    return draft
