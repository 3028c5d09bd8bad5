"""Who uses the bot, as admins look at it: people and groups by decision, invites, own caps.

Each change is one commit with its audit row. It must not know who is an admin, nor the texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from bot.core.access import Verdict
from bot.core.caps import Cap, Limit
from storage.audit import add_act
from storage.connection import Connection
from storage.engine import Database
from storage.tables import access_requests, invites, moved_groups, own_caps, permits, users


class Section(StrEnum):
    """A list of /people; short names, which never change."""

    ALLOWED = "a"  # people who were let in
    BANNED = "b"  # people
    GROUPS = "g"  # with any decision


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A person (positive) or a group with a decision."""

    subject_id: int
    verdict: Verdict
    name: str | None
    username: str | None


@dataclass(frozen=True, kw_only=True)
class OpenInvite:
    """An invite that still lets somebody in; `number` identifies it without its token."""

    number: int
    made_by: int
    expires_at: datetime
    uses: int
    used: int


_IN = {
    Section.ALLOWED: sa.and_(permits.c.subject_id > 0, permits.c.verdict == Verdict.ALLOWED),
    Section.BANNED: sa.and_(permits.c.subject_id > 0, permits.c.verdict == Verdict.BANNED),
    Section.GROUPS: permits.c.subject_id < 0,
}


