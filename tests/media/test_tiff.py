"""TIFFs of every depth, sign and byte order, and those that count from white; written here byte by
byte, as Pillow writes few of them.
"""

from __future__ import annotations

import io
import struct
from typing import Literal

import pytest
from PIL import Image

from bot.core.task import AspectRatio
from bot.media import frames, picture_repair
from tests.support.tiff_files import BLACK_IS_ZERO, WHITE_IS_ZERO, tiff

SIDE = 100  # px
DARK, WHITE = 64, 255  # what the halves of a picture look like, of 8 bits

Order = Literal["<", ">"]


def halves(dark: float, white: float, code: str, order: Order = "<", *alpha: float) -> bytes:
    """Pixels of a dark left half and a white right half."""
    row = [x for value in (dark, white) for _ in range(SIDE // 2) for x in (value, *alpha)]
    return struct.pack(f"{order}{len(row)}{code}", *row) * SIDE


async def shades(data: bytes) -> tuple[int, int]:
    """The left and the right half of the frame, both grey."""
    assert (await frames.check(data)).format == "TIFF"
    with Image.open(io.BytesIO(await frames.make_frame(data, AspectRatio.SQUARE))) as frame:
        left, right = (frame.getpixel((x, 150)) for x in (20, 280))
        assert isinstance(left, tuple) and isinstance(right, tuple)  # noqa: PT018
        assert len({*left}) == len({*right}) == 1
        return int(left[0]), int(right[0])


KINDS = {
    "8 bits": (8, 1, "B", 64, 255),
    "16 bits": (16, 1, "H", 64 * 257, 65535),
    "16 bits with a sign": (16, 2, "h", 64 * 128, 32767),
    "32 bits": (32, 1, "I", 0x40404040, 0xFFFFFFFF),
    "32 bits with a sign": (32, 2, "i", 0x20202020, 0x7FFFFFFF),
    "32 bits, 16 in use": (32, 2, "i", 64 * 257, 65535),
    "32 bits, 8 in use": (32, 2, "i", 64, 255),
    "floats": (32, 3, "f", 0.25, 1.0),
    "floats as bytes": (32, 3, "f", 64.0, 255.0),
}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_grey_picture_is_as_bright_as_it_was_made(kind: str, order: Order) -> None:
    bits, sample, code, dark, white = KINDS[kind]
    for photometric in (BLACK_IS_ZERO, WHITE_IS_ZERO):
        from_white = photometric == WHITE_IS_ZERO
        if from_white and white not in (255, 1.0, 65535, 32767, 0x7FFFFFFF, 0xFFFFFFFF):
            continue
        pixels = (
            halves(white - dark, 0, code, order)
            if from_white
            else halves(dark, white, code, order)
        )
        data = tiff(SIDE, SIDE, pixels, photometric, bits, sample=sample, order=order)
        left, right = await shades(data)
        assert abs(left - DARK) <= 2, photometric
        assert right >= WHITE - 1, photometric


@pytest.mark.parametrize("photometric", [BLACK_IS_ZERO, WHITE_IS_ZERO])
async def test_twelve_bits_are_not_sixteen(photometric: int) -> None:
    dark, white = (b"\x40\x04\x04", b"\xff" * 3) if photometric else (b"\xbf\xbb\xfb", bytes(3))
    pixels = (dark * (SIDE // 4) + white * (SIDE // 4)) * SIDE  # two pixels are three bytes
    left, right = await shades(tiff(SIDE, SIDE, pixels, photometric, 12))
    assert abs(left - DARK) <= 2
    assert right >= WHITE - 1


@pytest.mark.parametrize("bits", [1, 2, 4])
async def test_few_bits_from_white(bits: int) -> None:
    row = b"\xff" * (SIDE // 2 // (8 // bits)) + bytes(SIDE // 2 // (8 // bits))
    width = len(row) * 8 // bits
    for photometric, wanted in ((BLACK_IS_ZERO, (255, 0)), (WHITE_IS_ZERO, (0, 255))):
        assert await shades(tiff(width, width, row * width, photometric, bits)) == wanted


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits", "zstd"])
async def test_a_compressed_negative_is_a_positive_too(compression: str) -> None:
    image = Image.new("I;16", (SIDE, SIDE), (WHITE - DARK) * 257)
    image.paste(0, (SIDE // 2, 0, SIDE, SIDE))
    file = io.BytesIO()
    image.save(file, "TIFF", compression=compression)
    from_black = struct.pack("<HHIHH", 262, 3, 1, 1, 0)
    assert file.getvalue().count(from_black) == 1
    from_white = struct.pack("<HHIHH", 262, 3, 1, 0, 0)
    data = file.getvalue().replace(from_black, from_white)
    left, right = await shades(data)
    assert (abs(left - DARK) <= 2, right) == (True, WHITE)


async def test_a_fax_is_black_on_white() -> None:
    """Fax machines and scanners count from white."""
    image = Image.new("1", (SIDE, SIDE), 1)
    image.paste(0, (0, 0, SIDE // 2, SIDE))
    file = io.BytesIO()
    image.save(file, "TIFF", compression="group4")
    assert await shades(file.getvalue()) == (0, 255)
    from_white = file.getvalue().replace(
        struct.pack("<HHIHH", 262, 3, 1, 1, 0), struct.pack("<HHIHH", 262, 3, 1, 0, 0)
    )
    assert await shades(from_white) == (255, 0)


async def test_transparency_is_not_inverted_with_the_grey() -> None:
    pixels = halves(WHITE - DARK, 0, "B", "<", 128)
    data = tiff(SIDE, SIDE, pixels, WHITE_IS_ZERO, 8, samples=2, extra=2)
    left, right = await shades(data)
    assert abs(left - (DARK + WHITE) // 2) <= 2  # half of it is the white behind
    assert right == WHITE


async def test_lights_brighter_than_white_do_not_darken_the_rest() -> None:
    data = tiff(SIDE, SIDE, halves(0.25, 7.5, "f"), BLACK_IS_ZERO, 32, sample=3)
    left, right = await shades(data)
    assert (abs(left - DARK) <= 2, right) == (True, WHITE)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), -1e38])
async def test_floats_that_are_no_numbers_end_in_a_picture(value: float) -> None:
    data = tiff(SIDE, SIDE, halves(value, 1.0, "f"), BLACK_IS_ZERO, 32, sample=3)
    await shades(data)


def test_only_a_tiff_that_counts_from_white_is_changed() -> None:
    pixels = bytes(SIDE * SIDE)
    from_black = tiff(SIDE, SIDE, pixels, BLACK_IS_ZERO, 8)
    from_white = tiff(SIDE, SIDE, pixels, WHITE_IS_ZERO, 8)
    assert picture_repair.as_black_is_zero(from_white) == from_black
    for other in (
        from_black,
        b"",
        b"II",
        b"II*\0",
        b"II*\0\xff\xff\xff\xff",
        b"\x89PNG\r\n\x1a\n",
    ):
        assert picture_repair.as_black_is_zero(other) is None
    for end in range(8, 160):
        picture_repair.as_black_is_zero(from_white[:end])
