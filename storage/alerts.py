"""Alerts and switches: an alert is reported once when it starts and once when it ends.

The row and its notices are written in one commit, so that several processes which see the same
problem report it once. It must not know the checks or the texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from bot.core.alerts import Alert, AlertKind, Switch
from bot.core.notices import Notice, NoticeKind, new_about
from bot.core.task import ACTIVE, Chat, TaskState
from storage.audit import add_act
from storage.connection import Connection
from storage.engine import Database
from storage.operator_messages import end_messages, tell_operator
from storage.tables import (
    InboxState,
    alerts,
    at_rest,
    in_states,
    inbox,
    one_of,
    provider_breaker,
    star_refunds,
    switches,
    tasks,
)
from storage.users import lang_of


@dataclass(frozen=True, kw_only=True)
class OpenAlert:
    """An open alert."""

    key: str
    kind: AlertKind
    params: dict[str, Any]
    opened_at: datetime


@dataclass(frozen=True, kw_only=True)
class HeldSwitch:
    """A switch that an admin has set."""

    switch: Switch
    by: int
    at: datetime


CONCERN = (TaskState.UNKNOWN, TaskState.UNDELIVERABLE)
"""States in which an order stays until a person decides."""


class WhatIsThere(NamedTuple):
    """Which kinds of rows exist that the alert monitor reports. `resting`: orders in a state of
    CONCERN."""

    alerts: bool
    resting: bool
    set_aside: bool
    switches: bool
    breaker: bool
    refused_refunds: bool
    charged_failures: bool


_SINCE = sa.bindparam("since", type_=tasks.c.run_at.type)


def _is_any(table: sa.Table, *conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return sa.exists(sa.select(sa.literal(1)).select_from(table).where(*conditions))


_IS_THERE = sa.select(
    _is_any(alerts, alerts.c.closed_at.is_(None)),
    _is_any(tasks, at_rest(CONCERN), tasks.c.run_at >= _SINCE),
    _is_any(inbox, one_of(inbox.c.state, {InboxState.SET_ASIDE}), inbox.c.finished_at >= _SINCE),
    _is_any(switches),
    _is_any(provider_breaker),
    _is_any(
        star_refunds, star_refunds.c.refused_at.is_not(None), star_refunds.c.done_at.is_(None)
    ),
    _is_any(tasks, at_rest({TaskState.FAILED}), tasks.c.provider_id.is_not(None)),
)


_OPEN = (
    sa.select(alerts.c.key, alerts.c.kind, alerts.c.params, alerts.c.opened_at)
    .where(alerts.c.closed_at.is_(None))
    .order_by(alerts.c.opened_at)
)
_SWITCHES = sa.select(switches)


@cache
def _resting(states: frozenset[TaskState]) -> sa.Select[Any]:
    return (
        sa.select(tasks.c.id, tasks.c.state, tasks.c.reason)
        .where(at_rest(states), tasks.c.run_at >= _SINCE)
        .order_by(tasks.c.id)
    )


def _newest_charged(state: TaskState) -> sa.Select[Any]:
    newest = (
        sa.select(
            tasks.c.run_at,
            tasks.c.id,
            sa.literal(state is TaskState.FAILED).label("failed"),
            tasks.c.price_kopecks,
        )
        .where(at_rest({state}), tasks.c.provider_id.is_not(None))
        .order_by(tasks.c.run_at.desc())
        .limit(sa.bindparam("limit"))
        .subquery()
    )
    return sa.select(newest)


_CHARGED = sa.union_all(_newest_charged(TaskState.FAILED), _newest_charged(TaskState.DELIVERED))


class AlertStore:
    """The store of alerts and switches; `told`: the chats that are notified."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, alert: Alert, *, told: Iterable[int], now: datetime) -> bool:
        """Open an alert; return False, and notify nobody, if it was open."""
        new = insert(alerts).values(
            key=alert.key, kind=alert.kind.value, params=dict(alert.params), opened_at=now
        )
        async with self._database.transaction() as connection:
            opened = await connection.execute(
                new.on_conflict_do_update(
                    index_elements=["key"],
                    set_={"params": new.excluded.params, "opened_at": now, "closed_at": None},
                    where=alerts.c.closed_at.is_not(None),
                )
            )
            if opened.rowcount != 1:
                return False
            await _notify(connection, NoticeKind.ALERT, alert, told, now)
            return True

    async def close(self, key: str, *, told: Iterable[int], now: datetime) -> bool:
        """Close an alert; return False if it was not open."""
        async with self._database.transaction() as connection:
            row = (
                await connection.execute(
                    sa.update(alerts)
                    .where(alerts.c.key == key, alerts.c.closed_at.is_(None))
                    .values(closed_at=now)
                    .returning(alerts.c.kind, alerts.c.params, alerts.c.opened_at)
                )
            ).one_or_none()
            if row is None:
                return False
            params = {**row.params, "seconds": (now - row.opened_at).total_seconds()}
            await end_messages(connection, f"{NoticeKind.ALERT.value}:{key}", now)
            ended = Alert(key=key, kind=AlertKind(row.kind), params=params)
            await _notify(connection, NoticeKind.ALERT_OVER, ended, told, now)
            return True

    async def all_open(self) -> dict[str, OpenAlert]:
        """Return the open alerts by key, the oldest first."""
        rows = await self._database.read(_OPEN)
        return {
            row.key: OpenAlert(
                key=row.key,
                kind=AlertKind(row.kind),
                params=row.params,
                opened_at=row.opened_at,
            )
            for row in rows
        }

    async def resting(
        self, states: Iterable[TaskState], *, since: datetime
    ) -> list[tuple[int, TaskState, str | None]]:
        """Return the tasks that entered one of `states` since that time: number, state, reason."""
        rows = await self._database.read(_resting(frozenset(states)), {"since": since})
        return [(row.id, row.state, row.reason) for row in rows]

    async def what_is_there(self, *, since: datetime) -> WhatIsThere:
        """Return, in one statement, which of the other methods would find rows."""
        [row] = await self._database.read(_IS_THERE, {"since": since})
        return WhatIsThere(*map(bool, row))

    async def charged_outcomes(self, limit: int) -> list[tuple[bool, Decimal]]:
        """Return the latest orders that ended and were charged, the newest first: whether each
        failed, and its price.
        """
        rows = await self._database.read(_CHARGED, {"limit": limit})
        newest = sorted(rows, key=lambda row: (row.run_at, row.id), reverse=True)[:limit]
        return [(bool(row.failed), row.price_kopecks) for row in newest]

    async def set_aside(self, *, since: datetime) -> list[tuple[int, str | None]]:
        """Return the updates set aside since that time: number and reason."""
        wanted = sa.select(inbox.c.update_id, inbox.c.error).where(
            one_of(inbox.c.state, {InboxState.SET_ASIDE}),
            inbox.c.finished_at >= since,
        )
        rows = await self._database.read(wanted)
        # Sorted here: for this order SQLite would read the whole table by its key.
        return sorted((row.update_id, row.error) for row in rows)

    # --- switches --------------------------------------------------------------------------

    async def hold(self, switch: Switch, *, by: int, now: datetime) -> bool:
        """Set a switch; return False if it was set before."""
        async with self._database.transaction() as connection:
            held = await connection.execute(
                insert(switches)
                .values(name=switch.value, by=by, at=now)
                .on_conflict_do_nothing(index_elements=["name"])
            )
            if held.rowcount == 1:
                await add_act(connection, f"hold {switch.value}", by=by, now=now)
            return held.rowcount == 1

    async def release(self, wanted: Sequence[Switch], *, by: int, now: datetime) -> bool:
        """Clear switches; return False if none of them was set."""
        async with self._database.transaction() as connection:
            names = await connection.scalars(
                sa.delete(switches)
                .where(switches.c.name.in_([switch.value for switch in wanted]))
                .returning(switches.c.name)
            )
            released = sorted(names.all())
            for name in released:
                await add_act(connection, f"release {name}", by=by, now=now)
            return bool(released)

    async def held(self) -> dict[Switch, HeldSwitch]:
        """Return the switches that are set."""
        rows = await self._database.read(_SWITCHES)
        return {
            Switch(row.name): HeldSwitch(switch=Switch(row.name), by=row.by, at=row.at)
            for row in rows
        }

    async def is_held(self, *wanted: Switch) -> bool:
        """Whether one of these switches is set."""
        return await self._database.read_one(_HELD, _names_of(wanted)) is not None

    async def drained(self, *, told: Iterable[int], now: datetime) -> bool:
        """If a drain has no open orders left, turn it into a plain pause and report it once."""
        under_way = sa.exists().where(in_states(ACTIVE))
        async with self._database.transaction() as connection:
            done = (
                await connection.execute(
                    sa.delete(switches)
                    .where(switches.c.name == Switch.DRAIN.value, ~under_way)
                    .returning(switches.c.by, switches.c.at)
                )
            ).one_or_none()
            if done is None:
                return False
            await connection.execute(
                insert(switches)
                .values(name=Switch.INTAKE.value, by=done.by, at=done.at)
                .on_conflict_do_nothing(index_elements=["name"])
            )
            about = {"about": new_about("drained")}
            await tell_operator(
                connection, await _to_each(connection, NoticeKind.DRAINED, about, told), now
            )
            return True


_HELD = (
    sa.select(switches.c.name)
    .where(switches.c.name.in_(sa.bindparam("names", expanding=True)))
    .limit(1)
)


async def is_held(connection: Connection, *wanted: Switch) -> bool:
    """Whether one of these switches is set, as part of a transaction."""
    found: str | None = await connection.scalar(_HELD, _names_of(wanted))
    return found is not None


def _names_of(wanted: Iterable[Switch]) -> dict[str, Any]:
    return {"names": [switch.value for switch in wanted]}


async def _notify(
    connection: Connection,
    notice: NoticeKind,
    alert: Alert,
    told: Iterable[int],
    now: datetime,
) -> None:
    about = new_about(f"{notice.value}:{alert.key}")
    what = {**alert.params, "alert": alert.kind.value, "about": about}
    await tell_operator(connection, await _to_each(connection, notice, what, told), now)


async def _to_each(
    connection: Connection, kind: NoticeKind, params: Any, told: Iterable[int]
) -> list[Notice]:
    return [
        Notice(
            kind=kind, chat=Chat(chat_id=chat), lang=await lang_of(connection, chat), params=params
        )
        for chat in sorted(told)
    ]
