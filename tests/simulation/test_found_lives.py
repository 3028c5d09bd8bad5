"""Simulated lives that once broke a promise, each with only the faults that it needs for that.

They must keep the promises now. Most faults that the campaign found have a test beside the code
that was changed (docs/reliability.md).
"""

from __future__ import annotations

import pytest

from tests.simulation.life import live


@pytest.mark.parametrize(
    ("seed", "orders", "faults"),
    [
        # A process was asked to end before a late answer came. The next one sends the card again.
        (802167, 5, ("net sendPhoto#2 late", "restart")),
    ],
)
def test_a_life_keeps_the_promises_that_it_broke_once(
    seed: int, orders: int, faults: tuple[str, ...]
) -> None:
    result = live(seed, orders=orders, only=faults)
    assert set(result.faults) == set(faults)
    assert result.violations == ()
