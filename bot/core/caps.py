"""Limits on orders: caps in videos and roubles, and whether orders are paid with credit.

Pure: it must not know SQL, Telegram or the texts. A day is a UTC day, so that all processes and
tests count the same day. Texts tell people how long a cap lasts, not a clock time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class Cap(StrEnum):
    """Which cap was reached. Each has a text in every language."""

    USER_AT_ONCE = "user_at_once"
    USER_PER_DAY = "user_per_day"
    GLOBAL_AT_ONCE = "global_at_once"
    GLOBAL_PER_DAY = "global_per_day"


@dataclass(frozen=True)
class Limit:
    """The largest number of videos and of roubles; 0 means no limit."""

    videos: int = 0
    roubles: int = 0

    def __bool__(self) -> bool:
        return bool(self.videos or self.roubles)


@dataclass(frozen=True, kw_only=True)
class OrderRules:
    """The rules that an order has to keep."""

    caps: dict[Cap, Limit] = field(default_factory=dict)
    sold: bool = False  # orders are paid with credit bought for Stars
    free_for: frozenset[int] = frozenset()  # users who order free of charge

    @property
    def counted(self) -> bool:
        """Whether any cap or credit has to be checked before an order."""
        return self.sold or any(self.caps.values())

    def pays(self, user_id: int) -> bool:
        """Whether an order is paid from the person's own credit."""
        return self.sold and user_id not in self.free_for


def day_start(now: datetime) -> datetime:
    """Return the start of the UTC day of `now`."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def next_day(now: datetime) -> datetime:
    """Return the moment when a daily cap resets."""
    return day_start(now) + timedelta(days=1)
