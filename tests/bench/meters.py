"""Measurements for benchmarks: CPU time, memory and open files of a process, quantiles, loop lag.

Linux only: it reads /proc.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path


def cpu_seconds(pid: int | None = None) -> float:
    """User and system time of all threads of a process so far (clock_getcpuclockid(3)); without
    `pid`, of this one.
    """
    return time.process_time() if pid is None else time.clock_gettime(~pid << 3 | 2)


def children(pid: int) -> list[int]:
    """Processes that this one has started and not waited for (proc(5): children)."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for one in tasks for child in one.read_text().split()]


def cpu_seconds_of_all(pid: int) -> float:
    """`cpu_seconds` of a process and of all that it has started, also of those that have ended
    (proc(5): cutime and cstime, in hundredths of a second).
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ended = (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
    return cpu_seconds(pid) + ended + sum(map(cpu_seconds_of_all, children(pid)))


def resident(pid: int | None = None) -> float:
    """MiB of a process that are in memory (proc(5): status)."""
    return _status(pid, "VmRSS")


def most_resident(pid: int | None = None) -> float:
    """Return the peak of `resident`."""
    return _status(pid, "VmHWM")


def open_files(pid: int | None = None) -> int:
    """File descriptors that a process has open."""
    return len(list(Path(f"/proc/{pid or os.getpid()}/fd").iterdir()))


def quantile(values: Collection[float], share: float) -> float:
    """The smallest of them that is not below `share` of them."""
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


@asynccontextmanager
async def loop_lag(every: float = 0.01) -> AsyncIterator[list[float]]:
    """Seconds that this event loop woke up too late, asked all the time while it is open."""
    late: list[float] = []

    async def ask() -> None:
        while True:
            due = time.perf_counter() + every
            await asyncio.sleep(every)
            late.append(max(time.perf_counter() - due, 0.0))

    async with asyncio.TaskGroup() as group:
        asking = group.create_task(ask())
        try:
            yield late
        finally:
            asking.cancel()


def _status(pid: int | None, name: str) -> float:
    status = Path(f"/proc/{pid or os.getpid()}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith(name + ":")]
    return int(line.split()[1]) / 1024
