"""TIFF and PSD with samples that Pillow cannot read: half floats, floats, doubles, 32-bit
integers, and 16-bit grey with transparency.
"""

from __future__ import annotations

import io
import random
import struct
import zlib
from typing import Literal

import pytest
from PIL import ImageCms

from bot.core.errors import InputError
from bot.core.task import AspectRatio, Problem
from bot.media import colour_points, frames, picture_samples
from tests.media.test_frames import close
from tests.media.test_picture_containers import frame_of, problem_of
from tests.support.tiff_files import BLACK_IS_ZERO, CMYK, LAB, RGB, WHITE_IS_ZERO, tiff

SIDE = 100
LEFT, RIGHT = (200, 60, 20), (20, 80, 255)
WHITE = (255, 255, 255)

Order = Literal["<", ">"]
KINDS = {
    "halves": (16, 3, "e", 1.0),
    "floats": (32, 3, "f", 1.0),
    "floats as bytes": (32, 3, "f", 255.0),
    "doubles": (64, 3, "d", 1.0),
    "long integers": (32, 1, "I", 0xFFFFFFFF),
    "long integers with a sign": (32, 2, "i", 0x7FFFFFFF),
    "integers with a sign": (16, 2, "h", 0x7FFF),
}


def samples(kind: str, *colours: tuple[int, ...], order: Order = "<") -> bytes:
    """One row of pixels of these colours, each as wide as the others."""
    _, form, code, white = KINDS[kind]
    wide = SIDE // len(colours)
    values = [value / 255 * white for colour in colours for _ in range(wide) for value in colour]
    stored = values if form == 3 else [int(value) for value in values]
    return struct.pack(f"{order}{len(values)}{code}", *stored)


