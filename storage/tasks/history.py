"""A person's orders, page by page, and a search of their own videos.

It must not know the layout of a page.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from bot.core.task import Task, TaskKind, TaskState
from storage.engine import Database
from storage.rows import task_from
from storage.tables import tasks

SEARCHED = 1_000
"""How many of a person's newest videos are searched."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of a person's orders, the newest first."""

    tasks: list[Task]
    number: int  # from 0
    pages: int  # at least 1


class HistoryStore:
    """A person's view of their own tasks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, user_id: int, number: int, *, size: int) -> Page:
        """Return the orders of this page, or of the last page when there are fewer."""
        mine = (tasks.c.user_id == user_id, tasks.c.confirmed_at.is_not(None))
        async with self._database.transaction() as connection:
            total: int = await connection.scalar(
                sa.select(sa.func.count()).select_from(tasks).where(*mine)
            )
            pages = max(1, -(-total // size))
            number = min(max(number, 0), pages - 1)
            rows = await connection.execute(
                sa.select(tasks)
                .where(*mine)
                .order_by(tasks.c.id.desc())
                .limit(size)
                .offset(number * size)
            )
            return Page(tasks=[task_from(row) for row in rows.all()], number=number, pages=pages)

    async def videos(
        self, user_id: int, words: str, *, limit: int, before: int | None = None
    ) -> list[Task]:
        """Return delivered videos whose prompts contain all these words, case-insensitive, newest
        first.

        `before` a task's id returns the next ones. The texts are compared here and not by the
        database, because SQLite folds the case of ASCII letters only.
        """
        wanted = sa.select(tasks).where(
            tasks.c.user_id == user_id,
            tasks.c.state == TaskState.DELIVERED,
            tasks.c.video_file_id.is_not(None),
            tasks.c.video_is_document.is_(False),  # inline mode sends videos
            tasks.c.kind == TaskKind.VIDEO.value,
        )
        if before is not None:
            wanted = wanted.where(tasks.c.id < before)
        async with self._database.transaction() as connection:
            rows = await connection.execute(wanted.order_by(tasks.c.id.desc()).limit(SEARCHED))
            found = [task_from(row) for row in rows.all()]
        sought = words.casefold().split()
        return [
            task
            for task in found
            if all(word in (task.prompt or "").casefold() for word in sought)
        ][:limit]
