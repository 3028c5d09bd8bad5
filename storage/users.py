"""Who writes to the bot, and in which language they read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from storage.engine import Connection, Database
from storage.tables import audit, users

SEEN = timedelta(hours=1)
"""To this `seen_at` is exact: every update passes here, and each write is a commit on a disk."""


@dataclass(frozen=True, kw_only=True)
class User:
    """One row of `users`."""

    user_id: int
    lang: str
    lang_chosen: bool  # by the person, not by their Telegram
    name: str
    strikes: int  # times the provider refused their words or pictures as unsafe
    created_at: datetime
    seen_at: datetime
    ratio: str | None = None  # offered first
    model: str | None = None  # on a new card


async def lang_of(connection: Connection, user_id: int) -> str:
    """In which language to tell them something, as part of somebody's commit."""
    lang: str | None = await connection.scalar(
        sa.select(users.c.lang).where(users.c.user_id == user_id)
    )
    if lang is None and user_id < 0:
        # A group hears it in the language of the admin who acted last.
        lang = await connection.scalar(
            sa.select(users.c.lang)
            .join(audit, audit.c.actor_id == users.c.user_id)
            .order_by(audit.c.id.desc())
            .limit(1)
        )
    return lang or "en"


class UserStore:
    """One row a person."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def see(self, user_id: int, *, lang: str, name: str, now: datetime) -> User:
        """The person as known after this update; a language they chose stays. Nothing is written
        where nothing changed.
        """
        new = insert(users).values(
            user_id=user_id,
            lang=lang,
            lang_chosen=False,
            name=name,
            strikes=0,
            created_at=now,
            seen_at=now,
        )
        lang_now = sa.case((users.c.lang_chosen, users.c.lang), else_=new.excluded.lang)
        async with self._database.transaction() as connection:
            row = (
                await connection.execute(
                    new.on_conflict_do_update(
                        index_elements=["user_id"],
                        set_={
                            "lang": lang_now,
                            "name": new.excluded.name,
                            "seen_at": new.excluded.seen_at,
                        },
                        where=sa.or_(
                            users.c.name != new.excluded.name,
                            users.c.lang != lang_now,
                            users.c.seen_at <= now - SEEN,
                        ),
                    ).returning(*users.c)
                )
            ).one_or_none()
            if row is None:
                row = (
                    await connection.execute(sa.select(users).where(users.c.user_id == user_id))
                ).one()
        return User(**row._mapping)

    async def get(self, user_id: int) -> User | None:
        """None: never seen."""
        async with self._database.transaction() as connection:
            row = (
                await connection.execute(sa.select(users).where(users.c.user_id == user_id))
            ).one_or_none()
        return None if row is None else User(**row._mapping)

    async def set_lang(self, user_id: int, lang: str) -> bool:
        """The person chose. False: never seen."""
        async with self._database.transaction() as connection:
            written = await connection.execute(
                sa.update(users)
                .where(users.c.user_id == user_id)
                .values(lang=lang, lang_chosen=True)
            )
            return written.rowcount == 1

    async def set_defaults(self, user_id: int, **defaults: str | None) -> None:
        """What a new card of theirs has: `ratio`, `model`; None: nothing of their own."""
        async with self._database.transaction() as connection:
            await connection.execute(
                sa.update(users).where(users.c.user_id == user_id).values(**defaults)
            )

    async def strike(self, user_id: int) -> int:
        """Counts one refusal for unsafe content; how many there are now (0: never seen)."""
        async with self._database.transaction() as connection:
            strikes = await connection.scalar(
                sa.update(users)
                .where(users.c.user_id == user_id)
                .values(strikes=users.c.strikes + 1)
                .returning(users.c.strikes)
            )
        return strikes or 0
