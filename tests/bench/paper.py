"""A million videos a day, calculated and simulated: where the first limit is.

    python -m tests.bench.paper [--orders N]

The arithmetic (Little's law, rates times counts) stands beside a simulation of the same hour with
the program's own schedule and its own rhythm of status messages: orders come at random, creates go
out one at a time from each worker, places at the provider are bounded, and each bot may make 26
calls a second. Nothing here is timed, so the figures are the same on every machine. Writes JSON.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from bot.core.schedule import next_poll
from bot.jobs.progress import FIRST_SECONDS, GROWTH, LONGEST_SECONDS
from bot.telegram.rate_limits import RateLimiter
from tests.bench.meters import quantile
from tests.bench.report import Goal, publish
from tests.bench.schedule import durations, known_distribution

DAY = 86_400.0
PEAK = 2.0
"""The busiest hour has so many times the day's mean."""
CREATE_SECONDS = 0.5
WORDS = 6
"""Visible calls per video in any case: the card, its edits at the press, at generation and at
sending, the video, and the deletion of the status.
"""
EACH, BURST = RateLimiter.SHARED
"""What Telegram takes from one bot with several processes (bot/telegram/rate_limits.py)."""
ORDERS = 20_000
"""At least this many orders are simulated."""


@dataclass(frozen=True)
class Deployment:
    """One bot of the fleet: what comes in, and what it has to carry that."""

    name: str
    per_day: float
    workers: int
    slots: int

    @property
    def orders(self) -> float:
        """A second, in the busiest hour."""
        return self.per_day * PEAK / DAY


@dataclass
class Hour:
    """What one simulation saw."""

    seconds: float
    orders: int = 0
    polls: int = 0
    edits: int = 0
    skipped: int = 0  # status edits that gave way
    made: float = 0.0  # seconds of video-making, summed over all places
    creating: float = 0.0  # the same for creates
    queued: list[float] = field(default_factory=list)
    telegram: list[float] = field(default_factory=list)  # seconds until a call's turn


class DurationDistribution:
    """How long videos take, and when a bot that learnt that asks."""

    def __init__(self, dice: random.Random) -> None:
        sample = sorted(durations(dice, 20_000))
        self._dice, self._law = dice, known_distribution(sample)
        taken = [self.ask(duration) for duration in sample[::10]]
        self.polls = sum(polls for polls, _ in taken) / len(taken)
        self.seconds = sum(seen for _, seen in taken) / len(taken)
        """From acceptance until it is seen that it is done."""
        self.edits = sum(len(list(edits(seen))) for _, seen in taken) / len(taken)

    def video(self) -> tuple[int, float]:
        return self.ask(durations(self._dice, 1)[0])

    def ask(self, duration: float) -> tuple[int, float]:
        """Questions until it is seen to be done, and when that is."""
        polls, age = 0, 0.0
        while age < duration:
            age = next_poll(age, self._law)
            polls += 1
        return polls, age


def edits(until: float) -> Iterator[float]:
    """When the status message of a video is changed while it is made (bot/jobs/progress.py)."""
    at, step = FIRST_SECONDS, FIRST_SECONDS
    while at < until:
        yield at
        step = min(step * GROWTH, LONGEST_SECONDS)
        at += step


