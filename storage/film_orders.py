"""Films ordered as a whole, from their storyboards: order, stop, continue after a stop.

The order reserves the price of every part in one commit; what happens then is in
storage/tasks/chain.py. It must not know how people are told.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import Enum, auto
from typing import Any, Protocol

import sqlalchemy as sa

from bot.core.caps import OrderRules
from bot.core.errors import CardOpened
from bot.core.storyboard import Scene, Storyboard
from bot.core.task import ACTIVE, AspectRatio, Frame, Task, TaskState
from storage.connection import Connection
from storage.double_taps import OPENS_ONCE
from storage.engine import Database
from storage.money.caps import check_photos, reserve
from storage.privacy import note_consent
from storage.rows import FRESH, chat_values, task_from
from storage.storyboards import IS_OPEN, Storyboards, board_from, find, insert_board, stored_scenes
from storage.tables import BoardState, films, in_states, storyboards, task_events, tasks
from storage.tasks import chain
from storage.tasks.leases import add_event, drop_frame

S = TaskState


class Rest(Enum):
    """Why the film cannot be continued."""

    COMPLETE = auto()  # every part is there
    UNDER_WAY = auto()  # the film is already being continued
    KEPT = auto()  # the video of the part exists: it has to be sent first
    GONE = auto()  # the part or the one before it is not there any more


class HasTerms(Protocol):
    """The part of storage.tasks.store that is used here."""

    terms: OrderRules


class StoryboardStore(Storyboards):
    """Storyboards and the films ordered from them."""

    def __init__(self, database: Database, orders: HasTerms) -> None:
        super().__init__(database)
        self._orders = orders

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
                        IS_OPEN,
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
            ordered = board_from(row)
            if len(ordered.scenes) > 1:  # later parts start from a picture
                await check_photos(connection, self._orders.terms)
            parts = await _make_parts(
                connection, ordered, aspect_ratio, update_id, card_message_id, now
            )
            for part in parts:
                await reserve(connection, part, self._orders.terms, now)
            if ordered.frame is not None and ordered.frame.is_own:
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
            await chain.lock(connection, storyboard_id)
            stopped = await chain.stop(connection, storyboard_id, now)
            for one in stopped:
                await add_event(connection, one, now)
                await drop_frame(connection, one)
            return bool(stopped)

    async def parts(self, storyboard_id: int) -> list[Task]:
        """Return the parts that were ordered together, in order."""
        async with self._database.transaction() as connection:
            return await _parts(connection, tasks.c.storyboard_id == storyboard_id)

    async def is_under_way(self, storyboard_id: int) -> bool:
        """Whether a part of this order is under way."""
        part = (
            sa.select(tasks.c.id)
            .where(tasks.c.storyboard_id == storyboard_id, in_states(ACTIVE))
            .limit(1)
        )
        return await self._database.read_one(part) is not None

    async def stopped_by_doubt(self, task: Task) -> bool:
        """Return whether the order of this part was once in doubt, and no later part is waiting,
        in progress or delivered."""
        of_film = tasks.c.storyboard_id == task.storyboard_id
        if task.film_id is not None:  # the rest may have been ordered again
            of_film = sa.or_(of_film, tasks.c.film_id == task.film_id)
        after = sa.exists().where(
            of_film,
            tasks.c.film_place > task.film_place,
            in_states({*ACTIVE, TaskState.DRAFT, TaskState.DELIVERED}),
        )
        doubt = sa.select(task_events.c.task_id).where(
            task_events.c.task_id == task.id, task_events.c.state == TaskState.UNKNOWN, ~after
        )
        return await self._database.read_one(doubt.limit(1)) is not None

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

        It starts from the last frame of the previous part, or from the photo of the first one.
        CardOpened: another press has just opened the card of the same scenes.
        """
        source = f"update {update_id}"
        async with self._database.transaction() as connection:
            await connection.lock(f"presses {user_id}")
            if known := await find(connection, storyboards.c.source == source):
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
            if await find(
                connection,
                storyboards.c.user_id == user_id,
                storyboards.c.film_id == asked.film_id,
                storyboards.c.first_place == place,
                storyboards.c.revision == 0,
                storyboards.c.created_at > now - OPENS_ONCE,
                IS_OPEN,
            ):
                raise CardOpened
            return await insert_board(
                connection,
                now,
                source=source,
                user_id=user_id,
                **chat_values(asked.chat),
                message_id=asked.message_id,
                lang=lang,
                model=model,
                price_kopecks=price,
                scenes=stored_scenes(scenes),
                frame_file_id=frame and frame.file_id,
                frame_kind=frame and frame.kind,
                film_id=asked.film_id,
                first_place=place,
            )


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
