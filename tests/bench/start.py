"""`python -m tests.bench.start`: the cost of starting the bot and of keeping it idle.

CPU seconds of the whole process until its first getUpdates, and resident memory some seconds
later, against a process that only imports aiogram, httpx and SQLAlchemy. Fresh processes, in
turn; the medians are compared. In an environment with developers' packages, httpx and others
import more: the figures of docs/bench are from an environment with requirements.txt only. It must
not know the bot but by its command.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

from tests.bench.meters import cpu_seconds, resident
from tests.bench.report import Goal, bars, publish
from tests.support.process_harness import (
    START_SECONDS,
    ProcessHarness,
    open_process_harness,
    until,
)

IDLE_SECONDS = 4.0
IMPORTS = {
    "python": "",
    "import aiogram, httpx, sqlalchemy": "import aiogram, httpx, sqlalchemy",
}
REFERENCE = "import aiogram, httpx, sqlalchemy"
BOTS = {"bot": {}, "bot, models built at import": {"LEAN": "0"}}

Cost = tuple[float, float]
"""CPU seconds and MiB."""


async def of_imports(code: str) -> Cost:
    """A process that runs the line and then waits."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", f"{code}\nprint(flush=True)\ninput()"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    cost = cpu_seconds(process.pid), resident(process.pid)
    await process.communicate(b"\n")
    return cost


async def of_bot(harness: ProcessHarness, settings: dict[str, str]) -> Cost:
    """`python -m bot` on a database that it knows already."""
    seen = len(harness.telegram.calls_of("getUpdates"))
    bot = await harness.start(settings=settings)
    await until(lambda: len(harness.telegram.calls_of("getUpdates")) > seen, START_SECONDS)
    cpu = cpu_seconds(bot.pid)
    await asyncio.sleep(IDLE_SECONDS)
    memory = resident(bot.pid)
    await bot.stop()
    return cpu, memory


async def measure(rounds: int) -> dict[str, Cost]:
    """The medians, by what was started."""
    costs: dict[str, list[Cost]] = {name: [] for name in (*IMPORTS, *BOTS)}
    with tempfile.TemporaryDirectory() as folder:
        async with open_process_harness(Path(folder), plain=True) as harness:
            for number in range(rounds + 1):
                for name, code in IMPORTS.items():
                    costs[name].append(await of_imports(code))
                for name, settings in BOTS.items():
                    costs[name].append(await of_bot(harness, settings))
                if not number:  # it writes byte code and creates the tables
                    for of_one in costs.values():
                        of_one.clear()
    return {
        name: (
            statistics.median(cpu for cpu, _ in all_),
            statistics.median(mem for _, mem in all_),
        )
        for name, all_ in costs.items()
    }


def main() -> None:
    """Measures, prints a table, writes the figures down."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    costs = asyncio.run(measure(args.rounds))
    cpu, memory = costs[REFERENCE]
    rows = [
        {
            "what": name,
            "cpu_seconds": round(its_cpu, 3),
            "cpu_ratio": round(its_cpu / cpu, 3),
            "resident_mib": round(its_memory, 1),
            "resident_ratio": round(its_memory / memory, 3),
        }
        for name, (its_cpu, its_memory) in costs.items()
    ]
    bot_cpu, bot_memory = costs["bot"]
    goals = [
        Goal("CPU to the first getUpdates / the imports alone", round(bot_cpu / cpu, 2), 1.1),
        Goal("idle memory / the imports alone", round(bot_memory / memory, 2), 1.1),
        Goal("CPU to the first getUpdates", round(bot_cpu, 2), 0.6, " s"),
        Goal("idle memory", round(bot_memory, 1), 75, " MiB"),
    ]
    seconds = {name: round(its_cpu, 2) for name, (its_cpu, _) in costs.items()}
    picture = bars("Seconds of CPU until it is ready", seconds, ours="bot")
    publish("start", rows, goals=goals, picture=picture, rounds=args.rounds)


if __name__ == "__main__":
    main()
