"""The contact sheet shows what there is, draws what is missing, and reads nothing large."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from bot.texts import contact_sheet
from bot.texts.contact_sheet import Cell
from tests.support.handler_harness import jpeg

RED = (200, 30, 40)


async def sheet(*cells: Cell) -> Image.Image:
    image = Image.open(io.BytesIO(await contact_sheet.draw(cells)))
    image.load()
    return image


def middle(image: Image.Image, index: int) -> tuple[int, ...]:
    x = contact_sheet.GAP + index % 3 * (contact_sheet.CELL + contact_sheet.GAP) + 200
    y = contact_sheet.GAP + index // 3 * (
        contact_sheet.PICTURE + contact_sheet.FOOT + contact_sheet.GAP
    )
    pixel = image.getpixel((x, y + 230))
    assert isinstance(pixel, tuple)
    return pixel


def is_red(pixel: tuple[int, ...]) -> bool:
    return all(abs(one - other) < 25 for one, other in zip(pixel, RED, strict=True))


@pytest.mark.parametrize("count", range(1, 7))
async def test_a_sheet_has_the_rows_that_it_needs(count: int) -> None:
    image = await sheet(*[Cell(line="ready · 1 January 2026", kind="ready")] * count)
    rows = 1 if count < 4 else 2
    row = contact_sheet.PICTURE + contact_sheet.FOOT + contact_sheet.GAP
    assert image.size == (contact_sheet.WIDTH, contact_sheet.GAP + rows * row)


@pytest.mark.parametrize("size", [(180, 320), (320, 180), (320, 320), (1, 320)])
async def test_a_small_picture_is_shown_whole_in_its_place(size: tuple[int, int]) -> None:
    image = await sheet(Cell(line="a"), Cell(line="b", kind="ready", thumbnail=jpeg(*size)))
    assert is_red(middle(image, 1)) is (size[0] > 1)
    assert not is_red(middle(image, 0))


@pytest.mark.parametrize(
    "content",
    [b"", b"no picture", jpeg(180, 320)[:300], jpeg(1200, 1200), jpeg(9, 9) + b"x" * 600_000],
    ids=["empty", "text", "cut", "too wide", "too large"],
)
async def test_what_cannot_be_read_is_drawn_instead(content: bytes) -> None:
    drawn = await sheet(Cell(line="a", kind="ready"))
    shown = await sheet(Cell(line="a", kind="ready", thumbnail=content))
    assert shown.tobytes() == drawn.tobytes()


async def test_each_state_and_a_film_look_different() -> None:
    kinds = [
        Cell(line="", kind="ready"), Cell(line="", kind="waiting"), Cell(line="", kind="failed"),
        Cell(line="", kind="other"), Cell(line="", kind="ready", parts=3),
    ]  # fmt: skip
    drawn = [(await sheet(cell)).tobytes() for cell in kinds]
    assert len(set(drawn)) == len(kinds)


async def test_a_long_line_ends_inside_its_cell() -> None:
    image = await sheet(Cell(line="готово " * 40), Cell(line=""))
    short = await sheet(Cell(line=""), Cell(line=""))
    left = contact_sheet.GAP + contact_sheet.CELL
    box = (left, 0, image.width, image.height)
    assert image.crop(box).tobytes() == short.crop(box).tobytes()
