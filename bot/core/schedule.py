"""When to ask the provider next: a pure function of a task's age and of how long its model takes.

Wait until one in ten is ready, then ask at a constant step, and ever more rarely once nearly all
should be (docs/performance.md: "When to ask"). It must not know the clock, tasks or the provider.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

SAMPLES = 200
"""How many of the latest durations of a model are remembered."""
ENOUGH = 20
"""From how many on the learnt law is believed alone."""


@dataclass(frozen=True)
class DurationDistribution:
    """How long a model takes, in seconds from acceptance: what the schedule needs to know."""

    early: float  # one in ten is ready
    median: float
    late: float  # nine in ten are ready
    last: float  # all but one in a hundred
    known: bool  # learnt from real durations

    @property
    def step(self) -> float:
        """Seconds between two questions in the thick of it: a ninth of the median, 1 to 10 s.

        A twelfth while the law is a guess: among more questions the early ones weigh less.
        """
        return min(max(self.median / (9 if self.known else 12), 1.0), 10.0)


PRIOR = DurationDistribution(early=28.0, median=45.0, late=90.0, last=180.0, known=False)
"""Before anything is learnt: 30-120 s (provider.md: "The video")."""

NEAR = 0.1
"""A timer that rings so much too early has rung: the same moment is not asked for twice."""

PROBES = (3.0, 10.0)
"""Two early questions while the law is a guess, for models that turn out to be much faster."""


def next_question(age: float, distribution: DurationDistribution) -> float:
    """Seconds from acceptance at which a task of `age` seconds is asked about next."""
    asked = age + NEAR
    if not distribution.known:
        for probe in PROBES:
            if asked < probe < distribution.early:
                return probe
    if asked < distribution.early:
        return distribution.early
    if age < distribution.last:
        return age + distribution.step
    # Nobody knows how long the rest takes: each wait is a fifth of what has passed.
    return age + max(
        distribution.step,
        min((age - distribution.last) * 0.5 + distribution.step, 60.0, age * 0.2),
    )


@dataclass
class Durations:
    """What was learnt of one model: the last durations, each known only as an interval.

    A task that was ready at the first question could have been ready long before; its duration is
    then taken as shorter than the question, so that the law can follow a model that became faster.
    """

    seen: deque[float] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    _law: DurationDistribution = field(default=PRIOR, init=False)  # asked for with every question

    @classmethod
    def of(cls, intervals: Iterable[tuple[float, float]]) -> Durations:
        """From stored (not ready at, ready at) pairs in seconds, oldest first."""
        durations = cls()
        for low, high in intervals:
            durations.add(low, high)
        return durations

    def add(self, low: float, high: float) -> None:
        """A task that was not ready `low` seconds after acceptance and was at `high`."""
        if not (math.isfinite(low) and math.isfinite(high) and 0 <= low <= high and high > 0):
            return
        self.seen.append(high * 0.8 if low == 0 else low + (high - low) / 2)
        self._forget_another_law()
        self._law = self._of_what_was_seen()

    def _forget_another_law(self) -> None:
        """When the latest are quicker or slower than nearly all before them, only they count."""
        if len(self.seen) < 2 * ENOUGH:
            return
        ordered = list(self.seen)
        before, latest = sorted(ordered[:-ENOUGH]), sorted(ordered[-ENOUGH:])
        median = latest[ENOUGH // 2]
        if not before[len(before) // 10] <= median <= before[len(before) * 9 // 10]:
            self.seen.clear()
            self.seen.extend(ordered[-ENOUGH:])

    def distribution(self) -> DurationDistribution:
        """The law of the last durations; the guess until there are enough."""
        return self._law

    def _of_what_was_seen(self) -> DurationDistribution:
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
    """Seconds to wait after the `attempts`-th failure: `first`, then twice as long, up to
    `cap`.
    """
    return min(first * 2.0 ** min(max(attempts - 1, 0), 30), cap)


def overdue_wait(age: float) -> float:
    """Seconds until a task that is past its deadline is asked about again: ever more rarely."""
    return min(max(5.0, age * 0.3), 3600.0)
