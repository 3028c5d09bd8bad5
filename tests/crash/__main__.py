"""`python -m tests.crash`: kill the bot, and check its promises.

campaign   at random moments, while people order (the default)
steps      at every named step of a task's life, and again during recovery
sweep      no kills: the N-th call fails, for every N
scale      four processes on one PostgreSQL, also disconnected from it
selftest   the campaign against seeded bugs: each must make it fail
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import secrets
import shutil
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.crash import campaign, scale, seeded_bugs, selftest, steps, sweep
from tests.crash.processes import launching
from tests.support.postgres import PostgresServer, running_postgres


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code: 0 if every promise was kept (selftest: if every bug was found)."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.crash",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "what",
        nargs="?",
        default="campaign",
        choices=("campaign", "steps", "sweep", "scale", "selftest"),
    )
    usual = campaign.Plan(seed=0, kills=300, orders=300)
    parser.add_argument("--kills", type=int, default=usual.kills)
    parser.add_argument("--orders", type=int, default=usual.orders)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--workers", type=int, default=usual.workers, help="bots at once")
    parser.add_argument(
        "--updates", choices=("polling", "webhook"), default="polling", help="of scale"
    )
    parser.add_argument("--people", type=int, default=usual.people)
    parser.add_argument("--seed", type=int, default=None, help="replays a plan")
    parser.add_argument(
        "--stops", type=float, default=usual.stops, help="share of kills that begin as a SIGSTOP"
    )
    parser.add_argument(
        "--bug", choices=tuple(seeded_bugs.BUGS), help="of a selftest: this one alone"
    )
    parser.add_argument(
        "--plain", action="store_true", help="start `python -m bot`, with its own long leases"
    )
    args = parser.parse_args(argv)
    seed = secrets.randbelow(10**6) if args.seed is None else args.seed
    # Errors because of bots killed during an upload are expected here.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    say(f"seed {seed} (--seed {seed} replays it)")
    folder = Path(tempfile.mkdtemp(prefix="crash-"))
    with contextlib.ExitStack() as stack:
        server = None
        if args.database == "postgres" or args.what in ("scale", "selftest"):
            server = stack.enter_context(running_postgres())
        good = asyncio.run(_run(args, seed, folder, server))
    if not good:
        say(f"the logs are kept in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


async def _run(
    args: argparse.Namespace, seed: int, folder: Path, server: PostgresServer | None
) -> bool:
    async with launching(plain=args.plain) as launcher:
        match args.what:
            case "campaign":
                plan = campaign.Plan(
                    seed=seed,
                    kills=args.kills,
                    orders=args.orders,
                    workers=args.workers,
                    people=args.people,
                    stops=0.0 if args.plain else args.stops,
                    life_seconds=(8.0, 20.0) if args.plain else campaign.Plan.life_seconds,
                )
                url = await server.create() if server else ""
                report = await campaign.run(plan, launcher, folder, database_url=url)
                say(report.text())
                say(_row(args, seed, report.cells()))
                return not report.violations
            case "steps":
                results = await steps.run(launcher, folder, seed=seed)
                say(results.text())
                say(_row(args, seed, results.cells()))
                return not results.violations
            case "sweep":
                swept = await sweep.run(launcher, folder)
                say(swept.text())
                say(_row(args, seed, swept.cells()))
                return not swept.violations
            case "scale":
                assert server is not None
                wanted = scale.plan(
                    seed, kills=args.kills, orders=args.orders, updates=args.updates
                )
                result = await scale.run(
                    wanted, launcher, folder, database_url=await server.create()
                )
                say(result.text())
                say(_row(args, seed, result.campaign.cells()))
                return not result.violations
            case _:
                outcomes = []
                for trial in selftest.TRIALS:
                    if args.bug in (None, trial.bug):
                        outcomes.append(await selftest.run(trial, launcher, folder, server))
                        say(outcomes[-1].text())
                found = sum(bool(outcome.found) for outcome in outcomes)
                say(f"{found} of {len(outcomes)} planted bugs noticed")
                return found == len(outcomes)


def _row(args: argparse.Namespace, seed: int, cells: Sequence[object]) -> str:
    """A line of the table in docs/reliability.md: the day, the run, the command, the figures."""
    day = datetime.now(UTC).date().isoformat()  # noqa: TID251 - of the run, not of the bot
    command = ["python -m tests.crash", *([] if args.what == "campaign" else [args.what])]
    if args.what == "campaign":
        command += [f"--kills {args.kills} --orders {args.orders}"]
        command += [f"--database {args.database} --workers {args.workers}"]
    if args.what == "scale":
        command += [f"--kills {args.kills} --orders {args.orders} --updates {args.updates}"]
    command.append(f"--seed {seed}")
    return f"| {day}: `{' '.join(command)}` | {' | '.join(map(str, cells))} |"


def say(words: str) -> None:
    """A line for people, at once."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
