"""`python -m tests.bench.scale`: throughput and CPU of 1, 2 and 4 processes on one PostgreSQL.

Whole lives of orders – claimed, submitted, asked for, delivered – by the bot's own worker and
steps, with a provider and a chat that take no time, so that only the bot's and the database's work
is measured. Then it measures how soon a confirmed order reaches the provider through another
process. The database does not wait for a disk here; both sides share the same cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from bot.core.clock import utc_now
from bot.core.events import ORDERED
from bot.core.task import AspectRatio, Task
from bot.jobs.delivery import Delivery
from bot.jobs.progress import Progress
from bot.jobs.steps import Steps
from bot.jobs.steps.context import StepContext
from bot.jobs.steps.deliver import Deliver
from bot.jobs.steps.submit import Submit
from bot.jobs.steps.watch import Watch
from bot.jobs.worker import Worker
from bot.provider.answers import Job, JobStatus
from bot.runtime import event_loop
from bot.runtime.health import Health
from bot.telegram.messenger import SentVideo
from storage import Storage, open_storage
from tests.bench.meters import quantile
from tests.bench.report import Goal, publish
from tests.stateful.outside_world import NoProgress
from tests.support.factories import draft, queued
from tests.support.postgres import PostgresServer, running_postgres

PROCESSES = (1, 2, 4)
AT_ONCE = 20
"""Orders that a process holds; equal to the provider's slots."""
WAKE_GOAL = 0.1
"""Seconds from the press to the provider through another process."""


@dataclass
class FreeProvider:
    """Accepts every order at once, and has every video at the first poll."""

    name: str
    creates: list[tuple[str, float]] = field(default_factory=list)

    async def create(self, *, model: str, prompt: str, ar: str, image: str | None = None) -> Job:
        self.creates.append((prompt, time.time()))
        id_ = f"{self.name}-{len(self.creates)}"
        return Job(id=id_, status=JobStatus.DONE, url="https://videos.test/one.mp4")

    async def result(self, task_id: str) -> Job:
        return Job(id=task_id, status=JobStatus.DONE, url="https://videos.test/one.mp4")


class FreeDelivery:
    """Every video is in its chat at once."""

    async def __call__(self, task: Task, *_: object) -> SentVideo:
        return SentVideo(message_id=task.id, file_id="file")

    def forget(self, task_id: int) -> None: ...

    async def kept_by(self, task: Task) -> str | None:
        return None


async def nobody(task: Task) -> str:
    """No order here has a photo."""
    raise AssertionError(task)


async def child(url: str, idle: float) -> None:
    """Run one worker from one line on standard input to the next; then print its cost."""
    async with open_storage(url) as storage:
        provider = FreeProvider(str(os.getpid()))
        context = StepContext(storage, cast(Progress, NoProgress()), clock=utc_now)
        steps = Steps(
            context,
            Submit(context, provider, nobody, deadline=timedelta(minutes=15)),
            Watch(context, provider),
            Deliver(context, provider, cast(Delivery, FreeDelivery())),
        )

        async def wait(event: asyncio.Event, seconds: float) -> bool:
            try:
                async with asyncio.timeout(max(seconds, idle)):
                    return await event.wait()
            except TimeoutError:
                return False

        worker = Worker(
            storage,
            steps,
            clock=utc_now,
            health=Health(storage.database.writable),
            owner=f"bench:{os.getpid()}",
            slots=None,
            at_once=AT_ONCE,
            wait=wait,
        )
        storage.cluster.subscribe(ORDERED, worker.wake)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        begun = time.process_time()
        async with asyncio.TaskGroup() as group:
            hearing = group.create_task(storage.cluster.run())
            working = group.create_task(worker.run())
            await asyncio.to_thread(sys.stdin.readline)
            worker.stop()
            await working
            hearing.cancel()
    print(
        json.dumps({"cpu": time.process_time() - begun, "creates": provider.creates}), flush=True
    )


@asynccontextmanager
async def workers(url: str, count: int, *, idle: float) -> AsyncIterator[list[dict[str, Any]]]:
    """Run a number of workers; their reports are available at the end."""
    told: list[dict[str, Any]] = []
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.bench.scale", "--child", url, "--idle", str(idle)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 26,
        )
        for _ in range(count)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
    try:
        yield told
    finally:
        for process in processes:
            out, _ = await process.communicate(b"\n")
            told.append(json.loads(out.splitlines()[-1]))


