"""Check for problems, and report to the operator when an alert starts and ends.

Inputs: what this process observed (bot/core/alerts.py: AlertSignals), the rows, the balance and
the disk. An alert ends only by evidence. It must not know the texts or how they are sent: the
outbox does that.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable, Mapping, Set
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from bot.core.alerts import CONFLICT_QUIET, HOLDS, Alert, AlertKind, AlertSignals, Switch
from bot.core.balance import Verdict, params_of
from bot.core.clock import Clock, Sleep, Wait, wait_for
from bot.core.errors import ProviderError, ProviderHeld, StorageUnavailable
from bot.core.task import Reason, TaskState
from bot.runtime.idle import Idle
from storage import Storage
from storage.alerts import CONCERN, OpenAlert, WhatIsThere

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""Seconds between two checks of this process, and of rows that change."""
OPEN_SECONDS, QUIET_SECONDS = 30.0, 300.0
"""Seconds between two checks of rows that do not change: with alerts or causes, and without any.
"""
LOOKED_AT = (
    "tasks", "inbox", "alerts", "switches", "star_refunds", "provider_breaker", "balance_trails",
    "admins",
)  # fmt: skip
"""The tables on which alerts depend."""
BALANCE_AGE = timedelta(minutes=10)
NO_UPDATES_SECONDS = 300.0
CONFLICT_LASTS = timedelta(seconds=10)
"""Seconds that a conflict has to last; it is shorter while one process takes over from another."""
FRESH = timedelta(days=1)
"""Problems older than this are not reported."""
FAILED_IN_A_ROW, LOOK_BACK = 5, 20
"""A series of charged failures: this many in a row, or half of the last this many."""
DISK_LOW, DISK_ENOUGH = 512 << 20, 1 << 30
"""Free bytes on the data disk: an alert starts below the first and ends above the second."""
TRAIL_WAIT = timedelta(minutes=3)
"""An order in doubt is reported with the balance around it, or after this time without."""

BALANCE = "balance"
"""The parameter `asked` of an alert that the question for the balance opened."""

A = AlertKind
_OF_STATE = {TaskState.UNKNOWN: A.UNKNOWN, TaskState.UNDELIVERABLE: A.UNDELIVERABLE}


