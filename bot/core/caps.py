"""How much may be ordered: caps in videos and in roubles, and whether the orders are sold.

Pure: it must not know SQL, Telegram or the words. A day is a day of UTC, so that every process
and every test counts the same one; people are told how long it lasts, not what the clock shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class Cap(StrEnum):
    """Which bound was reached. Each has words in every language."""

    USER_AT_ONCE = "user_at_once"
    USER_PER_DAY = "user_per_day"
    GLOBAL_AT_ONCE = "global_at_once"
    GLOBAL_PER_DAY = "global_per_day"


@dataclass(frozen=True)
class Bound:
    """At most so many videos, and at most so many roubles; 0: no bound."""

    videos: int = 0
    roubles: int = 0

    def __bool__(self) -> bool:
        return bool(self.videos or self.roubles)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What an order has to keep to."""

    caps: dict[Cap, Bound] = field(default_factory=dict)
    sold: bool = False  # for credit that was bought with Stars
    free_for: frozenset[int] = frozenset()  # these pay nothing

    @property
    def counted(self) -> bool:
        """Whether anything has to be counted before an order."""
        return self.sold or any(self.caps.values())

    def pays(self, user_id: int) -> bool:
        """Whether the person's own credit is taken."""
        return self.sold and user_id not in self.free_for


def day_start(now: datetime) -> datetime:
    """When the day of `now` began."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def next_day(now: datetime) -> datetime:
    """When a cap per day renews."""
    return day_start(now) + timedelta(days=1)
