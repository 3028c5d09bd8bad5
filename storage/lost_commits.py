"""Continue with a database that lost its last commits, without paying for anything twice.

Reasons are a deleted `-wal`, a standby that was behind or an old backup. What happened since then
is unknown: a queued order may have been sent to the provider. It must not know how the commits
were lost.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from bot.core.task import TaskState
from storage.backup import RESTORE_GAP, CopyRefused, sole_use
from storage.migrate import HEAD, version
from storage.numbers import numbers, set_numbers
from storage.rows import UNLEASED, task_from
from storage.tables import tasks
from storage.tasks.leases import add_event
from storage.wal_guard import WHOLE


async def recover(url: str, now: datetime) -> int:
    """Treat every waiting order as one whose answer was lost; return how many there were.

    At the next start their people are told, with a button to order again. Numbers of the time that
    was forgotten are not given again: RESTORE_GAP of each table are left out. Raises CopyRefused
    while a bot is on the database.
    """
    async with sole_use(url) as connection:
        if await connection.run_sync(version) != HEAD:
            raise CopyRefused("this program did not make the tables: run `bot migrate` first")
        rows = await connection.execute(
            sa.update(tasks)
            .where(tasks.c.state == TaskState.QUEUED)
            .values(
                state=TaskState.SUBMITTING, submitted_at=now, run_at=now,
                fence=tasks.c.fence + 1, **UNLEASED,
            )
            .returning(*tasks.c)
        )  # fmt: skip
        doubted = [task_from(row) for row in rows.all()]
        for task in doubted:
            await add_event(connection, task, now)
        given = await numbers(connection)
        await set_numbers(
            connection, {name: last and last + RESTORE_GAP for name, last in given.items()}
        )
        if connection.dialect == "sqlite":
            await connection.execute(WHOLE)
    return len(doubted)
