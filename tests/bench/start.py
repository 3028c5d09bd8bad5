"""`python -m tests.bench.start`: what it costs to start the bot, and to have it idle.

CPU seconds of the whole process until its first getUpdates, and resident memory some seconds
later, against a process that only imports aiogram, httpx and SQLAlchemy. Fresh processes, in
turn; the medians are compared. With packages around that only developers need, httpx and others
import more: the figures of docs/bench are from an environment of requirements.txt alone. It must
not know the bot but by its command.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.stand import START_SECONDS, Stand, open_stand, until

RESULT = Path("docs/bench/start.json")
IDLE_SECONDS = 4.0
IMPORTS = {
    "python": "",
    "import aiogram, httpx, sqlalchemy": "import aiogram, httpx, sqlalchemy",
}
REFERENCE = "import aiogram, httpx, sqlalchemy"
BOTS = {"bot": {}, "bot, models built at import": {"LEAN": "0"}}

Cost = tuple[float, float]
"""CPU seconds and MiB."""


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process so far (clock_getcpuclockid(3))."""
    return time.clock_gettime(~pid << 3 | 2)


def resident(pid: int) -> float:
    """MiB of a process that are in memory (proc(5): status)."""
    status = Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


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


async def of_bot(stand: Stand, settings: dict[str, str]) -> Cost:
    """`python -m bot` on a database that it knows already."""
    seen = len(stand.telegram.calls_of("getUpdates"))
    bot = await stand.start(settings=settings)
    await until(lambda: len(stand.telegram.calls_of("getUpdates")) > seen, START_SECONDS)
    cpu = cpu_seconds(bot.process.pid)
    await asyncio.sleep(IDLE_SECONDS)
    memory = resident(bot.process.pid)
    await bot.stop()
    return cpu, memory


async def measure(rounds: int) -> dict[str, Cost]:
    """The medians, by what was started."""
    costs: dict[str, list[Cost]] = {name: [] for name in (*IMPORTS, *BOTS)}
    with tempfile.TemporaryDirectory() as folder:
        async with open_stand(Path(folder)) as stand:
            for number in range(rounds + 1):
                for name, code in IMPORTS.items():
                    costs[name].append(await of_imports(code))
                for name, settings in BOTS.items():
                    costs[name].append(await of_bot(stand, settings))
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
    parser = argparse.ArgumentParser(
        prog="tests.bench.start", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=RESULT, help=f"default {RESULT}")
    args = parser.parse_args()
    costs = asyncio.run(measure(args.rounds))
    cpu, memory = costs[REFERENCE]
    rows = [
        {
            "what": name,
            "cpu_seconds": round(its_cpu, 3),
            "resident_mib": round(its_memory, 1),
            "cpu_ratio": round(its_cpu / cpu, 3),
            "resident_ratio": round(its_memory / memory, 3),
        }
        for name, (its_cpu, its_memory) in costs.items()
    ]
    print(f"{'':34} {'CPU, s':>8} {'ratio':>6} {'MiB':>7} {'ratio':>6}")
    for row in rows:
        print(
            f"{row['what']:34} {row['cpu_seconds']:8.2f} {row['cpu_ratio']:6.2f}"
            f" {row['resident_mib']:7.1f} {row['resident_ratio']:6.2f}"
        )
    args.json.parent.mkdir(parents=True, exist_ok=True)
    result = {"rounds": args.rounds, "python": platform.python_version(), "rows": rows}
    args.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
