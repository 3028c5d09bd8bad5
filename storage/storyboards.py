"""Storyboards: scenes of a film that a person changes, and the order of the whole film.

Each change names the revision that it was made from, so that a repeated press changes nothing
more. The order reserves the price of every part in one commit; what happens then is in
storage/tasks/chain.py. It must not know who proposes scenes, nor how a card looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum, auto
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from bot.core.alerts import Switch
from bot.core.caps import OrderRules
from bot.core.errors import PhotosHeld
from bot.core.storyboard import Scene, Storyboard
from bot.core.task import ACTIVE, AspectRatio, Chat, Frame, Task, TaskState
from storage.alerts import is_held
from storage.engine import Connection, Database
from storage.money.caps import reserve
from storage.privacy import note_consent
from storage.rows import FRESH, chat_from, chat_values, in_chat, task_from
from storage.tables import BoardState, films, in_states, storyboards, tasks
from storage.tasks import chain
from storage.tasks.leases import add_event, drop_frame

S = TaskState

_OPEN = storyboards.c.state == BoardState.DRAFT


class Rest(Enum):
    """Why there is nothing to go on with."""

    COMPLETE = auto()  # every part is there
    UNDER_WAY = auto()  # the film goes on already
    KEPT = auto()  # the video of the part exists: it has to be sent first
    GONE = auto()  # the part or the one before it is not there any more


class HasTerms(Protocol):
    """The part of storage.tasks.store that is used here."""

    terms: OrderRules


class StoryboardStore:
    """Storyboards and the films ordered from them."""

    def __init__(self, database: Database, orders: HasTerms) -> None:
        self._database = database
        self._orders = orders

    # --- the draft ---------------------------------------------------------------------------

    async def of_message(self, chat: Chat, message_id: int) -> Storyboard | None:
        """Return the storyboard that was made from this message."""
        async with self._database.transaction() as connection:
            return await _one(connection, storyboards.c.source == _message(chat, message_id))

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
        idea: str,
        scenes: Sequence[Scene] = (),
        frame: Frame | None = None,
    ) -> Storyboard:
        """Return the storyboard of a message; the same message again returns the same one."""
        async with self._database.transaction() as connection:
            return await _insert(
                connection,
                now,
                source=_message(chat, message_id),
                user_id=user_id,
                **chat_values(chat),
                message_id=message_id,
                lang=lang,
                model=model,
                price_kopecks=price,
                idea=idea,
                scenes=_stored(scenes),
                frame_file_id=frame and frame.file_id,
                frame_kind=frame and frame.kind,
                first_place=1,
            )

    async def get(self, board_id: int) -> Storyboard | None:
        """Return the storyboard."""
        async with self._database.transaction() as connection:
            return await _one(connection, storyboards.c.id == board_id)

    async def answered(self, chat: Chat, user_id: int, message_id: int) -> Storyboard | None:
        """Return the person's open storyboard whose card, or whose request for words, this message
        of the bot is."""
        async with self._database.transaction() as connection:
            return await _one(
                connection,
                in_chat(storyboards, chat),
                storyboards.c.user_id == user_id,
                _OPEN,
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

        What was asked for stays after the answer to it: a repeat of the answer says the same.
        """
        values: dict[str, Any] = {}
        if not is_answer:  # the number of a scene may mean another one now
            values = {"asked_message_id": None, "asked_scene": None}
        if scenes is not None:
            values["scenes"] = _stored(scenes)
        if model is not None and price is not None:
            values |= {"model": model, "price_kopecks": price}
        async with self._database.transaction() as connection:
            row = (
                await connection.execute(
                    sa.update(storyboards)
                    .where(
                        storyboards.c.id == board.id,
                        storyboards.c.revision == board.revision,
                        _OPEN,
                    )
                    .values(
                        **values,
                        revision=storyboards.c.revision + 1,
                        changed_at=now,
                    )
                    .returning(*storyboards.c)
                )
            ).one_or_none()
            return None if row is None else _board(row)

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
        newest = (
            sa.select(storyboards.c.id)
            .where(
                storyboards.c.user_id == user_id,
                storyboards.c.chat_id == chat.chat_id,
                _OPEN,
                ~newer,
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
            if known := await _one(
                connection,
                storyboards.c.user_id == user_id,
                storyboards.c.ended_by == update_id,
                storyboards.c.state == BoardState.CANCELLED,
            ):
                return known
            row = (
                await connection.execute(
                    sa.update(storyboards)
                    .where(which, storyboards.c.user_id == user_id, _OPEN)
                    .values(state=BoardState.CANCELLED, ended_by=update_id, changed_at=now)
                    .returning(*storyboards.c)
                )
            ).one_or_none()
            return None if row is None else _board(row)

    async def _note(self, board_id: int, values: dict[str, Any]) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(
                sa.update(storyboards).where(storyboards.c.id == board_id).values(values)
            )

    # --- the order ---------------------------------------------------------------------------

    async def order(
        self,
        board: Storyboard,
        *,
        user_id: int,
        aspect_ratio: AspectRatio,
        update_id: int,
        now: datetime,
        card_message_id: int | None,
    ) -> list[Task] | None:
        """Order all scenes as parts of one film: the first is queued, the others wait for it. The
        price of each is reserved.

        The same update returns the parts again. None: changed, ordered or cancelled meanwhile, or
        the film has gone on in another way. After LimitReached, CreditTooLow, IntakeHeld and
        PhotosHeld nothing is ordered.
        """
        async with self._database.transaction() as connection:
            if board.film_id is not None:
                await connection.lock(f"film {board.film_id}")
            row = (
                await connection.execute(
                    sa.update(storyboards)
                    .where(
                        storyboards.c.id == board.id,
                        storyboards.c.user_id == user_id,
                        storyboards.c.revision == board.revision,
                        _OPEN,
                        _is_free(storyboards.c.film_id, storyboards.c.first_place),
                    )
                    .values(
                        state=BoardState.ORDERED,
                        ended_by=update_id,
                        changed_at=now,
                        asked_message_id=None,
                    )
                    .returning(*storyboards.c)
                )
            ).one_or_none()
            if row is None:
                known = await _parts(
                    connection,
                    tasks.c.storyboard_id == board.id,
                    tasks.c.user_id == user_id,
                    tasks.c.confirmed_by == update_id,
                )
                return known or None
            ordered = _board(row)
            if len(ordered.scenes) > 1 and await is_held(connection, Switch.PHOTOS):
                raise PhotosHeld("later parts start from a picture, and those are paused")
            parts = await _make_parts(
                connection, ordered, aspect_ratio, update_id, card_message_id, now
            )
            for part in parts:
                await reserve(connection, part, self._orders.terms, now)
            if ordered.frame is not None:
                # the card told the person who receives the photo
                await note_consent(connection, user_id, now)
            return parts

    async def stop(self, task_id: int, *, user_id: int, now: datetime) -> bool:
        """Cancel what has not begun of the film of this part; what is being made is finished.

        False: nothing waits, it is no part of such a film, or it is another person's.
        """
        async with self._database.transaction() as connection:
            storyboard_id: int | None = await connection.scalar(
                sa.select(tasks.c.storyboard_id).where(
                    tasks.c.id == task_id, tasks.c.user_id == user_id
                )
            )
            if storyboard_id is None:
                return False
            stopped = await chain.stop(connection, storyboard_id, now)
            for one in stopped:
                await add_event(connection, one, now)
                await drop_frame(connection, one)
            return bool(stopped)

    async def parts(self, storyboard_id: int) -> list[Task]:
        """Return the parts that were ordered together, in order."""
        async with self._database.transaction() as connection:
            return await _parts(connection, tasks.c.storyboard_id == storyboard_id)

    async def goes_on(self, storyboard_id: int) -> bool:
        """Whether a part of this order is under way."""
        async with self._database.transaction() as connection:
            found: int | None = await connection.scalar(
                sa.select(tasks.c.id)
                .where(tasks.c.storyboard_id == storyboard_id, in_states(ACTIVE))
                .limit(1)
            )
        return found is not None

    async def continued(
        self,
        task_id: int,
        *,
        user_id: int,
        update_id: int,
        lang: str,
        model: str,
        price: Decimal,
        now: datetime,
    ) -> Storyboard | Rest:
        """Return a storyboard of the scenes that are missing in the film of this part; the same
        update returns the same one.

        It starts from the last picture of the part before, or from the photo of the first one.
        """
        source = f"update {update_id}"
        async with self._database.transaction() as connection:
            if known := await _one(connection, storyboards.c.source == source):
                return known
            mine = (tasks.c.id == task_id, tasks.c.user_id == user_id)
            found = await _parts(connection, *mine, tasks.c.storyboard_id.is_not(None))
            if not found:
                return Rest.GONE
            asked = found[0]
            whole = await _parts(connection, tasks.c.storyboard_id == asked.storyboard_id)
            versions = await _parts(
                connection,
                tasks.c.film_id == asked.film_id,
                tasks.c.film_place.is_not(None),
            )
            there = {one.film_place: one for one in versions if _is_there(one)}
            missing = [one for one in whole if one.film_place not in there]
            if not missing:
                return Rest.COMPLETE
            first = missing[0]
            if any(_is_under_way(one) for one in versions):
                return Rest.UNDER_WAY
            if first.state is S.UNDELIVERABLE:
                return Rest.KEPT
            place = first.film_place or 1
            before = there.get(place - 1)
            if place > 1 and before is None:
                return Rest.GONE
            frame = first.frame if before is None else None
            if before is not None and before.video_file_id is not None:
                frame = Frame(file_id=before.video_file_id, kind="video")
            rest = [one for one in whole if (one.film_place or 0) >= place]
            scenes = [Scene(one.original or one.prompt or "", one.prompt or "") for one in rest]
            return await _insert(
                connection,
                now,
                source=source,
                user_id=user_id,
                **chat_values(asked.chat),
                message_id=asked.message_id,
                lang=lang,
                model=model,
                price_kopecks=price,
                idea="",
                scenes=_stored(scenes),
                frame_file_id=frame and frame.file_id,
                frame_kind=frame and frame.kind,
                film_id=asked.film_id,
                first_place=place,
            )


# --- for other stores ----------------------------------------------------------------------


async def move_boards(connection: Connection, old: int, new: int) -> None:
    """Move open storyboards to the supergroup that a group became, as part of a transaction."""
    await connection.execute(
        sa.update(storyboards)
        .where(storyboards.c.chat_id == old, _OPEN)
        .values(chat_id=new, message_id=0, card_message_id=None, asked_message_id=None)
    )


# --- within --------------------------------------------------------------------------------


async def _make_parts(
    connection: Connection,
    board: Storyboard,
    aspect_ratio: AspectRatio,
    update_id: int,
    card_message_id: int | None,
    now: datetime,
) -> list[Task]:
    film_id = board.film_id
    if film_id is None:
        film_id = await connection.scalar(
            sa.insert(films).values(user_id=board.user_id, created_at=now).returning(films.c.id)
        )
    parts = []
    for number, scene in enumerate(board.scenes):
        first = number == 0
        differs = scene.text != scene.prompt
        row = (
            await connection.execute(
                sa.insert(tasks)
                .values(
                    **FRESH,
                    **chat_values(board.chat),
                    user_id=board.user_id,
                    message_id=board.message_id,
                    lang=board.lang,
                    model=board.model,
                    price_kopecks=board.price,
                    prompt=scene.prompt,
                    original=scene.text if differs else None,
                    rewritten=scene.prompt if differs else None,
                    frame_file_id=board.frame.file_id if board.frame and first else None,
                    frame_kind=board.frame.kind if board.frame and first else None,
                    aspect_ratio=aspect_ratio,
                    card_message_id=card_message_id if first else None,
                    film_id=film_id,
                    film_place=board.first_place + number,
                    film_since=now,
                    storyboard_id=board.id,
                    film_last=board.first_place + len(board.scenes) - 1,
                    state=S.QUEUED if first else S.DRAFT,
                    created_at=now,
                    run_at=now,
                    confirmed_by=update_id,
                    confirmed_at=now if first else None,
                )
                .returning(*tasks.c)
            )
        ).one()
        part = task_from(row)
        await add_event(connection, part, now)
        parts.append(part)
    return parts


def _is_free(film_id: Any, first_place: Any) -> sa.ColumnElement[bool]:
    """Return the condition that no part of this film is made, planned or there from this place
    on; a film that is new has none."""
    part = tasks.alias("part")
    taken = sa.exists().where(
        part.c.film_id == film_id,
        sa.or_(
            part.c.state.in_(sorted(ACTIVE)),
            sa.and_(part.c.state == S.DRAFT, part.c.storyboard_id.is_not(None)),
            sa.and_(part.c.state == S.DELIVERED, part.c.film_place >= first_place),
        ),
    )
    return sa.or_(film_id.is_(None), ~taken)


def _is_there(task: Task) -> bool:
    return task.state is S.DELIVERED and task.video_file_id is not None


def _is_under_way(task: Task) -> bool:
    return task.state in ACTIVE or task.is_planned


async def _parts(connection: Connection, *conditions: sa.ColumnElement[bool]) -> list[Task]:
    rows = await connection.execute(
        sa.select(tasks)
        .where(*conditions)
        .order_by(tasks.c.film_place, tasks.c.film_since, tasks.c.id)
    )
    return [task_from(row) for row in rows.all()]


async def _one(connection: Connection, *conditions: sa.ColumnElement[bool]) -> Storyboard | None:
    found = sa.select(storyboards).where(*conditions).order_by(storyboards.c.id.desc()).limit(1)
    row = (await connection.execute(found)).one_or_none()
    return None if row is None else _board(row)


async def _insert(connection: Connection, now: datetime, **values: Any) -> Storyboard:
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
        return _board(row)
    known = await _one(connection, storyboards.c.source == values["source"])
    assert known is not None  # the conflict
    return known


def _board(row: sa.Row[Any]) -> Storyboard:
    frame = None
    if row.frame_file_id is not None:
        frame = Frame(file_id=row.frame_file_id, kind=row.frame_kind)
    return Storyboard(
        id=row.id,
        user_id=row.user_id,
        chat=chat_from(row),
        message_id=row.message_id,
        lang=row.lang,
        idea=row.idea,
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


def _stored(scenes: Sequence[Scene]) -> list[list[str]]:
    return [[scene.text, scene.prompt] for scene in scenes]


def _message(chat: Chat, message_id: int) -> str:
    return f"message {chat.chat_id} {message_id}"
