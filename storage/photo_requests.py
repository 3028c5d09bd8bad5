"""Photos that a template waits for: who was asked where, and for which prompt.

The next photo of that person in that place takes the request in the commit that makes its draft
(storage/tasks/drafts.py). It must not know the templates.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from bot.core.task import AspectRatio, Chat
from storage.connection import Connection
from storage.engine import Database
from storage.rows import chat_values, in_chat, place_of
from storage.tables import photo_requests

WAITS = timedelta(days=1)
"""A later photo is an ordinary one: nobody remembers the template."""


@dataclass(frozen=True, kw_only=True)
class PhotoRequest:
    """A photo that a template waits for."""

    id: int
    prompt: str
    ratio: AspectRatio | None  # None: the nearest to the photo
    model: str | None  # None: the person's own


_theirs = sa.and_(photo_requests.c.user_id == sa.bindparam("person"), in_chat(photo_requests))
_REPLACE = sa.delete(photo_requests).where(_theirs)
_ADD = sa.insert(photo_requests).returning(photo_requests.c.id)
_OPEN = (
    sa.select(photo_requests)
    .where(_theirs, photo_requests.c.asked_at > sa.bindparam("too_old"))
    .order_by(photo_requests.c.id.desc())
    .limit(1)
)
_TAKE = sa.delete(photo_requests).where(photo_requests.c.id == sa.bindparam("number"))
_CANCEL = _TAKE.where(photo_requests.c.user_id == sa.bindparam("person"))


class PhotoRequestStore:
    """Requests by person and place; a new one replaces the older one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self,
        *,
        user_id: int,
        chat: Chat,
        prompt: str,
        ratio: AspectRatio | None,
        model: str | None,
        now: datetime,
    ) -> int:
        """Wait for a photo; return the number of the request."""
        async with self._database.transaction() as connection:
            await connection.lock(f"drafts {chat.chat_id}")
            await connection.execute(_REPLACE, {"person": user_id, **place_of(chat)})
            number: int | None = await connection.scalar(
                _ADD,
                {
                    **chat_values(chat),
                    "user_id": user_id,
                    "prompt": prompt,
                    "aspect_ratio": ratio,
                    "model": model,
                    "asked_at": now,
                },
            )
        assert number is not None
        return number

    async def open(self, user_id: int, chat: Chat, now: datetime) -> PhotoRequest | None:
        """Return the request that this person's next photo in this place answers."""
        async with self._database.transaction() as connection:
            found = await connection.execute(
                _OPEN, {"person": user_id, **place_of(chat), "too_old": now - WAITS}
            )
            row = found.one_or_none()
        if row is None:
            return None
        ratio = AspectRatio(row.aspect_ratio) if row.aspect_ratio else None
        return PhotoRequest(id=row.id, prompt=row.prompt, ratio=ratio, model=row.model)

    async def cancel(self, number: int, *, user_id: int) -> bool:
        """Wait no longer; return whether the request was open and this person's."""
        async with self._database.transaction() as connection:
            gone = await connection.execute(_CANCEL, {"number": number, "person": user_id})
            return gone.rowcount == 1


async def take_request(connection: Connection, number: int) -> bool:
    """Delete a request as part of a transaction; return whether it was still open."""
    gone = await connection.execute(_TAKE, {"number": number})
    return gone.rowcount == 1
