"""Storyboards: the scenes of a film that a person changes before it is ordered.

Each change names the revision that it was made from, so that a repeated press changes nothing
more. It must not know who proposes scenes, nor how a card looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from bot.core.storyboard import Scene, Storyboard
from bot.core.task import Chat, Frame, TaskState
from storage.connection import Connection
from storage.engine import Database
from storage.rows import chat_from, chat_values, in_chat
from storage.tables import BoardState, callback_actions, in_states, storyboards, tasks

S = TaskState

IS_OPEN = storyboards.c.state == BoardState.DRAFT
"""It can be changed and ordered."""


class Storyboards:
    """Storyboards before the order."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- the draft ---------------------------------------------------------------------------

    async def of_message(self, chat: Chat, message_id: int) -> Storyboard | None:
        """Return the storyboard that was made from this message."""
        async with self._database.transaction() as connection:
            return await find(connection, storyboards.c.source == _message(chat, message_id))

    async def create(
        self,
        *,
        user_id: int,
        chat: Chat,
        message_id: int,
        lang: str,
        model: str,
        price: Decimal,
        now: datetime,
        scenes: Sequence[Scene] = (),
        frame: Frame | None = None,
    ) -> Storyboard:
        """Return the storyboard of a message; the same message again returns the same one."""
        async with self._database.transaction() as connection:
            return await insert_board(
                connection,
                now,
                source=_message(chat, message_id),
                user_id=user_id,
                **chat_values(chat),
                message_id=message_id,
                lang=lang,
                model=model,
                price_kopecks=price,
                scenes=stored_scenes(scenes),
                frame_file_id=frame and frame.file_id,
                frame_kind=frame and frame.kind,
                first_place=1,
            )

    async def get(self, board_id: int) -> Storyboard | None:
        """Return the storyboard."""
        async with self._database.transaction() as connection:
            return await find(connection, storyboards.c.id == board_id)

    async def answered(self, chat: Chat, user_id: int, message_id: int) -> Storyboard | None:
        """Return the person's open storyboard whose card, or whose request for words, this message
        of the bot is."""
        async with self._database.transaction() as connection:
            return await find(
                connection,
                in_chat(storyboards, chat),
                storyboards.c.user_id == user_id,
                IS_OPEN,
                sa.or_(
                    storyboards.c.card_message_id == message_id,
                    storyboards.c.asked_message_id == message_id,
                ),
            )

    async def change(
        self,
        board: Storyboard,
        *,
        now: datetime,
        scenes: Sequence[Scene] | None = None,
        model: str | None = None,
        price: Decimal | None = None,
        is_answer: bool = False,
    ) -> Storyboard | None:
        """Set the scenes, or the model with its price; None: it is not at this revision any more,
        or it was ordered.

        With `is_answer` the row still says which scene was asked for: a repeated update gets the
        same answer.
        """
        values: dict[str, Any] = {}
        if not is_answer:  # the number of a scene may mean another one now
            values = {"asked_message_id": None, "asked_scene": None}
        if scenes is not None:
            values["scenes"] = stored_scenes(scenes)
        if model is not None and price is not None:
            values |= {"model": model, "price_kopecks": price}
        return await self._change(board, values, now)

    async def edited(
        self, board: Storyboard, *, scenes: Sequence[Scene], frame: Frame | None, now: datetime
    ) -> Storyboard | None:
        """Set what the edited message asks for; None: as in `change`."""
        values = {
            "scenes": stored_scenes(scenes),
            "frame_file_id": frame and frame.file_id,
            "frame_kind": frame and frame.kind,
            "asked_message_id": None,
            "asked_scene": None,
        }
        return await self._change(board, values, now)

    async def _change(
        self, board: Storyboard, values: dict[str, Any], now: datetime
    ) -> Storyboard | None:
        async with self._database.transaction() as connection:
            row = (
                await connection.execute(
                    sa.update(storyboards)
                    .where(
                        storyboards.c.id == board.id,
                        storyboards.c.revision == board.revision,
                        IS_OPEN,
                    )
                    .values(
                        **values,
                        revision=storyboards.c.revision + 1,
                        changed_at=now,
                    )
                    .returning(*storyboards.c)
                )
            ).one_or_none()
            return None if row is None else board_from(row)

    async def shown(self, board_id: int, card_message_id: int) -> None:
        """Record which message shows the storyboard."""
        await self._note(board_id, {"card_message_id": card_message_id})

    async def asked(self, board_id: int, message_id: int, scene: int | None) -> None:
        """Record which message asks for the words of a scene; None: of all scenes."""
        await self._note(board_id, {"asked_message_id": message_id, "asked_scene": scene})

    async def cancel(
        self, board_id: int, *, user_id: int, update_id: int, now: datetime
    ) -> Storyboard | None:
        """Cancel a storyboard before it is ordered; the same update returns it again."""
        return await self._cancel(storyboards.c.id == board_id, user_id, update_id, now)

    async def cancel_latest(
        self, *, user_id: int, chat: Chat, update_id: int, now: datetime
    ) -> Storyboard | None:
        """Cancel the person's newest open storyboard in this chat, unless a draft or a queued
        order is newer; the same update returns it again."""
        newer = sa.exists().where(
            tasks.c.user_id == user_id,
            tasks.c.chat_id == chat.chat_id,
            in_states({S.DRAFT, S.QUEUED}),
            tasks.c.created_at > storyboards.c.created_at,
        )
        done = sa.exists().where(callback_actions.c.update_id == update_id)  # it took an order
        newest = (
            sa.select(storyboards.c.id)
            .where(
                storyboards.c.user_id == user_id,
                storyboards.c.chat_id == chat.chat_id,
                IS_OPEN,
                ~newer,
                ~done,
            )
            .order_by(storyboards.c.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        return await self._cancel(storyboards.c.id == newest, user_id, update_id, now)

    async def _cancel(
        self, which: sa.ColumnElement[bool], user_id: int, update_id: int, now: datetime
    ) -> Storyboard | None:
        async with self._database.transaction() as connection:
            if known := await find(
                connection,
                storyboards.c.user_id == user_id,
                storyboards.c.ended_by == update_id,
                storyboards.c.state == BoardState.CANCELLED,
            ):
                return known
            row = (
                await connection.execute(
                    sa.update(storyboards)
                    .where(which, storyboards.c.user_id == user_id, IS_OPEN)
                    .values(state=BoardState.CANCELLED, ended_by=update_id, changed_at=now)
                    .returning(*storyboards.c)
                )
            ).one_or_none()
            return None if row is None else board_from(row)

    async def _note(self, board_id: int, values: dict[str, Any]) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(
                sa.update(storyboards).where(storyboards.c.id == board_id).values(values)
            )


# --- rows ----------------------------------------------------------------------------------


async def find(connection: Connection, *conditions: sa.ColumnElement[bool]) -> Storyboard | None:
    """Return the newest storyboard that meets all conditions, as part of a transaction."""
    found = sa.select(storyboards).where(*conditions).order_by(storyboards.c.id.desc()).limit(1)
    row = (await connection.execute(found)).one_or_none()
    return None if row is None else board_from(row)


async def insert_board(connection: Connection, now: datetime, **values: Any) -> Storyboard:
    """Insert a storyboard, or return the one that was made from the same source."""
    row = (
        await connection.execute(
            insert(storyboards)
            .values(**values, state=BoardState.DRAFT, created_at=now, changed_at=now)
            .on_conflict_do_nothing(index_elements=["source"])
            .returning(*storyboards.c)
        )
    ).one_or_none()
    if row is not None:
        return board_from(row)
    known = await find(connection, storyboards.c.source == values["source"])
    assert known is not None  # the conflict
    return known


def board_from(row: sa.Row[Any]) -> Storyboard:
    """Return the storyboard of a row."""
    frame = None
    if row.frame_file_id is not None:
        frame = Frame(file_id=row.frame_file_id, kind=row.frame_kind)
    return Storyboard(
        id=row.id,
        user_id=row.user_id,
        chat=chat_from(row),
        message_id=row.message_id,
        lang=row.lang,
        model=row.model,
        price=row.price_kopecks,
        scenes=tuple(Scene(text, prompt) for text, prompt in row.scenes),
        frame=frame,
        film_id=row.film_id,
        first_place=row.first_place,
        revision=row.revision,
        card_message_id=row.card_message_id,
        asked_message_id=row.asked_message_id,
        asked_scene=row.asked_scene,
        is_open=row.state == BoardState.DRAFT,
    )


def stored_scenes(scenes: Sequence[Scene]) -> list[list[str]]:
    """Return the scenes as the column stores them."""
    return [[scene.text, scene.prompt] for scene in scenes]


def _message(chat: Chat, message_id: int) -> str:
    return f"message {chat.chat_id} {message_id}"
