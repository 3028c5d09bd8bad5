"""Convert rows to frozen values and back; conditions on leases and time common to all tables.

It must not know the kind of database or when a row is claimed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from operator import attrgetter
from typing import Any

import sqlalchemy as sa

from bot.core.task import Chat, Frame, Reason, Task, TaskKind
from storage.column_types import UtcDateTime

NOW: sa.BindParameter[datetime] = sa.bindparam("now", type_=UtcDateTime())
"""The current time as a parameter of statements: execute with {"now": ...}."""

# The fields with a column of the same name; `values_of` adds the others
_PLAIN = tuple(
    field.name
    for field in fields(Task)
    if field.name not in {"chat", "frame", "kind", "price", "reason"}
)
_plain_of = attrgetter(*_PLAIN)

# The columns that `chat_values` fills
_PLACE = ("chat_id", "message_thread_id", "business_connection_id")


def task_from(row: sa.Row[Any]) -> Task:
    """Return the task of a row of `tasks`."""
    values = dict(zip(_PLAIN, _plain_of(row), strict=True))
    frame = None
    if row.frame_file_id is not None:
        frame = Frame(file_id=row.frame_file_id, kind=row.frame_kind)
    return Task(
        **values,
        chat=chat_from(row),
        frame=frame,
        kind=TaskKind(row.kind),
        price=row.price_kopecks,
        reason=None if row.reason is None else Reason(row.reason),
    )


def values_of(task: Task) -> dict[str, Any]:
    """Return the columns of `tasks` for this task."""
    return {
        **dict(zip(_PLAIN, _plain_of(task), strict=True)),
        **chat_values(task.chat),
        "frame_file_id": task.frame and task.frame.file_id,
        "frame_kind": task.frame and task.frame.kind,
        "kind": task.kind.value,
        "price_kopecks": task.price,
        "reason": task.reason and task.reason.value,
    }


def chat_from(row: sa.Row[Any]) -> Chat:
    """Return where to answer, from a row of any table that stores it."""
    return Chat(
        chat_id=row.chat_id,
        message_thread_id=row.message_thread_id,
        business_connection_id=row.business_connection_id,
    )


def chat_values(chat: Chat) -> dict[str, Any]:
    """Return the three columns that store where to answer."""
    return {
        "chat_id": chat.chat_id,
        "message_thread_id": chat.message_thread_id,
        "business_connection_id": chat.business_connection_id,
    }


def in_chat(table: sa.Table, chat: Chat | None = None) -> sa.ColumnElement[bool]:
    """Return the condition for rows of exactly one place: `chat`, or the parameters of `place_of`.

    A place without a thread matches only rows without one.
    """
    place: dict[str, Any] = {name: sa.bindparam(f"in_{name}") for name in _PLACE}
    values = place if chat is None else chat_values(chat)
    return sa.and_(*(table.c[name].is_not_distinct_from(values[name]) for name in _PLACE))


def place_of(chat: Chat) -> dict[str, Any]:
    """Return the parameters of a statement with `in_chat`."""
    return {f"in_{name}": value for name, value in chat_values(chat).items()}


def free(table: sa.Table) -> sa.ColumnElement[bool]:
    """Return the condition for rows without a valid lease at NOW."""
    return sa.or_(table.c.lease_until.is_(None), table.c.lease_until <= NOW)


def claimable_at(table: sa.FromClause) -> sa.Case[Any]:
    """Return when a row becomes claimable: when it is due, or when its lease ends."""
    return sa.case(
        (table.c.lease_until > table.c.run_at, table.c.lease_until), else_=table.c.run_at
    )


def first_due(
    table: sa.Table, *conditions: sa.ColumnElement[bool], order_by: Sequence[sa.ColumnElement[Any]]
) -> sa.CTE:
    """Select the keys of the first `most` rows that are due at NOW and not leased, and lock them.

    Rows that another transaction has locked are skipped.
    """
    return (
        sa.select(*table.primary_key)
        .where(*conditions, table.c.run_at <= NOW, free(table))
        .order_by(*order_by)
        .limit(sa.bindparam("most", type_=sa.Integer))
        .with_for_update(skip_locked=True, of=table)
        .cte("due")
    )


def lease(due: sa.CTE, table: sa.Table, *counts: sa.Column[int]) -> sa.Update:
    """Lease the rows selected by `due` to `holder` until `until`; add 1 to each of `counts`."""
    [key] = table.primary_key
    return (
        sa.update(table)
        .where(key.in_(sa.select(due.c[key.name])))
        .values(
            lease_owner=sa.bindparam("holder"),
            lease_until=sa.bindparam("until"),
            **{count.name: count + 1 for count in counts},
        )
    )


def in_order(
    table: sa.Table,
    *conditions: sa.ColumnElement[bool],
    limit: int | None = None,
    deletes: bool = False,
) -> sa.ColumnElement[bool]:
    """Return the condition of an UPDATE for the rows that meet all conditions, which locks them in
    the order of their keys; `deletes`: of a DELETE.

    PostgreSQL locks rows in the order in which its plan finds them. Two statements with several
    rows in common could wait for each other until the server stops one of them, a second later.
    The lock is the one that the statement itself takes: an UPDATE waits for no insert that refers
    to the row.
    """
    key = tuple(table.primary_key)
    wanted = sa.select(*key).where(*conditions)
    if limit is not None:
        some = wanted.limit(limit).subquery("some")
        wanted = wanted.where(_any_of(key, some))
    # Not by the column itself: SQLite would read the whole table in that order.
    order = [one + 0 if isinstance(one.type, sa.Integer) else one for one in key]
    in_turn = wanted.order_by(*order).with_for_update(of=table, key_share=not deletes)
    # No CTE: Python's driver of SQLite counts no rows of a statement that begins with WITH.
    return _any_of(key, in_turn.subquery("locked"))


def _any_of(key: Sequence[sa.Column[Any]], rows: sa.Subquery) -> sa.ColumnElement[bool]:
    wanted = sa.select(*(rows.c[column.name] for column in key))
    return key[0].in_(wanted) if len(key) == 1 else sa.tuple_(*key).in_(wanted)


UNLEASED: dict[str, None] = {"lease_owner": None, "lease_until": None}
"""Return the columns of a row without a lease."""

FRESH: dict[str, Any] = {
    "card_is_media": False,
    "overdue": False,
    "redirected": False,
    "video_is_document": False,
    "attempts": 0,
    "claims": 0,
    "fence": 0,
}
"""Return the initial values of every new task."""

COPIED = (
    "user_id", "chat_id", "message_thread_id", "business_connection_id", "message_id", "lang",
    "model", "price_kopecks", "prompt", "original", "rewritten", "frame_file_id", "frame_kind",
    "aspect_ratio", "kind", "picture_for",
)  # fmt: skip
"""The values that a task copies from the task it is made from."""

PLACED = ("film_id", "film_place", "film_since")
"""The values that another version of the same part of a film copies too."""
