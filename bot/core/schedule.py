"""When to poll the provider next: a pure function of a task's age and its model's duration.

The first poll is at the time when one task in ten is ready. Then the step is constant; it grows
once nearly all tasks should be ready (docs/performance.md: "When to ask"). It must not know the
clock, tasks or the provider.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

SAMPLES = 200
"""How many of a model's latest durations are kept."""
ENOUGH = 20
"""With at least this many durations, only the learnt distribution is used."""


@dataclass(frozen=True)
class DurationDistribution:
    """The distribution of a model's duration, in seconds from acceptance."""

    early: float  # one in ten is ready
    median: float
    late: float  # nine in ten are ready
    last: float  # 99 in 100 are ready
    known: bool  # learnt from real durations

    @property
    def step(self) -> float:
        """Seconds between two polls while most tasks finish: a ninth of the median, 1 to 10 s.

        A twelfth while the distribution is the prior: with more polls the two early ones matter
        less.
        """
        return min(max(self.median / (9 if self.known else 12), 1.0), 10.0)


PRIOR = DurationDistribution(early=28.0, median=45.0, late=90.0, last=180.0, known=False)
"""The distribution before anything is learnt: 30-120 s (provider.md: "The video")."""

NEAR = 0.1
"""A timer may fire this much too early and still count, so that no poll is made twice."""

PROBES = (3.0, 10.0)
"""Two early polls while the distribution is the prior, in case a model is much faster."""


def next_poll(age: float, distribution: DurationDistribution) -> float:
    """Return when a task of `age` seconds is polled next, in seconds from acceptance."""
    asked = age + NEAR
    if not distribution.known:
        for probe in PROBES:
            if asked < probe < distribution.early:
                return probe
    if asked < distribution.early:
        return distribution.early
    if age < distribution.last:
        return age + distribution.step
    # The remaining time is not known: each wait is a fifth of the elapsed time.
    return age + max(
        distribution.step,
        min((age - distribution.last) * 0.5 + distribution.step, 60.0, age * 0.2),
    )


@dataclass
class Durations:
    """The last durations of one model, each known only as an interval.

    A task that was ready at the first poll may have been ready long before. Its duration then
    counts as shorter than the time of that poll, so that the estimate can follow a model that
    became faster.
    """

    seen: deque[float] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    _distribution: DurationDistribution = field(default=PRIOR, init=False)  # needed for every poll

    @classmethod
    def of(cls, intervals: Iterable[tuple[float, float]]) -> Durations:
        """Build from stored (not ready at, ready at) pairs in seconds, the oldest first."""
        durations = cls()
        for low, high in intervals:
            durations.add(low, high)
        return durations

    def add(self, low: float, high: float) -> None:
        """Add a task that was not ready `low` seconds after acceptance and was ready at `high`."""
        if not (math.isfinite(low) and math.isfinite(high) and 0 <= low <= high and high > 0):
            return
        self.seen.append(high * 0.8 if low == 0 else low + (high - low) / 2)
        self._forget_outdated()
        self._distribution = self._estimate()

    def _forget_outdated(self) -> None:
        """Forget older durations when the latest differ from nearly all of them."""
        if len(self.seen) < 2 * ENOUGH:
            return
        ordered = list(self.seen)
        before, latest = sorted(ordered[:-ENOUGH]), sorted(ordered[-ENOUGH:])
        median = latest[ENOUGH // 2]
        if not before[len(before) // 10] <= median <= before[len(before) * 9 // 10]:
            self.seen.clear()
            self.seen.extend(ordered[-ENOUGH:])

    def distribution(self) -> DurationDistribution:
        """Return the distribution of the last durations, or the prior until there are enough."""
        return self._distribution

    def _estimate(self) -> DurationDistribution:
        if len(self.seen) < ENOUGH:
            return PRIOR
        ordered = sorted(self.seen)

        def quantile(q: float) -> float:
            return ordered[min(int(q * len(ordered)), len(ordered) - 1)]

        return DurationDistribution(
            early=quantile(0.1),
            median=quantile(0.5),
            late=quantile(0.9),
            last=quantile(0.99),
            known=True,
        )


def back_off(attempts: int, *, first: float, cap: float) -> float:
    """Return the seconds to wait after failure number `attempts`: `first`, doubling up to
    `cap`.
    """
    return min(first * 2.0 ** min(max(attempts - 1, 0), 30), cap)


def address_wait(age: float) -> float:
    """Return the seconds until an order with a photo checks again for a tunnel's address; they
    grow with its age.
    """
    return min(max(age * 0.2, 2.0), 30.0)


def overdue_wait(age: float) -> float:
    """Return the seconds until an overdue task is polled again; they grow with its age."""
    return min(max(5.0, age * 0.3), 3600.0)
