"""The video models on offer and what they cost: the only place that knows prices.

Ids and prices change upstream (provider.md: "Models and prices"); resolution and length are
part of a model's id. It must not know who orders or who pays.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bot.task import AspectRatio

# Roubles per video, mid-2026 (provider.md: "Models and prices"): family -> resolution -> seconds.
_PRICES: dict[str, dict[str, dict[int, str]]] = {
    "seedance-1-lite": {
        "480P": {2: "6.8", 5: "17", 10: "34", 12: "40.8"},
        "720P": {2: "16.4", 5: "41", 10: "82", 12: "98.4"},
        "1080P": {2: "35.2", 5: "88", 10: "176", 12: "211.2"},
    },
    "seedance-1-pro": {
        "480P": {2: "12", 5: "30", 10: "60", 12: "72"},
        "720P": {2: "22.4", 5: "56", 10: "112", 12: "135"},
        "1080P": {2: "50", 5: "122", 10: "244", 12: "290"},
    },
    "seedance-1-pro-fast": {
        "480P": {2: "4", 5: "10", 10: "20", 12: "24"},
        "720P": {2: "8.8", 5: "22", 10: "44", 12: "52.8"},
        "1080P": {2: "19.6", 5: "49", 10: "98", 12: "117.6"},
    },
    "seedance-1-5-pro": {
        "480P": {5: "15", 10: "30"},
        "720P": {5: "28", 10: "56"},
        "1080P": {5: "58", 10: "116"},
    },
}

_TITLES = {
    "seedance-1-lite": "Seedance Lite",
    "seedance-1-pro": "Seedance Pro",
    "seedance-1-pro-fast": "Seedance Pro Fast",
    "seedance-1-5-pro": "Seedance 1.5 Pro",
}


@dataclass(frozen=True, kw_only=True)
class Model:
    """One line of the catalog: what a person chooses and pays for."""

    id: str
    title: str
    quality: str  # "480p"
    seconds: int
    price: Decimal  # roubles
    ratios: tuple[AspectRatio, ...] = tuple(AspectRatio)


def _build() -> dict[str, Model]:
    return {
        (id_ := f"{family}-{quality}-{seconds}s"): Model(
            id=id_,
            title=_TITLES[family],
            quality=quality.lower(),
            seconds=seconds,
            price=Decimal(price),
        )
        for family, qualities in _PRICES.items()
        for quality, lengths in qualities.items()
        for seconds, price in lengths.items()
    }


CATALOG: dict[str, Model] = _build()


def model(model_id: str) -> Model:
    """The catalog's line for `model_id`; KeyError when it is not on offer."""
    return CATALOG[model_id]
