"""The provider's own list: its models, their prices and the sizes of what they make.

It is deliberately separate from the bot's catalog, so that a wrong price or id there is noticed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

AREA_STEP = 16
SAME_SHAPE = 0.02

# provider.md: "Models and prices", roubles per video of 2, 5, 10 and 12 seconds.
_SECONDS = (2, 5, 10, 12)
_PRICES: Mapping[str, tuple[str | None, ...]] = {
    "seedance-1-lite-480P": ("6.8", "17", "34", "40.8"),
    "seedance-1-lite-720P": ("16.4", "41", "82", "98.4"),
    "seedance-1-lite-1080P": ("35.2", "88", "176", "211.2"),
    "seedance-1-pro-480P": ("12", "30", "60", "72"),
    "seedance-1-pro-720P": ("22.4", "56", "112", "135"),
    "seedance-1-pro-1080P": ("50", "122", "244", "290"),
    "seedance-1-pro-fast-480P": ("4", "10", "20", "24"),
    "seedance-1-pro-fast-720P": ("8.8", "22", "44", "52.8"),
    "seedance-1-pro-fast-1080P": ("19.6", "49", "98", "117.6"),
    "seedance-1-5-pro-480P": (None, "15", "30", None),
    "seedance-1-5-pro-720P": (None, "28", "56", None),
    "seedance-1-5-pro-1080P": (None, "58", "116", None),
}

# provider.md: "The video"; the sizes for 1080P are not there, and are extrapolated.
_SIZES: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "480P": {"16:9": (864, 480), "9:16": (480, 864), "1:1": (640, 640)},
    "720P": {"16:9": (1248, 704), "9:16": (704, 1248), "1:1": (960, 960)},
    "1080P": {"16:9": (1920, 1088), "9:16": (1088, 1920), "1:1": (1440, 1440)},
}
RATIOS = tuple(_SIZES["480P"])
DEFAULT_RATIO = "16:9"


@dataclass(frozen=True)
class Model:
    """`price` in roubles, `seconds` of video; 0: it makes a picture."""

    id: str
    price: Decimal
    resolution: str
    seconds: int
    takes_image: bool = True

    @property
    def is_picture(self) -> bool:
        return self.seconds == 0

    def size(self, ratio: str, shape: Fraction | None = None) -> tuple[int, int]:
        """Return width and height. A first frame with another `shape` (width / height) than
        `ratio` wins over it, at the same area, as upstream does (provider.md: "Images")."""
        width, height = _SIZES[self.resolution][ratio]
        across, down = map(int, ratio.split(":"))
        if shape is None or abs(shape / Fraction(across, down) - 1) <= SAME_SHAPE:
            return width, height
        area = width * height
        return _whole(math.sqrt(area * shape)), _whole(math.sqrt(area / shape))


def _whole(side: float) -> int:
    return max(AREA_STEP, round(side / AREA_STEP) * AREA_STEP)


CHAT_MODELS: Mapping[str, tuple[Decimal, Decimal]] = {
    "gpt-4o": (Decimal("1.35"), Decimal("5.4")),
    "gpt-4o-mini": (Decimal("0.12"), Decimal("0.48")),
}
"""Roubles for 1000 tokens, read and written; pretended."""

# provider.md: "Families"; the prices are pretended, since nobody publishes them.
_PICTURES = {
    "seedream-3": ("6", True),
    "nano-banana": ("7", True),
    "gpt-image-1-high": ("25", True),
    "google-imagen-3": ("9", False),
}

_VIDEOS: Mapping[str, Model] = {
    (name := f"{family}-{seconds}s"): Model(
        name, Decimal(price), family.rpartition("-")[2], seconds
    )
    for family, prices in _PRICES.items()
    for seconds, price in zip(_SECONDS, prices, strict=True)
    if price is not None
}

MODELS: Mapping[str, Model] = {
    **_VIDEOS,
    **{
        name: Model(name, Decimal(price), "720P", 0, takes_image)
        for name, (price, takes_image) in _PICTURES.items()
    },
}
