"""Cost of polling the provider: the program's whole poll, a bare GET, httpx, and httpx over
aiohttp.

    python -m tests.bench.asking [--seconds N] [--rounds N]

CPU time of this process for each answer, with 20 and with 100 questions at once, against a server
in another process. The program's poll consists of the worker's timer, the client and the checked
answer; nothing is written because nothing changed. The ways are measured in turn; the median of
the rounds counts.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from bot.core.clock import wait_for
from bot.provider.client import Gptunnel
from bot.runtime import event_loop
from tests.bench.meters import cpu_seconds
from tests.bench.report import Goal, bars, publish
from tests.bench.server import in_process
from tests.bench.watching import answered, working

PATH = "/media/result?task_id=687fbf7cea2350000177fbf8"
AT_ONCE = (20, 100)
BARE, OURS = "aiohttp alone", "ours, the whole poll"

Count = Callable[[], float]
"""Return the number of answers so far."""


@asynccontextmanager
async def again_and_again(
    ask: Callable[[], Awaitable[object]], at_once: int
) -> AsyncIterator[Count]:
    """Run a number of pollers, each of which polls again as soon as it has an answer."""
    count = 0

    async def asker() -> None:
        nonlocal count
        while True:
            await ask()
            count += 1

    async with asyncio.TaskGroup() as group:
        askers = [group.create_task(asker()) for _ in range(at_once)]
        yield lambda: count
        for one in askers:
            one.cancel()


@asynccontextmanager
async def bare(url: str, at_once: int) -> AsyncIterator[Count]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask() -> None:
            async with session.get(url + PATH) as answer:
                await answer.read()

        async with again_and_again(ask, at_once) as count:
            yield count


@asynccontextmanager
async def over_aiohttp(url: str, at_once: int) -> AsyncIterator[Count]:
    def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async with (
        httpx.AsyncClient(transport=AiohttpTransport(client=session)) as client,
        again_and_again(lambda: client.get(url + PATH), at_once) as count,
    ):
        yield count


@asynccontextmanager
async def stock(url: str, at_once: int) -> AsyncIterator[Count]:
    # A hundred pollers would need more than the default of 20 kept connections.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with (
        httpx.AsyncClient(limits=limits) as client,
        again_and_again(lambda: client.get(url + PATH), at_once) as count,
    ):
        yield count


@asynccontextmanager
async def ours(url: str, at_once: int) -> AsyncIterator[Count]:
    """The timers are real, and set to a moment instead of seconds."""
    provider = Gptunnel.connect(url, "key")
    with tempfile.TemporaryDirectory() as folder:
        async with working(
            Path(folder), provider, at_once, lambda event, _: wait_for(event, 0.001)
        ):
            yield answered
    await provider.close()


WAYS = {BARE: bare, "httpx over aiohttp": over_aiohttp, "httpx": stock, OURS: ours}


async def cost(way: str, url: str, at_once: int, seconds: float) -> float:
    """Microseconds of CPU an answer, once all connections are open."""
    async with WAYS[way](url, at_once) as count:
        await answers(count, 2 * at_once)
        before, cpu = count(), cpu_seconds()
        await asyncio.sleep(seconds)
        await answers(count, before + 2 * at_once)
        return (cpu_seconds() - cpu) / (count() - before) * 1e6


async def answers(count: Count, wanted: float) -> None:
    async with asyncio.timeout(60):
        while count() < wanted:  # noqa: ASYNC110 - counted, not told
            await asyncio.sleep(0.02)


async def measure(seconds: float, rounds: int) -> dict[tuple[int, str], float]:
    costs: dict[tuple[int, str], list[float]] = {}
    async with in_process("tests.bench.watching") as server:
        for _ in range(rounds):
            for at_once in AT_ONCE:
                for way in WAYS:
                    costs.setdefault((at_once, way), []).append(
                        await cost(way, server.url, at_once, seconds)
                    )
    return {key: statistics.median(all_) for key, all_ in costs.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    costs = event_loop.run(measure(args.seconds, args.rounds))
    rows = [
        {
            "at_once": at_once,
            "way": way,
            "us_of_cpu": round(micros),
            "times_bare": round(micros / costs[at_once, BARE], 2),
        }
        for (at_once, way), micros in costs.items()
    ]
    goals = [
        Goal(
            f"our whole poll / a bare GET, {at_once} at once",
            round(costs[at_once, OURS] / costs[at_once, BARE], 2),
            4,
        )
        for at_once in AT_ONCE
    ]
    shown = {f"{way}, {at_once} at once": micros for (at_once, way), micros in costs.items()}
    picture = bars("Microseconds of CPU a question", {k: round(v) for k, v in shown.items()})
    publish("asking", rows, goals=goals, picture=picture, seconds=args.seconds, rounds=args.rounds)


if __name__ == "__main__":
    main()
