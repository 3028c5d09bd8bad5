"""Who sees prices: the people who pay. Without sales the operator pays, and guests see no prices.

Pure: it must not know Telegram, SQL or the texts.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Literal

Show = Literal["auto", "always", "never"]


@dataclass(frozen=True, kw_only=True)
class PriceView:
    """SHOW_PRICES, and what `auto` depends on."""

    show: Show = "auto"
    sold: bool = False  # people pay with credit
    admins: Set[int] = frozenset()

    @property
    def for_everybody(self) -> bool:
        """Whether texts that are not for one person name prices."""
        return self.show == "always" or (self.show == "auto" and self.sold)

    def seen_by(self, user_id: int) -> bool:
        """Whether this person sees prices."""
        return self.for_everybody or (self.show == "auto" and user_id in self.admins)


@dataclass(frozen=True)
class Left:
    """What a person may still order today: `videos` of `total`; 0: only the rest is known.

    `gifts`: gift videos, which come on top and last longer than the day.
    """

    videos: int
    total: int = 0
    gifts: int = 0
