"""Lives that broke a promise once, shrunk to their faults. They must stay whole.

Most of what the campaign found has a test of its own where it was mended (docs/reliability.md).
"""

from __future__ import annotations

import pytest

from tests.simulation.life import live


@pytest.mark.parametrize(
    ("seed", "orders", "faults"),
    [
        # A process that was asked to end could not wait for a late answer: the card comes twice.
        (802167, 5, ("net sendPhoto#2 late", "restart")),
    ],
)
def test_a_life_that_was_broken_is_whole(seed: int, orders: int, faults: tuple[str, ...]) -> None:
    result = live(seed, orders=orders, only=faults)
    assert set(result.faults) == set(faults)
    assert result.violations == ()
