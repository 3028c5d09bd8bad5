"""A minute of simulated lives in two halves: two test files, since a worker takes whole files."""

from __future__ import annotations

import itertools

from tests.simulation.search import search

CPU_SECONDS = 30.0
"""The budget of each half: CPU, not time on the clock, so that a busy machine checks as much."""
FIRST_SEED = 1_000


def keep_the_promises(half: int) -> None:
    """Live every second seed within the budget; no promise may be broken."""
    seen = search(itertools.count(FIRST_SEED + half, 2), seconds=CPU_SECONDS)
    assert [(life.seed, life.violations) for life in seen.broken] == []
    assert seen.deliveries > 0
    assert seen.faults > seen.lives
