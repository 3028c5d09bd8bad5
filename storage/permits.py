"""Permits: whether a person or a group may use the bot, by decisions of admins.

Parts of the transactions of storage/access.py. It must not know requests, invites or the texts.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from bot.core.access import Verdict
from storage.audit import add_act
from storage.connection import Connection
from storage.journal import note
from storage.people import id_now
from storage.tables import permits

VERDICTS = sa.select(permits.c.subject_id, permits.c.verdict).where(
    sa.or_(
        permits.c.subject_id == sa.bindparam("person"),
        permits.c.subject_id == id_now(sa.bindparam("chat", type_=sa.BigInteger)),
    )
)


async def move_permit(connection: Connection, old: int, new: int) -> None:
    """Move a decision to a group's new id, as part of a transaction; one that the new id already
    has is kept."""
    await connection.execute(
        insert(permits)
        .from_select(
            ["subject_id", "verdict", "invite", "decided_by", "decided_at", "name"],
            sa.select(
                sa.literal(new, permits.c.subject_id.type),
                permits.c.verdict,
                permits.c.invite,
                permits.c.decided_by,
                permits.c.decided_at,
                permits.c.name,
            ).where(permits.c.subject_id == old),
        )
        .on_conflict_do_nothing()
    )
    await connection.execute(sa.delete(permits).where(permits.c.subject_id == old))


async def verdict_of(connection: Connection, user_id: int) -> Verdict | None:
    """Return the decision about a person or a group; None: there is none."""
    rows = (await connection.execute(VERDICTS, {"person": user_id, "chat": user_id})).all()
    return rows[0].verdict if rows else None


async def permit(
    connection: Connection,
    subject_id: int,
    verdict: Verdict,
    by: int,
    now: datetime,
    name: str | None = None,
) -> bool:
    """Decide about a person or a group, whatever was decided before. False: it was so before."""
    new = insert(permits).values(
        subject_id=subject_id, verdict=verdict, decided_by=by, decided_at=now, name=name
    )
    written = await connection.execute(
        new.on_conflict_do_update(
            index_elements=["subject_id"],
            set_={
                "verdict": verdict,
                "decided_by": by,
                "decided_at": now,
                "invite": None,
                "name": sa.func.coalesce(new.excluded.name, permits.c.name),
            },
            where=permits.c.verdict != verdict,
        )
    )
    if written.rowcount != 1:
        return False
    await note_permit(connection, subject_id, verdict, by, now)
    return True


async def permit_first(
    connection: Connection,
    subject_id: int,
    by: int,
    now: datetime,
    request: sa.ColumnElement[bool] | None = None,
) -> bool:
    """Give access to somebody without a decision, with `request` only while it matches a request;
    return whether it was given."""
    values = {
        "subject_id": subject_id, "verdict": Verdict.ALLOWED, "decided_by": by, "decided_at": now,
    }  # fmt: skip
    new = insert(permits)
    if request is None:
        new = new.values(values)
    else:
        row = [sa.literal(value, permits.c[name].type) for name, value in values.items()]
        new = new.from_select(list(values), sa.select(*row).where(sa.exists().where(request)))
    return (await connection.execute(new.on_conflict_do_nothing())).rowcount == 1


async def note_permit(
    connection: Connection, subject_id: int, verdict: Verdict, by: int, now: datetime
) -> None:
    """Record a new decision in the audit log, and an access in the log."""
    if verdict is Verdict.ALLOWED:
        note(connection, f"ID {subject_id}: let in by admin {by}", user=by, subject=subject_id)
    act = "allow" if verdict is Verdict.ALLOWED else "ban"
    await add_act(connection, act, by=by, now=now, subject_id=subject_id)
