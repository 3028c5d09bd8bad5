"""Alerts for the operator: their kinds, switches, and the signals that components record.

Pure: it must not know Telegram, SQL or the texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from bot.core.task import Hold

Params = Mapping[str, str | int | float | bool | None]


class AlertKind(StrEnum):
    """The kind of an alert; each has texts in every language, for its start and end."""

    LOW_BALANCE = "low_balance"
    NO_BALANCE = "no_balance"
    KEY_REFUSED = "key_refused"
    WRONG_ADDRESS = "wrong_address"
    MODEL_GONE = "model_gone"
    OVERLOADED = "overloaded"
    PROVIDER_AWAY = "provider_away"
    CHARGED_FAILURES = "charged_failures"
    UNDELIVERABLE = "undeliverable"
    UNKNOWN = "unknown"
    ID_WANTED = "id_wanted"
    REFUND_REFUSED = "refund_refused"
    SET_ASIDE = "set_aside"
    NO_UPDATES = "no_updates"
    OTHER_POLLER = "other_poller"
    DISK_LOW = "disk_low"
    PHOTOS_UNFETCHED = "photos_unfetched"


HOLDS: Mapping[Hold, AlertKind] = {
    Hold.NO_BALANCE: AlertKind.NO_BALANCE,
    Hold.KEY_REFUSED: AlertKind.KEY_REFUSED,
    Hold.WRONG_ADDRESS: AlertKind.WRONG_ADDRESS,
}


class Switch(StrEnum):
    """What an admin can pause."""

    INTAKE = "intake"  # no new orders
    DRAIN = "drain"  # no new orders, and admins are told when the last open order has ended
    SUBMITS = "submits"  # orders are accepted but not submitted
    PHOTOS = "photos"  # orders with a photo are neither accepted nor submitted


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One thing that is wrong."""

    key: str
    kind: AlertKind
    params: Params = field(default_factory=dict)

    @classmethod
    def of(cls, kind: AlertKind, subject: int | str | None = None, **params: str | int) -> Alert:
        """Return the key of an alert; `subject` distinguishes several alerts of one kind."""
        key = kind.value if subject is None else f"{kind.value}:{subject}"
        return cls(key=key, kind=kind, params=params)


@dataclass(kw_only=True)
class AlertSignals:
    """What this process observed of the outside world, and when.

    Another process may have observed the opposite. So only a newer good signal ends an
    alert; the mere absence of bad signals does not.
    """

    # the last create was refused for a reason that affects all orders
    held: tuple[Hold, datetime] | None = None
    accepted_at: datetime | None = None
    busy_since: datetime | None = None  # the provider accepts no orders, and the queue waits
    # models that the provider no longer offers
    gone: dict[str, datetime] = field(default_factory=dict)
    accepted: dict[str, datetime] = field(default_factory=dict)
    polled_at: datetime | None = None
    conflict_since: datetime | None = None
    conflict_at: datetime | None = None

    def took(self, model: str, now: datetime) -> None:
        """Record that the provider accepted an order."""
        self.held = self.busy_since = None
        self.accepted_at = self.accepted[model] = now
        self.gone.pop(model, None)

    def conflict(self, now: datetime) -> None:
        """Record that another program reads this bot's updates."""
        if self.conflict_at is None or abs(now - self.conflict_at) > CONFLICT_QUIET:
            self.conflict_since = now
        self.conflict_at = now


CONFLICT_QUIET = timedelta(minutes=2)
"""After this time without another conflict, the other program counts as stopped."""
