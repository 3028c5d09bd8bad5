"""SQLite on a real file system that is full at random moments, and read-only after a remount.

`python -m tests.crash.full_disk` makes the file system where it may (tests/support/small_disk.py).
Database, kept videos and temporary files are on it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.crash import campaign
from tests.crash.actors import People
from tests.crash.campaign import beside, drain
from tests.crash.environment import Environment, open_environment
from tests.crash.observer import Observer
from tests.crash.processes import UP, BotRun, Launcher, Wish, launching
from tests.crash.verdict import Disturbances, Verdict
from tests.support import small_disk
from tests.support.process_harness import until
from tests.support.small_disk import LIMIT, SmallDisk

LEFT_BYTES = (0, 4_096, 12_000, 40_000, 120_000, 400_000)
MOMENT_SECONDS, HOLD_SECONDS, PAUSE_SECONDS = (0.0, 1.5), (0.1, 1.2), (0.0, 0.3)
KILLED = 0.15
"""The share of runs in which the bot is killed while the disk is full, and started again."""
WISH = Wish(lease_seconds=3.0)
WORDS = "make room on the disk"
READ_ONLY_WORDS = "the disk is mounted read-only"


@dataclass
class Report:
    """The result; the campaign passed if `violations` is empty."""

    way: str
    runs: int = 0
    kills: int = 0
    failed_starts: int = 0
    confirmed: int = 0
    charges: int = 0
    videos: int = 0
    unknown: int = 0
    told_full: int = 0
    told_read_only: int = 0
    violations: list[str] = field(default_factory=list)


async def run(
    seed: int, runs: int, launcher: Launcher, folder: Path, disk: SmallDisk, *, minutes: float
) -> Report:
    """Fill the disk so many times while people order, for at most so long."""
    dice = random.Random(seed)
    report = Report(small_disk.way())
    for name in ("data", "tmp"):
        (disk.folder / name).mkdir()
        (folder / name).symlink_to(disk.folder / name)
    async with open_environment(folder, launcher, latency=lambda _: 0.02) as environment:
        environment.provider.delay = lambda: dice.uniform(0.3, 2.0)
        environment.provider.create_latency = lambda: dice.uniform(0.05, 0.3)
        people = People(environment.telegram, random.Random(f"people {seed}"), 12)
        observer, disturbances = Observer(environment.database_url), Disturbances()
        async with beside(people.watch()), asyncio.TaskGroup() as group:
            life = await _up(environment)
            last = time.monotonic() + 60 * minutes
            for _ in range(runs):
                if time.monotonic() > last:
                    break
                group.create_task(people.order(campaign.CARD_SECONDS))
                life = await _one(environment, disk, dice, life, disturbances, report)
        found = await drain(environment, observer, lambda: environment.start(WISH))
        report.violations += [one for one in found if "filler" not in one]
        report.told_full = sum(WORDS in other.lines for other in environment.lives)
        verdict = Verdict(environment, people.orders, disturbances)
        report.violations += verdict.violations
        if verdict.numbers.unknown > report.kills:
            report.violations.append(
                f"{verdict.numbers.unknown} are unknown, {report.kills} kills"
            )
        came = verdict.numbers
        report.confirmed, report.charges = came.confirmed, came.charges
        report.videos, report.unknown = came.videos, came.unknown
        await _read_only(environment, disk, report)
    return report


async def _one(
    environment: Environment, disk: SmallDisk, dice: random.Random, life: BotRun,
    disturbances: Disturbances, report: Report,
) -> BotRun:  # fmt: skip
    """Fill the disk at a random moment, for a while; return the process that runs afterwards."""
    await asyncio.sleep(dice.uniform(*MOMENT_SECONDS))
    began = time.time()
    disk.fill(dice.choice(LEFT_BYTES), life.pid, disk.folder / "data" / "bot.db-wal")
    try:
        await asyncio.sleep(dice.uniform(*HOLD_SECONDS))
        if dice.random() < KILLED:
            await life.kill()
            report.kills += 1
            disturbances.kills.append(time.time())
            life = await environment.start(WISH)
            await asyncio.wait({life.ended}, timeout=dice.uniform(0.5, 3.0))
    finally:
        disk.free(life.pid)
    disturbances.stops.append((began, time.time()))
    if life.ended.done():
        last = life.lines.splitlines()[-1:]
        if UP in life.lines:
            report.violations.append(f"it ended by itself: {last}")
        report.failed_starts += 1
        if not any(WORDS in line and "bot.db" in line for line in last):
            report.violations.append(f"a start said: {last}")
        life = await _up(environment)
    report.runs += 1
    await asyncio.sleep(dice.uniform(*PAUSE_SECONDS))
    return life


async def _up(environment: Environment) -> BotRun:
    life = await environment.start(WISH)
    await until(lambda: UP in life.lines or life.ended.done(), 90)
    return life


async def _read_only(environment: Environment, disk: SmallDisk, report: Report) -> None:
    """Start on a file system that was remounted read-only, and again when it is writable."""
    disk.remount(read_only=True)
    life = await environment.start(WISH, TMPDIR=str(environment.folder))
    try:
        code = await asyncio.wait_for(asyncio.shield(life.ended), 60)
    except TimeoutError:
        await life.kill()
        code = 0
    last = life.lines.splitlines()[-1:]
    words = READ_ONLY_WORDS if report.way != LIMIT else "bot.db"
    if code == 1 and any(words in line and "bot.db" in line for line in last):
        report.told_read_only += 1
    elif report.way != LIMIT:  # root writes what its rights forbid
        report.violations.append(f"on a read-only disk it ended with {code}: {last}")
    disk.remount(read_only=False)
    life = await _up(environment)
    if life.ended.done():
        report.violations.append(f"after the remount: {life.lines.splitlines()[-1:]}")
    else:
        await life.stop()


async def _run(args: argparse.Namespace) -> Report:
    folder = Path(tempfile.mkdtemp(prefix="disk-"))
    disk = SmallDisk(folder / "disk")
    disk.mount()
    try:
        async with launching() as launcher:
            return await run(args.seed, args.runs, launcher, folder, disk, minutes=args.minutes)
    finally:
        disk.unmount()
        if not args.keep:
            shutil.rmtree(folder, ignore_errors=True)


def outside(argv: Sequence[str], seconds: float = 3600.0) -> Report:
    """Run this module in a process that may mount, and return its report."""
    command, environment = small_disk.command("tests.crash.full_disk", ["--inside", *argv])
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False,
                          timeout=seconds, cwd=Path(__file__).parents[2])  # fmt: skip
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0, lines[-5:]
    return Report(**json.loads(lines[-1]))


def main() -> int:
    """Return the exit code: 0 if every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.full_disk", description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--keep", action="store_true", help="the logs")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.inside:
        report = outside(sys.argv[1:])
        sys.stdout.write(
            "\n".join(f"{name}: {value}" for name, value in vars(report).items()) + "\n"
        )
        return 1 if report.violations else 0
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    report = asyncio.run(_run(args))
    sys.stdout.write(json.dumps(asdict(report)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