async def shows(data: bytes, left: tuple[int, int, int], right: tuple[int, int, int]) -> None:
    assert (await frames.check(data)).format in {"TIFF", "PSD"}
    frame = await frame_of(data)
    for x, wanted in ((10, left), (frame.width - 10, right)):
        seen = frame.getpixel((x, frame.height // 2))
        assert close(seen, wanted, by=4), (seen, wanted)


def of_kind(kind: str, *, order: Order = "<", channels: int = 3) -> bytes:
    bits, form, _, _ = KINDS[kind]
    colours = LEFT if channels == 3 else (*LEFT, 255), RIGHT if channels == 3 else (*RIGHT, 0)
    row = samples(kind, *colours, order=order)
    return tiff(
        SIDE, SIDE, row * SIDE, RGB, bits, samples=channels, sample=form, order=order,
        extra=None if channels == 3 else 2,
    )  # fmt: skip


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", KINDS)
async def test_colours_of_any_samples_are_shown(kind: str, order: Order) -> None:
    await shows(of_kind(kind, order=order), LEFT, RIGHT)
    await shows(of_kind(kind, order=order, channels=4), LEFT, WHITE)


@pytest.mark.parametrize("order", ["<", ">"])
async def test_a_grey_of_16_bits_with_transparency_is_shown(order: Order) -> None:
    row = struct.pack(f"{order}4H", 90 * 257, 65535, 90 * 257, 0) * 25
    row = b"".join(row[at : at + 4] * 25 for at in (0, 4)) * 2
    dark = struct.pack(f"{order}2H", 90 * 257, 65535) * (SIDE // 2)
    clear = struct.pack(f"{order}2H", 90 * 257, 0) * (SIDE // 2)
    data = tiff(
        SIDE, SIDE, (dark + clear) * SIDE, BLACK_IS_ZERO, 16, samples=2, extra=2, order=order
    )
    await shows(data, (90, 90, 90), WHITE)
    dark = struct.pack(f"{order}2H", 165 * 257, 65535) * (SIDE // 2)
    data = tiff(
        SIDE, SIDE, (dark + clear) * SIDE, WHITE_IS_ZERO, 16, samples=2, extra=2, order=order
    )
    await shows(data, (90, 90, 90), WHITE)


async def test_other_ways_to_count_colours() -> None:
    ink = struct.pack("<4f", 0, 1, 1, 0) * 50 + struct.pack("<4f", 1, 1, 0, 0) * 50
    frame = await frame_of(tiff(SIDE, SIDE, ink * SIDE, CMYK, 32, samples=4, sample=3))
    red = frame.getpixel((10, 50))
    assert isinstance(red, tuple)
    assert red[0] > 200 > 60 > red[2]
    lab = struct.pack("<3H", 53 * 655, 80 << 8, 67 << 8) * SIDE * SIDE  # red of sRGB
    frame = await frame_of(tiff(SIDE, SIDE, lab, LAB, 16, samples=3))
    assert close(frame.getpixel((10, 50)), (255, 0, 0), by=12)


@pytest.mark.parametrize("predictor", [1, 2, 3])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["halves", "floats", "long integers"])
async def test_compressed_samples_and_their_differences(
    kind: str, order: Order, predictor: int
) -> None:
    """Photoshop stores floats with predictor 3: differences of their bytes."""
    bits, form, _, _ = KINDS[kind]
    size = bits // 8
    row = samples(kind, LEFT, RIGHT, order=order)
    if predictor == (2 if form == 3 else 3):
        predictor = 1
    if predictor == 2:
        values = struct.unpack(f"{order}{len(row) // 4}I", row)
        differences = [
            (value - (values[at - 3] if at >= 3 else 0)) & 0xFFFFFFFF
            for at, value in enumerate(values)
        ]
        row = struct.pack(f"{order}{len(values)}I", *differences)
    if predictor == 3:
        places = range(size) if order == ">" else range(size - 1, -1, -1)
        high_first = b"".join(row[at::size] for at in places)
        row = high_first[:3] + bytes(
            (high_first[at] - high_first[at - 3]) & 255 for at in range(3, len(high_first))
        )
    data = tiff(
        SIDE, SIDE, zlib.compress(row * SIDE), RGB, bits, samples=3, sample=form, order=order,
        others={259: [8], 317: [predictor]},
    )  # fmt: skip
    await shows(data, LEFT, RIGHT)


async def test_planes_that_follow_each_other() -> None:
    def plane(channel: int) -> bytes:
        row = [LEFT[channel] / 255] * 50 + [RIGHT[channel] / 255] * 50
        return struct.pack("<100f", *row) * SIDE

    planes = plane(0) + plane(1) + plane(2)
    data = tiff(SIDE, SIDE, planes, RGB, 32, samples=3, sample=3, strips=3, others={284: [2]})
    await shows(data, LEFT, RIGHT)


async def test_a_picture_is_turned_and_its_lights_and_other_channels_do_no_harm() -> None:
    row = struct.pack("<3f", 0.5, 0.25, 7.5) * SIDE
    data = tiff(
        SIDE, SIDE + 40, row * (SIDE + 40), RGB, 32, samples=3, sample=3, others={274: [6]}
    )
    info = await frames.check(data)
    assert (info.width, info.height) == (SIDE + 40, SIDE)
    assert close((await frame_of(data)).getpixel((50, 50)), (128, 64, 255), by=3)
    row = struct.pack("<5f", 0.5, 0.25, 0.75, float("nan"), 1e9) * SIDE  # two of no known use
    data = tiff(SIDE, SIDE, row * SIDE, RGB, 32, samples=5, sample=3, others={338: [0, 0]})
    assert close((await frame_of(data)).getpixel((50, 50)), (128, 64, 191), by=3)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), -1e38, 1e300])
@pytest.mark.parametrize("code", ["e", "f", "d"])
async def test_what_is_no_number_ends_in_a_picture(code: str, value: float) -> None:
    bits = 8 * struct.calcsize(code)
    if value in (-1e38, 1e300):
        value = {"e": 65504.0, "f": 3e38, "d": 1e300}[code] * (1 if value > 0 else -1)
    pixel = struct.pack(f"<3{code}", value, 0.5, value)
    data = tiff(SIDE, SIDE, pixel * SIDE * SIDE, RGB, bits, samples=3, sample=3)
    seen = (await frame_of(data)).getpixel((50, 50))
    assert isinstance(seen, tuple)
    assert seen[0] in range(256)


def linear_profile() -> bytes:
    """The profile of sRGB without its curve, as Photoshop embeds it in pictures of floats."""
    made = bytearray(colour_points._profile(1, 8) or b"")
    for tag in (b"rTRC", b"gTRC", b"bTRC"):
        entry = made.index(tag, 128)
        place = struct.unpack_from(">I", made, entry + 4)[0]
        made[place + 8 : place + 12] = bytes(4)
        made[entry + 8 : entry + 12] = struct.pack(">I", 12)
    return bytes(made)


async def test_light_without_a_curve_has_no_bands_in_the_shadows() -> None:
    """In the shadows, one step of 8-bit linear light is thirteen steps of sRGB."""
    steps = [n / 100 / 255 * 2 for n in range(SIDE)]
    row = b"".join(struct.pack("<3f", *[light] * 3) for light in steps)
    profile = linear_profile()
    ImageCms.ImageCmsProfile(io.BytesIO(profile))
    plain = tiff(SIDE, SIDE, row * SIDE, RGB, 32, samples=3, sample=3)
    frame = await frame_of(with_profile(plain, profile))
    shades = {frame.getpixel((x, 50)) for x in range(frame.width)}
    assert len(shades) > 15
    grey = struct.pack("<3f", 0.2140, 0.2140, 0.2140) * SIDE * SIDE
    data = with_profile(tiff(SIDE, SIDE, grey, RGB, 32, samples=3, sample=3), profile)
    assert close((await frame_of(data)).getpixel((50, 50)), (127, 127, 127), by=3)
    curved = colour_points._profile(9, 4)
    assert curved is not None
    assert colour_points.without_linear_curve(curved) is None
    for end in range(0, len(profile), 7):
        colour_points.without_linear_curve(profile[:end])


def with_profile(data: bytes, profile: bytes) -> bytes:
    tags = picture_samples._tags(data, "<")
    return picture_samples._with_directory(data, "<", {**tags, 34675: (7, profile)})


# -- PSD -----------------------------------------------------------------------------------------


def psd(depth: int, mode: int, planes: list[bytes], *, packed: bool = False) -> bytes:
    head = struct.pack(">4sH6xHIIHH", b"8BPS", 1, len(planes), SIDE, SIDE, depth, mode)
    body = struct.pack(">H", packed)
    size = SIDE * depth // 8
    if packed:
        rows = []
        for plane in planes:
            for at in range(0, len(plane), size):
                row = plane[at : at + size]
                rows.append(
                    b"".join(
                        bytes([len(row[x : x + 100]) - 1]) + row[x : x + 100]
                        for x in range(0, size, 100)
                    )
                )
        body += struct.pack(f">{len(rows)}H", *map(len, rows)) + b"".join(rows)
    else:
        body += b"".join(planes)
    return head + bytes(12) + body


def psd_planes(depth: int, left: tuple[int, ...], right: tuple[int, ...]) -> list[bytes]:
    def light(value: int) -> float:
        return colour_points._srgb(value / 255)

    if depth == 16:
        return [
            struct.pack(">50H", *[a * 257] * 50) * 1 + struct.pack(">50H", *[b * 257] * 50)
            for a, b in zip(left, right, strict=True)
        ]
    return [
        struct.pack(">50f", *[light(a)] * 50) + struct.pack(">50f", *[light(b)] * 50)
        for a, b in zip(left, right, strict=True)
    ]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("depth", [16, 32])
async def test_a_psd_of_16_or_32_bits_is_a_picture(depth: int, *, packed: bool) -> None:
    left, right = (180, 60, 20), (20, 80, 200)
    planes = [row * SIDE for row in psd_planes(depth, left, right)]
    await shows(psd(depth, 3, planes, packed=packed), left, right)
    grey = [row * SIDE for row in psd_planes(depth, (90,), (160,))]
    await shows(psd(depth, 1, grey, packed=packed), (90,) * 3, (160,) * 3)
    if depth == 16:
        ink = [row * SIDE for row in psd_planes(16, (255, 0, 0, 255), (255,) * 4)]
        frame = await frame_of(psd(16, 4, ink, packed=packed))
        assert frame.getpixel((290, 50)) == WHITE
        assert frame.getpixel((10, 50)) != WHITE


# -- damage and size -----------------------------------------------------------------------------


async def test_a_picture_of_too_many_samples_is_a_bomb() -> None:
    data = tiff(9000, 9000, bytes(64), RGB, 32, samples=3, sample=3)
    assert await problem_of(data) is Problem.IMAGE_BOMB
    huge = struct.pack(">4sH6xHIIHH", b"8BPS", 1, 3, 20_000, 20_000, 16, 3) + bytes(99)
    assert await problem_of(huge) is Problem.IMAGE_BOMB
    thin = tiff(1, 3_000_000, bytes(64), RGB, 32, samples=3, sample=3)
    assert await problem_of(thin) in {Problem.NOT_AN_IMAGE, Problem.IMAGE_SIDES}


async def test_more_samples_than_fit_into_the_bot_are_read_elsewhere() -> None:
    row = samples("floats", LEFT, RIGHT) * 20
    wide = tiff(
        20 * SIDE, 20 * SIDE, zlib.compress(row * 20 * SIDE, 1), RGB, 32, samples=3, sample=3,
        others={259: [8]},
    )  # fmt: skip
    assert 20 * SIDE * 20 * SIDE * 12 > picture_samples.MAX_RAW
    assert (await frames.check(wide)).format == "JPEG"
    assert close((await frame_of(wide)).getpixel((5, 5)), LEFT, by=40)


async def test_random_damage_never_raises_anything_else() -> None:
    chance = random.Random(7)
    row = samples("floats", LEFT, RIGHT)
    packed = tiff(
        SIDE, SIDE, zlib.compress(row * SIDE), RGB, 32, samples=3, sample=3,
        others={259: [8], 317: [3]},
    )  # fmt: skip
    planes = [row * SIDE for row in psd_planes(16, LEFT, RIGHT)]
    for whole in (packed, of_kind("halves"), psd(16, 3, planes, packed=True), psd(32, 3, planes)):
        for _ in range(15):
            damaged = bytearray(whole)
            for _ in range(chance.choice((1, 3))):
                damaged[chance.randrange(min(len(damaged), 220))] = chance.choice((0, 1, 127, 255))
            cut = chance.choice((len(damaged), len(damaged), chance.randrange(len(damaged))))
            try:
                await frames.make_frame(bytes(damaged[:cut]), AspectRatio.WIDE)
            except InputError:
                continue
