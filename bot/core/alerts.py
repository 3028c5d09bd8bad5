"""What the operator has to know: kinds of alerts, switches, and the signs that parts leave.

Pure: it must not know Telegram, SQL or the words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from bot.core.task import Hold

Params = Mapping[str, str | int | float | bool | None]


class AlertKind(StrEnum):
    """Each has words in every language, for its beginning and for its end."""

    LOW_BALANCE = "low_balance"
    NO_BALANCE = "no_balance"
    KEY_REFUSED = "key_refused"
    WRONG_ADDRESS = "wrong_address"
    MODEL_GONE = "model_gone"
    OVERLOADED = "overloaded"
    UNDELIVERABLE = "undeliverable"
    UNKNOWN = "unknown"
    SET_ASIDE = "set_aside"
    NO_UPDATES = "no_updates"
    OTHER_POLLER = "other_poller"
    DISK_LOW = "disk_low"


HOLDS: Mapping[Hold, AlertKind] = {
    Hold.NO_BALANCE: AlertKind.NO_BALANCE,
    Hold.KEY_REFUSED: AlertKind.KEY_REFUSED,
    Hold.WRONG_ADDRESS: AlertKind.WRONG_ADDRESS,
}


class Switch(StrEnum):
    """What an admin can hold."""

    INTAKE = "intake"  # no order is taken
    DRAIN = "drain"  # the same, and the admins hear when nothing is under way any more
    SUBMITS = "submits"  # orders are taken and wait


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One thing that is wrong."""

    key: str
    kind: AlertKind
    params: Params = field(default_factory=dict)

    @classmethod
    def of(cls, kind: AlertKind, subject: int | str | None = None, **params: str | int) -> Alert:
        """`subject`: which of several, when there can be several at once."""
        key = kind.value if subject is None else f"{kind.value}:{subject}"
        return cls(key=key, kind=kind, params=params)


@dataclass(kw_only=True)
class AlertSignals:
    """What this process saw of the outside, and when; only what was seen counts.

    Another process may have seen the opposite: an alert ends by a newer good sign, never because
    nothing bad was seen here.
    """

    held: tuple[Hold, datetime] | None = None  # the last create was refused to everybody
    accepted_at: datetime | None = None
    busy_since: datetime | None = None  # the provider takes nothing, and the queue is held
    gone: dict[str, datetime] = field(default_factory=dict)  # models
    accepted: dict[str, datetime] = field(default_factory=dict)
    polled_at: datetime | None = None
    conflict_since: datetime | None = None
    conflict_at: datetime | None = None

    def took(self, model: str, now: datetime) -> None:
        """The provider accepted an order."""
        self.held = self.busy_since = None
        self.accepted_at = self.accepted[model] = now
        self.gone.pop(model, None)

    def conflict(self, now: datetime) -> None:
        """Telegram says that somebody else reads the updates."""
        if self.conflict_at is None or now - self.conflict_at > CONFLICT_QUIET:
            self.conflict_since = now
        self.conflict_at = now


CONFLICT_QUIET = timedelta(minutes=2)
"""Without another conflict: the other one has ended."""
