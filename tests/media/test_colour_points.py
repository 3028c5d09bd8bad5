"""Pictures that describe their colours by code points: Display P3, PQ and HLG become sRGB."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from itertools import product

import pillow_heif
import pytest
from PIL import Image, ImageCms

from bot.core.task import AspectRatio
from bot.media import colour_points, frames
from tests.media.test_frames import chunk, close, encoded, with_chunks

Color = tuple[int, int, int]
BT_709, UNKNOWN, BT_601, BT_2020, P3 = 1, 2, 6, 9, 12
"""Primaries (ITU-T H.273, table 2)."""
LINEAR, SRGB, PQ, HLG = 8, 13, 16, 18
"""Transfer characteristics (table 3)."""


def heif(image: Image.Image, primaries: int, transfer: int) -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(
        file, quality=-1, chroma=444, save_nclx_profile=True, color_primaries=primaries,
        transfer_characteristics=transfer, matrix_coefficients=BT_601, full_range_flag=1,
    )  # fmt: skip
    return file.getvalue()


def avif(image: Image.Image, primaries: int, transfer: int) -> bytes:
    data = encoded(image, "AVIF", quality=100, subsampling="4:4:4")
    assert data.count(b"colrnclx") == 1
    place = data.index(b"colrnclx") + 8
    return data[:place] + struct.pack(">HH", primaries, transfer) + data[place + 4 :]


def png(image: Image.Image, primaries: int, transfer: int) -> bytes:
    return with_chunks(encoded(image), chunk(b"cICP", bytes([primaries, transfer, 0, 1])))


KINDS = {"HEIF": heif, "AVIF": avif, "PNG": png}
Make = Callable[[Image.Image, int, int], bytes]


async def shown(data: bytes) -> Color:
    with Image.open(io.BytesIO(await frames.make_frame(data, AspectRatio.SQUARE))) as frame:
        found = frame.getpixel((frame.width // 2, frame.height // 2))
        assert isinstance(found, tuple)
        return int(found[0]), int(found[1]), int(found[2])


def plain(color: Color) -> Image.Image:
    return Image.new("RGB", (400, 400), color)


@pytest.mark.parametrize("kind", KINDS)
async def test_display_p3_is_more_vivid_than_its_numbers(kind: str) -> None:
    """Within sRGB (200, 60, 60) of Display P3 is (217, 41, 51)."""
    assert close(await shown(KINDS[kind](plain((200, 60, 60)), P3, SRGB)), (217, 41, 51), by=4)
    grey = await shown(KINDS[kind](plain((128, 128, 128)), P3, SRGB))
    assert close(grey, (128, 128, 128), by=3)


@pytest.mark.parametrize(
    ("transfer", "value", "wanted"),
    [
        (PQ, 148, 241),  # 203 cd/m², the white of a page, of which a seventh is for the lights
        (PQ, 128, 181),  # 94 cd/m²: half of the range is 92 (BT.2100)
        (PQ, 0, 0),
        (PQ, 255, 255),
        (HLG, 191, 241),  # the white of a page, 75 %
        (HLG, 255, 255),
        (HLG, 0, 0),
        (LINEAR, 55, 128),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
async def test_the_light_of_a_page_looks_as_bright_as_elsewhere(
    kind: str, transfer: int, value: int, wanted: int
) -> None:
    found = await shown(KINDS[kind](plain((value, value, value)), BT_2020, transfer))
    assert close(found, (wanted, wanted, wanted), by=6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("points", [*product((BT_709, UNKNOWN, BT_601), (UNKNOWN, 1, 6, SRGB))])
async def test_usual_colours_are_left_alone(kind: str, points: tuple[int, int]) -> None:
    """Encoders write BT.601 by default, whatever the picture is in."""
    make: Make = KINDS[kind]
    assert close(await shown(make(plain((200, 60, 90)), *points)), (200, 60, 90), by=4)


def icc() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


async def test_a_profile_is_above_code_points_except_in_a_png() -> None:
    image = plain((200, 60, 60))
    image.info["icc_profile"] = icc()
    for make in (heif, avif):
        assert close(await shown(make(image, P3, SRGB)), (200, 60, 60), by=4)
    both = with_chunks(encoded(image, icc_profile=icc()), chunk(b"cICP", bytes([P3, SRGB, 0, 1])))
    assert close(await shown(both), (217, 41, 51), by=4)


async def test_code_points_that_disagree_are_ignored() -> None:
    data = avif(plain((200, 60, 60)), P3, SRGB)
    more = struct.pack(">I8sHHHB", 19, b"colrnclx", BT_2020, PQ, BT_601, 128)
    assert colour_points.profile("AVIF", data, {})
    assert colour_points.profile("AVIF", data + more, {}) is None
    assert colour_points.profile("AVIF", data + more[:10], {})


@pytest.mark.parametrize(
    "body", [b"", b"\x0c", bytes([P3, SRGB, 0, 1, 0]), bytes([200, 200, 0, 1])], ids=repr
)
async def test_a_chunk_without_sense_is_ignored(body: bytes) -> None:
    data = with_chunks(encoded(plain((200, 60, 60))), chunk(b"cICP", body))
    assert await shown(data) == await shown(encoded(plain((200, 60, 60))))


def test_the_primaries_are_those_of_the_standard() -> None:
    """The chromaticities of H.273, table 2, under D65, adapted to D50 (Bradford)."""
    standard = {
        BT_2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
        P3: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    }
    for primaries, points in standard.items():
        known = colour_points._PRIMARIES[primaries]
        total = [sum(column) for column in zip(*known, strict=True)]
        assert total == pytest.approx([0.9642, 1.0, 0.8249], abs=2e-4)  # their sum is white
        for point, xyz in zip(points, known, strict=True):
            x, y = chromaticity(to_d65(xyz))
            assert (x, y) == pytest.approx(point, abs=2e-3)


def to_d65(xyz: tuple[float, float, float]) -> tuple[float, ...]:
    """ICC's chromatic adaptation, from D50 to D65."""
    rows = (
        (0.9555766, -0.0230393, 0.0631636),
        (-0.0282895, 1.0099416, 0.0210077),
        (0.0122982, -0.0204830, 1.3299098),
    )
    return tuple(sum(a * b for a, b in zip(row, xyz, strict=True)) for row in rows)


def chromaticity(xyz: tuple[float, ...]) -> tuple[float, float]:
    return xyz[0] / sum(xyz), xyz[1] / sum(xyz)
