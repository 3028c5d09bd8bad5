"""The reader process makes a JPEG of pictures that are too large or of too rare a format."""

from __future__ import annotations

import asyncio
import io
import math
import random
import struct
from fractions import Fraction

import av
import pytest
from av.video.codeccontext import VideoCodecContext
from PIL import Image

from bot.core.errors import InputError
from bot.core.task import AspectRatio, Problem
from bot.media import frames, large_pictures, pictures, rare_pictures, video_reader
from tests.media.test_frames import BLUE, RED, WHITE, close, encoded, stripes
from tests.media.test_picture_containers import frame_of, problem_of, shows_both

pytestmark = pytest.mark.campaign
WIDTH, HEIGHT = 160, 96
TWO = stripes(RED, BLUE, across=WIDTH, down=HEIGHT)


def of_libav(codec: str, layout: str, image: Image.Image = TWO) -> bytes:
    """A picture as libav writes it."""
    context = VideoCodecContext.create(codec, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = *image.size, layout
    context.time_base = Fraction(1, 25)
    frame = av.VideoFrame(*image.size, "rgba")
    plane, rows = frame.planes[0], image.convert("RGBA").tobytes()
    each = 4 * image.width
    plane.update(
        b"".join(
            rows[at : at + each].ljust(plane.line_size, b"\0") for at in range(0, len(rows), each)
        )
    )
    frame = frame.reformat(format=layout)
    frame.pts = 0
    return b"".join(bytes(part) for part in [*context.encode(frame), *context.encode(None)])


def dds() -> bytes:
    """DirectDraw Surface: 32 bits, not compressed."""
    masks = struct.pack("<5I", 32, 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = struct.pack("<4s7I44x", b"DDS ", 124, 0x100F, HEIGHT, WIDTH, 4 * WIDTH, 0, 0)
    head += struct.pack("<II4x", 32, 0x41) + masks + struct.pack("<I16x", 0x1000)
    return head + TWO.convert("RGBA").tobytes("raw", "BGRA")


def sun_raster() -> bytes:
    head = struct.pack(">8I", 0x59A66A95, WIDTH, HEIGHT, 24, WIDTH * HEIGHT * 3, 1, 0, 0)
    return head + TWO.tobytes("raw", "BGR")


def ascii_ppm() -> bytes:
    return b"P3\n# by hand\n%d %d\n255\n" % TWO.size + b" ".join(b"%d" % x for x in TWO.tobytes())


KINDS = {
    "dpx": ("rgb24", "rgb48le", "gbrp10le", "gbrp12le"),
    "qoi": ("rgb24", "rgba"),
    "pcx": ("rgb24",),
    "sgi": ("rgb24", "rgba", "rgb48be"),
    "ppm": ("rgb24", "rgb48be"),
    "pam": ("rgb24", "rgba"),
    "jpegls": ("rgb24",),
}
LIGHT = ("exr gbrpf32le", "exr gbrpf32le half", "exr gbrapf32le", "hdr gbrpf32le", "pfm gbrpf32le")


def of_light(kind: str, scale: float = 1.0) -> bytes:
    """Linear light that sRGB shows as the two colours."""
    codec, layout, *form = kind.split()
    context = VideoCodecContext.create(codec, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, layout
    context.time_base = Fraction(1, 25)
    context.options = {"format": "half"} if form else {}
    frame = av.VideoFrame(WIDTH, HEIGHT, layout)

    def light(value: int) -> float:
        part = value / 255
        return scale * (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)

    for plane, channel in zip(frame.planes, (1, 2, 0, None), strict=False):
        values = (
            [1.0] * WIDTH
            if channel is None
            else ([light(RED[channel])] * (WIDTH // 2) + [light(BLUE[channel])] * (WIDTH // 2))
        )
        row = struct.pack(f"<{WIDTH}f", *values).ljust(plane.line_size, b"\0")
        plane.update(row * HEIGHT)
    frame.pts = 0
    return b"".join(bytes(part) for part in [*context.encode(frame), *context.encode(None)])


@pytest.mark.parametrize(
    "data",
    [
        *(
            pytest.param(of_libav(codec, layout), id=f"{codec} {layout}")
            for codec, layouts in KINDS.items()
            for layout in layouts
        ),
        *(pytest.param(of_light(kind), id=kind) for kind in LIGHT),
        pytest.param(dds(), id="dds"),
        pytest.param(sun_raster(), id="sun"),
        pytest.param(ascii_ppm(), id="ppm of digits"),
    ],
)
async def test_rare_kinds_are_pictures(data: bytes) -> None:
    await shows_both(data, "JPEG", (WIDTH, HEIGHT))
    made = await frames.make_preview(io.BytesIO(data))
    with Image.open(io.BytesIO(made)) as preview:
        assert preview.size == (WIDTH, HEIGHT)


@pytest.mark.parametrize("kind", ["qoi rgba", "sgi rgba", "pam rgba", "dpx rgba"])
async def test_what_is_transparent_is_white(kind: str) -> None:
    image = TWO.convert("RGBA")
    image.paste((0, 0, 0, 0), (WIDTH // 2, 0, WIDTH, HEIGHT))
    frame = await frame_of(of_libav(kind.split()[0], "rgba", image))
    assert close(frame.getpixel((10, 50)), RED)
    assert close(frame.getpixel((frame.width - 10, 50)), WHITE)


@pytest.mark.parametrize("scale", [0.001, 300.0])
@pytest.mark.parametrize("kind", LIGHT)
async def test_light_of_any_scale_is_exposed(kind: str, scale: float) -> None:
    """The unit of a light probe is cd/m², or arbitrary."""
    data = of_light(kind, scale)
    frame = await frame_of(data)
    left, right = frame.getpixel((10, 50)), frame.getpixel((frame.width - 10, 50))
    assert isinstance(left, tuple)
    assert isinstance(right, tuple)
    assert left[0] > 150 > left[2]
    assert right[2] > 150 > right[0]


async def test_a_pfm_is_not_upside_down() -> None:
    for order, scale in (("<", b"-1.0"), (">", b"1")):
        light = [0.0] * 100 * 50 + [1.0] * 100 * 50  # from the bottom
        data = b"Pf\n100 100\n%s\n" % scale + struct.pack(f"{order}10000f", *light)
        frame = await frame_of(data)
        assert frame.getpixel((50, 10)) != (0, 0, 0) == frame.getpixel((50, 290))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1.0, 1e30])
async def test_light_that_is_no_number_ends_in_a_picture(value: float) -> None:
    pixels = struct.pack("<3f", value, 0.2, value) * (WIDTH * HEIGHT)
    await frames.check(b"PF\n%d %d\n-1.0\n" % TWO.size + pixels)


# -- large pictures ------------------------------------------------------------------------------


@pytest.mark.parametrize("format_", ["HEIF", "AVIF", "WEBP", "PNG", "TIFF"])
async def test_a_picture_too_large_for_the_bot_is_read_elsewhere(
    format_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit of the bot is lowered here; the reader process has its own."""
    data = encoded(stripes(RED, BLUE, across=400, down=400), format_)
    for kind in (format_, "other"):
        monkeypatch.setitem(pictures._MAX_PIXELS_OF, kind, 1000)
    monkeypatch.setattr(pictures, "_MAX_DECODED", 3000)
    monkeypatch.setitem(pictures._MAX_PIXELS_OF, "JPEG", 89_000_000)
    await shows_both(data, "JPEG")


def test_it_is_made_smaller_and_upright() -> None:
    exif = Image.Exif()
    exif[274] = 6
    lying = stripes(RED, BLUE, across=4000, down=500).rotate(90, expand=True)
    data = encoded(lying, "JPEG", exif=exif)
    with Image.open(io.BytesIO(pictures.make_small(data, 500_000, 90))) as small:
        assert small.size == (2000, 250)
        assert close(small.getpixel((10, 100)), RED) or close(small.getpixel((10, 100)), BLUE)


@pytest.mark.campaign
@pytest.mark.parametrize("size", [(8064, 6048), (12_000, 3900)], ids=["48 Mpx", "panorama"])
async def test_the_large_pictures_of_phones_are_taken(size: tuple[int, int]) -> None:
    data = encoded(Image.new("RGB", size, RED), "HEIF", quality=10)
    info = await frames.check(data)
    assert abs(info.width / info.height - size[0] / size[1]) < 0.01
    assert close((await frame_of(data)).getpixel((9, 9)), RED)


async def test_a_video_behind_a_large_photo_is_not_counted_as_scans() -> None:
    """The two bytes of a scan marker occur by chance about once in 64 KiB."""
    data = encoded(Image.new("L", (8064, 6048), 90), "JPEG") + b"\xff\xda\0\1" * 400
    assert (await frames.check(data)).width == 8064


# -- what is refused -----------------------------------------------------------------------------


async def test_a_picture_too_large_for_both_is_a_bomb() -> None:
    assert await problem_of(encoded(Image.new("1", (9000, 9000)))) is Problem.IMAGE_BOMB
    huge = b"qoif" + struct.pack(">IIBB", 60_000, 60_000, 3, 0) + bytes(99)
    assert await problem_of(huge) is Problem.NOT_AN_IMAGE
    huge = b"PF\n50000 50000\n-1.0\n" + bytes(99)
    assert await problem_of(huge) is Problem.NOT_AN_IMAGE


async def test_random_damage_never_raises_anything_else() -> None:
    chance = random.Random(11)
    wholes = [of_libav(codec, layouts[0]) for codec, layouts in KINDS.items()]
    wholes += [of_light("exr gbrpf32le"), of_light("hdr gbrpf32le"), dds()]
    for whole in wholes:
        for _ in range(3):
            damaged = bytearray(whole)
            for _ in range(3):
                damaged[chance.randrange(4, min(len(damaged), 200))] = chance.choice((0, 9, 255))
            try:
                await frames.make_frame(bytes(damaged), AspectRatio.WIDE)
            except InputError:
                continue


@pytest.mark.parametrize(
    "data", [b"P6 is not a picture", b"PF 5 times", b"qoif", b"v/1\x01", b"DDS |\0\0\0", b"#?RGBE"]
)
async def test_what_only_begins_like_one_is_refused(data: bytes) -> None:
    assert await problem_of(data) is Problem.NOT_AN_IMAGE


async def test_nothing_else_is_passed_to_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(file: object) -> bytes:
        raise AssertionError

    monkeypatch.setattr(video_reader, "picture", fails)
    for data in (b"", b"hello", b"PK\3\4" + bytes(99), b"P8 \n", encoded(TWO)[:60]):
        assert rare_pictures.codec_of(data) is None
        assert await problem_of(data) is Problem.NOT_AN_IMAGE


async def test_only_one_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each job may take as much memory as the whole bot."""
    now, most = 0, 0
    plain = video_reader.picture

    async def counted(file: object) -> bytes:
        nonlocal now, most
        now += 1
        most = max(most, now)
        try:
            return await plain(file)  # type: ignore[arg-type]
        finally:
            now -= 1

    monkeypatch.setattr(video_reader, "picture", counted)
    await asyncio.gather(*(frames.check(dds()) for _ in range(3)))
    assert most == 1


def test_the_pixels_of_a_made_picture_are_limited() -> None:
    image = large_pictures._decoded("dds", dds())
    assert image.size == (WIDTH, HEIGHT)
