"""Pictures as phones make and send them: turned, with a gain map, a video or another picture
beside them, long, cut short.
"""

from __future__ import annotations

import io
import random
import struct

import pillow_heif
import pytest
from PIL import Image, ImageCms

from bot.core.task import AspectRatio
from bot.media import frames
from tests.media.test_frames import BLUE, GREEN, RED, WHITE, close, encoded, stripes
from tests.media.test_picture_containers import frame_of, shows_both
from tests.support.media_files import jpeg

TWO = stripes(RED, BLUE, across=400, down=400)
YELLOW = (250, 250, 10)
CORNERS = Image.new("RGB", (400, 300), RED)
CORNERS.paste(BLUE, (200, 0, 400, 150))
CORNERS.paste(GREEN, (0, 150, 200, 300))
CORNERS.paste(YELLOW, (200, 150, 400, 300))
OTHER = Image.new("RGB", (400, 400), GREEN)
JUNK = random.Random(2).randbytes(4000)


@pytest.mark.parametrize(
    ("turn", "size", "corners"),
    [
        (1, (400, 300), (RED, BLUE, GREEN, YELLOW)),
        (2, (400, 300), (BLUE, RED, YELLOW, GREEN)),
        (3, (400, 300), (YELLOW, GREEN, BLUE, RED)),
        (5, (300, 400), (RED, GREEN, BLUE, YELLOW)),
        (6, (300, 400), (GREEN, RED, YELLOW, BLUE)),
        (8, (300, 400), (BLUE, YELLOW, RED, GREEN)),
    ],
)
@pytest.mark.parametrize("format_", ["HEIF", "AVIF"])
async def test_a_turn_noted_twice_is_made_once(
    format_: str, turn: int, size: tuple[int, int], corners: tuple[tuple[int, int, int], ...]
) -> None:
    """Phones write irot and imir, and also EXIF, which must be ignored (MIAF, 7.3.6.7)."""
    exif = Image.Exif()
    exif[274] = turn
    data = bytearray(encoded(CORNERS, format_, exif=exif.tobytes()))
    assert turn == 1 or b"irot" in data or b"imir" in data
    noted = data.find(b"\x01\x12\0\x03")
    if noted >= 0:
        data[noted + 9] = turn
    info = await frames.check(bytes(data))
    assert (info.width, info.height) == size
    photo = Image.open(io.BytesIO(await frames.make_photo(bytes(data))))
    places = [(x, y) for y in (9, size[1] - 9) for x in (9, size[0] - 9)]
    for place, wanted in zip(places, corners, strict=True):
        assert close(photo.getpixel(place), wanted)


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


BEHIND = {
    "Google's video": box(b"mpvd", JUNK),
    "Samsung's video": b"\0\0\x01\x0aMotionPhoto_Data" + JUNK + b"SEFH" + bytes(60) + b"SEFT",
    "a video": box(b"ftyp", b"mp42\0\0\0\0isom") + box(b"mdat", JUNK),
    "zeros": bytes(1000),
}


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("format_", ["HEIF", "AVIF", "JPEG"])
async def test_the_video_behind_a_motion_photo_is_left_out(format_: str, behind: str) -> None:
    await shows_both(encoded(TWO, format_) + BEHIND[behind], format_)


async def test_the_gain_map_of_an_hdr_jpeg_is_not_the_picture() -> None:
    gains = Image.new("L", (100, 100), 200)
    await shows_both(jpeg(TWO) + encoded(gains, "JPEG"), "JPEG")
    listed = io.BytesIO()
    TWO.save(listed, "MPO", save_all=True, append_images=[gains.convert("RGB")], quality=92)
    await shows_both(listed.getvalue(), "JPEG")


@pytest.mark.parametrize("primary", [0, 1])
async def test_the_primary_picture_of_a_heic_is_taken(primary: int) -> None:
    file, made = pillow_heif.HeifFile(), io.BytesIO()  # type: ignore[no-untyped-call]
    for number in range(2):
        file.add_from_pillow(TWO if number == primary else OTHER)
    file.save(made, primary_index=primary)
    await shows_both(made.getvalue(), "HEIF")


