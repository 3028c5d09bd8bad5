"""Conversion of people's pictures, tested with real files made here."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from PIL import Image, ImageCms, ImageOps

from bot.core.errors import InputError
from bot.core.task import AspectRatio, Problem
from bot.media import frames, picture_repair, pictures
from tests.support.growth import SQUARE, growth

RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 30), (30, 30, 220), (255, 255, 255)

Color = tuple[int, int, int]


def picture(width: int = 640, height: int = 480, color: Color = RED) -> Image.Image:
    return Image.new("RGB", (width, height), color)


def encoded(image: Image.Image, format_: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format_, **options)
    return out.getvalue()


def decoded(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def close(seen: Any, wanted: Color, *, by: int = 12) -> bool:
    return all(abs(a - b) <= by for a, b in zip(seen, wanted, strict=True))


def stripes(*colors: Color, across: int = 900, down: int = 300) -> Image.Image:
    """Colours from left to right, each as wide as the others."""
    image = Image.new("RGB", (across, down))
    step = across // len(colors)
    for index, color in enumerate(colors):
        image.paste(color, (index * step, 0, (index + 1) * step, down))
    return image


def chunk(name: bytes, body: bytes, *, sum_is_wrong: bool = False) -> bytes:
    """A chunk of a PNG."""
    checksum = zlib.crc32(name + body) ^ sum_is_wrong
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)


def with_chunks(data: bytes, *chunks: bytes) -> bytes:
    """A PNG with more chunks behind its first one."""
    return data[:33] + b"".join(chunks) + data[33:]


def with_segments(data: bytes, *segments: tuple[int, bytes]) -> bytes:
    """A JPEG with more segments in front of its own."""
    more = (struct.pack(">BBH", 0xFF, kind, 2 + len(body)) + body for kind, body in segments)
    return data[:2] + b"".join(more) + data[2:]


def png_of_nothing(width: int, height: int) -> bytes:
    """A few hundred bytes that unpack to a picture of any size."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(4096)))
        + chunk(b"IEND", b"")
    )


async def refused(data: bytes) -> InputError:
    with pytest.raises(InputError) as caught:
        await frames.check(data)
    return caught.value


# -- accepted pictures -------------------------------------------------------------------------


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "HEIF"])
async def test_every_usual_format_is_accepted_under_any_name(format_: str) -> None:
    data = encoded(picture(700, 500), format_)
    info = await frames.check(data)
    assert (info.format, info.width, info.height) == (format_, 700, 500)
    frame = decoded(await frames.make_frame(data, AspectRatio.SQUARE))
    assert (frame.format, frame.mode, frame.size) == ("JPEG", "RGB", (500, 500))
    assert close(frame.getpixel((250, 250)), RED)


async def test_an_open_file_works_like_its_bytes() -> None:
    data = encoded(picture())
    file = io.BytesIO(data)
    file.seek(0, io.SEEK_END)
    assert await frames.check(file) == await frames.check(data)


@pytest.mark.parametrize(
    ("name", "image", "wanted"),
    [
        ("palette", picture(color=GREEN).quantize(8), GREEN),
        ("grey", Image.new("L", (400, 400), 90), (90, 90, 90)),
        ("16-bit grey", Image.new("I;16", (400, 400), 90 * 257), (90, 90, 90)),
        ("black and white", Image.new("1", (400, 400), 1), WHITE),
        ("grey with alpha", Image.new("LA", (400, 400), (10, 0)), WHITE),
        ("colour with alpha", Image.new("RGBA", (400, 400), (0, 0, 0, 0)), WHITE),
        ("half transparent", Image.new("RGBA", (400, 400), (255, 0, 0, 128)), (255, 127, 127)),
    ],
)
async def test_every_kind_of_pixel_becomes_plain_colour(
    name: str, image: Image.Image, wanted: Color
) -> None:
    frame = decoded(await frames.make_frame(encoded(image), AspectRatio.SQUARE))
    assert frame.mode == "RGB"
    assert close(frame.getpixel((100, 100)), wanted, by=4), name


