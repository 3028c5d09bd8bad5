"""What is sold for Telegram Stars: credit in roubles, by the package.

Pure: it must not know Telegram, SQL or the words. An invoice carries its package in words of its
own, so that a payment is counted as it was sold, whatever the operator changes meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

CURRENCY = "XTR"
MOST_STARS = 100_000


@dataclass(frozen=True, kw_only=True)
class Package:
    """So many Stars for so many roubles of credit."""

    stars: int
    roubles: int

    @property
    def credit(self) -> Decimal:
        """What the person's balance gains."""
        return Decimal(self.roubles)

    @property
    def payload(self) -> str:
        """What the invoice carries (Bot API: sendInvoice, `payload`)."""
        return f"credit|{self.stars}|{self.roubles}"


@dataclass(frozen=True, kw_only=True)
class StarsPackages:
    """What is on sale; nothing: Stars are off."""

    packages: tuple[Package, ...] = ()
    contact: str = ""  # who answers about payments: @name or an address

    def sells(self, package: Package | None) -> bool:
        """Whether this very package is on sale now."""
        return package in self.packages


def package_of(payload: str) -> Package | None:
    """The package of an invoice's payload; None when it is none of ours."""
    match payload.split("|"):
        case ["credit", stars, roubles] if _number(stars) and _number(roubles):
            return Package(stars=int(stars), roubles=int(roubles))
    return None


def read_packages(text: str) -> tuple[Package, ...]:
    """`100:170,500:900`: Stars and the roubles they buy; ValueError when it is not so."""
    packages = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        stars, colon, roubles = part.partition(":")
        if not (colon and _number(stars) and _number(roubles)) or int(stars) > MOST_STARS:
            raise ValueError("should be Stars and roubles of credit: 100:170,500:900")
        packages.append(Package(stars=int(stars), roubles=int(roubles)))
    if len({package.stars for package in packages}) < len(packages):
        raise ValueError("should name each number of Stars once")
    return tuple(packages)


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 8 and int(text) > 0
