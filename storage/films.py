"""Films: which tasks are the parts, in which order, and who waits for the joined film.

A part is a delivered task at a place of the film. A place may have several versions; the one that
took it last is shown. The row names the parts that Telegram's copy of the film was joined from:
after a change of a part the copy is stale, and nothing has to be deleted. It must not know how
parts are joined.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from bot.core.notices import Notice
from bot.core.task import Chat, Task, TaskState
from storage.connection import Connection
from storage.engine import Database
from storage.outbox import insert_notices
from storage.rows import (
    UNLEASED,
    chat_from,
    chat_values,
    first_due,
    in_order,
    lease,
    task_from,
)
from storage.tables import films, tasks


@dataclass(frozen=True, kw_only=True)
class Film:
    """A film with its parts in order."""

    id: int
    user_id: int
    parts: tuple[Task, ...]
    versions: tuple[tuple[int, ...], ...]  # of each part: the tasks at its place, oldest first
    file_id: str | None  # the joined film; None: it has to be joined (again)

    @property
    def key(self) -> str:
        """What the film is joined from."""
        return _key(self.parts)


@dataclass(frozen=True, kw_only=True)
class WantedFilm:
    """A film that somebody waits for, leased for joining."""

    id: int
    chat: Chat
    lang: str
    reply_to: int | None
    wanted_at: datetime
    attempts: int  # leases taken, including this one
    redirected: bool = False  # the place where it was asked for takes nothing


_film = films.c.id == sa.bindparam("film")
_due = first_due(films, order_by=(films.c.run_at, films.c.id))
_CLAIM = lease(_due, films, films.c.attempts).returning(*films.c)
_GET = sa.select(films).where(_film)
_PARTS = (
    sa.select(tasks)
    .where(
        tasks.c.film_id == sa.bindparam("film"),
        tasks.c.state == TaskState.DELIVERED,
        tasks.c.video_file_id.is_not(None),
    )
    .order_by(tasks.c.film_place, tasks.c.film_since, tasks.c.id)
)
_WANT_OWN = sa.update(films).where(
    _film, films.c.run_at.is_(None), films.c.user_id == sa.bindparam("person")
)
# Also ends the lease: if a process is joining the film now, it does not have the newest part
_WANT_ANEW = sa.update(films).where(_film).values(attempts=0, **UNLEASED)
_WRITE_HELD = sa.update(films).where(_film, films.c.lease_owner == sa.bindparam("holder"))


class FilmStore:
    """Films and the requests for them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, film_id: int) -> Film | None:
        """Return the film with the parts that are delivered."""
        async with self._database.transaction() as connection:
            row = (await connection.execute(_GET, {"film": film_id})).one_or_none()
            if row is None:
                return None
            found = await connection.execute(_PARTS, {"film": film_id})
            places = [
                [task_from(part) for part in versions]
                for _, versions in groupby(found.all(), key=lambda part: part.film_place)
            ]
        parts = tuple(versions[-1] for versions in places)
        return Film(
            id=row.id,
            user_id=row.user_id,
            parts=parts,
            versions=tuple(tuple(sorted(one.id for one in place)) for place in places),
            file_id=row.file_id if row.joined == _key(parts) else None,
        )

    async def take_out(self, film_id: int, task_id: int, *, user_id: int) -> bool:
        """Take the part at the place of this task out of the film, with its other versions; the
        videos stay.

        False: it is not there, or the film is another person's.
        """
        one = tasks.alias("one")
        place = (
            sa.select(one.c.film_place)
            .where(one.c.id == task_id, one.c.film_id == film_id, one.c.user_id == user_id)
            .scalar_subquery()
        )
        async with self._database.transaction() as connection:
            gone = await connection.execute(
                sa.update(tasks)
                .where(
                    tasks.c.film_id == film_id,
                    tasks.c.film_place == place,
                    tasks.c.state == TaskState.DELIVERED,
                )
                .values(film_id=None, film_place=None, film_since=None)
            )
            return gone.rowcount > 0

    async def choose(self, film_id: int, task_id: int, *, user_id: int, now: datetime) -> bool:
        """Show this version at its place; False: it is not there."""
        async with self._database.transaction() as connection:
            chosen = await connection.execute(
                sa.update(tasks)
                .where(
                    tasks.c.id == task_id,
                    tasks.c.film_id == film_id,
                    tasks.c.user_id == user_id,
                    tasks.c.state == TaskState.DELIVERED,
                )
                .values(film_since=now)
            )
            return chosen.rowcount > 0

    # --- joining -----------------------------------------------------------------------------

    async def want(
        self,
        film_id: int,
        *,
        user_id: int,
        chat: Chat,
        lang: str,
        reply_to: int | None,
        now: datetime,
    ) -> bool:
        """Request the film for this chat; False: not theirs, or it is requested already."""
        async with self._database.transaction() as connection:
            return await want(
                connection, film_id, chat=chat, lang=lang, reply_to=reply_to, now=now,
                user_id=user_id,
            )  # fmt: skip

    async def claim(
        self, *, owner: str, now: datetime, lease_for: timedelta, limit: int
    ) -> list[WantedFilm]:
        """Lease up to `limit` requested films that are due, the oldest request first."""
        async with self._database.transaction() as connection:
            connection.make_nothing_due()
            rows = await connection.execute(
                _CLAIM, {"holder": owner, "now": now, "until": now + lease_for, "most": limit}
            )
            return [
                WantedFilm(
                    id=row.id,
                    chat=chat_from(row),
                    lang=row.lang,
                    reply_to=row.reply_to,
                    wanted_at=row.wanted_at,
                    attempts=row.attempts,
                    redirected=row.redirected,
                )
                for row in rows.all()
            ]

    async def extend(self, owner: str, film_id: int, *, until: datetime) -> bool:
        """Renew the lease; False: another process has the film."""
        return await self._write_held(owner, film_id, {"lease_until": until})

    async def joined(self, owner: str, film: Film, file_id: str | None) -> bool:
        """Record that the film was sent, and what Telegram keeps of it."""
        kept = {} if file_id is None else {"file_id": file_id, "joined": film.key}
        return await self._write_held(owner, film.id, {**kept, **_NOT_WANTED})

    async def later(self, owner: str, film_id: int, run_at: datetime) -> bool:
        """Postpone a request to `run_at`."""
        return await self._write_held(owner, film_id, {"run_at": run_at, **UNLEASED})

    async def redirect(self, owner: str, film_id: int, chat: Chat, *, now: datetime) -> bool:
        """Send a film to another chat instead: the place was tried once and takes nothing."""
        values = {"reply_to": None, "redirected": True, "run_at": now, "attempts": 0}
        return await self._write_held(owner, film_id, {**chat_values(chat), **values, **UNLEASED})

    async def give_up(
        self, owner: str, film_id: int, notice: Notice | None, *, now: datetime
    ) -> bool:
        """End a request without a film, with the notice that says why."""
        async with self._database.transaction() as connection:
            if not await _write_held(connection, owner, film_id, _NOT_WANTED):
                return False
            await insert_notices(connection, [notice] if notice else [], now)
            return True

    async def _write_held(self, owner: str, film_id: int, values: dict[str, Any]) -> bool:
        async with self._database.transaction() as connection:
            return await _write_held(connection, owner, film_id, values)


