"""When to poll: polls and lateness of the program, of fixed intervals, of back-off and of the
optimum.

    python -m tests.bench.schedule [--tasks N]

On the reference distribution (lognormal, median 45 s, sigma 0.35, one in a hundred takes four
times as long). Each policy's polls are compared with the optimum's at the same mean lateness,
which dynamic programming gives; so every figure is a ratio within one run. Writes JSON and a
picture.
"""

from __future__ import annotations

import argparse
import math
import random
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bot.core.schedule import DurationDistribution, Durations, next_poll
from tests.bench.meters import quantile
from tests.bench.report import Goal, publish, svg, table

MEDIAN, SIGMA, TAIL, LONGER = 45.0, 0.35, 0.01, 4.0
GRID = 0.5  # seconds between two moments that the optimum may choose
END = 700.0

Policy = Callable[[], Iterator[float]]
"""Gives the ages, in seconds, at which one task is asked about."""


def durations(dice: random.Random, count: int) -> list[float]:
    """Draw durations from the reference distribution."""
    return [
        dice.lognormvariate(math.log(MEDIAN), SIGMA) * (LONGER if dice.random() < TAIL else 1.0)
        for _ in range(count)
    ]


@dataclass(frozen=True)
class Point:
    """The figures of one policy: polls of a task, and the seconds from ready to seen."""

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
    return Point(polls / len(real), sum(late) / len(late), quantile(late, 0.95))


def ours(distribution: DurationDistribution) -> Policy:
    def ages() -> Iterator[float]:
        age = 0.0
        while True:
            age = next_poll(age, distribution)
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

    def polls_at(self, late: float, real: list[float]) -> float:
        """Return the number of polls needed for a mean lateness of `late` seconds, interpolated
        between the two nearest policies; a random mixture of both lies on the line between them.
        """
        low, high = 1e-4, 50.0
        later, sooner = (measure(real, self.policy(price)) for price in (low, high))
        for _ in range(16):
            price = math.sqrt(low * high)
            point = measure(real, self.policy(price))
            if point.late > late:
                low, later = price, point
            else:
                high, sooner = price, point
        if later.late == sooner.late:
            return later.polls
        share = (late - sooner.late) / (later.late - sooner.late)
        return sooner.polls + share * (later.polls - sooner.polls)


def fixed_from(age: float) -> Iterator[float]:
    while True:
        age += 60.0
        yield age


def online(known: Durations, real: list[float], *, skip: int = 0) -> Point:
    """The program's policy, learning only from its own polls; the first `skip` tasks are not
    counted.
    """
    polls, late = 0, []
    for number, duration in enumerate(real):
        before, asked = 0.0, 0
        for age in ours(known.distribution())():
            asked += 1
            if age >= duration:
                break
            before = age
        known.add(before, age)
        if number >= skip:
            polls += asked
            late.append(age - duration)
    return Point(polls / len(late), sum(late) / len(late), quantile(late, 0.95))


def known_distribution(ordered: list[float]) -> DurationDistribution:
    """The distribution that is known from all of these durations."""
    early, median, late, last = (quantile(ordered, q) for q in (0.1, 0.5, 0.9, 0.99))
    return DurationDistribution(early=early, median=median, late=late, last=last, known=True)


