"""When to ask: polls and lateness of ours beside fixed intervals, back-off and the optimum.

    python -m tests.bench.schedule [--tasks N]

On the reference law (lognormal, median 45 s, sigma 0.35, one in a hundred takes four times as
long). Each policy's polls are compared with the optimum's at the same mean lateness, which
dynamic programming gives; so every figure is a ratio within one run. Writes JSON and a picture.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.schedule import Durations, Law, next_question

OUT = Path(__file__).parents[2] / "docs" / "bench"
MEDIAN, SIGMA, TAIL, LONGER = 45.0, 0.35, 0.01, 4.0
GRID = 0.5  # seconds between two moments that the optimum may choose
END = 700.0

Policy = Callable[[], Iterator[float]]
"""Gives the ages, in seconds, at which one task is asked about."""


def durations(dice: random.Random, count: int, *, times: float = 1.0) -> list[float]:
    """Drawn from the reference law, all `times` as long."""
    return [
        dice.lognormvariate(math.log(MEDIAN), SIGMA)
        * (LONGER if dice.random() < TAIL else 1.0)
        * times
        for _ in range(count)
    ]


@dataclass(frozen=True)
class Point:
    """Of one policy: polls a task, and seconds from ready to seen."""

    polls: float
    late: float
    p95: float


def measure(real: list[float], policy: Policy) -> Point:
    polls, late = 0, []
    for duration in real:
        for age in policy():
            polls += 1
            if age >= duration:
                late.append(age - duration)
                break
    late.sort()
    return Point(polls / len(real), sum(late) / len(late), late[int(0.95 * len(late))])


def ours(law: Law) -> Policy:
    def ages() -> Iterator[float]:
        age = 0.0
        while True:
            age = next_question(age, law)
            yield age

    return ages


def fixed(step: float) -> Policy:
    def ages() -> Iterator[float]:
        age = 0.0
        while True:
            age += step
            yield age

    return ages


def doubling(cap: float) -> Policy:
    def ages() -> Iterator[float]:
        age, step = 0.0, 1.0
        while True:
            age += step
            step = min(step * 2, cap)
            yield age

    return ages


class Optimum:
    """The policy that minimises polls + `price` × seconds late, by dynamic programming."""

    def __init__(self, sample: list[float]) -> None:
        ordered = sorted(sample)
        self._moments = [i * GRID for i in range(int(END / GRID) + 1)]
        sums = [0.0]
        for value in ordered:
            sums.append(sums[-1] + value)
        counts = [bisect_right(ordered, moment) for moment in self._moments]
        # How many are ready by each moment, and the sum of their durations.
        self._ready = counts
        self._summed = [sums[count] for count in counts]
        self._count = len(ordered)

    def policy(self, price: float) -> Policy:
        moments, ready, summed = self._moments, self._ready, self._summed
        last = len(moments) - 1
        worth, follow = [0.0] * len(moments), [last] * len(moments)
        for i in range(last - 1, -1, -1):
            left = self._count - ready[i]
            if left == 0:
                continue
            best = math.inf
            for j in range(i + 1, min(i + 1 + int(150 / GRID), last + 1)):
                came = ready[j] - ready[i]
                waited = moments[j] * came - (summed[j] - summed[i])
                cost = left + price * waited + worth[j]
                if cost < best:
                    best, follow[i] = cost, j
            worth[i] = best

        def ages() -> Iterator[float]:
            i = 0
            while i < last:
                i = follow[i]
                yield moments[i]
            yield from fixed_from(moments[last])

        return ages

    def at(self, late: float, real: list[float]) -> Point:
        """Of the policies that are `late` seconds late on the mean."""
        low, high = 1e-4, 50.0
        for _ in range(24):
            price = math.sqrt(low * high)
            point = measure(real, self.policy(price))
            low, high = (price, high) if point.late > late else (low, price)
        return point


def fixed_from(age: float) -> Iterator[float]:
    while True:
        age += 60.0
        yield age


def learnt_online(
    dice: random.Random, count: int, times: list[float]
) -> tuple[Point, list[float]]:
    """Ours, learning from nothing but its own polls; `times` is the law's scale, by epoch.

    The point is of the tasks after the first 50 of each epoch; the list is the error of the
    learnt median, 50 tasks into each epoch.
    """
    known = Durations()
    polls, late, errors = 0, [], []
    for scale in times:
        for number, duration in enumerate(durations(dice, count, times=scale)):
            law, before = known.law(), 0.0
            asked = 0
            for age in ours(law)():
                asked += 1
                if age >= duration:
                    break
                before = age
            known.add(before, age)
            if number >= 50:
                polls += asked
                late.append(age - duration)
            if number == 50:
                errors.append(known.law().median / (MEDIAN * scale))
    late.sort()
    measured = len(late)
    return (
        Point(polls / measured, sum(late) / measured, late[int(0.95 * measured)]),
        errors,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", type=int, default=4_000)
    args = parser.parse_args()
    dice = random.Random(20)
    real = durations(dice, args.tasks)
    ordered = sorted(durations(dice, 20_000))
    true = Law(
        early=ordered[2_000],
        median=ordered[10_000],
        late=ordered[18_000],
        last=ordered[19_800],
        known=True,
    )
    optimum = Optimum(ordered[::10])
    points = {
        "ours, true law": measure(real, ours(true)),
        "ours, learnt online": learnt_online(dice, args.tasks, [1.0])[0],
        "ours, never seen": measure(real, ours(Durations().law())),
        **{f"fixed {step} s": measure(real, fixed(step)) for step in (2, 3, 5, 10)},
        "back-off to 10 s": measure(real, doubling(10)),
        "back-off to 30 s": measure(real, doubling(30)),
    }
    rows = [
        {
            "policy": name,
            "polls": round(point.polls, 2),
            "mean_late": round(point.late, 2),
            "p95_late": round(point.p95, 2),
            "times_optimum": round(point.polls / optimum.at(point.late, real).polls, 2),
        }
        for name, point in points.items()
    ]
    for row in rows:
        print(
            f"{row['policy']:22} {row['polls']:6} polls {row['mean_late']:6} s late"
            f" {row['p95_late']:6} p95  x {row['times_optimum']}"
        )
    scales = [1.0, 2.0, 0.5]
    _, errors = learnt_online(random.Random(3), 400, scales)
    learnt = {f"x {scale}": round(error, 2) for scale, error in zip(scales, errors, strict=True)}
    print("learnt median over the true one, 50 tasks after the law became", learnt)
    prices = [0.05 * 1.6**i for i in range(12)]
    curve = [measure(real, optimum.policy(price)) for price in prices]
    OUT.mkdir(parents=True, exist_ok=True)
    report = {"tasks": args.tasks, "rows": rows, "learnt_after_50": learnt}
    (OUT / "schedule.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (OUT / "schedule.svg").write_text(picture(points, curve), encoding="utf-8")


def picture(points: dict[str, Point], curve: list[Point]) -> str:
    """Polls against lateness, both on a logarithmic scale; below the line nothing can be."""

    def x(polls: float) -> float:
        return 70 + 250 * math.log2(polls / 3)

    def y(late: float) -> float:
        return 400 - 75 * math.log2(late / 0.7)

    line = " ".join(f"{x(p.polls):.0f},{y(p.late):.0f}" for p in curve if 3 <= p.polls <= 30)
    marks = "".join(
        f'<circle cx="{x(p.polls):.0f}" cy="{y(p.late):.0f}" r="5"'
        f' fill="{"#c2410c" if name.startswith("ours") else "#64748b"}"/>'
        f'<text x="{x(p.polls) + 9:.0f}" y="{y(p.late) + 4:.0f}">{name}</text>'
        for name, p in points.items()
    )
    ticks = "".join(
        f'<text x="{x(n):.0f}" y="430" text-anchor="middle">{n}</text>' for n in (4, 8, 16, 24)
    ) + "".join(
        f'<text x="58" y="{y(n) + 4:.0f}" text-anchor="end">{n} s</text>' for n in (1, 2, 4, 8, 16)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 470" font-size="14"'
        ' font-family="sans-serif"><rect width="960" height="470" fill="#fff"/>'
        f'<polyline points="{line}" fill="none" stroke="#0f766e" stroke-width="2"/>'
        f'{marks}{ticks}<text x="480" y="458" text-anchor="middle">questions a task</text>'
        '<text x="16" y="22">mean seconds late; the line is the optimum</text></svg>\n'
    )


if __name__ == "__main__":
    main()
