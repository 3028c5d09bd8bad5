"""When the next row of each kind is due: one statement for all kinds, repeated after a write.

Whoever waits for rows asks here instead of trying to claim them. A write by any statement of this
process, or of another one that tells it, makes the answer void. It must not know the clock, nor
what is done with the rows.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Set
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from bot.core.breaker import NEEDED
from bot.core.task import ACTIVE, TaskState
from storage.broadcasts import B
from storage.cluster import Cluster
from storage.engine import Database
from storage.rows import claimable_at
from storage.tables import (
    InboxState,
    balance_trails,
    broadcasts,
    films,
    in_states,
    inbox,
    one_of,
    outbox,
    provider_breaker,
    star_refunds,
    tasks,
)

VALID = timedelta(seconds=30)
"""After this time the answer is read again: another process may not have told what it wrote."""

_WRITTEN = "written "
"""The event of a written table is this with its name."""


def _first(at: sa.ColumnElement[Any], *conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(sa.func.min(at)).where(*conditions)


_KINDS: Mapping[str, tuple[sa.Table, sa.Select[Any]]] = {
    "tasks": (tasks, _first(claimable_at(tasks), in_states(ACTIVE))),
    "queue": (
        tasks,
        _first(tasks.c.run_at, in_states({TaskState.QUEUED}), tasks.c.lease_until.is_(None)),
    ),
    "inbox": (inbox, _first(claimable_at(inbox), one_of(inbox.c.state, {InboxState.PENDING}))),
    "outbox": (outbox, _first(claimable_at(outbox), outbox.c.waits_for.is_(None))),
    "films": (films, _first(claimable_at(films), films.c.run_at.is_not(None))),
    "refunds": (
        star_refunds,
        _first(
            claimable_at(star_refunds),
            star_refunds.c.done_at.is_(None),
            star_refunds.c.refused_at.is_(None),
        ),
    ),
    "broadcasts": (
        broadcasts,
        _first(
            sa.func.coalesce(broadcasts.c.lease_until, broadcasts.c.created_at),
            broadcasts.c.state == B.RUNNING,
        ),
    ),
    "doubts": (
        balance_trails,
        _first(
            sa.func.coalesce(balance_trails.c.due_at, balance_trails.c.lost_at),
            balance_trails.c.verdict.is_(None),
        ),
    ),
    # a probe, or the end of the trial order; after the probes it waits for an order
    "breaker": (
        provider_breaker,
        _first(
            sa.case(
                (provider_breaker.c.good < NEEDED, provider_breaker.c.probe_at),
                else_=provider_breaker.c.trial_until,
            )
        ),
    ),
}
_LOOK = sa.select(*(first.scalar_subquery().label(kind) for kind, (_, first) in _KINDS.items()))


class Due:
    """When rows are due, and calls for whoever waits for a table to be written."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cluster: Cluster | None = None
        self._calls: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)
        self._at: dict[str, datetime | None] = {}
        self._void = set(_KINDS)
        self._looked_at: datetime | None = None
        self._looking = asyncio.Lock()
        database.watch(self._written)

    def join(self, cluster: Cluster) -> None:
        """Tell the other processes of this cluster what is written here, and hear it of them."""
        if self._cluster is not cluster:
            self._cluster = cluster
            for table in list(self._calls):
                cluster.subscribe(_WRITTEN + table, partial(self._heard, table))

    def watch(self, tables: Iterable[str], call: Callable[[], None]) -> None:
        """Call `call` after each write to one of these tables that may make something due."""
        for table in tables:
            if table not in self._calls and self._cluster is not None:
                self._cluster.subscribe(_WRITTEN + table, partial(self._heard, table))
            self._calls[table].append(call)

    def watch_kind(self, kind: str, call: Callable[[], None]) -> None:
        """Call `call` after each write to the table of the rows of this kind."""
        self.watch([_KINDS[kind][0].name], call)

    async def next(self, kind: str, now: datetime) -> datetime | None:
        """Return when the first row of this kind is or was due; None if none waits."""
        if not self._is_known(kind, now):
            async with self._looking:
                if not self._is_known(kind, now):
                    await self._look(now)
        return self._at[kind]

    def _is_known(self, kind: str, now: datetime) -> bool:
        # A clock that was put back makes the answer void too.
        looked_at = self._looked_at
        return (
            kind not in self._void
            and looked_at is not None
            and looked_at <= now < looked_at + VALID
        )

    async def _look(self, now: datetime) -> None:
        void, self._void = self._void, set()  # what is written meanwhile is void again
        try:
            async with self._database.transaction() as connection:
                row = (await connection.execute(_LOOK)).one()
        except BaseException:
            self._void |= void
            raise
        self._at, self._looked_at = dict(row._mapping), now

    def _written(self, tables: Set[str], quietly: bool) -> None:
        for table in tables:
            self._make_void(table)
            if not quietly and self._cluster is not None:
                self._cluster.notify_soon(_WRITTEN + table)

    def _heard(self, table: str) -> None:
        self._make_void(table)
        for call in self._calls[table]:
            call()

    def _make_void(self, table: str) -> None:
        self._void.update(kind for kind, (of, _) in _KINDS.items() if of.name == table)
