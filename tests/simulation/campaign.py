"""Run many lives on several cores: steady memory, a line each minute, and a sum at the end.

A process lives a few lives and is then replaced by a fresh fork, so that nothing grows from hour
to hour. It must not know what a life does.
"""

from __future__ import annotations

import gc
import itertools
import multiprocessing
import queue
import re
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.simulation import life
from tests.simulation.bugs import planted
from tests.simulation.life import Result, live
from tests.simulation.search import Summary, breaks, warm_up

LIVES_EACH = 250
"""The number of lives of one process."""
REPORT_SECONDS = 60.0
PATIENCE_SECONDS = 900.0
"""Seconds without a finished life after which a process counts as dead."""
TWICE = "was charged"
LOST = "was ordered and|no card|no answer|never taken|never came|is not sent|is pending"
"""How violations of the first two promises begin (docs/reliability.md)."""

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The size of a campaign: it ends after `total` orders, `lives` lives, or `seconds` of CPU on
    each core; with `wanted`, also once a promise was broken in words like these."""

    seed: int
    jobs: int
    orders: int
    seconds: float
    lives: int | None = None
    total: int | None = None
    bug: str | None = None
    wanted: str = ""

    def is_over(self, lives: int, orders: int, cpu: float) -> bool:
        """Whether the campaign has reached its size."""
        return (
            cpu >= self.seconds * self.jobs
            or (self.lives is not None and lives >= self.lives * self.jobs)
            or (self.total is not None and orders >= self.total)
        )


@dataclass
class Tally:
    """The results of a campaign so far."""

    summary: Summary = field(default_factory=Summary)
    confirmed: int = 0
    charges: int = 0
    repeats: int = 0
    cancelled: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    twice: int = 0  # lives with an order that was charged twice
    lost: int = 0
    peak: int = 0  # the most memory of one process, in MB

    def add(self, result: Result, cpu: float, peak: int) -> None:
        """Add the results of one life."""
        self.summary.add(result)
        self.summary.seconds += cpu
        self.confirmed += result.confirmed
        self.charges += result.charges
        self.repeats += result.repeats
        self.cancelled += result.cancelled
        self.faults.update(kind_of(fault) for fault in result.faults)
        self.twice += breaks(result, TWICE)
        self.lost += breaks(result, LOST)
        self.peak = max(self.peak, peak)

    def line(self, wall: float) -> str:
        """Return the line that is printed each minute."""
        seen = self.summary
        return (
            f"{wall / 60:.0f} min: {seen.lives} lives, {seen.orders} orders, "
            f"{sum(self.faults.values())} faults, {len(seen.broken)} broken; "
            f"{seen.orders / wall * 60:.0f} orders a minute, {self.peak} MB in a process"
        )

    def text(self) -> str:
        """Return the summary for people and for docs/reliability.md."""
        faults = ", ".join(f"{count} {kind}" for kind, count in self.faults.most_common())
        return (
            f"{self.summary.text()}\n"
            f"{self.confirmed} orders confirmed, {self.charges} charges, "
            f"{self.summary.deliveries} videos, {self.repeats} of them twice, "
            f"{self.summary.doubts} in doubt, {self.cancelled} cancelled\n"
            f"charged twice: {self.twice}; lost: {self.lost}\n"
            f"faults: {faults or 'none'}"
        )


def kind_of(fault: str) -> str:
    """Return the kind of a fault from its name in `Result.faults`."""
    place, _, rest = fault.partition("#")
    if place == "outage":
        return "outage " + rest.partition(" ")[2].partition(",")[0]
    _, _, kind = rest.partition(" ")
    return kind or place


def run(plan: Plan, say: Say) -> tuple[Tally, bool]:
    """Run the campaign; return its results, and False if Ctrl-C ended it."""
    warm_up()  # before the forks, which inherit it
    with tempfile.TemporaryDirectory(prefix="lives-", dir=life.ROOT) as folder:
        before = tempfile.tempdir, life.ROOT
        tempfile.tempdir, life.ROOT = folder, Path(folder)
        try:
            return _run(plan, say)
        finally:
            tempfile.tempdir, life.ROOT = before


def _run(plan: Plan, say: Say) -> tuple[Tally, bool]:
    tally, seeds, lived = Tally(), itertools.count(plan.seed), queue.SimpleQueue[Any]()
    pool = multiprocessing.get_context("fork").Pool(
        plan.jobs, initializer=_forked, maxtasksperchild=LIVES_EACH
    )
    began = told = time.monotonic()
    begun = 0
    try:
        while True:
            seen = tally.summary
            while begun < seen.lives + 2 * plan.jobs and not (
                plan.is_over(begun, begun * plan.orders, seen.seconds)
            ):
                task = next(seeds), plan.orders, plan.bug
                pool.apply_async(_live, task, callback=lived.put, error_callback=lived.put)
                begun += 1
            if begun == seen.lives:
                return tally, True
            said = lived.get(timeout=PATIENCE_SECONDS)
            if isinstance(said, BaseException):
                raise said
            tally.add(*said)
            result: Result = said[0]
            if plan.wanted and breaks(result, plan.wanted):
                return tally, True
            for words in result.violations[:1]:
                say(f"BROKEN: seed {result.seed}: {words}")
            if time.monotonic() - told >= REPORT_SECONDS:
                told = time.monotonic()
                say(tally.line(told - began))
    except KeyboardInterrupt:
        return tally, False
    finally:
        pool.terminate()
        pool.join()


def _forked() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # only the main process handles Ctrl-C
    gc.disable()  # _live collects between two lives


def _live(seed: int, orders: int, bug: str | None) -> tuple[Result, float, int]:
    """Live one life; return it with its seconds of CPU and the memory of this process in MB."""
    began = time.process_time()
    with planted(bug):
        result = live(seed, orders=orders)
    gc.collect()
    kept = replace(result, lines=())
    return kept, time.process_time() - began, _memory()


def _memory() -> int:
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) // 1024 if found else 0
