"""A second connection to the bot's database: read-only, and without the bot's code."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import asyncpg

from bot.core.task import ACTIVE, ALLOWED, ENDED, TaskState
from tests.support import canaries

Row = dict[str, Any]


class Observer:
    """Remembers every ended task that it saw; an ended task never changes."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ended: dict[int, Row] = {}
        self.changed: list[str] = []

    async def rows(self, question: str) -> list[Row]:
        """The rows of a SELECT; none while there is no such database or table yet."""
        if self._url.startswith("sqlite"):
            return await asyncio.to_thread(self._sqlite, question)
        connection = await asyncpg.connect(self._url.replace("+asyncpg", ""))
        try:
            return [dict(row) for row in await connection.fetch(question)]
        except asyncpg.UndefinedTableError:
            return []
        finally:
            await connection.close()

    def _sqlite(self, question: str) -> list[Row]:
        path = self._url.partition(":///")[2]
        try:
            link = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
        except sqlite3.OperationalError:
            return []
        try:
            link.row_factory = sqlite3.Row
            return [dict(row) for row in link.execute(question)]
        except sqlite3.OperationalError as exc:
            if "no such table" in str(exc):
                return []
            raise
        finally:
            link.close()

    async def look(self) -> None:
        """Compares every ended task with what it was when it was seen first."""
        states = ", ".join(f"'{state.value}'" for state in sorted(ENDED))
        for row in await self.rows(f"SELECT * FROM tasks WHERE state IN ({states})"):  # noqa: S608
            before = self._ended.setdefault(row["id"], row)
            if before != row:
                changes = {k: (before[k], row[k]) for k in row if before[k] != row[k]}
                self.changed.append(f"task {row['id']} ended and changed: {changes}")
                self._ended[row["id"]] = row
        for id_ in self._ended.keys() - {
            row["id"] for row in await self.rows("SELECT id FROM tasks")
        }:
            self.changed.append(f"task {id_} ended and is gone")
            del self._ended[id_]

    async def watch(self, every: float = 1.0) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(every)

    async def open_work(self) -> list[str]:
        """Return the work that is still open."""
        active = _list(ACTIVE)
        found = [
            f"task {row['id']} is {row['state']} ({row['detail']})"
            for row in await self.rows(
                f"SELECT id, state, detail FROM tasks WHERE state IN ({active})"  # noqa: S608
            )
        ]
        pending = "SELECT update_id, error FROM inbox WHERE state = 'pending'"
        for row in await self.rows(pending):
            found += [f"update {row['update_id']} is pending ({row['error']})"]
        for row in await self.rows("SELECT id, kind FROM outbox"):
            found += [f"notice {row['id']} ({row['kind']}) is not sent"]
        return found

    async def faults(self) -> list[str]:
        """Return violations of invariants that hold whenever no work is open."""
        await self.look()
        found = list(self.changed)
        found += await self.open_work()
        if self._url.startswith("sqlite"):
            for pragma in ("integrity_check", "foreign_key_check"):
                for row in await self.rows(f"PRAGMA {pragma}"):
                    if row != {"integrity_check": "ok"}:
                        found.append(f"{pragma}: {row}")
        for row in await self.rows("SELECT * FROM inbox WHERE state = 'set_aside'"):
            found += [f"update {row['update_id']} is kept aside: {row['error']}"]
        # The link of an unknown order stays valid for its time: the provider may still fetch it.
        over = "SELECT task_id FROM frames WHERE task_id NOT IN (SELECT id FROM tasks WHERE state"
        for row in await self.rows(f"{over} = 'unknown')"):
            found += [f"task {row['task_id']} left its frame"]
        found += await self._histories()
        return found

    async def leaks(self) -> list[str]:
        """Secrets in the rows of PostgreSQL; SQLite's file lies in the campaign's folder."""
        if self._url.startswith("sqlite"):
            return []
        found = []
        for table in await self.rows("SELECT relname FROM pg_stat_user_tables"):
            name = table["relname"]
            for row in await self.rows(f'SELECT t::text AS line FROM "{name}" AS t'):  # noqa: S608
                found += canaries.leaks(f"a row of {name}", row["line"])
                if canaries.PLACE in row["line"]:
                    found.append(f"a place stands in a row of {name}")
        return found

    async def _histories(self) -> list[str]:
        found = []
        events = defaultdict(list)
        for row in await self.rows("SELECT task_id, state FROM task_events ORDER BY id"):
            events[row["task_id"]].append(TaskState(row["state"]))
        found += await self._films()
        begun = {
            row["storyboard_id"]: row["place"]
            for row in await self.rows(
                "SELECT storyboard_id, min(film_place) AS place FROM tasks"
                " WHERE storyboard_id IS NOT NULL GROUP BY storyboard_id"
            )
        }
        for row in await self.rows("SELECT * FROM tasks"):
            way = events.pop(row["id"], [])
            # of a film that was ordered as a whole, the first part is queued and the others wait
            film = (row.get("storyboard_id"), row.get("film_place"))
            begins = film[0] is not None and film[1] == begun[film[0]]
            ordered_at_once = (
                row["retry_of"] is not None or row["variant_of"] is not None or begins
            )
            first = TaskState.QUEUED if ordered_at_once else TaskState.DRAFT
            told = f"task {row['id']}: {' → '.join(way)}; it is {row['state']}"
            if not way or way[0] is not first or way[-1].value != row["state"]:
                found.append(f"its history does not lead to its state: {told}")
            for before, after in pairwise(way):
                if after not in ALLOWED[before]:
                    found.append(f"{before} → {after} cannot be: {told}")
            if sum(state in ENDED for state in way) > 1:
                found.append(f"it ended twice: {told}")
            if row["lease_owner"] is not None and row["state"] not in _values(ACTIVE):
                found.append(f"it rests and is leased: {told}")
        found += [f"task {id_} has a history and no row" for id_ in events]
        return found

    async def _films(self) -> list[str]:
        """Films with a part twice, or with one that began before the part before it was there."""
        twice = await self.rows(
            "SELECT storyboard_id, film_place FROM tasks WHERE storyboard_id IS NOT NULL"
            " GROUP BY storyboard_id, film_place HAVING count(*) > 1"
        )
        early = await self.rows(
            "SELECT part.storyboard_id, part.film_place FROM tasks AS part"
            " JOIN tasks AS before ON before.storyboard_id = part.storyboard_id"
            " AND before.film_place = part.film_place - 1"
            " JOIN task_events AS begun ON begun.task_id = part.id AND begun.state = 'queued'"
            " LEFT JOIN task_events AS there ON there.task_id = before.id"
            " AND there.state = 'delivered'"
            " WHERE there.id IS NULL OR there.id > begun.id"
        )
        idle = await self.rows(
            "SELECT storyboard_id, min(film_place) AS film_place FROM tasks"
            " WHERE storyboard_id IS NOT NULL GROUP BY storyboard_id"
            " HAVING sum(CASE WHEN state = 'draft' THEN 1 ELSE 0 END) > 0"
            " AND sum(CASE WHEN state IN ('queued', 'submitting', 'generating', 'rendered')"
            " THEN 1 ELSE 0 END) = 0"
        )
        return [
            f"film of storyboard {row['storyboard_id']}: part {row['film_place']} {what}"
            for rows, what in (
                (twice, "exists twice"), (early, "began too early"), (idle, "goes on no more"),
            )
            for row in rows
        ]  # fmt: skip


def _values(states: Iterable[TaskState]) -> set[str]:
    return {state.value for state in states}


def _list(states: Iterable[TaskState]) -> str:
    return ", ".join(json.dumps(value).replace('"', "'") for value in sorted(_values(states)))
