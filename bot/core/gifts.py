"""Gifts: videos or credit that somebody gets without paying, and how they are written.

Pure: it must not know SQL, Telegram or the texts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

PROMO_PREFIX = "promo-"
"""The prefix of a deep link's payload that is a promo code."""
FRIEND_PREFIX = "friend-"
"""The prefix of a deep link's payload that is somebody's referral token."""

MOST_VIDEOS = 1_000
MOST_ROUBLES = 100_000
"""What one gift is at most: a slip of a digit too many is refused."""
MOST_PEOPLE = 100_000
MOST_DAYS = 365
CODE_DAYS = 30
"""How long a promo code works when its admin names no number of days."""

NEW_FOR = timedelta(hours=1)
"""How long after the first message somebody counts as new: an update may be handled again."""
FRIEND_DAYS = 30
"""How long an invited person has for the first video."""

_GIFT = re.compile(r"([0-9]{1,6})\s*(₽|rub|руб\.?|р\.?|r)?", re.IGNORECASE)
_CODE = re.compile(r"[A-Z][A-Z0-9_-]{2,31}")


@dataclass(frozen=True)
class Gift:
    """A number of videos, or credit in whole roubles; 0 of both: nothing."""

    videos: int = 0
    roubles: int = 0

    def __bool__(self) -> bool:
        return bool(self.videos or self.roubles)

    @property
    def credit(self) -> Decimal:
        """The credit in roubles."""
        return Decimal(self.roubles)


def read_gift(text: str) -> Gift | None:
    """Return the gift that is written as `3` (videos) or `100₽`, `100rub`, `100р` (credit)."""
    found = _GIFT.fullmatch(text.strip())
    if found is None:
        return None
    number = int(found[1])
    gift = Gift(roubles=number) if found[2] else Gift(videos=number)
    fits = gift.videos <= MOST_VIDEOS and gift.roubles <= MOST_ROUBLES
    return gift if gift and fits else None


def read_code(text: str) -> str | None:
    """Return a promo code as it is stored; None: it cannot be one. Case does not matter.

    Latin letters, digits, - and _ only (Bot API: deep links accept nothing else).
    """
    code = text.strip().upper()
    return code if _CODE.fullmatch(code) else None


@dataclass(frozen=True, kw_only=True)
class PromoOrder:
    """A promo code as an admin ordered it; without a code a random one is made."""

    people: int
    code: str | None
    gift: Gift
    days: int = CODE_DAYS


def read_promo(text: str) -> PromoOrder | None:
    """Return what `/promo 20 WINTER 3 14` orders: people, a code, the gift of each, days."""
    people, *rest = text.split() or [""]
    code = read_code(rest[0]) if rest and read_gift(rest[0]) is None else None
    if code is not None:
        rest = rest[1:]
    if not people.isascii() or not people.isdecimal() or not 1 <= len(rest) <= 2:
        return None
    gift = read_gift(rest[0])
    days = rest[1] if len(rest) == 2 else str(CODE_DAYS)
    if gift is None or not days.isascii() or not days.isdecimal():
        return None
    if len(people) > 6 or len(days) > 3:
        return None
    if not (0 < int(people) <= MOST_PEOPLE and 0 < int(days) <= MOST_DAYS):
        return None
    return PromoOrder(people=int(people), code=code, gift=gift, days=int(days))