_NOT_WANTED: dict[str, Any] = {"run_at": None, "attempts": 0, **UNLEASED}


async def want(
    connection: Connection,
    film_id: int,
    *,
    chat: Chat,
    lang: str,
    reply_to: int | None,
    now: datetime,
    user_id: int | None = None,
) -> bool:
    """Request a film with all parts that exist when the transaction commits.

    With `user_id`, only a film of this person. Return False if it is not theirs or already
    requested.
    """
    values = {
        "lang": lang, "reply_to": reply_to, "run_at": now, "wanted_at": now, "redirected": False,
    }  # fmt: skip
    wanted = await connection.execute(
        _WANT_ANEW if user_id is None else _WANT_OWN,
        {"film": film_id, "person": user_id, **chat_values(chat), **values},
    )
    return wanted.rowcount == 1


async def go_on(connection: Connection, source: Task, now: datetime) -> dict[str, Any]:
    """Return the place after this task in its film, as columns of a new task; without a film the
    task becomes the first part of a new one.

    The task becomes the version that its film shows: what follows begins with its last frame.
    """
    film_id, place = source.film_id, source.film_place or 1
    if film_id is None:
        film_id = await connection.scalar(
            sa.insert(films).values(user_id=source.user_id, created_at=now).returning(films.c.id)
        )
    await connection.execute(
        sa.update(tasks)
        .where(tasks.c.id == source.id)
        .values(film_id=film_id, film_place=place, film_since=now)
    )
    return {"film_id": film_id, "film_place": place + 1, "film_since": now}


def same_place(source: Task, now: datetime) -> dict[str, Any]:
    """Return the place of this task, as columns of a new version of it."""
    return {"film_id": source.film_id, "film_place": source.film_place, "film_since": now}


async def forget_films(connection: Connection, film_ids: Iterable[int | None]) -> None:
    """Forget what was joined from deleted parts; films without a part are deleted."""
    touched = sorted({film_id for film_id in film_ids if film_id is not None})
    if not touched:
        return
    await connection.execute(
        sa.update(films)
        .where(in_order(films, films.c.id.in_(touched)))
        .values(file_id=None, joined=None)
    )
    left = sa.exists().where(tasks.c.film_id == films.c.id)
    await connection.execute(sa.delete(films).where(films.c.id.in_(touched), ~left))


async def _write_held(
    connection: Connection, owner: str, film_id: int, values: dict[str, Any]
) -> bool:
    written = await connection.execute(_WRITE_HELD, {"film": film_id, "holder": owner, **values})
    return written.rowcount == 1


def _key(parts: Sequence[Task]) -> str:
    return ".".join(str(part.id) for part in parts)
