"""Pictures in formats of programs and cameras: JPEG 2000, PSD, TGA, icons and raw files."""

from __future__ import annotations

import io
import resource
import struct
from typing import Any

import pytest
from PIL import ExifTags, Image

from bot.core.errors import InputError
from bot.core.task import AspectRatio, Problem
from bot.media import frames, picture_containers, pictures
from tests.media.test_frames import BLUE, GREEN, RED, close, encoded, png_of_nothing, stripes
from tests.support.media_files import jpeg
from tests.support.tiff_files import BLACK_IS_ZERO, RGB, tiff

TWO = stripes(RED, BLUE, across=400, down=400)


async def frame_of(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(await frames.make_frame(data, AspectRatio.SQUARE))) as frame:
        frame.load()
        return frame


async def shows_both(data: bytes, format_: str, size: tuple[int, int] = (400, 400)) -> None:
    """The picture is taken as this format, red on the left and blue on the right."""
    info = await frames.check(data)
    assert (info.format, info.width, info.height) == (format_, *size)
    frame = await frame_of(data)
    assert close(frame.getpixel((10, frame.height // 2)), RED)
    assert close(frame.getpixel((frame.width - 10, frame.height // 2)), BLUE)


async def problem_of(data: bytes) -> Problem:
    with pytest.raises(InputError) as caught:
        await frames.make_frame(data, AspectRatio.SQUARE)
    return caught.value.problem


# -- JPEG 2000 -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [{}, {"no_jp2": True}, {"tile_size": (128, 128)}, {"irreversible": True}],
    ids=["jp2", "codestream", "tiles", "irreversible"],
)
async def test_a_jpeg_2000_is_a_picture(options: dict[str, Any]) -> None:
    await shows_both(encoded(TWO, "JPEG2000", **options), "JPEG2000")


async def test_the_transparency_of_a_jpeg_2000_is_white() -> None:
    clear = TWO.convert("RGBA")
    clear.paste((0, 0, 0, 0), (200, 0, 400, 400))
    frame = await frame_of(encoded(clear, "JPEG2000"))
    assert frame.getpixel((390, 200)) == (255, 255, 255)
    assert close(frame.getpixel((10, 200)), RED)


async def test_a_large_jpeg_2000_is_decoded_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_MAX_JPEG2000", 100_000)
    for across, down in ((700, 501), (1801, 333), (400, 400)):
        large = stripes(RED, BLUE, across=across, down=down)
        await shows_both(encoded(large, "JPEG2000"), "JPEG2000", (across, down))


async def test_a_jpeg_2000_that_hides_its_size_is_refused() -> None:
    """The head of the file says 400 px a side, that of its pixels 40 000."""
    data = encoded(TWO, "JPEG2000")
    start = data.index(b"\xff\x4f\xff\x51") + 8
    huge = data[:start] + struct.pack(">II", 40_000, 40_000) + data[start + 8 :]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert await problem_of(huge) is Problem.NOT_AN_IMAGE
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


# -- PSD -----------------------------------------------------------------------------------------


def psd(
    image: Image.Image,
    mode: int,
    *,
    packed: bool = False,
    invert: bool = False,
    layers: int | None = None,
) -> bytes:
    """Photoshop's file of one flattened picture; its channels follow each other. `layers`: a
    negative number, if the fourth is transparency."""
    planes = [plane.tobytes() for plane in image.split()]
    if invert:
        planes = [bytes(255 - value for value in plane) for plane in planes]
    head = struct.pack(">4sH6xHIIHH", b"8BPS", 1, len(planes), image.height, image.width, 8, mode)
    body = struct.pack(">H", packed)
    if packed:  # each row as runs of at most 128 (PackBits)
        rows = [
            b"".join(
                struct.pack(">B", len(row[x : x + 128]) - 1) + row[x : x + 128]
                for x in range(0, image.width, 128)
            )
            for plane in planes
            for row in (
                plane[y * image.width : (y + 1) * image.width] for y in range(image.height)
            )
        ]
        body += struct.pack(f">{len(rows)}H", *map(len, rows)) + b"".join(rows)
    else:
        body += b"".join(planes)
    below = struct.pack(">IIhxx", 8, 4, layers) if layers is not None else bytes(4)
    return head + bytes(8) + below + body


@pytest.mark.parametrize("packed", [False, True])
async def test_a_flattened_psd_is_a_picture(*, packed: bool) -> None:
    await shows_both(psd(TWO, 3, packed=packed), "PSD")
    await shows_both(psd(TWO.convert("RGBA"), 3, packed=packed), "PSD")
    await shows_both(psd(TWO.convert("CMYK"), 4, packed=packed, invert=True), "PSD")
    grey = Image.new("L", (400, 400), 90)
    assert close((await frame_of(psd(grey, 1, packed=packed))).getpixel((9, 9)), (90, 90, 90))


@pytest.mark.parametrize(
    ("layers", "wanted"), [(None, BLUE), (1, BLUE), (0, BLUE), (-1, (255, 255, 255))]
)
async def test_a_selection_saved_in_a_psd_is_not_transparency(
    layers: int | None, wanted: tuple[int, int, int]
) -> None:
    image = TWO.convert("RGBA")
    image.putalpha(stripes((255,) * 3, (0,) * 3, across=400, down=400).convert("L"))
    frame = await frame_of(psd(image, 3, layers=layers))
    assert close(frame.getpixel((10, 200)), RED)
    assert close(frame.getpixel((390, 200)), wanted)


async def test_a_psd_of_nothing_or_of_too_much_is_refused() -> None:
    data = psd(TWO, 3)
    assert await problem_of(data[:40]) is Problem.NOT_AN_IMAGE
    assert await problem_of(data[: len(data) // 2]) is Problem.NOT_AN_IMAGE
    huge = data[:14] + struct.pack(">II", 30_000, 30_000) + data[22:]
    assert await problem_of(huge) is Problem.IMAGE_BOMB


# -- TGA -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("compression", [None, "tga_rle"])
async def test_a_tga_is_a_picture(mode: str, compression: str | None) -> None:
    data = encoded(TWO.convert(mode), "TGA", compression=compression)
    await shows_both(data, "TGA")
    old = data[:-26]  # without the end that version 2 added
    if compression is None:
        await shows_both(old, "TGA")
    else:
        assert await problem_of(old) is Problem.NOT_AN_IMAGE


async def test_a_tga_whose_alpha_nobody_filled_in_is_opaque() -> None:
    unused, some = TWO.convert("RGBA"), TWO.convert("RGBA")
    unused.putalpha(0)
    some.putalpha(stripes((255,) * 3, (0,) * 3, across=400, down=400).convert("L"))
    await shows_both(encoded(unused, "TGA"), "TGA")
    frame = await frame_of(encoded(some, "TGA"))
    assert close(frame.getpixel((10, 200)), RED)
    assert frame.getpixel((390, 200)) == (255, 255, 255)


async def test_other_files_are_not_taken_for_a_tga() -> None:
    head = struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, 100, 100, 24, 0)
    assert picture_containers.is_targa(head + bytes(30_000))
    for other in (head + bytes(30_001), head, head[:9], b"", b"\0\0\2\0\1\0" + bytes(5000)):
        assert not picture_containers.is_targa(other)
        assert await problem_of(other) is Problem.NOT_AN_IMAGE


# -- icons ---------------------------------------------------------------------------------------


def icon(*entries: tuple[int, bytes]) -> bytes:
    """An icon of these pictures with the sides that its directory tells."""
    head, body = struct.pack("<HHH", 0, 1, len(entries)), b""
    for side, picture in entries:
        place = 6 + 16 * len(entries) + len(body)
        head += struct.pack("<BBBBHHII", side % 256, side % 256, 0, 0, 1, 32, len(picture), place)
        body += picture
    return head + body


def bitmap(width: int, height: int, color: tuple[int, int, int]) -> bytes:
    """The bitmap of an icon: 32 bits, and an empty mask."""
    pixels = bytes([*color[::-1], 255]) * (width * height) + bytes(-(-width // 32) * 4 * height)
    return struct.pack("<IiiHHIIiiII", 40, width, 2 * height, 1, 32, 0, 0, 0, 0, 0, 0) + pixels


async def test_the_largest_picture_of_an_icon_is_used() -> None:
    small, large = encoded(Image.new("RGB", (64, 64), GREEN)), encoded(TWO.resize((256, 256)))
    for entries in ([(64, small), (256, large)], [(256, large), (64, small)]):
        await shows_both(icon(*entries), "PNG", (256, 256))
    data = icon((64, small), (128, bitmap(128, 128, GREEN)))
    assert (await frames.check(data)).width == 128
    assert close((await frame_of(data)).getpixel((9, 9)), GREEN)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (icon((256, png_of_nothing(20_000, 20_000))), Problem.IMAGE_BOMB),
        (icon((64, struct.pack("<Iii", 40, 20_000, 40_000) + bytes(9999))), Problem.NOT_AN_IMAGE),
        (icon((64, struct.pack("<Iii", 40, 64, -(1 << 31)) + bytes(9999))), Problem.NOT_AN_IMAGE),
        (icon((64, b"")), Problem.NOT_AN_IMAGE),
        (icon(), Problem.NOT_AN_IMAGE),
        (b"\0\0\1\0", Problem.NOT_AN_IMAGE),
        (b"\0\0\1\0\xff\xff" + bytes(99), Problem.NOT_AN_IMAGE),
        (icon((32, bitmap(32, 32, RED))), Problem.IMAGE_SIDES),
    ],
    ids=["bomb", "hidden size", "negative", "empty", "none", "cut", "many", "small"],
)
async def test_an_icon_without_a_usable_picture_is_refused(data: bytes, problem: Problem) -> None:
    assert await problem_of(data) is problem


# -- raw files of cameras ------------------------------------------------------------------------


def raw(preview: bytes, *, orientation: int = 1, dng: bool = True, canon: bool = False) -> bytes:
    """A raw file: a grey thumbnail, and below it the JPEG of the camera in front of pixels."""
    thumbnail = bytes([90]) * 80 * 80
    head = 16 if canon else 8
    first_tags, second_tags = (9 if dng else 8), 5
    first = head
    second = first + 2 + 12 * first_tags + 4
    places = second + 2 + 12 * second_tags + 4
    jpeg_place = places + len(thumbnail)

    def directory(*entries: tuple[int, int, int]) -> bytes:
        listed = b"".join(
            struct.pack("<HHI", tag, kind, 1)
            + (struct.pack("<I", value) if kind == 4 else struct.pack("<HH", value, 0))
            for tag, kind, value in entries
        )
        return struct.pack("<H", len(entries)) + listed + bytes(4)

    entries = [
        (256, 4, 80), (257, 4, 80), (258, 3, 8), (262, 3, BLACK_IS_ZERO), (273, 4, places),
        (274, 3, orientation), (279, 4, len(thumbnail)), (330, 4, second),
        *([(50706, 4, 1)] if dng else []),
    ]  # fmt: skip
    below = [
        (256, 4, 400), (257, 4, 400), (259, 3, 7), (273, 4, jpeg_place), (279, 4, len(preview)),
    ]  # fmt: skip
    start = struct.pack("<2sHI", b"II", 42, first) + (b"CR\2\0" + bytes(4) if canon else b"")
    assert len(start) == first
    return start + directory(*entries) + directory(*below) + thumbnail + preview + bytes(5000)


@pytest.mark.parametrize(
    "kind", [{}, {"dng": False}, {"canon": True}], ids=["DNG", "another", "CR2"]
)
async def test_the_picture_of_a_raw_file_is_that_of_the_camera(kind: dict[str, bool]) -> None:
    await shows_both(raw(jpeg(TWO), **kind), "JPEG")


async def test_it_is_turned_as_the_raw_file_says() -> None:
    lying = TWO.transpose(Image.Transpose.ROTATE_90).resize((400, 300))
    await shows_both(raw(jpeg(lying), orientation=6), "JPEG", (300, 400))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # noted in both: it is turned once
    await shows_both(raw(jpeg(lying, exif), orientation=6), "JPEG", (300, 400))


@pytest.mark.parametrize(
    "preview",
    [
        b"", b"\xff\xd8", b"\xff\xd8\xff\xdb\0\2\xff\xc3" + bytes(999),
        jpeg(TWO.resize((70, 70))),
    ],
    ids=["none", "cut", "lossless", "smaller than the thumbnail"],
)  # fmt: skip
async def test_without_a_better_one_the_thumbnail_is_used(preview: bytes) -> None:
    data = raw(preview, dng=False)
    assert (await frames.check(data)).format == "TIFF"
    assert close((await frame_of(data)).getpixel((9, 9)), (90, 90, 90))


async def test_directories_that_lead_to_each_other_end() -> None:
    data = bytearray(raw(jpeg(TWO)))
    second = data.index(struct.pack("<HHI", 330, 4, 1)) + 8
    data[second : second + 4] = struct.pack("<I", 8)
    assert picture_containers.previews(bytes(data)).jpegs == []
    for end in range(0, 400, 3):
        picture_containers.previews(bytes(data[:end]))


async def test_a_tiff_packed_as_jpeg_stays_what_it_is() -> None:
    file = io.BytesIO()
    TWO.save(file, "TIFF", compression="jpeg", quality=95)
    await shows_both(file.getvalue(), "TIFF")
    pixels = bytes((*RED, *BLUE)) * 3200
    assert picture_containers.previews(tiff(80, 80, pixels, RGB, 8, samples=3)).jpegs == []


# -- colours -------------------------------------------------------------------------------------


async def test_a_grey_picture_with_transparency_keeps_its_profile() -> None:
    """A profile of one channel fits only greys: here their curve is a straight line."""
    wanted = await frame_of(encoded(Image.new("L", (400, 400), 60), icc_profile=grey_profile()))
    clear = Image.new("LA", (400, 400), (60, 255))
    clear.paste((60, 0), (200, 0, 400, 400))
    frame = await frame_of(encoded(clear, icc_profile=grey_profile()))
    assert frame.getpixel((10, 200)) == wanted.getpixel((10, 200)) != (60, 60, 60)
    assert frame.getpixel((390, 200)) == (255, 255, 255)


def grey_profile() -> bytes:
    """An ICC profile of one channel with the curve 1.0 (ICC.1:2001-04)."""
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, 256) + bytes(2)
    name = b"desc" + bytes(4) + struct.pack(">I", 2) + b"x\0" + bytes(78)
    table, body = struct.pack(">I", 3), b""
    for tag, content in ((b"desc", name), (b"wtpt", white), (b"kTRC", curve)):
        table += tag + struct.pack(">II", 128 + 40 + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    size = 128 + len(table) + len(body)
    head = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02100000, b"mntr", b"GRAY", b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + table + body
