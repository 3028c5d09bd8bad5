"""`python -m tests.bench.idle`: what the bot costs while there is nothing to do.

CPU of the whole process and statements to its database in a minute, on SQLite and on PostgreSQL,
with the emulator's long polling; and two processes on one PostgreSQL, of which the second waits
for the jobs of the first. A `sitecustomize` in each process counts the statements, those of the
connection for LISTEN too. It must not know the bot but by its command.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from tests.bench.meters import cpu_seconds
from tests.bench.report import Goal, bars, publish
from tests.support.postgres import running_postgres
from tests.support.process_harness import free_port, open_process_harness

ROOT = Path(__file__).parents[2]
SETTLE_SECONDS = 40.0
"""Seconds to wait after the start: byte code is written, prices and menus are checked once."""
COUNTER = """
import os, sqlalchemy
_out = os.open(os.environ["STATEMENTS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

def _said(*_):
    os.write(_out, b".")

sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", _said)
if os.environ["DATABASE_URL"].startswith("postgres"):
    import asyncpg
    for _name in ("fetch", "fetchval", "fetchrow"):
        def _counted(self, *args, _call=getattr(asyncpg.Connection, _name), **more):
            _said()
            return _call(self, *args, **more)
        setattr(asyncpg.Connection, _name, _counted)
"""

Cost = tuple[float, float]
"""Per cent of one core, and statements in a minute."""


async def measure(seconds: float, folder: Path, url: str | None, processes: int) -> list[Cost]:
    """Return the cost of each process."""
    (folder / "sitecustomize.py").write_text(COUNTER)
    counts = [folder / f"statements-{number}" for number in range(processes)]
    async with open_process_harness(folder, plain=True, database_url=url) as harness:
        bots = [
            await harness.start(
                settings={
                    "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
                    "STATEMENTS": str(path),
                    "HTTP_PORT": str(free_port()),
                },
                ready=not number,
            )
            for number, path in enumerate(counts)
        ]
        await asyncio.sleep(SETTLE_SECONDS)
        before = [
            (cpu_seconds(b.pid), p.stat().st_size) for b, p in zip(bots, counts, strict=True)
        ]
        await asyncio.sleep(seconds)
        after = [(cpu_seconds(b.pid), p.stat().st_size) for b, p in zip(bots, counts, strict=True)]
        for bot in bots:
            await bot.stop()
    return [
        (100 * (cpu1 - cpu0) / seconds, 60 * (said1 - said0) / seconds)
        for (cpu0, said0), (cpu1, said1) in zip(before, after, strict=True)
    ]


async def run(seconds: float, *, postgres: bool) -> dict[str, Cost]:
    """Return the costs, by what ran."""
    costs: dict[str, Cost] = {}
    async with AsyncExitStack() as stack:

        def folder() -> Path:
            return Path(stack.enter_context(tempfile.TemporaryDirectory()))

        [costs["SQLite"]] = await measure(seconds, folder(), None, 1)
        if postgres:
            server = stack.enter_context(running_postgres())
            [costs["PostgreSQL"]] = await measure(seconds, folder(), await server.create(), 1)
            both = await measure(seconds, folder(), await server.create(), 2)
            costs["PostgreSQL, first of two"], costs["PostgreSQL, second of two"] = both
    return costs


def main() -> None:
    """Measure, print a table, write the figures down."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--without-postgres", action="store_true")
    args = parser.parse_args()
    costs = asyncio.run(run(args.seconds, postgres=not args.without_postgres))
    rows = [
        {"database": name, "cpu_percent": round(cpu, 3), "statements_a_minute": round(said, 1)}
        for name, (cpu, said) in costs.items()
    ]
    cpu, said = costs["SQLite"]
    goals = [
        Goal("idle CPU of one core, SQLite", round(cpu, 3), 0.1, " %"),
        Goal("statements a minute, SQLite", round(said, 1), 4),
    ]
    goals += [
        Goal(f"statements a minute, {name}", round(costs[name][1], 1), 4)
        for name in costs
        if name != "SQLite"
    ]
    picture = bars(
        "Statements to the database in an idle minute",
        {name: round(said, 1) for name, (_, said) in costs.items()},
        ours="SQLite",
    )
    publish("idle", rows, goals=goals, picture=picture, seconds=args.seconds)


if __name__ == "__main__":
    main()
