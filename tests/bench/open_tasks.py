"""Ten thousand open tasks in one process, each polled every three seconds.

    python -m tests.bench.open_tasks [--tasks N] [--seconds N]

Twice: with the real client against a server in another process, as far as one core carries it;
and with instant answers, which measures only the program's scheduling. "Late" is the delay of the
timers: from the requested time until the task ran again.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from bot.core.clock import wait_for
from bot.provider.answers import Job, JobStatus
from bot.provider.client import Gptunnel
from bot.runtime import event_loop, metrics
from tests.bench.meters import cpu_seconds, most_resident, quantile
from tests.bench.report import Goal, bars, publish
from tests.bench.server import in_process
from tests.bench.watching import STEP, answered, working

RUN_UP_SECONDS = 120.0
"""Seconds within which all tasks must be claimed."""


class InstantProvider:
    """Answers at once, and counts as the client does."""

    async def result(self, task_id: str) -> Job:
        with metrics.provider_call("result"):
            return Job(id=task_id, status=JobStatus.PENDING)


@dataclass
class Timers:
    """The program's own way to wait, watched."""

    late: list[float] = field(default_factory=list)
    tasks: set[asyncio.Event] = field(default_factory=set)
    """One event for each task in hand."""

    async def __call__(self, event: asyncio.Event, seconds: float) -> bool:
        self.tasks.add(event)
        due = asyncio.get_running_loop().time() + seconds
        came = await wait_for(event, seconds)
        if not came:
            self.late.append(asyncio.get_running_loop().time() - due)
        return came


async def measure(provider: Gptunnel, count: int, seconds: float) -> dict[str, float]:
    timers = Timers()
    # In memory: nothing is measured that writes, and at the end each task's lease is given back.
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        async with working(Path(folder), provider, count, timers):
            async with asyncio.timeout(RUN_UP_SECONDS):
                while len(timers.tasks) < count:  # noqa: ASYNC110 - there is no event for it
                    await asyncio.sleep(0.1)
            await asyncio.sleep(STEP)
            timers.late.clear()
            running = asyncio.get_running_loop()
            began, cpu, before = running.time(), cpu_seconds(), answered()
            await asyncio.sleep(seconds)
            passed, used = running.time() - began, cpu_seconds() - cpu
            polls = answered() - before
            late = list(timers.late)
    return {
        "polls_a_second": round(polls / passed),
        "share_carried": round(polls / passed / (count / STEP), 2),
        "us_of_cpu_a_poll": round(used / polls * 1e6, 1),
        "share_of_a_core": round(used / passed, 2),
        "late_p50_ms": round(quantile(late, 0.5) * 1e3, 1),
        "late_p99_ms": round(quantile(late, 0.99) * 1e3, 1),
        "most_mib": round(most_resident()),
    }


async def both(count: int, seconds: float) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    figures = await measure(cast(Gptunnel, InstantProvider()), count, seconds)
    rows.append({"answers": "out of thin air", **figures})
    async with in_process("tests.bench.watching") as server:
        provider = Gptunnel.connect(server.url, "key")
        figures = await measure(provider, count, seconds)
        rows.append({"answers": "over HTTP", **figures})
        await provider.close()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=7 * STEP)
    args = parser.parse_args()
    alone, whole = event_loop.run(both(args.tasks, args.seconds))
    goals = [
        Goal("scheduling, CPU a poll", cast(float, alone["us_of_cpu_a_poll"]), 40, " µs"),
        Goal("timers late, p99", cast(float, alone["late_p99_ms"]), 50, " ms"),
        Goal("timers late under HTTP, p99", cast(float, whole["late_p99_ms"]), 50, " ms"),
    ]
    picture = bars(
        f"Microseconds of CPU a poll, {args.tasks:,} open tasks",
        {
            "ours, scheduling alone": cast(float, alone["us_of_cpu_a_poll"]),
            "ours, over HTTP": cast(float, whole["us_of_cpu_a_poll"]),
        },
    )
    publish(
        "open_tasks",
        [alone, whole],
        goals=goals,
        picture=picture,
        tasks=args.tasks,
        seconds=args.seconds,
    )


if __name__ == "__main__":
    main()
