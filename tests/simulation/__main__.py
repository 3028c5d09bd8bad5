"""`python -m tests.simulation`: live simulated lives of the bot, and check its promises.

Every fault is drawn from the seed of its life. A life that breaks a promise is printed with its
seed, and shrunk to the fewest orders and faults that still break it.
"""

from __future__ import annotations

import argparse
import math
import secrets
import sys
import time
from collections.abc import Sequence

from bot.runtime.lazy_aiogram import import_aiogram

MINUTE = 60.0


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code: 0 when every promise was kept (selftest: when every bug was found)."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    import_aiogram()
    from tests.support.shared_caches import share_signatures

    share_signatures()
    from tests.simulation.bugs import BUGS
    from tests.simulation.life import ORDERS

    parser.add_argument("what", nargs="?", default="lives", choices=("lives", "selftest"))
    parser.add_argument("--seconds", type=float, help="of CPU, for each core; by default 60")
    parser.add_argument(
        "--total", type=int, help="orders of all lives; without --seconds no limit"
    )
    parser.add_argument("--lives", type=int, default=None, help="at most, on each core")
    parser.add_argument("--orders", type=int, default=ORDERS, help="in one life")
    parser.add_argument("--seed", type=int, default=None, help="of the first life")
    parser.add_argument("--jobs", type=int, default=2, help="cores")
    parser.add_argument("--bug", choices=tuple(BUGS), help="plant this one")
    parser.add_argument("--log", action="store_true", help="print the events of one life")
    args = parser.parse_args(argv)
    if args.seed is None:
        args.seed = secrets.randbelow(10**6)
    if args.log:
        return _print_life(args)
    return _selftest(args) if args.what == "selftest" else _lives(args)


def _lives(args: argparse.Namespace) -> int:
    from tests.simulation.campaign import Plan, run

    say(f"seeds from {args.seed} (--seed {args.seed} replays them)")
    began = time.monotonic()
    seconds = args.seconds or (MINUTE if args.total is None else math.inf)
    plan = Plan(
        seed=args.seed,
        jobs=args.jobs,
        orders=args.orders,
        seconds=seconds,
        lives=args.lives,
        total=args.total,
        bug=args.bug,
    )
    tally, is_whole = run(plan, say)
    wall, total = time.monotonic() - began, tally.summary
    if not is_whole:
        say("interrupted; so far:")
    say(tally.text())
    say(
        f"{total.orders / wall * 60:.0f} orders a minute on the clock, with {args.jobs} jobs; "
        f"at most {tally.peak} MB in a process"
    )
    for result in total.broken[:3]:
        if is_whole:
            _tell_shortest(args, result)
        else:
            say(f"BROKEN: seed {result.seed}: {result.violations[0]}")
    return 1 if total.broken or not is_whole else 0


def _tell_shortest(args: argparse.Namespace, result: object) -> None:
    import re

    from tests.simulation.bugs import planted
    from tests.simulation.life import Result
    from tests.simulation.search import shrink

    assert isinstance(result, Result)
    say(f"BROKEN: seed {result.seed}, {len(result.faults)} faults: {result.violations[0]}")
    kind = re.sub(r"\\?\d[\d.]*", r"[\\d.]+", re.escape(result.violations[0])[:80])
    with planted(args.bug):
        short = shrink(result, kind)
    say(f"  shortest: --seed {short.seed} --orders {short.orders} --lives 1 --jobs 1, with only")
    for fault in short.faults:
        say(f"    {fault}")
    for words in short.violations:
        say(f"  {words}")


def _selftest(args: argparse.Namespace) -> int:
    from tests.simulation.bugs import BUGS, FOUND_AS, planted
    from tests.simulation.campaign import Plan, run
    from tests.simulation.search import breaks, shrink

    missed = 0
    for bug in [args.bug] if args.bug else BUGS:
        began = time.monotonic()
        plan = Plan(
            seed=args.seed,
            jobs=args.jobs,
            orders=args.orders,
            seconds=args.seconds or MINUTE,
            lives=args.lives,
            bug=bug,
            wanted=FOUND_AS[bug],
        )
        tally, is_whole = run(plan, lambda words: None)
        if not is_whole:
            return 1
        seen, wall = tally.summary, time.monotonic() - began
        found = [one for one in seen.broken if breaks(one, FOUND_AS[bug])]
        if not found:
            missed += 1
            say(f"{bug}: NOT FOUND in {seen.lives} lives, {wall:.0f} s")
            continue
        with planted(bug):
            short = shrink(found[-1], FOUND_AS[bug])
        say(
            f"{bug}: found in life {seen.lives}, {wall:.0f} s, seed {short.seed}; "
            f"shortest: {short.orders} orders, {len(short.faults)} faults "
            f"{list(short.faults)}: {short.violations[0]}"
        )
    say(f"{missed} not found")
    return 1 if missed else 0


def _print_life(args: argparse.Namespace) -> int:
    from tests.simulation.bugs import planted
    from tests.simulation.life import live

    with planted(args.bug):
        result = live(args.seed, orders=args.orders, keep=True)
    say("\n".join(result.lines))
    say(f"digest {result.digest}; faults: {list(result.faults)}")
    for words in result.violations:
        say(f"BROKEN: {words}")
    return 1 if result.violations else 0


def say(words: str) -> None:
    """Print for people, at once."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