class AlertMonitor:
    """The alert monitor of one process. Each process reports its local problems, once for all; one
    process checks the shared facts. `disk`: the name of this host's disk, when each host has its
    own.
    """

    def __init__(
        self,
        storage: Storage,
        signals: AlertSignals,
        balance: Callable[[], Awaitable[Decimal]],
        ages: Callable[[], Mapping[str, float | None]],
        *,
        clock: Clock,
        told: Set[int],
        balance_alert: int,
        failure_breaker: int = 0,
        folder: Path,
        free: Callable[[Path], int] | None = None,
        disk: str | None = None,
        wait: Wait = wait_for,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._storage = storage
        self._signals = signals
        self._balance = balance
        self._ages = ages  # of the heartbeats (bot/runtime/health.py)
        self._clock = clock
        self._told = told  # it may change: somebody claims the bot
        self._balance_alert = balance_alert
        self._failure_breaker = failure_breaker
        self._balance_at: datetime | None = None
        self._began = clock()
        self._folder = folder
        self._free = free or _free
        self._disk_name = disk
        self._sleep = sleep
        self._is_behind, self._is_quiet = False, False
        self._idle = Idle(clock=clock, wait=wait, unwritten=lambda: self._is_behind)
        storage.due.watch(LOOKED_AT, self._idle.changed)
        self._known_here: dict[str, OpenAlert] = {}
        self._known_at: datetime | None = None
        storage.due.watch(["alerts"], self._forget_known)

    async def run_here(self) -> None:
        """Check the facts that only this process can see; runs until cancelled."""
        while True:
            try:
                await self.check_here()
            except StorageUnavailable as exc:
                logger.warning("alerts wait: %s", exc)
            await self._sleep(LOOK_SECONDS)

    async def run(self) -> None:
        """Check the facts that one process checks for all; runs until cancelled."""
        while True:
            try:
                await self.look()
                self._is_behind = False
            except StorageUnavailable as exc:
                logger.warning("alerts wait: %s", exc)
                self._is_behind = True
            await self._idle.until_due(
                LOOK_SECONDS, at_most=QUIET_SECONDS if self._is_quiet else OPEN_SECONDS
            )

    async def check_here(self) -> None:
        """Check once the observations of this process and its disk."""
        known = await self._open_alerts()
        await self._provider(known)
        await self._updates(known)
        await self._disk(known)

    async def look(self) -> None:
        """Check the rows and the balance once; rows of a kind are read only if there are any."""
        now = self._clock()
        there = await self._storage.alerts.what_is_there(since=now - FRESH)
        self._is_quiet = not any(there)
        known = await self._storage.alerts.all_open() if there.alerts else {}
        await self._tasks(known, there)
        await self._breaker(known, there)
        if there.charged_failures or A.CHARGED_FAILURES.value in known:
            await self._failures(known)
        await self._photos(known, there)
        await self._refunds(known, there)
        if self._told:
            await self._money(known)
        if there.switches and await self._storage.alerts.drained(told=self._told, now=now):
            logger.warning("drained: no order is open")

    async def _open_alerts(self) -> dict[str, OpenAlert]:
        """Return the open alerts, read again after each write and every few minutes."""
        now = self._clock()
        at = self._known_at
        if at is None or abs(now - at) >= timedelta(seconds=QUIET_SECONDS):
            self._known_at = now  # set first: rows that are written meanwhile are read again
            try:
                self._known_here = await self._storage.alerts.all_open()
            except StorageUnavailable:
                self._forget_known()
                raise
        return self._known_here

    def _forget_known(self) -> None:
        self._known_at = None

    # --- checks ------------------------------------------------------------------------------

    async def _provider(self, known: dict[str, OpenAlert]) -> None:
        signals = self._signals
        if signals.held is not None:
            await self._open(known, Alert.of(HOLDS[signals.held[0]]))
        if signals.busy_since is not None:
            await self._open(known, Alert.of(A.OVERLOADED))
        for model in list(signals.gone):
            await self._open(known, Alert.of(A.MODEL_GONE, model, model=model))
        for alert in list(known.values()):
            since: datetime | None = None
            if alert.kind in HOLDS.values() or alert.kind is A.OVERLOADED:
                since = signals.accepted_at
            elif alert.kind is A.MODEL_GONE:
                since = signals.accepted.get(str(alert.params["model"]))
            # a later time is from before the clock was set back
            if since is not None and alert.opened_at < since <= self._clock():
                await self._close(known, alert)

    async def _updates(self, known: dict[str, OpenAlert]) -> None:
        signals, now = self._signals, self._clock()
        ages = self._ages()
        if "updates" not in ages:
            self._began = now  # another process polls; the time without updates starts again here
        age = ages.get("updates")
        self._began = min(self._began, now)
        quiet_for = (now - self._began).total_seconds() if age is None else age
        late = "updates" in ages and quiet_for > NO_UPDATES_SECONDS
        if late:
            await self._open(known, Alert.of(A.NO_UPDATES, minutes=int(NO_UPDATES_SECONDS // 60)))
        elif age is not None and (quiet_one := known.get(A.NO_UPDATES.value)):
            await self._close(known, quiet_one)
        at, since = signals.conflict_at, signals.conflict_since
        lasting = at is not None and since is not None and at - since >= CONFLICT_LASTS
        quiet = at is None or not timedelta(0) <= now - at < CONFLICT_QUIET
        if lasting and not quiet:
            await self._open(known, Alert.of(A.OTHER_POLLER))
        alert = known.get(A.OTHER_POLLER.value)
        # Successful polls without a conflict count as evidence; the absence of polls does not.
        read = signals.polled_at
        if alert and quiet and read and read - alert.opened_at >= CONFLICT_QUIET:
            await self._close(known, alert)

    async def _tasks(self, known: dict[str, OpenAlert], there: WhatIsThere) -> None:
        since, alerts = self._clock() - FRESH, self._storage.alerts
        resting = await alerts.resting(CONCERN, since=since) if there.resting else []
        aside = await alerts.set_aside(since=since) if there.set_aside else []
        now_true = set()
        in_doubt = [task_id for task_id, state, _ in resting if state is TaskState.UNKNOWN]
        trails = await self._storage.doubts.of_tasks(in_doubt)
        for task_id, state, reason in resting:
            alert = Alert.of(_OF_STATE[state], task_id, task=task_id, reason=reason or "")
            now_true.add(alert.key)
            if (trail := trails.get(task_id)) is None:
                await self._open(known, alert)
                continue
            charged = trail.verdict is Verdict.CHARGED
            wanted = Alert.of(A.ID_WANTED, task_id, task=task_id, **params_of(trail))
            now_true |= {wanted.key} if charged else set()
            if charged:
                await self._open(known, wanted)
            elif not trail.is_reading or self._clock() - trail.lost_at >= TRAIL_WAIT:
                await self._open(
                    known, replace(alert, params={**alert.params, **params_of(trail)})
                )
        for update_id, error in aside:
            alert = Alert.of(A.SET_ASIDE, update_id, update=update_id, error=(error or "")[:200])
            now_true.add(alert.key)
            await self._open(known, alert)
        rows = {*_OF_STATE.values(), A.ID_WANTED, A.SET_ASIDE}
        for alert_row in list(known.values()):
            # Problems older than FRESH stay open if they were reported before.
            old = alert_row.opened_at < since
            if alert_row.kind in rows and alert_row.key not in now_true:
                if old and await self._still(alert_row):
                    continue
                await self._close(known, alert_row)

    async def _breaker(self, known: dict[str, OpenAlert], there: WhatIsThere) -> None:
        if there.breaker:
            await self._open(known, Alert.of(A.PROVIDER_AWAY))
        elif alert := known.get(A.PROVIDER_AWAY.value):
            await self._close(known, alert)

    async def _refunds(self, known: dict[str, OpenAlert], there: WhatIsThere) -> None:
        """Refunds that Telegram refuses, however old: somebody waits for their Stars."""
        now_true = set()
        for refund in await self._storage.stars.refused() if there.refused_refunds else []:
            alert = Alert.of(
                A.REFUND_REFUSED, refund.entry, refund=refund.entry, user=refund.user_id,
                stars=refund.stars, error=refund.error[:200],
            )  # fmt: skip
            now_true.add(alert.key)
            await self._open(known, alert)
        for alert_row in list(known.values()):
            if alert_row.kind is A.REFUND_REFUSED and alert_row.key not in now_true:
                await self._close(known, alert_row)

    async def _failures(self, known: dict[str, OpenAlert]) -> None:
        """Check for charged failures: FAILED_IN_A_ROW, or half of the last LOOK_BACK."""
        outcomes = await self._storage.alerts.charged_outcomes(LOOK_BACK)
        failed = [failed for failed, _ in outcomes]
        row = next((n for n, one in enumerate(failed) if not one), len(failed))
        series = row >= FAILED_IN_A_ROW or (
            len(failed) == LOOK_BACK and sum(failed) * 2 >= LOOK_BACK
        )
        if series:
            spent = sum((price for bad, price in outcomes if bad), Decimal(0))
            alert = Alert.of(A.CHARGED_FAILURES, count=sum(failed), roubles=f"{spent:.2f}")
            await self._open(known, alert)
        elif failed and not failed[0] and (alert_row := known.get(A.CHARGED_FAILURES.value)):
            await self._close(known, alert_row)
        if (
            self._failure_breaker
            and row >= self._failure_breaker
            and await self._storage.alerts.hold(Switch.INTAKE, by=0, now=self._clock())
        ):
            logger.error("new orders are paused after %d charged failures in a row", row)

    async def _photos(self, known: dict[str, OpenAlert], there: WhatIsThere) -> None:
        """The program itself paused orders with a photo; an admin's release ends it."""
        switches = await self._storage.alerts.held() if there.switches else {}
        held = switches.get(Switch.PHOTOS)
        alert = known.get(A.PHOTOS_UNFETCHED.value)
        if held is not None and held.by == 0:
            if alert is None:
                failed = await self._storage.alerts.resting({TaskState.FAILED}, since=held.at)
                unfetched = [n for n, _, why in failed if why == Reason.FRAME_UNFETCHED]
                task = unfetched[0] if unfetched else 0
                await self._open(known, Alert.of(A.PHOTOS_UNFETCHED, task=task))
        elif alert is not None:
            await self._close(known, alert)

    async def _still(self, alert: OpenAlert) -> bool:
        number = int(alert.key.rpartition(":")[2])
        if alert.kind is A.SET_ASIDE:
            aside = await self._storage.alerts.set_aside(since=alert.opened_at - FRESH)
            return number in {update_id for update_id, _ in aside}
        task = await self._storage.tasks.get(number)
        return task is not None and task.state in CONCERN

    async def _disk(self, known: dict[str, OpenAlert]) -> None:
        try:
            free = await asyncio.to_thread(self._free, self._folder)
        except OSError as exc:
            logger.warning("the free space of the disk is not known: %s", exc)
            return
        low = Alert.of(A.DISK_LOW, self._disk_name, megabytes=free >> 20)
        if free < DISK_LOW:
            await self._open(known, low)
        elif free > DISK_ENOUGH and (alert := known.get(low.key)):
            await self._close(known, alert)

    async def _money(self, known: dict[str, OpenAlert]) -> None:
        """The balance; asking for it also shows a refused key, before anybody orders."""
        now = self._clock()
        if self._balance_at is not None and abs(now - self._balance_at) < BALANCE_AGE:
            return
        if self._balance_at is not None and not (self._balance_alert or _asked(known)):
            return  # the key works, and the balance is of no interest
        self._balance_at = now
        try:
            funds = await self._balance()
        except ProviderHeld as exc:
            logger.error("the balance is refused: %s", exc)
            await self._open(known, Alert.of(HOLDS[exc.hold], asked=BALANCE))
            return
        except ProviderError as exc:
            logger.info("the balance is not known: %s", exc)
            return
        for refused in _asked(known):
            await self._close(known, refused)
        if not self._balance_alert:
            return
        if funds < self._balance_alert:
            low = Alert.of(A.LOW_BALANCE, roubles=f"{funds:.2f}", threshold=self._balance_alert)
            await self._open(known, low)
        elif alert := known.get(A.LOW_BALANCE.value):
            await self._close(known, alert)

    # --- reports -------------------------------------------------------------------------------

    async def _open(self, known: dict[str, OpenAlert], alert: Alert) -> None:
        if alert.key in known:
            return
        now = self._clock()
        if await self._storage.alerts.open(alert, told=self._told, now=now):
            logger.error("alert: %s", alert.key)
        known[alert.key] = OpenAlert(
            key=alert.key, kind=alert.kind, params=dict(alert.params), opened_at=now
        )

    async def _close(self, known: dict[str, OpenAlert], alert: OpenAlert) -> None:
        known.pop(alert.key, None)
        if await self._storage.alerts.close(alert.key, told=self._told, now=self._clock()):
            logger.warning("alert is over: %s", alert.key)


def _asked(known: dict[str, OpenAlert]) -> list[OpenAlert]:
    """The alerts that asking for the balance opened: only its answer closes these."""
    return [alert for alert in known.values() if alert.params.get("asked") == BALANCE]


def _free(folder: Path) -> int:
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    return shutil.disk_usage(there).free
