"""Tell when the next row of each kind is due: one statement for all kinds, and after a write one
for a kind that may have changed.

Loops ask here instead of trying to claim rows. After a write by this process, or by another one
that reports it, the known times are out of date. It must not know the clock, nor what is done with
the rows.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Set
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from bot.core.alerts import Switch
from bot.core.breaker import NEEDED
from bot.core.task import ACTIVE, TaskState
from storage.broadcasts import B
from storage.cluster import Cluster
from storage.due_updates import due_at
from storage.engine import Database
from storage.provider_account import READINGS_DUE
from storage.rows import claimable_at
from storage.tables import (
    balance_trails,
    broadcasts,
    films,
    in_states,
    inbox,
    outbox,
    provider_breaker,
    star_refunds,
    switches,
    tasks,
)

VALID = timedelta(seconds=30)
"""How long the known times count. Another process may have written without a report."""

_WRITTEN = "written "
"""The prefix of events: the name of the written table follows."""


def _first(at: sa.ColumnElement[Any], *conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(sa.func.min(at)).where(*conditions)


_waits = sa.and_(tasks.c.state == TaskState.QUEUED, tasks.c.lease_owner.is_(None))
# Orders that wait for the provider, for a reading of the balance, or for an admin who holds the
# queue
_is_stopped = sa.and_(
    _waits,
    sa.or_(
        sa.exists().where(provider_breaker.c.good < NEEDED),
        sa.and_(sa.exists().where(provider_breaker.c.id == 1), READINGS_DUE),
        sa.exists().where(switches.c.name == Switch.SUBMITS.value),
    ),
)
# They also wait for the end of a trial order
_trial_until = sa.select(provider_breaker.c.trial_until).scalar_subquery()
_tasks_at = sa.case(
    (sa.and_(_waits, _trial_until > claimable_at(tasks)), _trial_until), else_=claimable_at(tasks)
)
_FIRST: Mapping[str, sa.Select[Any]] = {
    "tasks": _first(_tasks_at, in_states(ACTIVE), ~_is_stopped),
    "queue": _first(tasks.c.run_at, in_states({TaskState.QUEUED}), tasks.c.lease_until.is_(None)),
    "inbox": due_at,
    "outbox": _first(claimable_at(outbox), outbox.c.waits_for.is_(None)),
    "films": _first(claimable_at(films), films.c.run_at.is_not(None)),
    "refunds": _first(
        claimable_at(star_refunds),
        star_refunds.c.done_at.is_(None),
        star_refunds.c.refused_at.is_(None),
    ),
    "broadcasts": _first(
        sa.func.coalesce(broadcasts.c.lease_until, broadcasts.c.created_at),
        broadcasts.c.state == B.RUNNING,
    ),
    "doubts": _first(
        sa.func.coalesce(balance_trails.c.due_at, balance_trails.c.lost_at),
        balance_trails.c.verdict.is_(None),
    ),
    # the next probe, or the end of the trial order; None while there is no trial order yet
    "breaker": _first(
        sa.case(
            (provider_breaker.c.good < NEEDED, provider_breaker.c.probe_at),
            else_=provider_breaker.c.trial_until,
        )
    ),
}
_TABLES: Mapping[str, tuple[sa.Table, ...]] = {
    "tasks": (tasks, provider_breaker, balance_trails, switches),
    "queue": (tasks,),
    "inbox": (inbox,),
    "outbox": (outbox,),
    "films": (films,),
    "refunds": (star_refunds,),
    "broadcasts": (broadcasts,),
    "doubts": (balance_trails,),
    "breaker": (provider_breaker,),
}
"""The tables on which the time of a kind depends."""
_ALL = sa.select(*(first.scalar_subquery().label(kind) for kind, first in _FIRST.items()))

_ANSWERS: Mapping[str, frozenset[str]] = {
    table.name: frozenset(kind for kind, read in _TABLES.items() if table in read)
    for tables in _TABLES.values()
    for table in tables
}
"""The kinds whose times are out of date after a write to a table."""


class Due:
    """The times at which rows are due, and callbacks for writes to a table."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cluster: Cluster | None = None
        self._calls: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)
        self._at: dict[str, datetime | None] = {}
        self._void = set(_FIRST)
        self._void_meanwhile = set[str]()  # since the current statement began
        self._looked_at: datetime | None = None
        self._looking = asyncio.Lock()
        database.watch(self._written)

    def join(self, cluster: Cluster) -> None:
        """Report writes to the other processes of this cluster, and receive their reports."""
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
        """Call `call` after each write that may make rows of this kind due."""
        self.watch([table.name for table in _TABLES[kind]], call)

    def ask_again(self, kind: str) -> None:
        """Count the known time of a kind as out of date: another process says that it has written,
        before the report of the written tables comes."""
        self._void.add(kind)
        self._void_meanwhile.add(kind)

    async def next(self, kind: str, now: datetime) -> datetime:
        """Return when the first row of this kind is or was due, or when to ask again if that is
        sooner.

        Thus the rows of a dead process are noticed when its lease ends, even without a report: no
        lease is shorter than VALID.
        """
        if not self._is_known(kind, now):
            async with self._looking:
                if not self._is_known(kind, now):
                    await self._look(kind, now)
        assert self._looked_at is not None
        at, again = self._at[kind], self._looked_at + VALID
        return again if at is None else min(at, again)

    def _is_known(self, kind: str, now: datetime) -> bool:
        return kind not in self._void and self._is_recent(now)

    def _is_recent(self, now: datetime) -> bool:
        # If the clock was set back, the times are out of date too.
        looked_at = self._looked_at
        return looked_at is not None and looked_at <= now < looked_at + VALID

    async def _look(self, kind: str, now: datetime) -> None:
        # The old times stay out of date until the new ones are there: others may ask meanwhile.
        self._void_meanwhile = set()
        if self._is_recent(now):
            self._at[kind] = await self._database.read_scalar(_FIRST[kind])
            self._void.discard(kind)
        else:
            [row] = await self._database.read(_ALL)
            self._at, self._looked_at = dict(row._mapping), now
            self._void.clear()
        self._void |= self._void_meanwhile

    def _written(self, tables: Set[str], quietly: bool) -> None:
        for table in sorted(tables):  # the order of a set differs between processes
            self._make_void(table)
            if not quietly and self._cluster is not None:
                self._cluster.notify_soon(_WRITTEN + table)

    def _heard(self, table: str) -> None:
        self._make_void(table)
        for call in self._calls[table]:
            call()

    def _make_void(self, table: str) -> None:
        kinds = _ANSWERS.get(table, frozenset())
        self._void |= kinds
        self._void_meanwhile |= kinds
