"""The choice between `make test` and `make campaigns`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.campaigns import ON_BOTH, ROWS, is_repetition

TESTS = Path(__file__).parents[1]


def test_the_modules_that_always_run_on_both_databases_exist() -> None:
    assert {one.stem for one in (TESTS / "storage").glob("test_*.py")} >= ON_BOTH


@pytest.mark.parametrize(
    ("path", "value", "kept"),
    [
        ("faults/test_provider_create.py", "reset", [0, 5, 10]),
        ("media/test_frames.py", "png", [0, 5, 10]),
        ("telegram/test_errors.py", "reset", [*range(11)]),
        ("storage/test_ledger.py", "sqlite", [*range(11)]),
        ("storage/test_ledger.py", "postgres", []),
        ("storage/test_leases.py", "postgres", [*range(11)]),
    ],
)
def test_repetitions_are_campaigns(path: str, value: str, kept: list[int]) -> None:
    rows = range(11)
    assert [
        row for row in rows if not is_repetition(TESTS / path, [value], row=row, rows=len(rows))
    ] == kept


def test_a_short_matrix_runs_whole() -> None:
    path = TESTS / "faults" / "test_provider_create.py"
    assert not any(is_repetition(path, [], row=row, rows=ROWS) for row in range(ROWS))