async def carried(server: PostgresServer, count: int, orders: int) -> dict[str, object]:
    """All orders of a queue, by so many processes."""
    url = await server.create()
    async with open_storage(url) as storage:
        for _ in range(orders):
            await queued(storage, now=utc_now())
        await storage.tasks.counts()
    async with open_storage(url) as storage, workers(url, count, idle=0.0) as told:
        database, ready = database_cpu(server.pid), time.monotonic()
        while (await done(storage)) < orders:  # noqa: ASYNC110 - they are other processes
            await asyncio.sleep(0.05)
        seconds = time.monotonic() - ready
        spent = database_cpu(server.pid) - database
    creates = [one for process in told for one in process["creates"]]
    assert len(creates) == orders, "each order is submitted once"
    bots = sum(process["cpu"] for process in told)
    return {
        "processes": count,
        "orders_a_second": round(orders / seconds, 1),
        "bots_ms_CPU_each": round(1000 * bots / orders, 2),
        "database_ms_CPU_each": round(1000 * spent / orders, 2),
        "database_share": round(spent / (spent + bots), 2),
        "most_of_one_process": round(max(len(one["creates"]) for one in told) / orders, 2),
    }


async def done(storage: Storage) -> int:
    """How many orders are in their chats."""
    return sum(
        number for state, number in (await storage.tasks.counts()).items() if state == "delivered"
    )


async def woken(server: PostgresServer, orders: int) -> list[float]:
    """Seconds from each press to the provider, through a process that looks once a minute."""
    url = await server.create()
    pressed: dict[str, float] = {}
    async with (
        open_storage(url) as storage,
        workers(url, 1, idle=60.0) as told,
        asyncio.TaskGroup() as group,
    ):
        hearing = group.create_task(storage.cluster.run())
        for number in range(orders):
            card = await draft(storage, prompt=f"order {number}")
            pressed[f"order {number}"] = time.time()
            await press(storage, card, number)
            storage.cluster.notify(ORDERED)
            while await done(storage) <= number:  # noqa: ASYNC110 - another process does it
                await asyncio.sleep(0.05)
        hearing.cancel()
    return [at - pressed[prompt] for prompt, at in told[0]["creates"]]


async def press(storage: Storage, card: Task, number: int) -> None:
    confirmed = await storage.tasks.confirm(
        card.id,
        user_id=card.user_id,
        aspect_ratio=AspectRatio.TALL,
        update_id=10**6 + number,
        now=utc_now(),
    )
    assert confirmed is not None


def database_cpu(postmaster: int) -> float:
    """CPU seconds of PostgreSQL's processes, those that have ended among them (proc(5): stat)."""
    ticks = 0
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                fields = (place / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(place.name) == postmaster:
                ticks += sum(map(int, fields[11:15]))
            elif int(fields[1]) == postmaster:
                ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


async def measure(server: PostgresServer, orders: int, presses: int) -> None:
    """Prints and writes all of it."""
    rows = [await carried(server, count, orders) for count in PROCESSES]
    waits = await woken(server, presses)
    one = cast(float, rows[0]["orders_a_second"])
    publish(
        "scale",
        rows,
        goals=[
            Goal("a press is at the provider through another process, p95", quantile(waits, 0.95),
                 WAKE_GOAL, " s"),
        ],
        orders=orders,
        presses=presses,
        press_to_provider_seconds={
            "median": round(quantile(waits, 0.5), 4),
            "p95": round(quantile(waits, 0.95), 4),
            "p99": round(quantile(waits, 0.99), 4),
        },
        times_one_process=[round(cast(float, row["orders_a_second"]) / one, 2) for row in rows],
    )  # fmt: skip


def main() -> None:
    """`--child`: one of the workers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--orders", type=int, default=1000)
    parser.add_argument("--presses", type=int, default=100)
    parser.add_argument("--child", metavar="URL")
    parser.add_argument("--idle", type=float, default=0.0)
    args = parser.parse_args()
    if args.child:
        event_loop.run(child(args.child, args.idle))
        return
    with running_postgres() as server:
        event_loop.run(measure(server, args.orders, args.presses))


if __name__ == "__main__":
    main()
