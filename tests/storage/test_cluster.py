"""Processes on one PostgreSQL wake each other, and choose one of them for each common job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest

from storage import Cluster, Database, Storage, open_cluster
from storage.listen_notify import CHANNEL, PostgresCluster
from tests.support.process_harness import until
from tests.support.tcp_proxy import TcpProxy, open_tcp_proxy


@asynccontextmanager
async def process(url: str, **hearing: Callable[[], None]) -> AsyncIterator[Cluster]:
    """The running cluster of one process."""
    database = await Database.open(url)
    made = open_cluster(database)
    for word, call in hearing.items():
        made.subscribe(word, call)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(made.run())
        try:
            yield made
        finally:
            running.cancel()
            await database.close()


@asynccontextmanager
async def worker(url: str) -> AsyncIterator[Cluster]:
    """A process that works on tasks."""
    database = await Database.open(url)
    made = open_cluster(database)
    made.join_workers()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(made.run())
        try:
            yield made
        finally:
            running.cancel()
            await database.close()


@pytest.fixture
async def cuts(postgres_url: str) -> AsyncIterator[TcpProxy]:
    async with open_tcp_proxy(postgres_url) as made:
        yield made


class Job:
    """Work without an end, and who does it."""

    def __init__(self) -> None:
        self.doing: list[str] = []

    async def by(self, name: str) -> None:
        self.doing.append(name)
        try:
            await asyncio.Event().wait()
        finally:
            self.doing.remove(name)


async def test_an_event_reaches_every_process(postgres_url: str) -> None:
    heard: list[str] = []
    async with (
        process(postgres_url, ordered=lambda: heard.append("one")) as one,
        process(
            postgres_url, ordered=lambda: heard.append("two"), mended=lambda: heard.append("no")
        ),
    ):
        await until(lambda: len(heard) == 3)  # each looks for what was said before it listened
        heard.clear()
        one.notify("ordered")
        assert heard == ["one"]  # at once
        await until(lambda: len(heard) > 1)
        assert heard == ["one", "two"]


async def test_a_single_process_gets_its_own_events_and_does_every_job(sqlite_url: str) -> None:
    heard: list[str] = []

    async def work() -> None:
        heard.append("worked")

    async with process(sqlite_url, ordered=lambda: heard.append("heard")) as one:
        one.notify("ordered")
        await one.run_exclusively("chores", work)
    assert heard == ["heard", "worked"]


@asynccontextmanager
async def two(cuts: TcpProxy) -> AsyncIterator[tuple[Cluster, list[str]]]:
    """One process, and the events that a connected second process receives."""
    heard: list[str] = []
    async with (
        process(cuts.url) as one,
        process(cuts.url, ordered=lambda: heard.append("two")),
    ):
        await until(lambda: _receives(one, heard))
        yield one, heard


async def test_missed_events_are_checked_after_a_reconnection(cuts: TcpProxy) -> None:
    async with two(cuts) as (one, heard):
        heard.clear()
        cuts.open = False
        assert cuts.cut() >= 2
        one.notify("ordered")
        assert not heard
        cuts.open = True
        await until(lambda: heard)  # nothing was rung since
        heard.clear()
        await until(lambda: _receives(one, heard))


async def test_a_connection_that_the_server_terminates_is_dropped(cuts: TcpProxy) -> None:
    async with two(cuts) as (one, heard):
        cuts.terminate_sessions()
        await asyncio.sleep(0.1)  # it was read, and nothing was asked since
        one.notify("ordered")
        heard.clear()
        await until(lambda: _receives(one, heard))


class Recorded:
    """A connection that gives its listeners to the test."""

    def __init__(self, link: Any) -> None:
        self.link = link
        self.calls: list[Callable[..., None]] = []

    async def add_listener(self, channel: str, call: Callable[..., None]) -> None:
        self.calls.append(call)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.link, name)


async def test_an_event_counts_even_if_its_connection_has_ended(postgres_url: str) -> None:
    """asyncpg calls a listener in the loop's next step, when the connection may be gone."""
    heard: list[str] = []
    database = await Database.open(postgres_url)
    link = Recorded(await database.link())

    async def connect() -> Recorded:
        return link

    cluster = PostgresCluster(connect)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(cluster.run())
        await until(lambda: link.calls)
        running.cancel()
    await database.close()
    assert link.is_closed()
    cluster.subscribe("ordered", lambda: heard.append("ordered"))
    link.calls[0](link.link, -1, CHANNEL, "ordered")
    assert heard == ["ordered"]


