"""Live many lives within a budget, and shrink one that broke a promise to its fewest faults.

It must not know what a life does.
"""

from __future__ import annotations

import gc
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.simulation.life import ORDERS, Result, live

COLLECT_EACH = 5
"""Lives between two looks for garbage: most of it is free without one."""
SHRINK_TRIES = 60

Clock = Callable[[], float]


@dataclass
class Summary:
    """What many lives came to; seconds of CPU."""

    lives: int = 0
    orders: int = 0
    faults: int = 0
    deliveries: int = 0
    doubts: int = 0
    events: int = 0
    virtual_seconds: float = 0.0
    seconds: float = 0.0
    broken: list[Result] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Count one life."""
        self.lives += 1
        self.orders += result.orders
        self.faults += len(result.faults)
        self.deliveries += result.deliveries
        self.doubts += result.doubts
        self.events += result.events
        self.virtual_seconds += result.seconds
        if result.violations:
            self.broken.append(result)

    @property
    def rate(self) -> float:
        """Orders in a minute of one core's time."""
        return self.orders / self.seconds * 60 if self.seconds else 0.0

    def text(self) -> str:
        """For people, two lines."""
        return (
            f"{self.lives} lives with {self.orders} orders and {self.faults} faults: "
            f"{self.deliveries} videos, {self.doubts} in doubt, {len(self.broken)} broken\n"
            f"{self.events} events in {self.virtual_seconds / 3600:.1f} virtual hours; "
            f"{self.seconds:.0f} s of CPU, {self.rate:.0f} orders a minute of one core"
        )


def search(
    seeds: Iterator[int],
    *,
    seconds: float,
    lives: int | None = None,
    orders: int = ORDERS,
    clock: Clock = time.process_time,
    wanted: str = "",
) -> Summary:
    """Live until the budget of CPU or lives is used; with `wanted`, until that was found."""
    warm_up()
    summary, began = Summary(), clock()
    gc.disable()
    try:
        for seed in seeds:
            result = live(seed, orders=orders)
            summary.add(result)
            if summary.lives % COLLECT_EACH == 0:
                gc.collect()
            summary.seconds = clock() - began
            if wanted and breaks(result, wanted):
                break
            if summary.seconds >= seconds or (lives is not None and summary.lives >= lives):
                break
    finally:
        gc.enable()
    return summary


def breaks(result: Result, wanted: str) -> bool:
    """Whether a promise was broken in words like these."""
    return any(re.search(wanted, words) for words in result.violations)


def shrink(found: Result, wanted: str, *, tries: int = SHRINK_TRIES) -> Result:
    """Return the shortest life that is broken in the same way: few orders, then few faults.

    Faults are left out in ever smaller parts (Zeller's ddmin), each life from the same seed.
    """
    best = found

    def better(faults: Sequence[str], orders: int) -> bool:
        nonlocal best, tries
        if tries <= 0:
            return False
        tries -= 1
        result = live(found.seed, orders=orders, only=faults)
        if not breaks(result, wanted):
            return False
        best = result
        return True

    orders = best.orders
    while orders > 1 and better(best.faults, orders // 2):
        orders = best.orders
    parts = 2
    while len(best.faults) > 1 and tries > 0:
        size = -(-len(best.faults) // parts)
        faults = best.faults
        for start in range(0, len(faults), size):
            if better(faults[:start] + faults[start + size :], best.orders):
                parts = max(parts - 1, 2)
                break
        else:
            if size == 1:
                break
            parts = min(parts * 2, len(best.faults))
    if best.faults and better((), best.orders):
        pass
    return best


def warm_up() -> None:
    """Import, compile and cache what every life uses; it stays out of the look for garbage."""
    live(0, orders=2)
    gc.collect()
    gc.freeze()
