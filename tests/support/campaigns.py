"""Mark tests that mostly repeat others as campaigns, in addition to those marked by hand.

`make test` leaves them out, `make campaigns` runs them, and `make check` runs everything. It must
not know what a test does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

ON_BOTH = frozenset(
    {
        "test_address", "test_built_once", "test_claim_on_commit",
        "test_concurrency", "test_due", "test_engine", "test_inbox", "test_leases",
        "test_lock_order", "test_lost_commits", "test_other_processes",
    }
)  # fmt: skip
"""Modules whose subject is what several processes or the two databases do differently: they always
run on PostgreSQL too. The others repeat there what they do on SQLite."""
MATRICES = frozenset({"faults", "media"})
"""Folders with tests that repeat the same steps for many faults or kinds of files."""
ROWS = 4
"""A matrix with more rows than this is a long one."""
EVERY = 5
"""Of a long matrix, `make test` runs every fifth row."""


def mark_campaigns(items: Iterable[pytest.Item]) -> None:
    """Mark the repetitions among the collected tests."""
    functions = [one for one in items if isinstance(one, pytest.Function)]
    rows = Counter(_matrix(one) for one in functions)
    seen = Counter[str]()
    for one in functions:
        matrix = _matrix(one)
        values = one.callspec.params.values() if hasattr(one, "callspec") else ()
        if is_repetition(one.path, values, row=seen[matrix], rows=rows[matrix]):
            one.add_marker(pytest.mark.campaign)
        seen[matrix] += 1


def is_repetition(path: Path, values: Iterable[object], *, row: int, rows: int) -> bool:
    """Return whether a test with these parameters, the `row`th of `rows` of one function, mostly
    repeats what another test runs."""
    if path.parent.name in MATRICES:
        return rows > ROWS and row % EVERY > 0
    return "postgres" in list(values) and path.stem not in ON_BOTH


def _matrix(test: pytest.Function) -> str:
    return f"{test.path}::{test.originalname}"