def changed_durations(real: list[float], optimum: Optimum) -> list[dict[str, object]]:
    """A known model becomes slower or faster: the program's policy from the 50th task on."""
    rows: list[dict[str, object]] = []
    for times in (2.0, 0.5):
        known = Durations()
        online(known, real[:400])
        now = [duration * times for duration in real[400:]]
        online(known, now[:50])
        learnt = known.distribution().median / (MEDIAN * times)
        point = online(known, now[50:])
        # The same distribution on another scale: the optimum has as many polls at a lateness on
        # that scale.
        best = optimum.polls_at(point.late / times, real)
        rows.append(
            {
                "durations_became": f"× {times:g}",
                "learnt_median_/_true": round(learnt, 2),
                "polls": round(point.polls, 2),
                "mean_late": round(point.late, 2),
                "times_optimum": round(point.polls / best, 2),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", type=int, default=4_000)
    args = parser.parse_args()
    dice = random.Random(20)
    real = durations(dice, args.tasks)
    ordered = sorted(durations(dice, 20_000))
    optimum = Optimum(ordered)
    points = {
        "ours, distribution known": measure(real, ours(known_distribution(ordered))),
        "ours, learnt online": online(Durations(), real, skip=50),
        "ours, never seen": measure(real, ours(Durations().distribution())),
        **{f"fixed {step} s": measure(real, fixed(step)) for step in (2, 3, 5, 10)},
        "back-off to 10 s": measure(real, doubling(10)),
        "back-off to 30 s": measure(real, doubling(30)),
    }
    times = {
        name: round(point.polls / optimum.polls_at(point.late, real), 2)
        for name, point in points.items()
    }
    rows = [
        {
            "policy": name,
            "polls": round(point.polls, 2),
            "mean_late": round(point.late, 2),
            "p95_late": round(point.p95, 2),
            "times_optimum": times[name],
        }
        for name, point in points.items()
    ]
    changed = changed_durations(real, optimum)
    print(table(changed), end="\n\n")
    curve = [measure(real, optimum.policy(0.05 * 1.6**i)) for i in range(20)]
    goals = [
        Goal(
            "polls / the optimum's, the distribution known", times["ours, distribution known"], 1.1
        ),
        Goal("polls / the optimum's, learnt online", times["ours, learnt online"], 1.2),
        Goal("polls / the optimum's, a model never seen", times["ours, never seen"], 1.4),
        *(
            Goal(
                f"50 tasks after the durations became {row['durations_became']}:"
                " learnt median, off by",
                round(abs(float(str(row["learnt_median_/_true"])) - 1), 2),
                0.1,
            )
            for row in changed
        ),
    ]
    publish(
        "schedule",
        rows,
        goals=goals,
        picture=picture(points, curve),
        tasks=args.tasks,
        changed_durations=changed,
    )


def picture(points: dict[str, Point], curve: list[Point]) -> str:
    """Polls against lateness, both on a logarithmic scale; below the line nothing can be."""

    def x(polls: float) -> float:
        return 70 + 250 * math.log2(polls / 3)

    def y(late: float) -> float:
        return 400 - 75 * math.log2(late / 0.7)

    def line(along: list[Point], colour: str) -> str:
        inside = (f"{x(p.polls):.0f},{y(p.late):.0f}" for p in along if 3 <= p.polls <= 30)
        return f'<polyline points="{" ".join(inside)}" fill="none" stroke="{colour}"/>'

    lines = line(curve, "#0f766e") + "".join(
        line([point for name, point in points.items() if name.startswith(family)], "#cbd5e1")
        for family in ("fixed", "back-off")
    )
    marks = "".join(
        f'<circle cx="{x(p.polls):.0f}" cy="{y(p.late):.0f}" r="5" fill="{colour}"/>'
        f'<text x="{x(p.polls) + aside:.0f}" y="{y(p.late) + below:.0f}" text-anchor="{anchor}">'
        f"{name}</text>"
        for name, p in points.items()
        for colour in ["#c2410c" if name.startswith("ours") else "#64748b"]
        for aside, below, anchor in [(-9, 14, "end") if "true" in name else (9, 1, "start")]
    )
    ticks = "".join(
        f'<text x="{x(n):.0f}" y="430" text-anchor="middle">{n}</text>' for n in (4, 8, 16, 24)
    ) + "".join(
        f'<text x="58" y="{y(n) + 4:.0f}" text-anchor="end">{n} s</text>' for n in (1, 2, 4, 8, 16)
    )
    return svg(
        960,
        470,
        f'{lines}{marks}{ticks}<text x="480" y="458" text-anchor="middle">questions a task</text>'
        '<text x="16" y="22">mean seconds late; the line is the optimum</text>',
    )


if __name__ == "__main__":
    main()
