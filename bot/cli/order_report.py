"""The outcome of `bot check --order`: the orders, the table, and the report file.

The keys of the file are explained in docs/provider.md. It must not know how the provider is
called.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from bot import __version__
from bot.core.catalog import Model
from bot.core.task import AspectRatio
from bot.operator.charging import REPORT
from bot.provider.comparison import Comparison
from bot.provider.observed import Exchange
from bot.provider.scrubbing import Scrubber
from bot.runtime.logs import Secrets

FORMAT = 1


class Outcome(StrEnum):
    """How an order ended. IN_DOUBT: nobody knows whether it was accepted and charged."""

    NOT_ORDERED = "not ordered"
    IN_DOUBT = "in doubt"
    REFUSED = "refused"
    ACCEPTED = "accepted"  # accepted, and not finished while the check was running
    FAILED = "failed"
    DONE = "done"


class Charged(StrEnum):
    """When the price left the balance."""

    ACCEPTANCE = "acceptance"
    LATER = "later"
    NEVER = "never"
    UNKNOWN = "unknown"


@dataclass
class Order:
    """One order of the check. Times are seconds since the order was sent."""

    kind: str  # "words" or "picture"
    ratio: AspectRatio
    prompt: str
    outcome: Outcome = Outcome.NOT_ORDERED
    why: str = ""
    id: str | None = None  # the provider's id; not in the report
    sent_at: float = 0.0  # time.monotonic
    answered: float | None = None
    ended: float | None = None
    statuses: list[tuple[str, float]] = field(default_factory=list)
    before: Decimal | None = None  # funds
    after: Decimal | None = None
    charged: Charged = Charged.UNKNOWN
    charged_after: float | None = None

    @property
    def line(self) -> str:
        """Return a line about the order for the operator."""
        level = {Outcome.DONE: "ok", Outcome.NOT_ORDERED: "note"}.get(self.outcome, "FAIL")
        words = f"{level:<5} {self.kind}: {self.outcome}"
        words += f", {self.why}" if self.why else ""
        words += f", id {self.id}" if self.id else ""
        if self.outcome is Outcome.IN_DOUBT:
            words += ": it is not repeated; look at GPTunnel's own list"
        if self.outcome is Outcome.ACCEPTED:
            words += ": GPTunnel goes on making it"
        return words

    @property
    def cost(self) -> Decimal | None:
        """How much lower the balance was at the end, in roubles."""
        return None if self.before is None or self.after is None else self.before - self.after

    def as_json(self) -> dict[str, Any]:
        """Return the order as the report holds it."""
        return {
            "kind": self.kind,
            "ratio": self.ratio.value,
            "outcome": self.outcome.value,
            "why": self.why,
            "answered_seconds": _rounded(self.answered),
            "ended_seconds": _rounded(self.ended),
            "statuses": [[status, _rounded(at)] for status, at in self.statuses],
            "charged": self.charged.value,
            "charged_seconds": _rounded(self.charged_after),
            "cost": None if self.cost is None else _roubles(self.cost),
        }


@dataclass
class OrderReport:
    """Everything that one run found."""

    at: datetime
    model: Model
    price: Decimal
    orders: list[Order]
    facts: Comparison
    scrub: Scrubber
    secrets: tuple[str, ...] = ()
    account: str = ""  # bot.provider.account.account_mark

    @property
    def deviations(self) -> int:
        """How many facts are different or new."""
        return sum(fact.is_deviation for fact in self.facts.facts)

    @property
    def charged(self) -> Charged:
        """When the balance moved; a refused order says nothing about charging."""
        known = [o.charged for o in self.orders if o.charged is not Charged.UNKNOWN]
        return known[0] if len(set(known)) == 1 else Charged.UNKNOWN

    def as_json(self, exchanges: list[Exchange]) -> dict[str, Any]:
        """Return the report without key, links, prompts and ids."""
        return {
            "format": FORMAT,
            "program": __version__,
            "at": self.at.isoformat(),
            "model": self.model.id,
            "price": _roubles(self.price),
            "account": self.account,
            "charged": self.charged.value,
            "deviations": self.deviations,
            "orders": [order.as_json() for order in self.orders],
            "facts": [fact.as_json() for fact in self.facts.facts],
            "answers": self._answers(exchanges),
        }

    def _answers(self, exchanges: list[Exchange]) -> list[dict[str, Any]]:
        """Return the answers in order; equal answers in a row are merged into one."""
        found: list[dict[str, Any]] = []
        for one in exchanges:
            body = self.scrub.body(one.answer)
            last = found[-1] if found else {}
            if (one.call, one.status, body) == (
                last.get("call"), last.get("status"), last.get("body")
            ):  # fmt: skip
                last["times"] += 1
                continue
            found.append(
                {
                    "call": one.call,
                    "status": one.status,
                    "seconds": _rounded(one.seconds),
                    "times": 1,
                    "headers": sorted(self.scrub.name(name).lower() for name in one.headers),
                    "body": body,
                }
            )
        return found

    def write(self, folder: Path, exchanges: list[Exchange]) -> Path:
        """Write the report, whole or not at all; return its path. Raises OSError."""
        text = json.dumps(self.as_json(exchanges), ensure_ascii=False, indent=1)
        text = Secrets(secret for secret in self.secrets if len(secret) >= 8)(text)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / REPORT
        part = path.with_suffix(".part")
        part.write_text(text + "\n", encoding="utf-8")
        part.replace(path)
        return path


def _roubles(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