def simulate(
    deployment: Deployment, distribution: DurationDistribution, dice: random.Random, seconds: float
) -> Hour:
    """The busiest hour; what came in before it began is on its way."""
    warm = 600.0
    hour, order, line = Hour(seconds), count(), 0.0
    events: list[tuple[float, int, str]] = []
    queue: deque[float] = deque()
    idle, free = deployment.workers, deployment.slots

    def later(at: float, what: str) -> None:
        heapq.heappush(events, (at, next(order), what))

    def said(now: float, counted: bool, *, may_wait: bool = True) -> None:
        """Reserve a turn of Telegram's rate; a status edit that would wait is skipped."""
        nonlocal line
        wait = max(line + EACH - now - BURST, 0.0)
        if not may_wait:
            hour.edits += counted
            if wait > 0:
                hour.skipped += counted
                return
        line = max(line, now) + EACH
        if counted and may_wait:
            hour.telegram.append(wait)

    later(dice.expovariate(deployment.orders), "order")
    while events:
        now, _, what = heapq.heappop(events)
        if now > warm + seconds:
            break
        counted = now >= warm
        if what == "order":
            hour.orders += counted
            later(now + dice.expovariate(deployment.orders), "order")
            said(now, counted)  # the card
            said(now, counted)  # pressed
            queue.append(now)
        elif what == "accepted":
            idle += 1
            polls, seen = distribution.video()
            later(now + seen, "done")
            said(now, counted)  # being made
            hour.polls += polls * counted
            hour.made += seen * counted
            for at in edits(seen):
                later(now + at, "edit")
        elif what == "edit":
            said(now, counted, may_wait=False)
        elif what == "done":
            free += 1
            for _ in range(3):  # it is sent, the video, the status goes
                said(now, counted)
        while queue and idle and free:
            waited, took = (
                now - queue.popleft(),
                dice.lognormvariate(math.log(CREATE_SECONDS), 0.3),
            )
            idle, free = idle - 1, free - 1
            later(now + took, "accepted")
            hour.creating += took * counted
            if counted:
                hour.queued.append(waited)
    return hour


def row(
    deployment: Deployment, distribution: DurationDistribution, hour: Hour
) -> dict[str, object]:
    """The simulation beside the arithmetic."""
    rate = deployment.orders
    wanted = rate * (WORDS + distribution.edits)
    return {
        "deployment": deployment.name,
        "orders_/s": round(rate, 2),
        "at_the_provider": round(hour.made / hour.seconds),
        "on_paper": round(rate * distribution.seconds),
        "polls_/s": round(hour.polls / hour.seconds, 1),
        "on_paper_": round(rate * distribution.polls, 1),
        "busy_creating": round(hour.creating / hour.seconds, 2),
        "on_paper__": round(rate * CREATE_SECONDS * math.exp(0.3**2 / 2), 2),
        "queue_p95_s": round(quantile(hour.queued, 0.95), 1),
        "words_wanted_/s": round(wanted, 1),
        "edits_left_out": f"{hour.skipped / max(hour.edits, 1):.0%}",
        "telegram_p95_s": round(quantile(hour.telegram, 0.95), 2),
    }


HOUSES = (
    Deployment("15 000 a day, as it comes", 15_000, 1, 20),
    Deployment("100 000 a day", 100_000, 2, 250),
    Deployment("a million a day, one of six bots", 1_000_000 / 6, 4, 400),
    Deployment("a million a day, all by one bot", 1_000_000, 16, 2_500),
)


def off(deployment: Deployment, distribution: DurationDistribution, hour: Hour) -> float:
    """Return the largest difference between simulation and arithmetic, over the values that both
    have.
    """
    rate = deployment.orders
    pairs = (
        (hour.made / hour.seconds, rate * distribution.seconds),
        (hour.polls / hour.seconds, rate * distribution.polls),
        (hour.creating / hour.seconds, rate * CREATE_SECONDS * math.exp(0.3**2 / 2)),
        (hour.orders / hour.seconds, rate),
    )
    return max(abs(seen / expected - 1) for seen, expected in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--orders", type=int, default=ORDERS)
    args = parser.parse_args()
    dice = random.Random(20)
    distribution = DurationDistribution(dice)
    rows, goals = [], []
    for deployment in HOUSES:
        hour = simulate(
            deployment, distribution, dice, max(args.orders / deployment.orders, 3600.0)
        )
        rows.append(row(deployment, distribution, hour))
        goals.append(
            Goal(
                f"{deployment.name}: simulation / paper, off by",
                round(off(deployment, distribution, hour), 3),
                0.05,
            )
        )
    publish(
        "paper",
        rows,
        goals=goals,
        polls_a_video=round(distribution.polls, 2),
        seconds_a_video=round(distribution.seconds, 1),
        status_edits_a_video=round(distribution.edits, 2),
    )


if __name__ == "__main__":
    main()