@pytest.mark.parametrize("bits", [10, 12])
async def test_a_heic_of_more_bits_keeps_its_colours(bits: int) -> None:
    row = b"".join(
        struct.pack("<3H", *(value * 257 for value in colour)) for colour in [RED] * 200
    )
    row += b"".join(
        struct.pack("<3H", *(value * 257 for value in colour)) for colour in [BLUE] * 200
    )
    before = pillow_heif.options.SAVE_HDR_TO_12_BIT
    pillow_heif.options.SAVE_HDR_TO_12_BIT = bits == 12
    try:
        made = io.BytesIO()
        pillow_heif.from_bytes(mode="RGB;16", size=(400, 400), data=row * 400).save(made)
    finally:
        pillow_heif.options.SAVE_HDR_TO_12_BIT = before
    await shows_both(made.getvalue(), "HEIF")


@pytest.mark.parametrize("format_", ["WEBP", "PNG", "GIF", "AVIF"])
async def test_the_first_picture_of_any_animation_is_used(format_: str) -> None:
    await shows_both(encoded(TWO, format_, save_all=True, append_images=[OTHER]), format_)


async def test_the_poster_of_an_animated_png_is_used() -> None:
    """The still image that programs without animations show."""
    poster = encoded(TWO, save_all=True, append_images=[OTHER, OTHER], default_image=True)
    await shows_both(poster, "PNG")


@pytest.mark.parametrize("format_", ["WEBP", "HEIF", "AVIF", "PNG"])
async def test_transparency_is_white_in_each_format(format_: str) -> None:
    clear = TWO.convert("RGBA")
    clear.paste((0, 0, 0, 0), (200, 0, 400, 400))
    frame = await frame_of(encoded(clear, format_))
    assert close(frame.getpixel((9, 9)), RED)
    assert close(frame.getpixel((frame.width - 9, 9)), WHITE)


async def test_inks_as_adobe_stores_them_are_not_inverted() -> None:
    await shows_both(encoded(TWO.convert("CMYK"), "JPEG"), "JPEG")


async def test_a_profile_of_version_4_is_used() -> None:
    """A profile with parametric curves, as phones embed it, but with red and blue swapped."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    assert profile[8] == 4
    assert b"para" in profile
    red, blue = (profile.index(tag, 128) for tag in (b"rXYZ", b"bXYZ"))
    places = profile[red + 4 : red + 12], profile[blue + 4 : blue + 12]
    profile[red + 4 : red + 12], profile[blue + 4 : blue + 12] = places[1], places[0]
    swapped = stripes(BLUE, RED, across=400, down=400)
    await shows_both(encoded(swapped, "PNG", icc_profile=bytes(profile)), "PNG")


@pytest.mark.parametrize("size", [(8000, 1000), (1080, 4320), (1080, 19_000)])
async def test_a_panorama_and_a_long_screenshot_are_cut_in_the_middle(
    size: tuple[int, int],
) -> None:
    image = Image.new("RGB", size, BLUE)
    short = min(size)
    left, top = ((side - short) // 2 for side in size)
    image.paste(RED, (left, top, left + short, top + short))
    data = encoded(image, "PNG")
    frame = Image.open(io.BytesIO(await frames.make_frame(data, AspectRatio.SQUARE)))
    for place in ((5, 5), (frame.width - 5, frame.height - 5)):
        assert close(frame.getpixel(place), RED)


@pytest.mark.parametrize("kept", [0.5, 0.8, 0.95])
async def test_a_progressive_jpeg_without_its_last_scans_is_only_less_sharp(kept: float) -> None:
    noise = Image.effect_noise((400, 400), 40).convert("RGB")
    data = encoded(Image.blend(TWO, noise, 0.1), "JPEG", progressive=True, quality=95)
    assert (await frames.check(data[: int(len(data) * kept)])).width == 400
    frame = await frame_of(data[: int(len(data) * kept)])
    assert close(frame.getpixel((30, 280)), RED, by=60)
