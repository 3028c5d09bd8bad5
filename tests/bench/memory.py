"""`python -m tests.bench.memory`: twenty videos of 50 MB at once, through the real program.

The bot is a process between the two emulators; its resident memory is sampled while it fetches,
reads and uploads all of them together, and compared with the memory after one small video. The
processes that read the videos are measured separately: they end with their video. It must not know
the bot but by its command.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.sandbox.gptunnel.render import Scene
from bot.sandbox.telegram.people import Person
from tests.bench.meters import resident
from tests.bench.report import Goal, bars, publish
from tests.e2e.conftest import order, sent_videos
from tests.support.media_files import clip
from tests.support.process_harness import ProcessHarness, open_process_harness, until

MEBIBYTE = 1 << 20
EACH = 0.02
"""Seconds between two samples."""


def padded(size: int) -> bytes:
    """A real MP4 of about this size, padded at its end with a box that players ignore."""
    video = clip(Scene(width=864, height=480, seconds=5, prompt="", caption=""))
    room = size - len(video) - 8
    return video + (room + 8).to_bytes(4, "big") + b"free" + bytes(room)


def readers(pid: int) -> list[float]:
    """MiB of each process that reads a video for this one."""
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            try:
                found.append(resident(int(child)))
            except (OSError, ValueError):
                continue  # it has just ended
    return found


class Looks:
    """The most that was seen."""

    def __init__(self) -> None:
        self.bot = 0.0
        self.readers = 0.0
        self.at_once = 0
        self.seen: list[float] = []

    def look(self, pid: int) -> None:
        held, children = resident(pid), readers(pid)
        self.seen.append(held)
        self.bot = max(self.bot, held)
        self.readers = max(self.readers, sum(children))
        self.at_once = max(self.at_once, len(children))


@asynccontextmanager
async def looking(pid: int) -> AsyncIterator[Looks]:
    """Sample repeatedly while the context is open."""
    looks = Looks()

    async def look() -> None:
        while True:
            looks.look(pid)
            await asyncio.sleep(EACH)

    async with asyncio.TaskGroup() as group:
        looking = group.create_task(look())
        try:
            yield looks
        finally:
            looking.cancel()


async def _delivered(harness: ProcessHarness, people: list[Person], number: int) -> None:
    async with asyncio.TaskGroup() as group:
        for person in people:
            group.create_task(order(person, f"A fox, number {number}"))
    await until(lambda: all(sent_videos(harness, person.id) for person in people), 600.0)


async def measure(count: int, size: int, folder: Path) -> tuple[float, float, Looks]:
    """MiB of the idle bot, after a small video, and what was seen with the large ones."""
    sizes = [200_000]

    def renderer(scene: Scene) -> bytes:
        if sizes[0] not in made:
            made[sizes[0]] = padded(sizes[0])
        return made[sizes[0]]

    made: dict[int, bytes] = {}
    async with open_process_harness(folder, delay=1.0, renderer=renderer, plain=True) as harness:
        bot = await harness.start()
        await asyncio.sleep(3)
        idle = resident(bot.pid)
        first = harness.telegram.add_person("First")
        await _delivered(harness, [first], 0)
        await asyncio.sleep(3)
        before = resident(bot.pid)
        sizes[0] = size
        harness.provider.delay = 5.0  # so that all are done at about the same time
        people = [harness.telegram.add_person(f"Ann {n}") for n in range(count)]
        async with looking(bot.pid) as looks:
            await _delivered(harness, people, 1)
        await bot.stop()
    return idle, before, looks


def main() -> None:
    """Measures and tells."""
    parser = argparse.ArgumentParser(
        prog="tests.bench.memory", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--videos", type=int, default=20)
    parser.add_argument("--megabytes", type=float, default=49.5)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    size = int(args.megabytes * 1e6)
    try:
        idle, before, looks = asyncio.run(measure(args.videos, size, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    buffered = args.videos * size / MEBIBYTE
    figures = {
        "idle": idle,
        "after one small video": before,
        f"most with {args.videos} of {args.megabytes:g} MB": looks.bot,
        "growth": looks.bot - before,
        "the videos themselves": buffered,
        f"readers beside it, {looks.at_once} at once": looks.readers,
    }
    publish(
        "memory",
        [{"what": what, "mib": round(mib, 1)} for what, mib in figures.items()],
        goals=[Goal("growth with all of them at once", round(looks.bot - before, 1), 64, " MiB")],
        picture=bars(
            f"MiB of the bot while it brings {args.videos} videos of {args.megabytes:g} MB",
            {name: round(mib, 1) for name, mib in figures.items()},
            ours="growth",
        ),
        videos=args.videos,
        megabytes=args.megabytes,
    )


if __name__ == "__main__":
    main()
