"""The CPU of a whole video, from the words to the chat: this bot against one of a tutorial.

    python -m tests.bench.video [--orders N] [--people N] [--delay S] [--rounds N] [--flame]

Both bots are whole processes, each between its own two emulators, in a third process. They take
turns: while one makes its videos, the other is idle, and what it uses then is subtracted from its
own figure. People write a prompt and press an aspect ratio, each one order after the other; the
video has two MB and its index at the end. The CPU of all processes of a bot counts, those that
read videos too. `--flame` samples where the CPU of our bot goes and draws
docs/bench/video-flame.svg; sampling costs CPU, so no figures are written then.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path

from bot.sandbox.telegram.people import Person
from tests.bench.delivery import film
from tests.bench.flame import draw, read_stacks
from tests.bench.meters import cpu_seconds, cpu_seconds_of_all
from tests.bench.report import OUT, Goal, bars, publish, table
from tests.e2e.conftest import Json, is_video, order
from tests.support.media_files import learnt
from tests.support.process_harness import ProcessHarness, open_process_harness, until

OURS, TUTORIAL = ("bot",), ("tests.bench.tutorial_bot",)
LOOP = "asyncio.runners:Runner.run"
SETTLE_SECONDS = 3.0
"""Seconds to wait after the last video: status messages are deleted, updates are marked done."""

SUBJECTS: Mapping[str, tuple[str, ...]] = {
    "the database": ("storage.", "sqlalchemy.", "aiosqlite.", "sqlite3."),
    "making calls to Telegram": ("aiogram.client.", "aiogram.methods.", "bot.telegram.messenger"),
    "updates and handlers": ("aiogram.", "bot.telegram.", "handlers."),
    "HTTP": ("aiohttp.", "httpx", "yarl.", "bot.provider.", "bot.media.download"),
    "texts": ("bot.texts.", "aiogram.utils."),
    "log and metrics": ("logging:", "structlog.", "prometheus_client.", "bot.runtime.metrics"),
    "steps of a task": ("bot.jobs.", "bot.core."),
    "reading the video": ("bot.media.",),
}
"""The subject of a call by its module; the innermost call with a subject decides for a stack."""


@dataclass(frozen=True)
class Cost:
    """Elapsed seconds, and seconds of CPU of the first process of the bot and of its readers."""

    seconds: float = 0.0
    own: float = 0.0
    readers: float = 0.0

    @property
    def cpu(self) -> float:
        return self.own + self.readers

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.seconds + other.seconds, self.own + other.own, self.readers + other.readers
        )

    def __sub__(self, other: Cost) -> Cost:
        return Cost(
            self.seconds - other.seconds, self.own - other.own, self.readers - other.readers
        )


@asynccontextmanager
async def running(harness: ProcessHarness, *module: str) -> AsyncIterator[int]:
    """Run a bot as `python -m MODULE…` and yield its process number after its first getUpdates."""
    seen = len(harness.telegram.calls_of("getUpdates"))
    with (harness.folder / "bench.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", *module),
            env=harness.settings(),
            cwd=harness.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        await until(lambda: len(harness.telegram.calls_of("getUpdates")) > seen)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


async def one_video(person: Person, prompt: str) -> None:
    """From the words to the video in the chat."""
    asked, _ = await order(person, prompt)
    await person.expect(partial(_is_video_after, asked), within=120.0)


def _is_video_after(asked: Json, message: Json) -> bool:
    """Return the next video of a person, who has one order at a time; its reply may go to the
    card."""
    return is_video(message) and message["message_id"] > asked["message_id"]


async def videos(harness: ProcessHarness, people: int, orders: int) -> None:
    """Make all orders: in parallel for different people, one after the other for each."""
    left = iter(range(orders))

    async def orders_of(person: Person) -> None:
        for number in left:
            await one_video(person, f"A fox in the snow, number {number}")

    async with asyncio.TaskGroup() as group:
        for number in range(people):
            person = harness.telegram.add_person(f"Ann {number}")
            group.create_task(orders_of(person))
            await asyncio.sleep(0.1)


class Side:
    """A running bot, and what it has used so far."""

    def __init__(self, harness: ProcessHarness, pid: int, people: int) -> None:
        self._harness = harness
        self._pid = pid
        self._people = people
        self._made = 0
        self.working = Cost()
        self.idle = Cost()

    def used(self) -> Cost:
        """Seconds of CPU since the start."""
        own = cpu_seconds(self._pid)
        return Cost(time.monotonic(), own, cpu_seconds_of_all(self._pid) - own)

    async def warm_up(self) -> None:
        """Make one video first, as for a bot that has been running."""
        await one_video(self._harness.telegram.add_person("First"), "A fox")

    async def work(self, orders: int) -> None:
        await videos(self._harness, self._people, orders)
        await asyncio.sleep(SETTLE_SECONDS)
        self._made += orders

    def of_a_video(self) -> Cost:
        """Return the seconds of each kind minus the cost of the same time without work."""
        share = self.working.seconds / self.idle.seconds
        return Cost(
            self.working.seconds / self._made,
            (self.working.own - self.idle.own * share) / self._made,
            (self.working.readers - self.idle.readers * share) / self._made,
        )


async def take_turns(sides: Sequence[Side], orders: int, rounds: int) -> None:
    """Let each bot work in turn while the others are idle, `rounds` times."""
    for side in sides:
        await side.warm_up()
    await asyncio.sleep(SETTLE_SECONDS)
    for _ in range(rounds):
        for working in sides:
            before = [side.used() for side in sides]
            await working.work(orders // rounds)
            for side, began in zip(sides, before, strict=True):
                spent = side.used() - began
                if side is working:
                    side.working += spent
                else:
                    side.idle += spent


@asynccontextmanager
async def between_emulators(delay: float, clip: bytes) -> AsyncIterator[ProcessHarness]:
    """Emulators whose every video is `clip`, and an empty database whose models are known."""
    with tempfile.TemporaryDirectory() as folder:
        async with open_process_harness(
            Path(folder), delay=delay, renderer=lambda scene: clip, plain=True
        ) as harness:
            harness.provider.balance = Decimal(1_000_000)
            await learnt(harness.database_url, delay)
            yield harness


async def compare(args: argparse.Namespace, clip: bytes) -> tuple[Side, Side]:
    """Return the costs of our bot and of the tutorial bot."""
    async with AsyncExitStack() as stack:
        sides = []
        for module in (OURS, TUTORIAL):
            harness = await stack.enter_async_context(between_emulators(args.delay, clip))
            pid = await stack.enter_async_context(running(harness, *module))
            sides.append(Side(harness, pid, args.people))
        ours, tutorial = sides
        await take_turns(sides, args.orders, args.rounds)
    return ours, tutorial


async def sample(args: argparse.Namespace, clip: bytes) -> Counter[tuple[str, ...]]:
    """Microseconds of CPU by stack while our bot makes the videos; readers are one box."""
    async with between_emulators(args.delay, clip) as harness:
        file = harness.folder / "stacks"
        async with running(harness, "tests.bench.flame", str(file), *OURS) as pid:
            await one_video(harness.telegram.add_person("First"), "A fox")
            await asyncio.sleep(SETTLE_SECONDS)
            readers = cpu_seconds_of_all(pid) - cpu_seconds(pid)
            _toggle(pid)
            await videos(harness, args.people, args.orders)
            await asyncio.sleep(SETTLE_SECONDS)
            _toggle(pid)
            readers = cpu_seconds_of_all(pid) - cpu_seconds(pid) - readers
            await until(file.exists)
            stacks = above_the_loop(read_stacks(file.read_text()))
    stacks["bot.media.reader_process (processes)",] = round(readers * 1e6)
    return stacks


def above_the_loop(stacks: Mapping[tuple[str, ...], int]) -> Counter[tuple[str, ...]]:
    """Return the stacks without the calls that start the event loop: they are below every call."""
    found: Counter[tuple[str, ...]] = Counter()
    for stack, weight in stacks.items():
        if LOOP in stack:
            stack = ("the event loop", *stack[stack.index(LOOP) + 1 :])
        found[stack] += weight
    return found


def _toggle(pid: int) -> None:
    os.kill(pid, signal.SIGUSR2)


def by_subject(stacks: Mapping[tuple[str, ...], float]) -> dict[str, float]:
    """The weight of each subject; the rest is that of the event loop and the interpreter."""
    found: Counter[str] = Counter()
    for stack, weight in stacks.items():
        calls = reversed(stack)
        subject = next((subject for call in calls if (subject := subject_of(call))), "the rest")
        found[subject] += weight  # type: ignore[assignment]
    return dict(found.most_common())


def subject_of(call: str) -> str | None:
    """The subject of a call, "module:function"."""
    return next((name for name, begins in SUBJECTS.items() if call.startswith(begins)), None)


def flame(args: argparse.Namespace, clip: bytes) -> None:
    """Draws where the CPU goes, and prints the split."""
    stacks = asyncio.run(sample(args, clip))
    each = {stack: weight / 1e3 / args.orders for stack, weight in stacks.items()}
    title = f"CPU of a video: {sum(each.values()):.1f} ms, with what the bot does while it waits"
    (OUT / "video-flame.svg").write_text(draw(title, each, "ms"), encoding="utf-8")
    rows = [{"subject": name, "ms": round(ms, 2)} for name, ms in by_subject(each).items()]
    print(table(rows))


def report(args: argparse.Namespace, ours: Side, tutorial: Side) -> None:
    def ms(seconds: float) -> float:
        return round(seconds * 1e3, 1)

    rows = [
        {
            "what": name,
            "cpu_ms_a_video": ms(side.of_a_video().cpu),
            "of_these_readers": ms(side.of_a_video().readers),
            "idle_percent": round(side.idle.cpu / side.idle.seconds * 100, 2),
        }
        for name, side in (("ours", ours), ("tutorial", tutorial))
    ]
    mine, theirs = ours.of_a_video(), tutorial.of_a_video()
    publish(
        "video",
        rows,
        goals=[Goal("ours / the tutorial bot's", round(mine.cpu / theirs.cpu, 2), 1.0)],
        picture=bars(
            "Milliseconds of CPU for a video, from the words to the chat",
            {
                "ours": ms(mine.cpu),
                "ours, without reading the video": ms(mine.own),
                "a tutorial's bot": ms(theirs.cpu),
            },
        ),
        orders=args.orders,
        people=args.people,
        seconds_a_video_takes=args.delay,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--orders", type=int, default=60)
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--delay", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--flame", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        film(path)
        clip = path.read_bytes()
    if args.flame:
        flame(args, clip)
    else:
        report(args, *asyncio.run(compare(args, clip)))


if __name__ == "__main__":
    main()
