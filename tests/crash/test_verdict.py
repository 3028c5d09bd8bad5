"""Tests of what the verdict counts."""

from __future__ import annotations

import pytest

from tests.crash.verdict import longest_in_order


@pytest.mark.parametrize(
    ("places", "longest"),
    [
        ([], 0),
        ([1, 2, 3], 3),
        ([1, 1, 2, 3], 4),
        ([1, 1, 2, 3, 1], 4),  # the first part was ordered again, alone, after the film
        ([1, 3, 2], 2),
        ([3, 2, 1], 1),
    ],
)
def test_parts_in_order_are_counted(places: list[int], longest: int) -> None:
    assert longest_in_order(places) == longest
