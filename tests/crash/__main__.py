"""`python -m tests.crash`: the kill campaign from the command line.

campaign   kills at random moments while people order (the default)
selftest   the campaign against planted bugs: each must make it fail
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import secrets
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.crash import campaign
from tests.crash.lives import launching
from tests.postgres import PostgresServer, running_postgres


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 when every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--orders", type=int, default=300)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--workers", type=int, default=1, help="bots at once (default 1)")
    parser.add_argument("--people", type=int, default=campaign.Plan.people)
    parser.add_argument("--seed", type=int, default=None, help="replays a plan")
    parser.add_argument("--stops", type=float, default=0.12, help="share of SIGSTOPs")
    parser.add_argument("--bug", default=None, help="plant a bug (tests/crash/planted.py)")
    parser.add_argument(
        "--plain", action="store_true", help="start `python -m bot`, with its own long leases"
    )
    args = parser.parse_args(argv)
    plan = campaign.Plan(
        seed=secrets.randbelow(10**6) if args.seed is None else args.seed,
        kills=args.kills,
        orders=args.orders,
        workers=args.workers,
        people=args.people,
        stops=0.0 if args.plain else args.stops,
        life_seconds=(8.0, 20.0) if args.plain else campaign.Plan.life_seconds,
        bug=args.bug,
    )
    say(f"seed {plan.seed} (--seed {plan.seed} replays it)")
    with contextlib.ExitStack() as stack:
        server = None
        if args.database == "postgres":
            server = stack.enter_context(running_postgres())
        folder = Path(tempfile.mkdtemp(prefix="crash-"))
        report = asyncio.run(_run(plan, folder, server, plain=args.plain))
    say(report.text())
    if report.violations:
        say(f"the logs are kept in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


def say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


async def _run(
    plan: campaign.Plan, folder: Path, server: PostgresServer | None, *, plain: bool
) -> campaign.Report:
    url = "" if server is None else await server.create()
    async with launching(plain=plain) as launcher:
        return await campaign.run(plan, launcher, folder, database_url=url)


if __name__ == "__main__":
    sys.exit(main())
