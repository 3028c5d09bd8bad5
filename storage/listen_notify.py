"""The cluster on PostgreSQL: LISTEN, NOTIFY and advisory locks on a dedicated connection.

The connection is checked regularly and replaced when it breaks; then the jobs that only this
process does are cancelled. It must not know the meaning of the events and jobs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import asyncpg

from bot.core.errors import StorageUnusable
from bot.core.schedule import back_off
from storage import pooler
from storage.cluster import Cluster
from storage.connection import lock_key

logger = logging.getLogger(__name__)

CHANNEL = "bot"
LOCKS = "locks"
"""The event after a lock was taken or released."""
WORKERS = "workers"
"""Each worker holds this lock, shared; the server drops it with the connection of a dead one."""
SOON_SECONDS = 0.5
"""Seconds in which frequent events are collected before other processes get them."""
LOOK_SECONDS = 30.0
"""Seconds between two checks of an idle connection, and between two tries to take the locks of a
killed process. A process that stops reports it at once."""
ANSWER_SECONDS = 5.0

# The number of workers, and of the wanted locks those that are taken now. A lock with one number
# has its low half in objid (PostgreSQL: pg_locks).
_LOOK = (
    "SELECT pg_backend_pid() AS session,"
    " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock'"
    " AND granted AND classid = 0 AND objid = $1::bigint::oid AND objsubid = 1"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS workers,"
    " ARRAY(SELECT name FROM unnest($2::text[], $3::bigint[]) AS wanted (name, key)"
    " WHERE pg_try_advisory_lock(key)) AS taken"
)

_BROKEN = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # raised between the server's last message and the end of the connection
    asyncpg.InternalClientError,
)

_OF_A_POOLER = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)


@dataclass
class _Turn:
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    end: Callable[[], None] | None = None


class PostgresCluster(Cluster):
    """A cluster with LISTEN, NOTIFY and advisory locks on a connection that `run` keeps open."""

    def __init__(self, connect: Callable[[], Awaitable[Any]]) -> None:
        super().__init__()
        self._connect = connect
        self._turns: dict[str, _Turn] = {}
        self._unsent: set[str] = set()
        self._wakeup = asyncio.Event()
        self._soon: asyncio.TimerHandle | None = None
        self._failures = 0
        self._works = False
        self._session: int | None = None  # of the connection

    def join_workers(self) -> None:
        self._works = True

    def notify(self, event: str) -> None:
        super().notify(event)
        self._unsent.add(event)
        self._wakeup.set()

    def notify_soon(self, event: str) -> None:
        super().notify(event)
        self._unsent.add(event)
        loop = asyncio.get_running_loop()
        if self._soon is None or self._soon.when() <= loop.time():
            self._soon = loop.call_later(SOON_SECONDS, self._wakeup.set)

    async def run_exclusively(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            turn = self._turns[name] = _Turn()
            self._wakeup.set()
            try:
                while not turn.begun.is_set():  # the connection may end before that is noticed
                    await turn.begun.wait()
                logger.info("%s: done here from now on", name)
                async with asyncio.timeout(None) as scope:
                    turn.end = partial(scope.reschedule, 0)
                    return await work()
            except TimeoutError:
                if not scope.expired():
                    raise
                logger.warning("%s: another process may do it now", name)
            finally:
                turn.end = None
                del self._turns[name]
                self._wakeup.set()

    async def run(self) -> None:
        while True:
            try:
                await self._connected()
            except _OF_A_POOLER as exc:
                raise StorageUnusable(f"PostgreSQL: {pooler.SHARED}") from exc
            except _BROKEN as exc:
                logger.warning("events of other processes are missed: %s", type(exc).__name__)
            for turn in self._turns.values():
                turn.begun.clear()
                if turn.end is not None:
                    turn.end()
                    turn.end = None
            self.workers = 1  # nobody is left anything until the others are known again
            self._failures += 1
            await asyncio.sleep(back_off(self._failures, first=0.2, cap=5))

    async def _connected(self) -> None:
        """Listen while the connection works; it ends with an error of _BROKEN."""
        link = await self._connect()
        self._session = None
        held: set[str] = set()
        try:
            link.add_termination_listener(lambda _: self._wakeup.set())
            await link.add_listener(CHANNEL, partial(self._dispatch, link.get_server_pid()))
            for calls in list(self._subscribers.values()):  # earlier events may have been missed
                for call in calls:
                    call()
            self._failures = 0
            if self._works:
                lock = "SELECT pg_advisory_lock_shared($1)"
                await link.fetchval(lock, lock_key(WORKERS), timeout=ANSWER_SECONDS)
                self._unsent.add(LOCKS)
            while True:
                self._wakeup.clear()
                await self._give_back(link, held)
                if self._unsent:
                    await self._send(link)
                await self._compete(link, held)
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._wakeup.wait()
        except asyncio.CancelledError:
            with suppress(*_BROKEN):
                # released first, so that the processes that get the event can take them
                await link.fetchval("SELECT pg_advisory_unlock_all()", timeout=ANSWER_SECONDS)
                self._unsent.add(LOCKS)
                await self._send(link)
            raise
        finally:
            link.terminate()

    def _dispatch(self, own: int, _: Any, pid: int, channel: str, event: str) -> None:
        # It may run after the end of the connection, which then no longer knows its number.
        if pid != own:
            if event == LOCKS:
                self._wakeup.set()
            super().notify(event)

    async def _send(self, link: Any) -> None:
        events, self._unsent = sorted(self._unsent), set()
        say = "SELECT pg_notify($1, event) FROM unnest($2::text[]) AS event"
        await link.fetch(say, CHANNEL, events, timeout=ANSWER_SECONDS)

    async def _give_back(self, link: Any, held: set[str]) -> None:
        for name in held - self._turns.keys():
            held.discard(name)
            unlock = "SELECT pg_advisory_unlock($1)"
            await link.fetchval(unlock, lock_key(name), timeout=ANSWER_SECONDS)
            self._unsent.add(LOCKS)

    async def _compete(self, link: Any, held: set[str]) -> None:
        wanted = sorted(self._turns.keys() - held)
        keys = [lock_key(name) for name in wanted]
        row = await link.fetchrow(_LOOK, lock_key(WORKERS), wanted, keys, timeout=ANSWER_SECONDS)
        if self._session not in (None, row["session"]):
            raise StorageUnusable(f"PostgreSQL: {pooler.SHARED}")
        self._session = row["session"]
        self.workers = max(1, row["workers"])
        held.update(row["taken"])
        for name in held & self._turns.keys():
            self._turns[name].begun.set()