def _receives(one: Cluster, heard: list[str]) -> bool:
    one.notify("ordered")
    return bool(heard)


async def test_one_process_does_the_job_and_another_takes_over(postgres_url: str) -> None:
    chore = Job()
    async with AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(process(postgres_url)) for _ in range(3)]
        group = await stack.enter_async_context(asyncio.TaskGroup())
        tasks = {}
        for number, one in enumerate(processes):
            work = partial(chore.by, str(number))
            tasks[str(number)] = group.create_task(one.run_exclusively("chores", work))
        await until(lambda: chore.doing)
        for left in (2, 1):
            [first] = chore.doing
            tasks.pop(first).cancel()
            await until(lambda: chore.doing and chore.doing != [first])  # noqa: B023
            assert len(chore.doing) == 1
            assert len(tasks) == left
        for task in tasks.values():
            task.cancel()


async def test_a_job_is_cancelled_with_its_connection_and_taken_over(cuts: TcpProxy) -> None:
    chore = Job()
    async with process(cuts.url) as one, process(cuts.url) as two, asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(who.run_exclusively("chores", partial(chore.by, name)))
            for name, who in (("one", one), ("two", two))
        ]
        await until(lambda: chore.doing)
        cuts.open = False
        cuts.cut()
        await until(lambda: not chore.doing)  # nobody knows that they are the one
        cuts.open = True
        await until(lambda: len(chore.doing) == 1)
        for task in tasks:
            task.cancel()


async def test_workers_know_how_many_they_are(postgres_url: str) -> None:
    async with process(postgres_url) as intake, worker(postgres_url) as one:
        await until(lambda: one.workers == intake.workers == 1)
        async with worker(postgres_url) as two:
            await until(lambda: one.workers == two.workers == 2)
        # the lock goes with the connection of a dead one
        await until(lambda: one.workers == 1)


async def test_a_worker_that_hears_nobody_leaves_nothing_to_others(cuts: TcpProxy) -> None:
    async with worker(cuts.url) as one, worker(cuts.url):
        await until(lambda: one.workers == 2)
        cuts.open = False
        cuts.cut()
        await until(lambda: one.workers == 1)
        cuts.open = True
        await until(lambda: one.workers == 2)


async def test_an_error_of_the_job_is_raised_to_the_caller(postgres_url: str) -> None:
    async def work() -> None:
        raise TimeoutError("its own")

    async with process(postgres_url) as one:
        with pytest.raises(TimeoutError, match="its own"):
            await one.run_exclusively("chores", work)


async def test_all_processes_share_one_rate_limit(postgres_url: str) -> None:
    async with AsyncExitStack() as stack:
        stores = []
        for _ in range(2):
            database = await Database.open(postgres_url)
            stack.push_async_callback(database.close)
            stores.append(Storage.over(database).rates)
        waits = [
            await stores[number % 2].wait("calls", each=10.0, burst=30.0) for number in range(5)
        ]
        assert waits[:3] == [0.0, 0.0, 0.0]  # 30 s of them at once
        assert 0 < waits[3] <= 10 < waits[4] <= 20
        assert await stores[0].wait("others", each=10.0, burst=30.0) == 0.0


async def test_a_single_process_needs_no_shared_rate_limit(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)
    rates = Storage.over(database).rates
    assert [await rates.wait("calls", each=60.0, burst=60.0) for _ in range(3)] == [0.0] * 3
    await database.close()
