"""How the CPU time of a function grows with its input: a ratio within one run, on any machine.

It must not know what is measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable

LONGER = 4
"""The long input has so many times the length of the short one."""
SQUARE = 10.0
"""Between the ratio of a linear function (4) and that of a quadratic one (16)."""
LEAST_SECONDS = 1e-4
"""A shorter time counts as this: it says more about the machine than about the function."""


def growth(work: Callable[[int], object], length: int) -> float:
    """Return how many times as much CPU `work` takes for an input of `length` as for a quarter of
    it; the shortest of three times each."""

    def seconds(size: int) -> float:
        times = []
        for _ in range(3):
            began = time.process_time()
            work(size)
            times.append(time.process_time() - began)
        return max(min(times), LEAST_SECONDS)

    return seconds(length) / seconds(length // LONGER)
