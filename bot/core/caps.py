"""Limits on orders: caps in videos and roubles, and whether orders are paid with credit.

Pure: it must not know SQL, Telegram or the texts. A day begins at midnight of one zone, the same
in every process. People are told how long a cap lasts, not a clock time.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum


class Cap(StrEnum):
    """Which cap was reached. Each has a text in every language."""

    USER_AT_ONCE = "user_at_once"
    USER_PER_DAY = "user_per_day"
    GLOBAL_AT_ONCE = "global_at_once"
    GLOBAL_PER_DAY = "global_per_day"
    GROUP_AT_ONCE = "group_at_once"  # of one group, set by an admin alone
    GROUP_PER_DAY = "group_per_day"
    GROUP_ALLOWANCE = "group_allowance"  # of one group per day, set by the group's own admins


OF_PERSON = (Cap.USER_AT_ONCE, Cap.USER_PER_DAY)
OF_GROUP = (Cap.GROUP_AT_ONCE, Cap.GROUP_PER_DAY)
OF_SETTINGS = (*OF_PERSON, Cap.GLOBAL_AT_ONCE, Cap.GLOBAL_PER_DAY)


def own_caps(subject_id: int) -> tuple[Cap, Cap]:
    """Return the caps that an admin can set for a person (positive) or a group: at once, a day."""
    return OF_PERSON if subject_id > 0 else OF_GROUP


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
    free_for: Set[int] = frozenset()  # users who pay nothing
    zone: tzinfo = UTC  # whose midnight begins a day
    photos: bool = True  # first frames can be passed on to the provider

    @property
    def counted(self) -> bool:
        """Whether any cap or credit has to be checked before an order."""
        return self.sold or any(self.caps.values())

    def pays(self, user_id: int) -> bool:
        """Whether an order is paid from the person's own credit."""
        return self.sold and user_id not in self.free_for


def day_start(now: datetime, zone: tzinfo = UTC, *, days: int = 0) -> datetime:
    """Return the start of the day of `now` in `zone`, or of the day so many `days` later; in UTC.

    A day with a change of clocks has 23 or 25 hours.
    """
    day = now.astimezone(zone).date() + timedelta(days=days)
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def next_day(now: datetime, zone: tzinfo = UTC) -> datetime:
    """Return the moment when a daily cap resets."""
    return day_start(now, zone, days=1)
