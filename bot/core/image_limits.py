"""Limits of a picture that becomes a first frame, and the aspect ratio that suits it.

It contains only numbers and rules; it must not know how pictures are read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from bot.core.task import AspectRatio

MAX_BYTES = 20 * 1024 * 1024
"""The largest file that a bot can download (Bot API: getFile)."""

MIN_SIDE, MAX_SIDE = 300, 6000  # px, sides of the frame that is sent (provider.md: "Images")
SMALLEST_SIDE = 64
"""px, the shortest side of a person's picture: below it nothing can be recognised."""
SHARP_SIDE = 480
"""px, the short side after the cut: below it the video looks blurry."""
PREVIEW_SIDE = 640  # px, the longest side of a card's picture


@dataclass(frozen=True, kw_only=True)
class ImageInfo:
    """A picture that can become a first frame; sides in px, upright."""

    format: str  # "JPEG", "PNG", "HEIF", ...
    width: int
    height: int


def is_blurry(width: int, height: int, ratio: AspectRatio) -> bool:
    """Whether a picture of these sides, cut to `ratio`, has too few pixels for a sharp video."""
    value = ratio.value_of
    across, down = min(width, height * value), min(height, width / value)
    return min(across, down) < SHARP_SIDE


def nearest_ratio(width: int, height: int) -> AspectRatio:
    """Return the ratio that cuts the least from a picture of these sides.

    3:4 and 4:3, the ratios of phones, tie between two; then a portrait picture stays portrait.
    """

    def cut_off(ratio: AspectRatio) -> tuple[float, bool]:
        return round(
            abs(math.log(width / height / ratio.value_of)), 6
        ), ratio is AspectRatio.SQUARE

    return min(AspectRatio, key=cut_off)
