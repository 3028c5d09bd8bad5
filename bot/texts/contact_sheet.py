"""A page of the history as one picture: thumbnails of the videos, numbers, states and days.

Drawn with Pillow, which an idle bot does not import (decision 0013). The thumbnails come from
Telegram and are read within limits; what is missing or unreadable is drawn instead. It must not
know where anything comes from. Drawing takes some tens of milliseconds: use `draw`, which does it
in a thread, one sheet at a time.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

COLUMNS, ROWS = 3, 2
ON_A_SHEET = COLUMNS * ROWS

SCALE = 2  # drawn larger and scaled down: Pillow's lines are not antialiased
CELL, PICTURE, GAP, FOOT = 400, 300, 20, 56
WIDTH = COLUMNS * CELL + (COLUMNS + 1) * GAP

MOST_BYTES = 500_000
MOST_SIDE = 1_000
"""A thumbnail of Telegram has at most 320 pixels a side and 200 kB (Bot API: sendVideo)."""

# Pillow's own font has no Cyrillic letters.
_FONT = Path(__file__).parents[1] / "sandbox" / "static" / "fonts" / "DejaVuSans.ttf"

_PAPER, _CARD, _INK, _PALE, _DARK = "#f2f4f7", "#ffffff", "#1d2433", "#6b7485", "#232b3a"
_COLOURS = {"ready": "#2fa36b", "waiting": "#3b76d6", "failed": "#d9534f", "other": "#b3bac6"}

_one_at_a_time = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sheets")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One entry of the sheet. `kind`: ready, waiting, failed or other; `line`: below it."""

    line: str
    kind: str = "other"
    thumbnail: bytes | None = None
    parts: int = 1  # of a film


async def draw(cells: Sequence[Cell]) -> bytes:
    """Return the sheet of at most ON_A_SHEET cells as a JPEG."""
    return await asyncio.get_running_loop().run_in_executor(_one_at_a_time, _draw, tuple(cells))


def _draw(cells: Sequence[Cell]) -> bytes:
    from PIL import Image, ImageDraw, ImageFont

    rows = max(1, -(-len(cells) // COLUMNS))
    height = rows * (PICTURE + FOOT) + (rows + 1) * GAP
    sheet = Image.new("RGB", (WIDTH * SCALE, height * SCALE), _PAPER)
    pen = ImageDraw.Draw(sheet)
    fonts = {size: ImageFont.truetype(_FONT, size * SCALE) for size in (18, 26)}
    for index, cell in enumerate(cells):
        x = GAP + index % COLUMNS * (CELL + GAP)
        y = GAP + index // COLUMNS * (PICTURE + FOOT + GAP)
        _cell(sheet, pen, fonts, cell, index + 1, (x, y))
    file = io.BytesIO()
    small = sheet.resize((WIDTH, height), Image.Resampling.LANCZOS)
    small.save(file, "JPEG", quality=85)
    return file.getvalue()


def _cell(
    sheet: Image.Image,
    pen: ImageDraw.ImageDraw,
    fonts: dict[int, ImageFont.FreeTypeFont],
    cell: Cell,
    number: int,
    at: tuple[int, int],
) -> None:
    x, y = at
    colour = _COLOURS.get(cell.kind, _COLOURS["other"])
    for behind in range(min(cell.parts - 1, 2), 0, -1):  # a film: a stack of cards
        shift = behind * 7
        pen.rounded_rectangle(
            _scaled((x + shift, y - shift, x + CELL + shift, y + PICTURE)),
            radius=14 * SCALE, fill=_CARD, outline=_COLOURS["other"], width=SCALE,
        )  # fmt: skip
    pen.rounded_rectangle(
        _scaled((x, y, x + CELL, y + PICTURE + FOOT)), radius=14 * SCALE, fill=_CARD
    )
    pen.rounded_rectangle(_scaled((x, y, x + CELL, y + PICTURE)), radius=14 * SCALE, fill=_DARK)
    picture = _read(cell.thumbnail)
    if picture is None:
        _placeholder(pen, cell.kind, (x, y), colour)
    else:
        _paste(sheet, picture, (x, y))
    told = str(number)
    wide = max(44, round(fonts[26].getlength(told) / SCALE) + 24)
    pen.rounded_rectangle(
        _scaled((x + 10, y + 10, x + 10 + wide, y + 54)), radius=22 * SCALE, fill=_CARD
    )
    left = x + 10 + (wide - fonts[26].getlength(told) / SCALE) / 2
    pen.text((left * SCALE, (y + 16) * SCALE), told, font=fonts[26], fill=_INK)
    middle = y + PICTURE + FOOT / 2
    pen.ellipse(_scaled((x + 16, middle - 7, x + 30, middle + 7)), fill=colour)
    line = _fitting(cell.line, fonts[18], CELL - 56)
    pen.text(((x + 40) * SCALE, (middle - 12) * SCALE), line, font=fonts[18], fill=_PALE)


def _paste(sheet: Image.Image, picture: Image.Image, at: tuple[int, int]) -> None:
    """Show the whole picture, as large as it fits."""
    most_wide, most_high = CELL * SCALE, PICTURE * SCALE
    factor = min(most_wide / picture.width, most_high / picture.height)
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    left = at[0] * SCALE + (most_wide - size[0]) // 2
    top = at[1] * SCALE + (most_high - size[1]) // 2
    sheet.paste(picture.resize(size), (left, top))


def _placeholder(pen: ImageDraw.ImageDraw, kind: str, at: tuple[int, int], colour: str) -> None:
    """Draw a symbol instead of a picture: play, wait, or no video."""
    x, y = at[0] + CELL / 2, at[1] + PICTURE / 2
    pen.ellipse(_scaled((x - 54, y - 54, x + 54, y + 54)), outline=colour, width=6 * SCALE)
    if kind == "ready":
        points = [(x - 18, y - 28), (x - 18, y + 28), (x + 32, y)]
        pen.polygon([(px * SCALE, py * SCALE) for px, py in points], fill=colour)
        return
    if kind == "waiting":
        ends = [(x, y - 32), (x, y), (x + 22, y + 14)]
    else:
        ends = [(x - 22, y - 22), (x + 22, y + 22)]
        other = [(x + 22, y - 22), (x - 22, y + 22)]
        pen.line([(px * SCALE, py * SCALE) for px, py in other], fill=colour, width=6 * SCALE)
    pen.line([(px * SCALE, py * SCALE) for px, py in ends], fill=colour, width=6 * SCALE)


def _read(content: bytes | None) -> Image.Image | None:
    """Return the picture; None: there is none, or it cannot be read within the limits."""
    from PIL import Image

    if content is None or len(content) > MOST_BYTES:
        return None
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as image:
            if max(image.size) > MOST_SIDE:
                return None
            return image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _fitting(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """Cut the text to the width in pixels."""
    if font.getlength(text) <= width * SCALE:
        return text
    while text and font.getlength(text + "…") > width * SCALE:
        text = text[:-1]
    return text.rstrip() + "…"


def _scaled(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    x, y, right, bottom = box
    return (x * SCALE, y * SCALE, right * SCALE, bottom * SCALE)
