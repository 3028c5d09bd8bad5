"""Packages of credit in roubles, sold for Telegram Stars.

Pure: it must not know Telegram, SQL or the texts. An invoice carries its package, so that a
payment keeps its terms even if the operator changes the packages meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

CURRENCY = "XTR"
MOST_STARS = 100_000


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package: a number of Stars buys a number of roubles of credit."""

    stars: int
    roubles: int

    @property
    def credit(self) -> Decimal:
        """The roubles that the person's credit gains."""
        return Decimal(self.roubles)

    @property
    def payload(self) -> str:
        """The payload of the invoice (Bot API: sendInvoice)."""
        return f"credit|{self.stars}|{self.roubles}"


@dataclass(frozen=True, kw_only=True)
class StarsPackages:
    """The packages on sale; empty when Stars are off."""

    packages: tuple[Package, ...] = ()
    contact: str = ""  # who answers questions about payments: @name or an address

    def sells(self, package: Package | None) -> bool:
        """Whether this package is on sale now, with the same Stars and roubles."""
        return package in self.packages


def package_of(payload: str) -> Package | None:
    """Return the package of an invoice's payload; None if the bot did not write the payload."""
    match payload.split("|"):
        case ["credit", stars, roubles] if _number(stars) and _number(roubles):
            return Package(stars=int(stars), roubles=int(roubles))
    return None


def read_packages(text: str) -> tuple[Package, ...]:
    """Parse `100:170,500:900`, Stars and the roubles they buy; raise ValueError otherwise."""
    packages = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        stars, colon, roubles = part.partition(":")
        if not (colon and _number(stars) and _number(roubles)) or int(stars) > MOST_STARS:
            raise ValueError("should be pairs of Stars and roubles of credit: 100:170,500:900")
        packages.append(Package(stars=int(stars), roubles=int(roubles)))
    if len({package.stars for package in packages}) < len(packages):
        raise ValueError("should name each number of Stars once")
    return tuple(packages)


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 8 and int(text) > 0