@pytest.mark.parametrize("white", [1.0, 255.0])
async def test_a_float_picture_is_as_bright_as_it_was_made(white: float) -> None:
    image = Image.new("F", (400, 400), 0.25 * white)
    image.paste(white, (200, 0, 400, 400))
    frame = decoded(await frames.make_frame(encoded(image, "TIFF"), AspectRatio.SQUARE))
    assert close(frame.getpixel((50, 200)), (64, 64, 64))
    assert close(frame.getpixel((350, 200)), WHITE)


async def test_a_transparent_palette_colour_becomes_white() -> None:
    data = encoded(picture(color=BLUE).quantize(8), transparency=0)
    frame = decoded(await frames.make_frame(data, AspectRatio.SQUARE))
    assert close(frame.getpixel((9, 9)), WHITE, by=4)


@pytest.mark.parametrize(("alpha", "wanted"), [(0, RED), (255, RED), (None, WHITE)])
async def test_a_bitmap_whose_alpha_nobody_filled_in_is_opaque(
    alpha: int | None, wanted: Color
) -> None:
    """32 bits with masks (BITMAPV4HEADER); with `None` one pixel is opaque, so the rest is not."""
    pixels = bytes([*RED[::-1], alpha or 0]) * 10_000
    if alpha is None:
        pixels = bytes([0, 0, 0, 255]) + pixels[4:]
    head = struct.pack("<IiiHHIIiiII", 108, 100, 100, 1, 32, 3, len(pixels), 0, 0, 0, 0)
    head += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + bytes(52)
    data = b"BM" + struct.pack("<IHHI", 122 + len(pixels), 0, 0, 122) + head + pixels
    frame = decoded(await frames.make_frame(data, AspectRatio.SQUARE))
    assert close(frame.getpixel((50, 50)), wanted)


async def test_a_printers_jpeg_keeps_its_colours() -> None:
    data = encoded(picture(color=GREEN).convert("CMYK"), "JPEG", quality=95)
    frame = decoded(await frames.make_frame(data, AspectRatio.SQUARE))
    assert close(frame.getpixel((9, 9)), GREEN)


@pytest.mark.parametrize(
    "lead",
    [b"\n", b"\r\n", b"\xef\xbb\xbf", b"  \n\n", bytes(60), b"\xef\xbb\xbf\xef\xbb\xbf\n"],
    ids=repr,
)
@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
async def test_what_a_script_put_in_front_of_a_picture_does_no_harm(
    format_: str, lead: bytes
) -> None:
    data = encoded(picture(), format_)
    assert (await frames.check(lead + data)).format == format_
    whole = await frames.make_frame(data, AspectRatio.SQUARE)
    assert await frames.make_frame(lead + data, AspectRatio.SQUARE) == whole
    assert (await refused(b"GET / HTTP" + data)).problem is Problem.NOT_AN_IMAGE


async def test_a_jpeg_with_two_starts_is_a_picture() -> None:
    data = encoded(picture(), "JPEG")
    assert (await frames.check(data[:2] + data)).width == 640


