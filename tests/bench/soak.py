"""`python -m tests.bench.soak`: 50 000 updates and 5 000 orders through the whole program.

The bot is a process between the two emulators. Forty people order one video after the other, as
fast as Telegram's own rates let them, while groups talk, which the bot reads and does not answer.
Memory, open files and the database are sampled: memory must not grow after the first quarter, no
file may stay open, and the size of a row must stay the same. It ends early after `--minutes`, and
says how far it came. It must not know the bot but by its command.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path

from bot.sandbox.telegram.people import Person
from tests.bench.meters import open_files, quantile, resident
from tests.bench.report import Goal, publish, svg
from tests.e2e.conftest import Json, answers, is_video, order
from tests.support.media_files import clip, learnt
from tests.support.process_harness import ProcessHarness, open_process_harness

PEOPLE = 40
LOOKS = 300
SLOPE = 2.0
"""MiB per ten thousand updates that memory may grow because of logs, caches and the allocator."""


@dataclass(frozen=True)
class Look:
    """At one moment."""

    seconds: float
    updates: int
    videos: int
    mib: float
    files: int
    database_mib: float


class Soak:
    """The load, and the samples taken meanwhile."""

    def __init__(self, harness: ProcessHarness, updates: int, orders: int, minutes: float) -> None:
        self._stand = harness
        self._talk = updates - 2 * orders
        self._orders = orders
        self._ends = time.monotonic() + minutes * 60
        self._began = time.monotonic()
        self.ordered = self.talked = self.videos = 0
        self.looks: list[Look] = []

    @property
    def over(self) -> bool:
        return time.monotonic() >= self._ends

    async def person(self, person: Person) -> None:
        """One video after the other."""
        while self.ordered < self._orders and not self.over:
            self.ordered += 1
            asked, _ = await order(person, f"A fox, number {self.ordered}")
            is_mine = answers(asked)
            await person.expect(partial(_is_video_for, is_mine), within=300.0)
            self.videos += 1

    async def group(self) -> None:
        """People who talk to each other, in step with the orders."""
        while self.talked < self._talk and not self.over:
            share = self.videos / self._orders
            while self.talked < min(share * self._talk + 200, self._talk):
                self.talked += 1
                self._stand.telegram.inject(_talk(self.talked))
                if self.talked % 50 == 0:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)

    def look(self, pid: int, database: Path) -> None:
        """Once at everything."""
        size = database.stat().st_size  # without the log beside it, which is written over
        self.looks.append(
            Look(
                seconds=round(time.monotonic() - self._began, 1),
                updates=self.talked + 2 * self.videos,
                videos=self.videos,
                mib=round(resident(pid), 1),
                files=open_files(pid),
                database_mib=round(size / (1 << 20), 2),
            )
        )


def _is_video_for(is_mine: Callable[[Json], bool], message: Json) -> bool:
    return is_video(message) and is_mine(message)


def _talk(number: int) -> dict[str, object]:
    chat = -1_000_000 - number % 50
    person = {"id": 10_000 + number % 500, "is_bot": False, "first_name": "Bob"}
    return {
        "message": {
            "message_id": 1_000_000 + number,
            "date": 1_767_268_800,
            "chat": {"id": chat, "type": "supergroup", "title": "Films"},
            "from": person,
            "text": f"and what did you think of number {number}?",
        }
    }


async def measure(updates: int, orders: int, minutes: float, folder: Path) -> Soak:
    """Everything through one bot."""
    async with open_process_harness(folder, delay=0.3, renderer=clip, plain=True) as harness:
        harness.provider.balance = Decimal(20) * orders
        await learnt(harness.database_url, 0.3)
        bot = await harness.start(settings={"LOG_LEVEL": "ERROR"})
        database = Path(harness.database_url.partition(":///")[2])
        soak = Soak(harness, updates, orders, minutes)

        async def look() -> None:
            every = max(minutes * 60 / LOOKS, 0.5)
            while True:
                soak.look(bot.pid, database)
                await asyncio.sleep(every)

        async with asyncio.TaskGroup() as outer:
            looking = outer.create_task(look())
            async with asyncio.TaskGroup() as load:
                load.create_task(soak.group())
                for number in range(PEOPLE):
                    person = harness.telegram.add_person(f"Ann {number}")
                    load.create_task(soak.person(person))
            await asyncio.sleep(3)
            soak.look(bot.pid, database)
            looking.cancel()
        assert await bot.stop() == 0
    return soak


def slope(looks: list[Look]) -> float:
    """MiB in ten thousand updates after the first quarter: the middle of all pairs' slopes."""
    later = [look for look in looks if look.updates >= looks[-1].updates / 4]
    slopes = [
        (b.mib - a.mib) / (b.updates - a.updates) * 10_000
        for i, a in enumerate(later)
        for b in later[i + 1 :]
        if b.updates > a.updates
    ]
    return statistics.median(slopes) if slopes else 0.0


def picture(looks: list[Look]) -> str:
    """Memory, open files and the database over the updates, each on its own scale."""
    most = max(looks[-1].updates, 1)
    lines = ""
    for colour, name, values in (
        ("#c2410c", "MiB of memory", [look.mib for look in looks]),
        ("#0f766e", "open files", [float(look.files) for look in looks]),
        ("#64748b", "MiB of database", [look.database_mib for look in looks]),
    ):
        top = max(values) or 1.0
        points = " ".join(
            f"{60 + 780 * look.updates / most:.0f},{400 - 330 * value / top:.0f}"
            for look, value in zip(looks, values, strict=True)
        )
        lines += (
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
            f'<text x="848" y="{404 - 330 * values[-1] / top:.0f}" fill="{colour}">'
            f"{values[-1]:g} {name}</text>"
        )
    return svg(1010, 440, f'{lines}<text x="60" y="428">0</text>'
               f'<text x="840" y="428" text-anchor="end">{most:,} updates</text>')  # fmt: skip


def main() -> None:
    """Measures and tells."""
    parser = argparse.ArgumentParser(
        prog="tests.bench.soak", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--updates", type=int, default=50_000)
    parser.add_argument("--orders", type=int, default=5_000)
    parser.add_argument("--minutes", type=float, default=25)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        soak = asyncio.run(measure(args.updates, args.orders, args.minutes, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    looks = soak.looks
    quarter = [look for look in looks if look.updates >= looks[-1].updates / 4]
    shown = [looks[round(share * (len(looks) - 1))] for share in (0, 0.25, 0.5, 0.75, 1)]
    last = looks[-1]
    per_update = last.database_mib * (1 << 10) / max(last.updates, 1)
    files = quantile([look.files for look in quarter], 0.5)
    publish(
        "soak",
        [look.__dict__ for look in shown],
        goals=[
            Goal("memory", round(slope(looks), 2), SLOPE, " MiB in 10 000 updates"),
            Goal("open files in the end, above the middle", last.files - files, 5),
            Goal("database", round(per_update, 2), 1, " KiB an update, orders and all"),
            Goal("updates", last.updates, args.updates, least=True),
            Goal("videos", soak.videos, args.orders, least=True),
        ],
        picture=picture(looks),
    )


if __name__ == "__main__":
    main()
