"""What the provider's balance says about an order whose answer was lost (decision 0030).

The balance before the create and two readings after it make a trail. Pure: it must not know SQL,
HTTP or the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum

OLD = timedelta(seconds=60)
"""An older reading is repeated before a create: at most one reading a minute for each process."""
USABLE = timedelta(minutes=10)
"""A reading that is older at the create says nothing about it."""
GAP = timedelta(seconds=60)
"""Between the two readings after a lost answer."""
REFUNDS = timedelta(minutes=15)
"""The provider may give back the price of a failed video so long after its end."""
MISSES = 5
"""Failed readings, while the provider answers probes, after which a trail ends without one."""
AT_MOST = timedelta(days=1)
"""A trail that could not be decided for so long is left to a person."""
ACCEPTANCE = "acceptance"
"""What `bot check --order` has to have seen: the balance moved when the order was accepted."""


class Finding(StrEnum):
    """What the readings say. Each has words in every language."""

    READING = "reading"  # not read twice yet
    UNREAD = "unread"  # it could not be read before or after the create
    SHARED = "shared"  # another create was out at the same time
    UNSTEADY = "unsteady"  # it changed between the two readings after the create
    SAME = "same"  # no change, twice
    PRICE = "price"  # exactly the price of the order less, twice
    OTHER = "other"  # any other change


class Verdict(StrEnum):
    """What became of a trail."""

    NOT_ACCEPTED = "not_accepted"  # the order went back to the queue, or ended free of charge
    CHARGED = "charged"  # it was accepted and paid; its id is wanted
    PERSON = "person"  # a person decides


@dataclass(frozen=True, kw_only=True)
class Trail:
    """The readings around one create whose answer was lost; roubles."""

    task_id: int
    price: Decimal
    lost_at: datetime
    alone: bool  # no other create was out from the first reading to the last
    # the process that sent it has ended the call; otherwise it may be frozen, and send it later
    call_ended: bool
    before: Decimal | None = None
    before_at: datetime | None = None
    first: Decimal | None = None
    first_at: datetime | None = None
    second: Decimal | None = None
    second_at: datetime | None = None
    due_at: datetime | None = None  # when the next reading is due; None: there is none
    misses: int = 0
    verdict: Verdict | None = None

    @property
    def is_reading(self) -> bool:
        """Whether the readings are not complete; creates wait for them."""
        return self.due_at is not None

    @property
    def after(self) -> Decimal | None:
        """The last reading after the create."""
        return self.first if self.second is None else self.second

    @property
    def finding(self) -> Finding:
        """What the readings say."""
        if self.is_reading:
            return Finding.READING
        if self.before is None or self.first is None or self.second is None:
            return Finding.UNREAD
        if not self.alone:
            return Finding.SHARED
        if self.first != self.second:
            return Finding.UNSTEADY
        less = self.before - self.second
        if less == 0:
            return Finding.SAME
        return Finding.PRICE if less == self.price else Finding.OTHER


def params_of(trail: Trail) -> dict[str, str]:
    """Return a trail as parameters of an alert."""
    return {
        "finding": trail.finding.value,
        "price": str(trail.price),
        "before": "" if trail.before is None else str(trail.before),
        "after": "" if trail.after is None else str(trail.after),
    }


def kopecks(funds: Decimal) -> Decimal:
    """Return a balance in whole kopecks, as it is stored; the provider's has more digits."""
    return funds.quantize(Decimal("0.01"), ROUND_HALF_EVEN)
