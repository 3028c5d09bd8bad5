"""A person's orders, page by page, and a search of their own videos.

It must not know the layout of a page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from bot.core.task import Task, TaskKind, TaskState
from storage.engine import Database
from storage.rows import task_from
from storage.tables import tasks

SEARCHED = 1_000
"""How many of a person's newest videos are searched."""


# What is one entry of the history: a film, by its number, or an order, by its negative number
_ENTRY = sa.case(
    (
        sa.and_(tasks.c.film_id.is_not(None), tasks.c.state == TaskState.DELIVERED.value),
        tasks.c.film_id,
    ),
    else_=-tasks.c.id,
)


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of a person's orders, the newest first; a film is its newest part."""

    tasks: list[Task]
    number: int  # from 0
    pages: int  # at least 1


class HistoryStore:
    """A person's view of their own tasks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, user_id: int, number: int, *, size: int, words: str = "") -> Page:
        """Return the orders of this page, or of the last page when there are fewer.

        The parts of a film are one entry, its newest part; an order of it without a video stands
        alone. With `words`, those of the newest SEARCHED orders whose prompt contains them all.
        """
        mine = (tasks.c.user_id == user_id, tasks.c.confirmed_at.is_not(None))
        sought = words.casefold().split()
        async with self._database.transaction() as connection:
            if sought:
                rows = await connection.execute(
                    sa.select(tasks.c.id, tasks.c.prompt, tasks.c.original, _ENTRY.label("entry"))
                    .where(*mine)
                    .order_by(tasks.c.id.desc())
                    .limit(SEARCHED)
                )
                newest: dict[int, int] = {}
                for row in rows.all():
                    if _has(sought, row.prompt, row.original):
                        newest.setdefault(row.entry, row.id)
                found = list(newest.values())
                pages, number = _bounds(len(found), number, size)
                shown = found[number * size : (number + 1) * size]
            else:
                entries = (
                    sa.select(sa.func.max(tasks.c.id).label("newest"))
                    .where(*mine)
                    .group_by(_ENTRY)
                )
                counted = sa.select(sa.func.count()).select_from(entries.subquery())
                pages, number = _bounds(await connection.scalar(counted) or 0, number, size)
                some = entries.order_by(sa.desc("newest")).limit(size).offset(number * size)
                shown = list((await connection.scalars(some)).all())
            rows = await connection.execute(
                sa.select(tasks).where(tasks.c.id.in_(shown)).order_by(tasks.c.id.desc())
            )
            return Page(tasks=[task_from(row) for row in rows.all()], number=number, pages=pages)

    async def videos(
        self, user_id: int, words: str, *, limit: int, before: int | None = None
    ) -> list[Task]:
        """Return delivered videos whose prompts contain all these words, case-insensitive, newest
        first.

        `before` a task's id returns the next ones.
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
        return [task for task in found if _has(sought, task.prompt, task.original)][:limit]


def _bounds(total: int, number: int, size: int) -> tuple[int, int]:
    """Return how many pages there are, and the number of the wanted one or of the last."""
    pages = max(1, -(-total // size))
    return pages, min(max(number, 0), pages - 1)


def _has(sought: Sequence[str], *texts: str | None) -> bool:
    """Whether each word is in one of the texts. Compared here and not by the database, because
    SQLite folds the case of ASCII letters only."""
    folded = [text.casefold() for text in texts if text]
    return all(any(word in text for text in folded) for word in sought)
