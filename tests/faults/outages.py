"""Outages of the provider, from each fault, length and number of processes: `make outages`.

A cell of the table is one outage: orders are placed, the provider goes away and comes back, and
nobody helps. The emulator's records and the rows are the evidence.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bot.sandbox.faults import Fault
from storage import open_storage
from tests.faults import herd
from tests.support import app_harness
from tests.support.app_harness import AppHarness, open_app_harness
from tests.support.outages import Line

say = partial(print, flush=True)

PAGE = "<html><body>Bad gateway</body></html>"
ORDERS = 6
"""For one process; several get three each."""
FLAP_SECONDS, FLAPS = 3.0, 20
HOURS = "hours"


@dataclass(frozen=True)
class Outage:
    """What the provider or the way to it does."""

    fault: Fault | None = None
    line: Line = Line.GOOD
    arrives: bool = False  # orders in doubt are charged


OUTAGES = {
    "502": Outage(Fault(on="*", act="answer", status=502, body=PAGE, times=0)),
    "503": Outage(Fault(on="*", act="answer", status=503, body=PAGE, times=0)),
    "504": Outage(Fault(on="*", act="answer_after", status=504, body=PAGE, times=0), arrives=True),
    "reset": Outage(Fault(on="*", act="reset_after", times=0), arrives=True),
    "black hole": Outage(line=Line.BLACK_HOLE),
    "answers in a black hole": Outage(line=Line.ANSWER_LOST, arrives=True),
    "TLS error": Outage(line=Line.TLS),
    "DNS error": Outage(line=Line.DNS),
}


class Switch:
    """Turns an outage on and off."""

    def __init__(self, harness: AppHarness, outage: Outage) -> None:
        self._harness, self._outage, self._key = harness, outage, ""

    def on(self) -> None:
        self._harness.line.state = self._outage.line
        if self._outage.fault is not None:
            self._key = self._harness.provider.faults.add(self._outage.fault)

    def off(self) -> None:
        self._harness.line.state = Line.GOOD
        self._harness.provider.faults.remove(self._key)


@dataclass(frozen=True)
class Outcome:
    """What one outage did."""

    orders: int
    doubts: int
    delivered: int
    charges: int
    seconds: float  # from its end to the last video


async def live_through(
    harness: AppHarness, outage: Outage, seconds: float | None, processes: int = 1
) -> Outcome:
    """Place orders, let the provider be away for so long (None: it comes and goes), and wait until
    every order that is not in doubt is delivered.
    """
    switch, count = Switch(harness, outage), ORDERS if processes == 1 else 3 * processes
    if processes == 1:
        switch.on()
    for number in range(count):
        await harness.order(harness.person(name=f"P{number}"))
    switch.off()
    switch.on()
    harness.start_workers()
    if seconds is None:
        for _ in range(FLAPS):
            await harness.pass_(FLAP_SECONDS)
            switch.off()
            await harness.pass_(FLAP_SECONDS)
            switch.on()
    else:
        await harness.pass_(seconds)
    switch.off()
    end = harness.time.elapsed
    await harness.until(lambda: set(harness.states()) <= {"delivered", "unknown"})
    await harness.settle()
    states = harness.states()
    return Outcome(
        orders=count,
        doubts=states.count("unknown"),
        delivered=states.count("delivered"),
        charges=len(harness.provider.charges),
        seconds=harness.time.elapsed - end,
    )


def broken_promises(outcome: Outcome, outage: Outage, processes: int) -> list[str]:
    """Return what the outcome broke of docs/reliability.md."""
    found = []
    if outcome.doubts > processes:
        found.append(f"{outcome.doubts} in doubt with {processes} processes")
    if outcome.delivered + outcome.doubts != outcome.orders:
        found.append(f"{outcome.delivered} of {outcome.orders} delivered")
    paid = outcome.delivered + (outcome.doubts if outage.arrives else 0)
    if outcome.charges != paid:
        found.append(f"{outcome.charges} charges, {paid} expected")
    return found


LENGTHS: dict[str, float | None] = {"1 s": 1.0, "25 s": 25.0, "10 min": 600.0, "every 3 s": None}


async def _table(processes: list[int], only: str) -> int:
    clip, broken = b"\0" * 1000, 0
    head = " | ".join(LENGTHS)
    for number in [] if only == HOURS else processes:
        orders = ORDERS if number == 1 else 3 * number
        say(f"\n{number} process(es): orders in doubt of {orders}; seconds to the last video\n")
        say(f"| outage | {head} |\n| --- {'| --- ' * len(LENGTHS)}|")
        for name, outage in OUTAGES.items():
            if only and only != name:
                continue
            cells = []
            for seconds in LENGTHS.values():
                outcome = await _cell(outage, seconds, number, clip)
                wrong = broken_promises(outcome, outage, number)
                broken += bool(wrong)
                words = f" BROKEN: {'; '.join(wrong)}" if wrong else ""
                cells.append(f"{outcome.doubts}; {outcome.seconds:.0f} s{words}")
            say(f"| {name} | {' | '.join(cells)} |")
    return broken


async def _hours(clip: bytes) -> None:
    """Outages of an hour with much that waits; each scenario fails where it breaks a promise."""
    async with _opened(clip) as harness:
        say("\nquestions, 2 000 open tasks:", await herd.questions(harness, 2000))
    async with _opened(clip) as harness:
        say("\na host of 500 videos:", await herd.downloads(harness, clip, 500))
    async with _opened(clip, task_deadline_seconds=86_400) as harness:
        say("\nTelegram, 500 videos ready:", await herd.telegram(harness, clip, 500))


async def _cell(outage: Outage, seconds: float | None, processes: int, clip: bytes) -> Outcome:
    workers = processes if processes > 1 else 0
    async with _opened(clip, workers=workers, at_once=3) as harness:
        return await live_through(harness, outage, seconds, processes)


@asynccontextmanager
async def _opened(clip: bytes, **settings: Any) -> AsyncIterator[AppHarness]:
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.db"
        async with open_storage(f"sqlite+aiosqlite:///{empty}"):
            pass
        async with open_app_harness(Path(folder), empty, clip, **settings) as harness:
            yield harness


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, nargs="*", default=[1, 4])
    parser.add_argument("--only", default="", help=f"one outage by its name, or {HOURS}")
    given = parser.parse_args()
    begun = time.perf_counter()
    app_harness.REAL_SECONDS = 300.0  # much waits here at once
    broken = asyncio.run(_table(given.processes, given.only))
    if given.only in ("", HOURS):
        asyncio.run(_hours(b"\0" * 1000))
    say(f"\n{time.perf_counter() - begun:.0f} s, {broken} broken promises")
    return bool(broken)


if __name__ == "__main__":
    raise SystemExit(main())
