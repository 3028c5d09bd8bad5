"""A database after many orders: as many finished rows as wanted in every table that grows.

Made by the database itself, in seconds; and how it goes about a statement.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.core.task import TaskState
from storage import Storage
from storage.connection import Connection
from storage.tables import InboxState, callback_actions, inbox, ledger, task_events, tasks

MOMENTS, PEOPLE, DAYS = 100, 1_000, 90
GROWING = {"tasks", "task_events", "inbox", "ledger", "presses"}
"""Tables with rows that stay when they have taken effect."""
NOTHING_ENDED = {
    "ix_tasks_due",
    "ix_tasks_queue",
    "ix_inbox_pending",
    "ix_inbox_due",
    "ix_inbox_set_aside",
}
"""Indexes that know only of what has not: they may be read from end to end."""


async def grow(storage: Storage, count: int, *, now: datetime) -> None:
    """`count` delivered orders, a hundred at a time, over the last ninety days, and their rows."""
    moments = sa.table("moments", sa.column("i", sa.Integer), sa.column("at", tasks.c.run_at.type))
    numbers = sa.select(sa.literal(0).label("n")).cte("numbers", recursive=True)
    numbers = numbers.union_all(
        sa.select(numbers.c.n + 1).where(numbers.c.n + 1 < count // MOMENTS)
    )
    every = moments.join(numbers, sa.true())
    at, i = moments.c.at, numbers.c.n * MOMENTS + moments.c.i
    user = i % PEOPLE + 1_000
    async with storage.database.transaction() as connection:
        kind = "TIMESTAMP WITH TIME ZONE" if connection.dialect == "postgresql" else "DATETIME"
        await connection.execute(sa.text(f"CREATE TEMPORARY TABLE moments (i INTEGER, at {kind})"))
        step = timedelta(days=DAYS) / MOMENTS
        await connection.execute(
            sa.insert(moments), [{"i": i, "at": now - i * step} for i in range(1, MOMENTS + 1)]
        )
        last = await connection.scalar(sa.select(sa.func.coalesce(sa.func.max(tasks.c.id), 0)))
        i = i + last
        await _fill(connection, every, tasks, {
            "id": i, "user_id": user, "chat_id": user, "message_id": i, "lang": "ru",
            "source_chat_id": user, "source_message_id": i,
            "model": "seedance-1-lite-480P-5s", "price_kopecks": sa.literal_column("1700"),
            "prompt": "A fox runs through the snow at dawn, the camera follows it slowly",
            "aspect_ratio": "16:9", "card_is_media": sa.false(), "state": TaskState.DELIVERED,
            "created_at": at, "confirmed_at": at, "confirmed_by": i, "submitted_at": at,
            "accepted_at": at, "rendered_at": at, "ended_at": at, "run_at": at,
            "overdue": sa.false(), "attempts": 0, "claims": 0, "fence": 1,
            "provider_id": sa.literal("v") + sa.cast(i, sa.Text), "video_file_id": "BAACAgIAAx",
        })  # fmt: skip
        await _fill(connection, every, task_events, {
            "task_id": i, "state": TaskState.DELIVERED, "at": at,
        })  # fmt: skip
        await _fill(connection, every, inbox, {
            "update_id": i, "chat_key": sa.cast(user, sa.Text), "state": InboxState.DONE,
            "received_at": at, "finished_at": at, "run_at": at, "attempts": 1,
        })  # fmt: skip
        await _fill(connection, every, ledger, {
            "kind": "charge", "at": at, "user_id": user, "task_id": i,
            "kopecks": sa.literal_column("1700"), "credit_kopecks": sa.literal_column("0"),
            "stars": 0,
        })  # fmt: skip
        await _fill(connection, every, callback_actions, {"update_id": i, "task_id": i, "at": at})
        await connection.execute(sa.text("DROP TABLE moments"))
        if connection.dialect == "postgresql":
            # the numbers came past the sequence of this table
            await connection.execute(
                sa.text("SELECT setval(pg_get_serial_sequence('tasks', 'id'), max(id)) FROM tasks")
            )
            await connection.execute(sa.text("ANALYZE"))


async def _fill(
    connection: Connection, every: sa.FromClause, table: sa.Table, values: dict[str, Any]
) -> None:
    made = [
        value if isinstance(value, sa.ColumnElement) else sa.literal(value, table.c[name].type)
        for name, value in values.items()
    ]
    await connection.execute(
        sa.insert(table).from_select([*values], sa.select(*made).select_from(every))
    )


# --- plans -----------------------------------------------------------------------------------


def full_reads(connection: sa.Connection, text: str, values: Any) -> list[str]:
    """What this statement would read from end to end of all that grows."""
    if isinstance(values, list):
        values = values[0]
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)
        return [row.detail for row in rows.all() if _is_full_on_sqlite(row.detail, text)]
    rows = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {text}", values)
    return list(_full_on_postgres(rows.scalar_one()[0]["Plan"]))


def _is_full_on_sqlite(line: str, text: str) -> bool:
    words = line.split()
    if words[0] != "SCAN" or any(index in words for index in NOTHING_ENDED):
        return False
    name = words[1]
    # an alias stands for the table that the statement says
    table = next((t for t in GROWING if f"{t} AS {name}" in text), name)
    return table in GROWING


def _full_on_postgres(node: dict[str, Any]) -> Any:
    for below in node.get("Plans", ()):
        yield from _full_on_postgres(below)
    name, index = node.get("Relation Name"), node.get("Index Name")
    kind = node["Node Type"]
    if kind == "Seq Scan" and name in GROWING:
        yield f"Seq Scan on {name}"
    elif "Index" in kind and "Index Cond" not in node and index not in NOTHING_ENDED:
        yield f"{kind} using {index} without a condition"
