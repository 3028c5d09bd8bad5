"""The people who write to the bot, and their languages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from storage.connection import Connection
from storage.engine import Database
from storage.rows import NOW
from storage.tables import audit, outbox, users

SEEN = timedelta(hours=1)
"""Precision of `seen_at`: every update passes here, and each write is a disk commit."""


@dataclass(frozen=True, kw_only=True)
class User:
    """One row of `users`."""

    user_id: int
    lang: str
    lang_chosen: bool  # chosen by the person, not taken from Telegram
    name: str
    strikes: int  # how often moderation refused their prompts or pictures
    created_at: datetime
    seen_at: datetime
    ratio: str | None = None  # offered first
    model: str | None = None  # on a new card
    username: str | None = None  # without the @
    referral: str | None = None  # the token of their referral link
    owed: bool = False  # notices wait for their next message


_theirs = users.c.user_id == sa.bindparam("person")
_owed = sa.exists().where(outbox.c.waits_for == sa.bindparam("person")).label("owed")

_GET = sa.select(users).where(_theirs)
_LANG = sa.select(users.c.lang).where(_theirs)
_LANG_OF_LAST_ADMIN = (
    sa.select(users.c.lang)
    .join(audit, audit.c.actor_id == users.c.user_id)
    .order_by(audit.c.id.desc())
    .limit(1)
)

# Finds the person only if the row already has everything that this update says
_KNOWN = sa.select(users, _owed).where(
    _theirs,
    users.c.name == sa.bindparam("new_name"),
    users.c.username.is_not_distinct_from(sa.bindparam("new_username")),
    sa.or_(users.c.lang_chosen, users.c.lang == sa.bindparam("new_lang")),
    users.c.seen_at > sa.bindparam("stale"),
)
_new = insert(users).values(
    user_id=sa.bindparam("person"),
    lang=sa.bindparam("new_lang"),
    lang_chosen=False,
    name=sa.bindparam("new_name"),
    username=sa.bindparam("new_username"),
    strikes=0,
    created_at=NOW,
    seen_at=NOW,
)
_SEE = _new.on_conflict_do_update(
    index_elements=["user_id"],
    set_={
        "lang": sa.case((users.c.lang_chosen, users.c.lang), else_=_new.excluded.lang),
        "name": _new.excluded.name,
        "username": _new.excluded.username,
        "seen_at": _new.excluded.seen_at,
    },
).returning(*users.c, _owed)

_SET = sa.update(users).where(_theirs)
_COUNT_REFUSAL = _SET.values(strikes=users.c.strikes + 1).returning(users.c.strikes)


async def lang_of(connection: Connection, user_id: int) -> str:
    """Return the language for notices to a person or group, as part of a transaction."""
    lang: str | None = await connection.scalar(_LANG, {"person": user_id})
    if lang is None and user_id < 0:
        # A group gets the language of the admin who acted last.
        lang = await connection.scalar(_LANG_OF_LAST_ADMIN)
    return lang or "en"


class UserStore:
    """The store of people, one row each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def see(
        self, user_id: int, *, lang: str, name: str, now: datetime, username: str | None = None
    ) -> User:
        """Return the person as known after this update, and whether notices wait for them; a
        chosen language stays. Nothing is written when nothing changed."""
        seen = {"person": user_id, "new_name": name, "new_username": username, "new_lang": lang}
        row = await self._database.read_one(_KNOWN, {**seen, "stale": now - SEEN})
        if row is None:
            async with self._database.transaction() as connection:
                row = (await connection.execute(_SEE, {**seen, "now": now})).one()
        return User(**row._mapping)

    async def get(self, user_id: int) -> User | None:
        """Return the person; None if never seen."""
        row = await self._database.read_one(_GET, {"person": user_id})
        return None if row is None else User(**row._mapping)

    async def set_lang(self, user_id: int, lang: str) -> bool:
        """Set the language that the person chose; return False if the person was never seen."""
        async with self._database.transaction() as connection:
            written = await connection.execute(
                _SET, {"person": user_id, "lang": lang, "lang_chosen": True}
            )
            return written.rowcount == 1

    async def set_defaults(self, user_id: int, **defaults: str | None) -> None:
        """Set a person's defaults for new cards, `ratio` and `model`; None means no default."""
        async with self._database.transaction() as connection:
            await connection.execute(_SET, {"person": user_id, **defaults})

    async def count_refusal(self, user_id: int) -> int:
        """Count one refusal by moderation; return how many there are now (0: never seen)."""
        async with self._database.transaction() as connection:
            strikes = await connection.scalar(_COUNT_REFUSAL, {"person": user_id})
        return strikes or 0
