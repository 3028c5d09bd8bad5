"""The charts of /stats as one PNG, drawn with Pillow; labels are passed in.

It must not know where the numbers come from. Drawing takes tens of milliseconds: call it in a
thread.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 1280, 960
SCALE = 2  # drawn larger and scaled down: Pillow's lines are not antialiased

# Pillow's own font has no Cyrillic letters.
_FONT = Path(__file__).parents[1] / "sandbox" / "static" / "fonts" / "DejaVuSans.ttf"

_PAPER, _CARD, _INK, _PALE, _GRID = "#f2f4f7", "#ffffff", "#1d2433", "#6b7485", "#e3e7ee"
_GREEN, _RED, _GREY, _BLUE, _ORANGE = "#2fa36b", "#d9534f", "#b3bac6", "#3b76d6", "#e8912d"


@dataclass(frozen=True, kw_only=True)
class Day:
    """The numbers of one day, for all charts."""

    day: date
    delivered: int = 0
    failed: int = 0
    other: int = 0
    median: float | None = None  # seconds; None: nothing was delivered
    p90: float | None = None
    spent: float = 0.0
    stars: float = 0.0


def draw(days: Sequence[Day], top: Sequence[tuple[str, int]], titles: Mapping[str, str]) -> bytes:
    """Four panels: videos by outcome, time to the video, money, people."""
    canvas = Canvas()
    half, gap = WIDTH // 2, 16
    panels = [
        (gap, gap, half - gap // 2, HEIGHT // 2 - gap // 2),
        (half + gap // 2, gap, WIDTH - gap, HEIGHT // 2 - gap // 2),
        (gap, HEIGHT // 2 + gap // 2, half - gap // 2, HEIGHT - gap),
        (half + gap // 2, HEIGHT // 2 + gap // 2, WIDTH - gap, HEIGHT - gap),
    ]
    labels = [f"{one.day:%d.%m}" for one in days]
    nothing = titles["nothing"]

    videos = canvas.panel(panels[0], titles["videos"])
    canvas.legend(
        videos,
        [(titles["delivered"], _GREEN), (titles["failed"], _RED), (titles["other"], _GREY)],
    )
    stacks = [
        [(float(one.delivered), _GREEN), (float(one.failed), _RED), (float(one.other), _GREY)]
        for one in days
    ]
    canvas.bars(videos, labels, stacks, nothing)

    time = canvas.panel(panels[1], titles["time"])
    canvas.legend(time, [(titles["median"], _BLUE), (titles["p90"], _ORANGE)])
    canvas.lines(
        time,
        labels,
        [([one.median for one in days], _BLUE), ([one.p90 for one in days], _ORANGE)],
        nothing,
    )

    money = canvas.panel(panels[2], titles["money"])
    with_stars = any(one.stars for one in days)
    if with_stars:
        canvas.legend(money, [(titles["money"], _BLUE), (titles["stars"], _ORANGE)])
    canvas.bars(
        money,
        labels,
        [[(one.spent, _BLUE), *([(one.stars, _ORANGE)] if with_stars else [])] for one in days],
        nothing,
        side_by_side=True,
    )

    canvas.ranking(canvas.panel(panels[3], titles["top"]), top, nothing)
    return canvas.png()


Box = tuple[int, int, int, int]


class Canvas:
    """Draws on one picture; coordinates in pixels of the finished picture."""

    def __init__(self) -> None:
        self._image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), _PAPER)
        self._pen = ImageDraw.Draw(self._image)
        self._fonts = {size: ImageFont.truetype(_FONT, size * SCALE) for size in (13, 15, 20)}

    def png(self) -> bytes:
        """Return the finished picture."""
        file = io.BytesIO()
        small = self._image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        small.save(file, "PNG", optimize=True)
        return file.getvalue()

    def panel(self, box: Box, title: str) -> Box:
        """Draw a card with its title; return the space inside it."""
        self._pen.rounded_rectangle(_scaled(box), radius=14 * SCALE, fill=_CARD)
        x, y, right, bottom = box
        self._text((x + 24, y + 18), title, 20)
        return (x + 64, y + 84, right - 24, bottom - 44)

    def legend(self, box: Box, entries: Sequence[tuple[str, str]]) -> None:
        """Draw the legend above the panel."""
        x, y = box[0] - 40, box[1] - 34
        for words, colour in entries:
            self._pen.rounded_rectangle(
                _scaled((x, y + 2, x + 12, y + 14)), radius=3 * SCALE, fill=colour
            )
            self._text((x + 18, y), words, 13, _PALE)
            x += 18 + round(self._fonts[13].getlength(words) / SCALE) + 18

    def bars(
        self,
        box: Box,
        labels: Sequence[str],
        stacks: Sequence[Sequence[tuple[float, str]]],
        nothing: str,
        *,
        side_by_side: bool = False,
    ) -> None:
        """Draw a column per day, its values stacked or side by side."""

        def total(stack: Sequence[tuple[float, str]]) -> float:
            values = [value for value, _ in stack]
            return (max if side_by_side else sum)(values)

        highest = max(map(total, stacks), default=0)
        if not highest:
            return self._nothing(box, nothing)
        ceiling = self._axis(box, highest)
        x, y, right, bottom = box
        step = (right - x) / len(stacks)
        for number, stack in enumerate(stacks):
            left, floor = x + step * number + step * 0.16, float(bottom)
            width = step * 0.68 / (len(stack) if side_by_side else 1)
            for value, colour in stack:
                height = (bottom - y) * value / ceiling
                if height > 0:
                    top = floor - height
                    self._pen.rectangle(_scaled((left, top, left + width, floor)), fill=colour)
                if side_by_side:
                    left += width
                else:
                    floor -= height
        self._days(box, labels)
        return None

    def lines(
        self,
        box: Box,
        labels: Sequence[str],
        series: Sequence[tuple[Sequence[float | None], str]],
        nothing: str,
    ) -> None:
        """Draw a line per series, with gaps where values are missing."""
        known = [value for values, _ in series for value in values if value is not None]
        if not known or not max(known):
            return self._nothing(box, nothing)
        ceiling = self._axis(box, max(known))
        x, y, right, bottom = box
        step = (right - x) / len(labels)
        for values, colour in series:
            points = [
                None
                if value is None
                else (x + step * (number + 0.5), bottom - (bottom - y) * value / ceiling)
                for number, value in enumerate(values)
            ]
            for one, other in pairwise(points):
                if one and other:
                    ends = [(px * SCALE, py * SCALE) for px, py in (one, other)]
                    self._pen.line(ends, fill=colour, width=3 * SCALE)
            for point in points:
                if point:
                    px, py = point
                    self._pen.ellipse(_scaled((px - 4, py - 4, px + 4, py + 4)), fill=colour)
        self._days(box, labels)
        return None

    def ranking(self, box: Box, entries: Sequence[tuple[str, int]], nothing: str) -> None:
        """Draw horizontal bars."""
        if not entries:
            return self._nothing(box, nothing)
        x, y, right, bottom = box[0] - 40, box[1] - 24, box[2], box[3] + 20
        step = (bottom - y) / max(len(entries), 5)
        most = max(number for _, number in entries)
        for place, (name, number) in enumerate(entries):
            top = y + step * place
            self._text((x, top), name, 15)
            told = str(number)
            self._text((right - self._fonts[15].getlength(told) / SCALE, top), told, 15, _PALE)
            bar = (x, top + 24, x + (right - x) * number / most, top + 36)
            self._pen.rounded_rectangle(_scaled(bar), radius=5 * SCALE, fill=_BLUE)
        return None

    def _axis(self, box: Box, highest: float) -> float:
        """Draw grid lines at round numbers; return the value at the top."""
        x, y, right, bottom = box
        step = _round_step(highest / 4)
        count = int(-(-highest // step))
        ceiling = step * count
        for number in range(count + 1):
            height = bottom - (bottom - y) * number / count
            self._pen.line(_scaled((x, height, right, height)), fill=_GRID, width=SCALE)
            words = f"{step * number:g}"
            width = self._fonts[13].getlength(words) / SCALE
            self._text((x - 10 - width, height - 8), words, 13, _PALE)
        return ceiling

    def _days(self, box: Box, labels: Sequence[str]) -> None:
        x, _, right, bottom = box
        step = (right - x) / len(labels)
        every = max(1, -(-len(labels) // 7))
        for number, words in enumerate(labels):
            if (len(labels) - 1 - number) % every == 0:
                width = self._fonts[13].getlength(words) / SCALE
                self._text((x + step * (number + 0.5) - width / 2, bottom + 8), words, 13, _PALE)

    def _nothing(self, box: Box, words: str) -> None:
        x, y, right, bottom = box
        width = self._fonts[15].getlength(words) / SCALE
        self._text(((x + right - width) / 2 - 20, (y + bottom) / 2 - 10), words, 15, _PALE)

    def _text(self, at: tuple[float, float], words: str, size: int, colour: str = _INK) -> None:
        x, y = at
        self._pen.text((x * SCALE, y * SCALE), words, font=self._fonts[size], fill=colour)


def _scaled(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    x, y, right, bottom = box
    return (x * SCALE, y * SCALE, right * SCALE, bottom * SCALE)


def _round_step(step: float) -> float:
    """Return 1, 2 or 5 times a power of ten, at least `step` and at least 1."""
    size = 1.0
    while True:
        for factor in (1, 2, 5):
            if size * factor >= step:
                return size * factor
        size *= 10
