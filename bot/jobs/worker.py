"""The background loop: lease due tasks and run their steps one after the other.

Timers are in memory while the lease lasts; only changes are written to the database. The steps
themselves are in bot/jobs/steps; this module decides when they run, how many at once, and how to
stop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from bot.core.clock import Clock, Sleep, Wait, wait_for
from bot.core.errors import LeaseLost, StorageUnavailable
from bot.core.schedule import back_off
from bot.core.task import ACTIVE, Task
from bot.jobs.steps import Steps
from bot.runtime import logs
from bot.runtime.health import Health
from bot.runtime.idle import Idle
from storage import Claim, Storage

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
HEARTBEAT_SECONDS = 8.0
"""Several heartbeats fit into a lease, so that a slow disk does not lose it."""
SHARE_SECONDS = 3.0
"""What is still due after this time is not left to the other workers."""
IDLE_SECONDS = 1.0
"""Seconds between two claims while tasks are due or change; without any, the loop sleeps."""
AT_A_TIME = 100
"""The largest number of tasks per claim."""
RELEASE_SECONDS = 0.5
"""Seconds after a stop until the leases of ended steps are released, although others still run."""
DRAIN_SECONDS = 7.0
"""Seconds that running steps get at a stop; then they are cancelled, and resumed at the next
start.
"""


class Worker:
    """The worker of one process."""

    def __init__(
        self,
        storage: Storage,
        steps: Steps,
        *,
        clock: Clock,
        health: Health,
        owner: str,
        slots: int | None,
        at_once: int = 10_000,
        lease: timedelta | None = None,
        disk: str | None = None,
        workers: Callable[[], int] = lambda: 1,
        wait: Wait = wait_for,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._storage = storage
        self._steps = steps
        self._clock = clock
        self._health = health
        self._owner = owner
        self._slots = slots
        self._at_once = at_once
        self._disk = disk
        self._workers = workers
        self._all_at: datetime | None = None  # when a claim may take more than the share
        self._lease = lease or LEASE
        self._heartbeat_seconds = lease.total_seconds() / 4 if lease else HEARTBEAT_SECONDS
        self._wait = wait
        self._sleep = sleep
        self._idle = Idle(
            partial(storage.due.next, "tasks"),
            clock=clock, wait=wait, beat=lambda: health.mark("worker"),
        )  # fmt: skip
        storage.due.watch_kind("tasks", self._idle.changed)
        self._stopping = asyncio.Event()
        self._held: dict[int, tuple[Task, asyncio.Task[None]]] = {}
        self._holding = asyncio.Event()
        self._handed: list[Task] = []  # leased here, but not running yet
        # their steps ended at a stop; leased until they are released
        self._stopped: list[Task] = []
        # the known end of the current leases
        self._leased_until: datetime | None = None
        self._running = False

    def wake(self) -> None:
        """Check for due tasks at once; another process may have written them."""
        self._storage.due.ask_again("tasks")
        self._idle.look()

    def claim(self) -> Claim | None:
        """Return the claim parameters, or None if the worker cannot take tasks."""
        now, free = self._clock(), self._at_once - len(self._held) - len(self._handed)
        if not self._running or self._stopping.is_set() or free <= 0 or self._leases_expired(now):
            return None
        if not self._held:
            self._leased_until = now + self._lease
        return Claim(
            owner=self._owner,
            now=now,
            lease_for=self._lease,
            limit=min(free, AT_A_TIME),
            slots=0 if self._steps.held(now) else self._slots,
            disk=self._disk,
            workers=max(1, self._workers()),
        )

    async def take(self, tasks: Sequence[Task]) -> None:
        """Take over tasks that another commit of this process claimed with these parameters."""
        if self._stopping.is_set():
            await self._release(tasks)
        else:
            self._handed += tasks
            self._idle.wake()

    def stop(self) -> None:
        """Stop claiming; `run` finishes or saves the open tasks and returns."""
        self._stopping.set()
        self._steps.stop()
        self._idle.wake()

    async def run(self) -> None:
        """Run until `stop`."""
        self._running = True
        async with asyncio.TaskGroup() as group:
            heartbeat = group.create_task(self._heartbeat(), name="heartbeat")
            try:
                while not self._stopping.is_set():
                    # tasks handed over come first, other due tasks in the next round
                    claimed, self._handed = self._handed, []
                    taken = await self._without_running(claimed or await self._claim())
                    for task in taken:
                        self._holding.set()
                        self._held[task.id] = (
                            task,
                            group.create_task(self._run_task(task), name=f"task {task.id}"),
                        )
                    self._health.mark("worker")
                    if len(taken) == AT_A_TIME:
                        continue  # more tasks may be due
                    if claimed:
                        self._idle.look()
                    if await self._idle.until_due(IDLE_SECONDS):
                        self._all_at = None  # SHARE_SECONDS begin when a task is due
                await self._drain()
            finally:
                heartbeat.cancel()

    async def _claim(self) -> list[Task]:
        if self._leases_expired(self._clock()) and not await self._prolong():
            return []
        claim = self.claim()
        if claim is None:
            return []
        if self._all_at is None or claim["workers"] == 1:
            self._all_at = claim["now"] + timedelta(seconds=SHARE_SECONDS)
        elif claim["now"] >= self._all_at:
            # The others had the time to take theirs: one of them may be full or stuck.
            claim["workers"], self._all_at = 1, None
        try:
            return await self._storage.tasks.claim_due(**claim)
        except StorageUnavailable as exc:
            logger.warning("the tasks wait: %s", exc)
            await self._wait(self._stopping, IDLE_SECONDS)
            return []

    def _leases_expired(self, now: datetime) -> bool:
        """After a suspension, a disk failure or a clock jump, renew the open leases first;
        otherwise this process would claim its own tasks.
        """
        return bool(self._held and self._leased_until and now >= self._leased_until)

    async def _without_running(self, claimed: list[Task]) -> list[Task]:
        """Return the claimed tasks without those still running here. A process that is suspended
        past a lease may lose it to any process, even to itself; then the running step ends first,
        as if another process had the task. Of two leases that were handed over only the later one
        is valid.
        """
        last = {task.id: task for task in sorted(claimed, key=lambda task: task.fence)}
        twice = [task for task in last.values() if task.id in self._held]
        for task in twice:
            logger.warning("task %d: the lease expired while the task was running", task.id)
            self._steps.lost(task.id)
            del last[task.id]
        if twice:
            await self._release(twice)
        # Not those that ended meanwhile either: their leases are released.
        return [task for task in claimed if last.get(task.id) is task]

    async def _run_task(self, task: Task) -> None:
        with logs.about(task=task.id, chat=task.chat.chat_id):
            await self._run_steps(task)

    async def _run_steps(self, task: Task) -> None:
        try:
            current: Task | None = task
            while current is not None and current.state in ACTIVE:
                self._held[task.id] = (current, self._held[task.id][1])
                if self._stopping.is_set():
                    self._stopped.append(current)
                    break
                current = await self._steps.take(current)
        except LeaseLost as exc:
            logger.warning("task %d: %s", task.id, exc)
        except StorageUnavailable as exc:
            # The lease expires, and the task continues from its state in the database.
            logger.warning("task %d waits: %s", task.id, exc)
            await self._wait(self._stopping, IDLE_SECONDS)
        except Exception:
            # Each lease is counted: a task that fails repeatedly is set aside.
            logger.exception("task %d: a step failed", task.id)
        finally:
            del self._held[task.id]
            if not self._held:
                self._holding.clear()
            self._steps.dropped(task.id)
            self._idle.look()

    async def _heartbeat(self) -> None:
        failures = 0
        while True:
            await self._holding.wait()
            await self._sleep(
                back_off(failures, first=0.5, cap=2) if failures else self._heartbeat_seconds
            )
            failures = 0 if await self._prolong() else failures + 1

    async def _prolong(self) -> bool:
        """Renew the leases; cancel tasks that another worker took meanwhile. Return False if that
        is impossible now.
        """
        held = dict(self._held)
        if not held:
            return True
        until = (now := self._clock()) + self._lease
        try:
            kept = await self._storage.tasks.extend(
                self._owner,
                [(task.id, task.fence) for task, _ in held.values()],
                now=now,
                until=until,
            )
        except StorageUnavailable as exc:
            logger.warning("the leases wait: %s", exc)
            return False
        self._leased_until = until
        for task_id in held.keys() - kept:
            if self._held.get(task_id) == held[task_id]:
                self._steps.lost(task_id)
        return True

    async def _drain(self) -> None:
        """Release the leases: in one statement if all steps end soon, otherwise as they end."""
        for seconds in (RELEASE_SECONDS, DRAIN_SECONDS - RELEASE_SECONDS):
            if carries := [carry for _, carry in self._held.values()]:
                await asyncio.wait(carries, timeout=seconds)
            await self._release_stopped()
        cut = [(task, carry) for task, carry in self._held.values()]
        for _, carry in cut:
            carry.cancel()
        if cut:
            await asyncio.wait([carry for _, carry in cut], timeout=1)
            await self._release([task for task, _ in cut])

    async def _release_stopped(self) -> None:
        stopped = self._handed + self._stopped
        self._handed, self._stopped = [], []
        if stopped:
            await self._release(stopped)

    async def _release(self, tasks: Sequence[Task]) -> None:
        try:
            await self._storage.tasks.release(
                self._owner, [(task.id, task.fence) for task in tasks]
            )
        except StorageUnavailable as exc:
            logger.warning("leases could not be released and will expire: %s", exc)