def _is_open(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(
        invites.c.expires_at > now,
        invites.c.used < invites.c.uses,
        invites.c.revoked_at.is_(None),
    )


def id_now(group: sa.BindParameter[int]) -> sa.ColumnElement[int]:
    """Return the id of a group now. Buttons below messages of before it became a supergroup still
    come from the old id.
    """
    moved = sa.select(moved_groups.c.new_id).where(moved_groups.c.old_id == group)
    return sa.func.coalesce(moved.scalar_subquery(), group)


_NOW = sa.select(id_now(sa.bindparam("group", type_=sa.BigInteger)))

_CAPS_OF = sa.select(own_caps.c.cap, own_caps.c.videos).where(
    sa.or_(
        own_caps.c.subject_id.in_(sa.bindparam("subjects", expanding=True)),
        own_caps.c.subject_id.in_(
            sa.select(moved_groups.c.new_id).where(
                moved_groups.c.old_id.in_(sa.bindparam("subjects", expanding=True))
            )
        ),
    )
)


class PeopleStore:
    """Lists for admins, and the caps of one person or group."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, username: str) -> int | None:
        """Return the person who last had this @name, as far as the bot has met them."""
        name = username.removeprefix("@").lower()
        met = (
            sa.select(users.c.user_id)
            .where(sa.func.lower(users.c.username) == name)
            .order_by(users.c.seen_at.desc())
            .limit(1)
        )
        asked = (
            sa.select(access_requests.c.user_id)
            .where(sa.func.lower(access_requests.c.username) == name)
            .order_by(access_requests.c.asked_at.desc())
            .limit(1)
        )
        async with self._database.transaction() as connection:
            found: int | None = await connection.scalar(met)
            return found if found is not None else await connection.scalar(asked)

    async def id_now(self, subject_id: int) -> int:
        """Return the current ID of a group, given its current ID or the one before it became a
        supergroup; the ID of a person is returned unchanged."""
        if subject_id > 0:
            return subject_id
        found: int = await self._database.read_scalar(_NOW, {"group": subject_id})
        return found

    async def get(self, subject_id: int) -> Subject | None:
        """Return the decision about a person or a group; None: there is none."""
        found = await self._subjects(permits.c.subject_id == subject_id, limit=1, offset=0)
        return found[0] if found else None

    async def page(self, section: Section, *, limit: int, offset: int) -> list[Subject]:
        """Return some of a section, the latest decision first."""
        return await self._subjects(_IN[section], limit=limit, offset=offset)

    async def _subjects(
        self, condition: sa.ColumnElement[bool], *, limit: int, offset: int
    ) -> list[Subject]:
        wanted = (
            sa.select(
                permits.c.subject_id,
                permits.c.verdict,
                sa.func.coalesce(users.c.name, access_requests.c.name, permits.c.name).label(
                    "name"
                ),
                sa.func.coalesce(users.c.username, access_requests.c.username).label("username"),
            )
            .outerjoin(users, users.c.user_id == permits.c.subject_id)
            .outerjoin(access_requests, access_requests.c.user_id == permits.c.subject_id)
            .where(condition)
            .order_by(permits.c.decided_at.desc(), permits.c.subject_id)
            .limit(limit)
            .offset(offset)
        )
        rows = await self._database.read(wanted)
        return [Subject(**row._mapping) for row in rows]

    async def counts(self) -> dict[Section, int]:
        """Return how many there are in each section."""
        found = {}
        async with self._database.transaction() as connection:
            for section, condition in _IN.items():
                count = sa.select(sa.func.count()).select_from(permits).where(condition)
                found[section] = await connection.scalar(count) or 0
        return found

    # --- invites ---------------------------------------------------------------------------

    async def invites(self, now: datetime, *, limit: int) -> list[OpenInvite]:
        """Return the invites that still let somebody in, the newest first."""
        wanted = (
            sa.select(
                invites.c.update_id.label("number"),
                invites.c.made_by,
                invites.c.expires_at,
                invites.c.uses,
                invites.c.used,
            )
            .where(_is_open(now))
            .order_by(invites.c.made_at.desc())
            .limit(limit)
        )
        async with self._database.transaction() as connection:
            return [OpenInvite(**row._mapping) for row in (await connection.execute(wanted)).all()]

    async def revoke(self, number: int, *, by: int, now: datetime) -> bool:
        """End an invite; whom it let in stays. False: it had ended before."""
        async with self._database.transaction() as connection:
            ended = await connection.execute(
                sa.update(invites)
                .where(invites.c.update_id == number, _is_open(now))
                .values(revoked_at=now)
            )
            if ended.rowcount == 1:
                await add_act(connection, "revoke invite", by=by, now=now, invite=number)
            return ended.rowcount == 1

    # --- caps ------------------------------------------------------------------------------

    async def caps(self, subject_id: int) -> dict[Cap, int]:
        """Return the own caps of a person or a group, in videos; 0: no limit."""
        async with self._database.transaction() as connection:
            found = await caps_of(connection, [subject_id])
        return {cap: bound.videos for cap, bound in found.items()}

    async def set_cap(
        self, subject_id: int, cap: Cap, videos: int | None, *, by: int, now: datetime
    ) -> bool:
        """Set an own cap; None: the settings count again. False: it was so before."""
        mine = (own_caps.c.subject_id == subject_id, own_caps.c.cap == cap.value)
        change: sa.Delete | sa.sql.dml.Insert = sa.delete(own_caps).where(*mine)
        if videos is not None:
            change = (
                insert(own_caps)
                .values(subject_id=subject_id, cap=cap.value, videos=videos)
                .on_conflict_do_update(
                    index_elements=["subject_id", "cap"],
                    set_={"videos": videos},
                    where=own_caps.c.videos != videos,
                )
            )
        async with self._database.transaction() as connection:
            done = await connection.execute(change)
            if done.rowcount == 1:
                await add_act(
                    connection, "set cap", by=by, now=now, subject_id=subject_id, cap=cap.value,
                    videos=videos,
                )  # fmt: skip
            return done.rowcount == 1


async def caps_of(connection: Connection, subjects: Sequence[int]) -> dict[Cap, Limit]:
    """Return the own caps of these people and groups, as part of a transaction."""
    rows = await connection.execute(_CAPS_OF, {"subjects": subjects})
    return {Cap(row.cap): Limit(videos=row.videos) for row in rows.all()}


async def move_caps(connection: Connection, old: int, new: int) -> None:
    """Move the caps of a group to its new id, as part of a transaction; caps that the new id
    already has are kept."""
    set_there = sa.select(own_caps.c.cap).where(own_caps.c.subject_id == new)
    its = own_caps.c.subject_id == old
    await connection.execute(sa.delete(own_caps).where(its, own_caps.c.cap.in_(set_there)))
    await connection.execute(sa.update(own_caps).where(its).values(subject_id=new))
