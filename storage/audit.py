"""The audit log: one row for each change made by an admin, written in the same commit.

It must not know the meaning of an action.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bot.core.notices import Notice, NoticeKind, new_about
from bot.core.task import Chat
from storage.connection import Connection
from storage.engine import Database
from storage.journal import note
from storage.operator_messages import tell_operator
from storage.tables import audit
from storage.users import lang_of


@dataclass(frozen=True, kw_only=True)
class Act:
    """One row of `audit`."""

    id: int
    at: datetime
    actor_id: int
    act: str
    subject_id: int | None  # the person or the group concerned
    task_id: int | None
    details: Mapping[str, Any]


_ADD = sa.insert(audit)


async def add_act(
    connection: Connection,
    act: str,
    *,
    by: int,
    now: datetime,
    subject_id: int | None = None,
    task_id: int | None = None,
    **details: str | int | float | bool | None,
) -> None:
    """Insert an action, as part of a transaction."""
    await connection.execute(
        _ADD,
        {
            "at": now,
            "actor_id": by,
            "act": act,
            "subject_id": subject_id,
            "task_id": task_id,
            "details": details,
        },
    )
    about = "".join(
        f", {name} {number}"
        for name, number in (("ID", subject_id), ("task", task_id))
        if number is not None
    )
    note(
        connection, f"admin {by}: {act}{about}", user=by, act=act, subject=subject_id, task=task_id
    )


class AuditStore:
    """The store of the audit log; rows are added, never changed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self,
        act: str,
        *,
        by: int,
        now: datetime,
        subject_id: int | None = None,
        task_id: int | None = None,
        **details: str | int | float | bool | None,
    ) -> None:
        """Insert an action that changes nothing else in the database."""
        async with self._database.transaction() as connection:
            await add_act(
                connection, act, by=by, now=now, subject_id=subject_id, task_id=task_id, **details
            )

    async def tell_once(
        self,
        act: str,
        kind: NoticeKind,
        people: Iterable[int],
        *,
        now: datetime,
        silent: bool = False,
        **details: str | int | float | bool | None,
    ) -> bool:
        """Record a finding of the program, and notify people.

        Return False, and notify nobody, if the last row of this kind is the same. `silent`: only
        record the finding, so that it is reported if it occurs again later.
        """
        last = sa.select(audit.c.details).where(audit.c.act == act).order_by(audit.c.id.desc())
        async with self._database.transaction() as connection:
            await connection.lock(act)
            known = (await connection.execute(last.limit(1))).one_or_none()
            if (known is None and silent) or (known is not None and known.details == details):
                return False
            await connection.execute(
                _ADD, {"at": now, "actor_id": 0, "act": act, "details": details}
            )
            about = new_about(kind.value)
            told = [
                Notice(
                    kind=kind,
                    chat=Chat(chat_id=person),
                    lang=await lang_of(connection, person),
                    params={**details, "about": about},
                )
                for person in sorted(people)
            ]
            await tell_operator(connection, [] if silent else told, now)
            return True

    async def latest(self, *, limit: int = 50, subject_id: int | None = None) -> list[Act]:
        """Return the actions, the newest first."""
        wanted = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
        if subject_id is not None:
            wanted = wanted.where(audit.c.subject_id == subject_id)
        async with self._database.transaction() as connection:
            return [Act(**row._mapping) for row in (await connection.execute(wanted)).all()]