@pytest.mark.parametrize("pieces", [1, 3])
async def test_a_png_of_an_app_for_iphones_keeps_its_colours(pieces: int) -> None:
    """Xcode's own form: without the frame of zlib, BGRA, multiplied by alpha."""
    opaque, half = bytes([*RED[::-1], 255]), bytes([100, 0, 0, 128])  # half of blue (0, 0, 200)
    pixels = zlib.compress((b"\0" + opaque * 200 + half * 200) * 400)[2:-4]
    step = -(-len(pixels) // pieces)
    data = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"CgBI", b"\x50\0\x20\x06")
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 400, 400, 8, 6, 0, 0, 0))
        + b"".join(chunk(b"IDAT", pixels[at : at + step]) for at in range(0, len(pixels), step))
        + chunk(b"IEND", b"")
    )
    frame = decoded(await frames.make_frame(data, AspectRatio.SQUARE))
    assert close(frame.getpixel((20, 200)), RED)
    assert close(frame.getpixel((380, 200)), (127, 127, 227))  # on white
    assert (await refused(data[: len(data) // 2])).problem is Problem.NOT_AN_IMAGE


@pytest.mark.parametrize("format_", ["AVIF", "HEIF"])
async def test_a_file_whose_first_brand_says_only_that_it_is_a_picture(format_: str) -> None:
    data = encoded(picture(), format_)
    info = await frames.check(data[:8] + b"mif1" + data[12:])
    assert (info.format, info.width) == (format_, 640)


@pytest.mark.parametrize("brand", [b"heif", b"miaf", b"MiHB", b"1pic", b"tmap", b"isom"])
@pytest.mark.parametrize("format_", ["AVIF", "HEIF"])
async def test_a_file_whose_first_brand_no_decoder_knows(format_: str, brand: bytes) -> None:
    data = encoded(picture(), format_)
    info = await frames.check(data[:8] + brand + data[12:])
    assert (info.format, info.width) == (format_, 640)
    frame = decoded(await frames.make_frame(data[:8] + brand + data[12:], AspectRatio.SQUARE))
    assert close(frame.getpixel((9, 9)), RED)


async def test_the_first_picture_of_an_animation_is_used() -> None:
    first, rest = picture(400, 400, RED), picture(400, 400, BLUE)
    others = [Image.blend(rest, picture(400, 400, GREEN), n / 100) for n in range(100)]
    data = encoded(first, "GIF", save_all=True, append_images=others, duration=20)
    assert Image.open(io.BytesIO(data)).n_frames == 101  # type: ignore[attr-defined]
    frame = decoded(await frames.make_frame(data, AspectRatio.SQUARE))
    assert close(frame.getpixel((200, 200)), RED)


# -- refused pictures --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        b'<svg xmlns="http://www.w3.org/2000/svg" width="500" height="500"/>',
        b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00isommp42",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"RIFF\x10\x00\x00\x00WEBPVP8 ",
        b"II*\x00\x08\x00\x00\x00",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 500 500\n",
    ],
    ids=lambda data: repr(data[:12]),
)
async def test_a_file_that_is_not_a_picture_is_refused(data: bytes) -> None:
    assert (await refused(data)).problem is Problem.NOT_AN_IMAGE


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "HEIF", "BMP"])
async def test_a_truncated_picture_is_refused(format_: str) -> None:
    noise = Image.effect_noise((500, 500), 90).convert("RGB")
    data = encoded(noise, format_)
    assert (await refused(data[: len(data) // 2])).problem is Problem.NOT_AN_IMAGE


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize(
    "tail",
    [b"", b"\0\0\1\x0aMotionPhoto_Data\0\0\0\x18ftypmp42\xff\xfe\xff\xc4\xff\xe5" * 90],
    ids=["nothing", "a phone's film"],
)
async def test_a_jpeg_without_its_end_marker_is_whole(tail: bytes, *, progressive: bool) -> None:
    noise = Image.effect_noise((500, 500), 90).convert("RGB")
    data = encoded(noise, "JPEG", progressive=progressive)
    assert data.endswith(b"\xff\xd9")
    frame = await frames.make_frame(data[:-2] + tail, AspectRatio.SQUARE)
    assert frame == await frames.make_frame(data, AspectRatio.SQUARE)
    assert (await frames.check(data[:-2] + tail)).width == 500
    preview = await frames.make_preview(data[:-2] + tail)
    assert preview == await frames.make_preview(data)


@pytest.mark.parametrize(
    "head", [b"\xff\xe1\0\2", b"\xff\xfe\0\2", b"\xff\0", b"\xff", b"\0"], ids=repr
)
async def test_an_endless_head_of_a_jpeg_is_refused_without_pillow(
    head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow would read it byte by byte in Python."""
    whole = encoded(picture(), "JPEG")
    opened: list[object] = []
    monkeypatch.setattr(Image, "open", lambda *_, **__: opened.append("a picture"))

    def endless(size: int) -> bytes:
        return whole[:2] + head * (size // len(head)) + whole[2:]

    assert (await refused(endless(10_000_000))).problem is Problem.NOT_AN_IMAGE
    assert opened == []
    assert growth(lambda size: picture_repair.is_headless(endless(size)), 10_000_000) < SQUARE


@pytest.mark.parametrize("place", [2, -2], ids=["in front", "in the scan"])
def test_endless_fill_bytes_are_read_in_linear_time(place: int) -> None:
    data = encoded(picture(), "JPEG")

    def look(size: int) -> None:
        with suppress(InputError):
            pictures.check(data[:place] + b"\xff" * size + b"\0" + data[place:-2])

    assert growth(look, 100_000) < SQUARE


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
async def test_missing_pixels_are_not_a_missing_marker(kept: float) -> None:
    data = encoded(Image.effect_noise((500, 500), 90).convert("RGB"), "JPEG")
    for tail in (b"", b"\0\0\1\x0aMotionPhoto_Data" + bytes(900)):
        damaged = data[: round(len(data) * kept)] + tail
        assert (await refused(damaged)).problem is Problem.NOT_AN_IMAGE


async def test_random_damage_never_raises_anything_else() -> None:
    whole = [
        encoded(Image.effect_noise((320, 320), 60).convert("RGB"), format_)
        for format_ in ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "HEIF", "BMP")
    ]
    for seed, data in enumerate(whole):
        for step in range(12):
            damaged = bytearray(data)
            start = (seed * 7919 + step * step * 31) % min(len(data), 600)
            damaged[start : start + 3] = bytes([255 - step, step * 17 % 256, 0x7F])
            try:
                made = await frames.make_frame(bytes(damaged), AspectRatio.WIDE)
            except InputError:
                continue
            assert decoded(made).size[0] * 9 == decoded(made).size[1] * 16


async def test_a_file_over_20_mb_is_refused_with_its_size() -> None:
    error = await refused(encoded(picture()) + bytes(20 * 1024 * 1024))
    assert error.problem is Problem.FILE_TOO_BIG
    assert error.details["limit"] == 20 * 1024 * 1024
    assert int(error.details["size"]) > 20 * 1024 * 1024


@pytest.mark.parametrize("size", [(63, 400), (400, 63), (1, 1)])
async def test_a_tiny_picture_is_refused_with_its_sides(
    size: tuple[int, int],
) -> None:
    error = await refused(encoded(Image.new("1", size)))
    assert error.problem is Problem.IMAGE_SIDES
    assert error.details == {"width": size[0], "height": size[1], "minimum": 64}


@pytest.mark.parametrize("ratio", AspectRatio)
@pytest.mark.parametrize(
    "size", [(64, 64), (250, 240), (1500, 420), (420, 1500), (6001, 400), (20_000, 70)]
)
async def test_every_accepted_picture_becomes_a_valid_frame(
    size: tuple[int, int], ratio: AspectRatio
) -> None:
    made = decoded(await frames.make_frame(encoded(Image.new("RGB", size, "red"), "JPEG"), ratio))
    assert 300 <= min(made.size) <= max(made.size) <= 6000
    across, down = (int(part) for part in ratio.value.split(":"))
    assert made.width * down == made.height * across


async def test_a_phones_48_megapixels_are_decoded_small() -> None:
    large = encoded(Image.new("RGB", (8064, 6048), "red"), "JPEG")
    assert (await frames.check(large)).width == 8064
    made = decoded(await frames.make_frame(large, AspectRatio.SQUARE))
    assert made.size == (2048, 2048)
    narrow = encoded(Image.new("RGB", (30_000, 2900), "red"), "JPEG")
    assert decoded(await frames.make_frame(narrow, AspectRatio.TALL)).height >= 300


async def test_an_avif_is_a_picture() -> None:
    avif = encoded(Image.new("RGB", (640, 400), "red"), "AVIF")
    assert (await frames.check(avif)).format == "AVIF"
    assert decoded(await frames.make_frame(avif, AspectRatio.WIDE)).width >= 300


@pytest.mark.parametrize(
    ("size", "blurry"), [((250, 240), True), ((1280, 960), False), ((1500, 420), True)]
)
def test_a_small_picture_is_marked_blurry(size: tuple[int, int], blurry: bool) -> None:
    assert frames.is_blurry(*size, frames.nearest_ratio(*size)) is blurry


@pytest.mark.parametrize("size", [(300, 300), (300, 750), (750, 300), (6000, 2400)])
async def test_the_limits_themselves_are_allowed(size: tuple[int, int]) -> None:
    info = await frames.check(encoded(Image.new("1", size)))
    assert (info.width, info.height) == size


async def test_the_sides_are_those_of_the_upright_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    info = await frames.check(encoded(picture(900, 400), "JPEG", exif=exif))
    assert (info.width, info.height) == (400, 900)


async def test_a_jpeg_of_endless_scans_is_a_bomb() -> None:
    plain = encoded(Image.new("L", (5000, 4000), 128), "JPEG", progressive=True)
    scan = plain[plain.rfind(b"\xff\xda") : -2]
    assert (await frames.check(plain)).width == 5000
    error = await refused(plain[:-2] + scan * 1000 + b"\xff\xd9")
    assert error.problem is Problem.IMAGE_BOMB


_WEIGH = """
import asyncio, json, sys
from bot.media import frames
from bot.core.errors import InputError
from bot.core.task import AspectRatio

async def main():
    data = sys.stdin.buffer.read()
    try:
        await frames.check(data)
        await frames.make_frame(data, AspectRatio.WIDE)
        await frames.make_preview(data, AspectRatio.TALL)
        outcome = "taken"
    except InputError as error:
        outcome = error.problem.value
    # not ru_maxrss: that of a child begins with the size of its parent
    [peak] = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return outcome, int(peak.split()[1]) / 1024

print(json.dumps(asyncio.run(main())))
"""


def webp_header_of(side: int) -> bytes:
    size = struct.pack("<I", side - 1)[:3]
    body = b"VP8X" + struct.pack("<I", 10) + bytes(4) + size * 2
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def gif_header_of(side: int) -> bytes:
    sides = struct.pack("<HH", side, side)
    return b"GIF89a" + sides + bytes(3) + b"," + bytes(4) + sides + b"\0\x08\x02\x4c\x01\0;"


@pytest.mark.campaign
@pytest.mark.parametrize(
    ("make", "outcome"),
    [
        (lambda: png_of_nothing(50_000, 50_000), "image_bomb"),
        (lambda: png_of_nothing(10_000, 10_000), "image_bomb"),
        (lambda: png_of_nothing(9_000, 9_000), "image_bomb"),
        (lambda: encoded(Image.new("RGB", (9000, 9000))), "image_bomb"),
        (lambda: webp_header_of(16_000), "image_bomb"),
        (lambda: gif_header_of(30_000), "image_bomb"),
        (lambda: encoded(Image.new("L", (6000, 6000)), "WEBP", quality=1), "image_bomb"),
        (lambda: encoded(Image.new("RGBA", (6000, 6000), (1, 2, 3, 4))), "taken"),
        (lambda: encoded(Image.new("RGB", (6000, 6000)), "JPEG"), "taken"),
        (lambda: encoded(Image.new("RGB", (6000, 6000)), "JPEG")[:-2], "taken"),
        (
            lambda: encoded(Image.new("RGB", (5000, 5000)), "JPEG", progressive=True)[:-2],
            "taken",
        ),
        (lambda: encoded(Image.new("RGBA", (2800, 2850)), "JPEG2000"), "taken"),
    ],
    ids=[
        "png 2500 Mpx",
        "png 100 Mpx",
        "png 81 Mpx of nothing",
        "png 81 Mpx",
        "webp 256 Mpx",
        "gif 900 Mpx",
        "webp 36 Mpx",
        "png 36 Mpx",
        "jpeg 36 Mpx",
        "jpeg 36 Mpx without end",
        "progressive jpeg 25 Mpx without end",
        "jpeg 2000 8 Mpx",
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_no_picture_takes_more_than_300_mib(make: Callable[[], bytes], outcome: str) -> None:
    child = subprocess.run(
        [sys.executable, "-c", _WEIGH], input=make(), capture_output=True, check=True, timeout=60
    )
    seen, peak = json.loads(child.stdout)
    assert seen == outcome
    assert peak < 300


# -- frames -----------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", list(AspectRatio))
@pytest.mark.parametrize("size", [(300, 300), (750, 300), (300, 750), (1280, 960), (5990, 2410)])
async def test_a_frame_has_exactly_the_ratio_and_sides_that_the_provider_takes(
    ratio: AspectRatio, size: tuple[int, int]
) -> None:
    frame = decoded(await frames.make_frame(encoded(picture(*size)), ratio))
    across, down = (int(part) for part in ratio.value.split(":"))
    assert frame.width * down == frame.height * across
    assert min(frame.size) >= 300
    assert max(frame.size) <= 2048


async def test_a_frame_is_the_middle_of_the_picture_not_squeezed() -> None:
    data = encoded(stripes(RED, GREEN, BLUE, across=900, down=400))
    frame = decoded(await frames.make_frame(data, AspectRatio.TALL))  # 225 of 900 px are kept
    assert all(close(frame.getpixel((x, 200)), GREEN) for x in (2, 150, frame.width - 3))


async def test_nothing_is_cut_from_a_picture_that_has_the_ratio() -> None:
    data = encoded(stripes(RED, GREEN, BLUE, across=1920, down=1080))
    frame = decoded(await frames.make_frame(data, AspectRatio.WIDE))
    assert frame.size == (1920, 1080)
    assert close(frame.getpixel((0, 500)), RED)
    assert close(frame.getpixel((1919, 500)), BLUE)


async def test_a_large_picture_is_averaged_down_without_seams() -> None:
    gradient = Image.linear_gradient("L").resize((5000, 5000))
    frame = decoded(await frames.make_frame(encoded(gradient), AspectRatio.SQUARE))
    wanted = gradient.resize(frame.size)
    worst = max(
        abs(int(frame.getpixel((9, y))[0]) - int(wanted.getpixel((9, y))))  # type: ignore[index,arg-type]
        for y in range(frame.height)
    )
    assert worst <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF"])
async def test_pictures_are_turned_upright(orientation: int, format_: str) -> None:
    image = picture(640, 480, WHITE)
    image.paste(RED, (0, 0, 320, 240))
    image.paste(BLUE, (320, 240, 640, 480))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(image, format_, exif=exif, quality=95)
    frame = decoded(await frames.make_frame(data, AspectRatio.SQUARE))
    upright = ImageOps.exif_transpose(decoded(data)).convert("RGB")
    wanted = ImageOps.fit(upright, frame.size)
    for spot in ((100, 100), (380, 100), (100, 380), (380, 380)):
        color = wanted.getpixel(spot)
        assert isinstance(color, tuple)
        assert close(frame.getpixel(spot), (color[0], color[1], color[2]))


async def test_a_frame_contains_only_pixels() -> None:
    exif = Image.Exif()
    exif[0x010E] = "SECRET-DESCRIPTION"
    exif[0x010F] = "SECRET-CAMERA"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2] = "N", (59.0, 56.0, 19.0)
    gps[29] = "SECRET-GPS-DATE"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(
        picture(),
        "JPEG",
        exif=exif,
        xmp=b"<x:xmpmeta>SECRET-XMP</x:xmpmeta>",
        comment=b"SECRET-COMMENT",
        icc_profile=profile,
    )
    assert data.count(b"SECRET") == 5
    for made in (
        await frames.make_frame(data + b"SECRET-TAIL", AspectRatio.SQUARE),
        await frames.make_preview(data, None),
        await frames.make_preview(data, AspectRatio.TALL),
    ):
        assert b"SECRET" not in made
        for block in (b"Exif", b"ICC_PROFILE", b"http", b"\xff\xe1", b"\xff\xe2", b"\xff\xfe"):
            assert block not in made
        assert set(decoded(made).info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


async def test_colours_of_another_profile_are_converted_not_relabelled() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # the sRGB profile with its red and blue primaries exchanged: what is red there is blue here
    swapped = lab.replace(b"rXYZ", b"tmpX").replace(b"bXYZ", b"rXYZ").replace(b"tmpX", b"bXYZ")
    data = encoded(picture(color=(255, 0, 0)), "PNG", icc_profile=swapped)
    frame = decoded(await frames.make_frame(data, AspectRatio.SQUARE))
    assert close(frame.getpixel((50, 50)), (0, 0, 255), by=6)


async def test_a_broken_profile_or_exif_block_does_not_spoil_the_picture() -> None:
    data = encoded(picture(), "JPEG", icc_profile=b"nonsense" * 20, exif=b"Exif\0\0nonsense")
    frame = decoded(await frames.make_frame(data, AspectRatio.SQUARE))
    assert close(frame.getpixel((50, 50)), RED)


LONG = zlib.compress(bytes(3 << 20))


@pytest.mark.parametrize(
    "damaged",
    [
        chunk(b"zTXt", b"workflow\0\0" + LONG),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + LONG),
        chunk(b"iCCP", b"display\0\0" + LONG),
        chunk(b"iCCP", b"display\0\1" + zlib.compress(b"profile")),
        chunk(b"tEXt", b"Software\0made by", sum_is_wrong=True),
        chunk(b"pHYs", b"abc"),
        chunk(b"gAMA", b"a"),
        chunk(b"cHRM", b"a"),
        chunk(b"sRGB", b""),
        chunk(b"tRNS", b""),
        chunk(b"acTL", struct.pack(">II", 2, 0)) + chunk(b"fcTL", b"short"),
    ],
    ids=lambda damaged: repr(damaged[4:8]),
)
async def test_what_a_png_says_beside_its_pixels_does_not_spoil_it(damaged: bytes) -> None:
    data = with_chunks(encoded(picture()), damaged)
    assert (await frames.check(data)).format == "PNG"
    frame = decoded(await frames.make_frame(data, AspectRatio.SQUARE))
    assert close(frame.getpixel((50, 50)), RED)


@pytest.mark.parametrize(
    "damaged",
    [(0xE0, b"JFIF"), (0xE2, b"ICC_PROFILE\0"), (0xEE, b"Adobe"), (0xE2, b"MPF\0nonsense")],
    ids=lambda damaged: repr(damaged[1]),
)
async def test_what_a_jpeg_says_beside_its_pixels_does_not_spoil_it(
    damaged: tuple[int, bytes],
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = with_segments(encoded(picture(640, 480), "JPEG", exif=exif), damaged)
    info = await frames.check(data)
    assert (info.width, info.height) == (480, 640)  # still turned
    frame = decoded(await frames.make_frame(data, AspectRatio.SQUARE))
    assert close(frame.getpixel((50, 50)), RED)


async def test_stray_bytes_between_the_segments_of_a_jpeg_are_skipped() -> None:
    data = encoded(picture(), "JPEG")
    table = data.index(b"\xff\xdb")
    damaged = data[:2] + b"\0\0" + data[2:table] + b"\x01" + data[table:]
    frame = decoded(await frames.make_frame(damaged, AspectRatio.SQUARE))
    assert close(frame.getpixel((50, 50)), RED)


async def test_the_colours_stay_when_a_note_is_left_out() -> None:
    note = chunk(b"zTXt", b"workflow\0\0" + LONG)
    see_through = with_chunks(encoded(picture(), transparency=RED), note)
    frame = decoded(await frames.make_frame(see_through, AspectRatio.SQUARE))
    assert close(frame.getpixel((50, 50)), WHITE)
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = lab.replace(b"rXYZ", b"tmpX").replace(b"bXYZ", b"rXYZ").replace(b"tmpX", b"bXYZ")
    of_a_display = with_chunks(encoded(picture(color=(255, 0, 0)), icc_profile=swapped), note)
    frame = decoded(await frames.make_frame(of_a_display, AspectRatio.SQUARE))
    assert close(frame.getpixel((50, 50)), (0, 0, 255), by=6)


async def test_a_preview_is_small_and_dims_the_parts_cut_off() -> None:
    data = encoded(stripes(RED, GREEN, BLUE, across=1800, down=900))
    whole = decoded(await frames.make_preview(data))
    assert whole.size == (640, 320)
    assert close(whole.getpixel((20, 160)), RED)
    cut = decoded(await frames.make_preview(data, AspectRatio.SQUARE))
    assert cut.size == (640, 320)
    assert close(cut.getpixel((20, 160)), (66, 9, 9))
    assert close(cut.getpixel((320, 160)), GREEN)
    assert close(cut.getpixel((620, 160)), (9, 9, 66))


@pytest.mark.parametrize(
    ("size", "ratio"),
    [
        ((1000, 1000), AspectRatio.SQUARE),
        ((1280, 960), AspectRatio.WIDE),
        ((1250, 960), AspectRatio.SQUARE),
        ((1500, 1000), AspectRatio.WIDE),
        ((1920, 1080), AspectRatio.WIDE),
        ((3000, 4000), AspectRatio.TALL),
        ((2000, 3000), AspectRatio.TALL),
        ((1, 100), AspectRatio.TALL),
    ],
)
def test_the_nearest_ratio_cuts_least(size: tuple[int, int], ratio: AspectRatio) -> None:
    assert frames.nearest_ratio(*size) is ratio
