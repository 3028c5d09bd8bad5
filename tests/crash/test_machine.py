"""The machine's faults on a real file: the bot survives them, and nothing is lost or doubled.

The tests of tests/faults/test_machine.py once more, with a process, a file and ten real seconds.
"""

from __future__ import annotations

import asyncio
import random
import resource
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from tests.crash.actors import Kind, People, Plan
from tests.crash.campaign import beside, drain
from tests.crash.environment import Environment, open_environment
from tests.crash.observer import Observer
from tests.crash.processes import BotRun, Launcher, Wish
from tests.crash.verdict import Disturbances, Verdict
from tests.support.process_harness import until

pytestmark = pytest.mark.campaign

SECONDS = 10.0
WISH = Wish(lease_seconds=3.0)
HOLD = """
import sqlite3, sys
other = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
other.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@asynccontextmanager
async def locked(environment: Environment, life: BotRun) -> AsyncIterator[None]:
    """Another process writes to the database, and does not end."""
    other = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", HOLD, environment.database_url.partition(":///")[2]),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert other.stdin is not None
    assert other.stdout is not None
    try:
        assert await other.stdout.readline() == b"held\n"
        yield
    finally:
        other.stdin.close()
        await other.wait()


@asynccontextmanager
async def unwritable(environment: Environment, life: BotRun) -> AsyncIterator[None]:
    """Every write that makes the database's files longer is an I/O error (EFBIG)."""
    wal = Path(environment.database_url.partition(":///")[2] + "-wal")
    size = (await asyncio.to_thread(wal.stat)).st_size
    before = resource.prlimit(life.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(life.pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(life.pid, resource.RLIMIT_FSIZE, before)


Fault = Callable[[Environment, BotRun], AbstractAsyncContextManager[None]]


@pytest.mark.parametrize("fault", [locked, unwritable])
async def test_ten_seconds_without_a_database_lose_nothing(
    fault: Fault, launcher: Launcher, tmp_path: Path
) -> None:
    async with open_environment(tmp_path, launcher) as environment:
        environment.provider.delay = 3.0
        people = People(environment.telegram, random.Random(1), 4)
        observer = Observer(environment.database_url)
        async with beside(people.watch()), asyncio.TaskGroup() as group:
            life = await environment.start(WISH)
            for kind in (Kind.TEXT, Kind.PHOTO):
                await people.order(60, kind=kind, plan=Plan.PRESS)
            await until(lambda: environment.provider.charges, 60)
            begun = time.time()
            async with fault(environment, life):
                for kind in (Kind.TEXT, Kind.DOCUMENT):
                    group.create_task(people.order(120, kind=kind, plan=Plan.DOUBLE))
                await asyncio.sleep(SECONDS)
            ended = time.time()
            await until(lambda: len(environment.telegram.calls_of("sendVideo")) >= 4, 180)
        assert not life.ended.done(), "it ended by itself"
        assert await drain(environment, observer, environment.start) == []
        # A message whose sending could not be recorded is sent again, as after a kill.
        verdict = Verdict(environment, people.orders, Disturbances(stops=[(begun, ended)]))
        assert [one for one in verdict.violations if "database is locked" not in one] == []
        came = verdict.numbers
        assert (came.confirmed, came.charges, came.videos, came.unknown) == (4, 4, 4, 0)
        assert "database is locked" in life.lines or "disk I/O error" in life.lines
