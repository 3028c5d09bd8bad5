"""Ended rows are never read again: frequent statements use only partial indexes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from storage import Storage, open_storage
from tests.support.factories import MINUTE, NOON, queued

Said = list[tuple[str, Any]]


@contextmanager
def listening() -> Iterator[Said]:
    said: Said = []

    def hear(_c: Any, _cursor: Any, text: str, values: Any, _context: Any, _many: bool) -> None:
        said.append((text, values))

    sa.event.listen(sa.Engine, "before_cursor_execute", hear)
    try:
        yield said
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", hear)


def explain(connection: sa.Connection, text: str, values: Any) -> list[str]:
    plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)
    return [row.detail for row in plan.all()]


async def claim_tasks(storage: Storage) -> None:
    await storage.tasks.claim_due(owner="w", now=NOON, lease_for=MINUTE, limit=9, slots=9)


async def claim_updates(storage: Storage) -> None:
    await storage.inbox.claim(owner="w", now=NOON, lease_for=MINUTE, limit=9)


async def look_ahead(storage: Storage) -> None:
    await storage.inbox.lag(NOON)


async def look_at_all(storage: Storage) -> None:
    await storage.due.next("tasks", NOON)


async def place_in_queue(storage: Storage) -> None:
    await storage.tasks.queue_position(1)


async def newest_of_a_person(storage: Storage) -> None:
    await storage.tasks.latest(1)


PARTS = {"due", "mine", "oldest", "found", "chats", "next_rows", "times"}
"""Parts of the statements, with as many rows as were selected for them."""


@pytest.mark.parametrize(
    ("act", "indexes"),
    [
        (claim_tasks, {"ix_tasks_due", "ix_tasks_queue"}),
        (claim_updates, {"ix_inbox_due", "ix_inbox_pending"}),
        (
            look_at_all,
            {
                "ix_tasks_due",
                "ix_tasks_queue",
                "ix_inbox_due",
                "ix_inbox_pending",
                "ix_films_due",
                "ix_star_refunds_due",
                "ix_balance_trails_undecided",
            },
        ),
        (look_ahead, {"ix_tasks_due", "ix_inbox_due", "ix_inbox_pending"}),
        (place_in_queue, {"ix_tasks_queue"}),
        (newest_of_a_person, {"ix_tasks_user"}),
    ],
)
async def test_no_frequent_statement_reads_a_whole_table(
    sqlite_url: str, act: Any, indexes: set[str]
) -> None:
    async with open_storage(sqlite_url) as storage:
        await queued(storage)  # so that no statement is skipped
        with listening() as said:
            await act(storage)
        read: list[str] = []
        async with storage.database.transaction() as connection:
            for text, values in said:
                if text.startswith(("WITH", "SELECT")):
                    read += await connection.run_sync(explain, text, values)
    tables = [line for line in read if line.startswith(("SCAN", "SEARCH"))]
    bad = [
        line
        for line in tables
        if "INTEGER PRIMARY KEY" not in line
        and not any(f"INDEX {index}" in line for index in indexes)
        and line.split()[1] not in PARTS
        and line != "SCAN CONSTANT ROW"
        and not line.startswith("SEARCH switches USING")  # three rows at the most
        and line.split()[1] not in {"outbox", "broadcasts", "provider_breaker"}  # few rows
    ]
    assert tables
    assert bad == []
