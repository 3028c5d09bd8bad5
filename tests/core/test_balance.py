"""What a trail of balances says about an order whose answer was lost."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from bot.core.balance import Finding, Trail, kopecks
from bot.provider.account import account_mark

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def trail(before: Any = 100, first: Any = 100, second: Any = 100, **changes: Any) -> Trail:
    given = {"before": before, "first": first, "second": second}
    values: dict[str, Any] = {
        "task_id": 1, "price": Decimal(17), "lost_at": NOON, "alone": True, "call_ended": True,
        **{name: None if value is None else Decimal(value) for name, value in given.items()},
    }  # fmt: skip
    return Trail(**(values | changes))


@pytest.mark.parametrize(
    ("readings", "finding"),
    [
        ((100, 100, 100), Finding.SAME),
        ((100, 83, 83), Finding.PRICE),
        ((100, 100, 83), Finding.UNSTEADY),
        ((100, 83, 66), Finding.UNSTEADY),
        ((100, "83.01", "83.01"), Finding.OTHER),
        ((100, 66, 66), Finding.OTHER),
        ((100, 117, 117), Finding.OTHER),
        ((None, 83, 83), Finding.UNREAD),
        ((100, None, None), Finding.UNREAD),
        ((100, 83, None), Finding.UNREAD),
    ],
)
def test_only_the_same_twice_says_something(readings: Any, finding: Finding) -> None:
    assert trail(*readings).finding is finding


def test_what_was_shared_or_is_not_read_proves_nothing() -> None:
    assert trail(100, 83, 83, alone=False).finding is Finding.SHARED
    assert trail(100, 83, None, due_at=NOON).finding is Finding.READING


def test_a_balance_with_more_digits_is_kept_in_kopecks() -> None:
    assert kopecks(Decimal("1234.56789")) == Decimal("1234.57")
    assert kopecks(Decimal(str(0.1 + 0.2))) == Decimal("0.30")


def test_the_mark_of_an_account_differs_by_key_and_address_and_holds_neither() -> None:
    key = "sk-0123456789"
    mark = account_mark("https://gptunnel.test/v1", key)
    assert mark == account_mark("https://gptunnel.test/v1/", key)
    assert mark != account_mark("https://gptunnel.test/v1", key + "0")
    assert mark != account_mark("https://other.test/v1", key)
    assert key not in mark
    assert len(mark) == 12
