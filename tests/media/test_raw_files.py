"""Raw files that are not TIFF: the JPEG made by the camera is used."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

import pytest
from PIL import ExifTags, Image

from bot.core.errors import InputError
from bot.core.task import AspectRatio, Problem
from bot.media import frames, picture_containers, picture_repair
from tests.media.test_frames import BLUE, RED, encoded, stripes
from tests.media.test_picture_containers import problem_of, shows_both
from tests.support.media_files import jpeg

TWO = stripes(RED, BLUE, across=400, down=400)
THUMBNAIL = jpeg(Image.new("RGB", (160, 120), "green"))
# Markers of a JPEG that occur by chance, and a lossless JPEG
PIXELS = random.Random(3).randbytes(30_000) + b"\xff\xda\0\4" * 3000 + b"\xff\xd8\xff\xc3\0\4"


def box(kind: bytes, *inside: bytes) -> bytes:
    body = b"".join(inside)
    return struct.pack(">I", 8 + len(body)) + kind + body


def directory(orientation: int, magic: bytes = b"II*\0") -> bytes:
    order = "<" if magic[:2] == b"II" else ">"
    entry = struct.pack(f"{order}HHIHH", 274, 3, 1, orientation, 0)
    return magic + struct.pack(f"{order}IH", 8, 1) + entry + bytes(4)


def cr3(picture: bytes, orientation: int = 1) -> bytes:
    """Canon CR3: MP4 boxes with a thumbnail, a preview, the full JPEG, and the raw pixels."""
    inside = box(b"uuid", bytes(16), box(b"CMT1", directory(orientation)), box(b"THMB", THUMBNAIL))
    preview = box(b"uuid", bytes(24), box(b"PRVW", bytes(16), jpeg(TWO.resize((200, 200)))))
    head = box(b"ftyp", b"crx \0\0\0\1crx isom")
    return head + box(b"moov", inside) + preview + box(b"mdat", picture, PIXELS)


def raf(picture: bytes, orientation: int = 1) -> bytes:
    """Fujifilm RAF: a JPEG that has EXIF with a thumbnail."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    noted = exif.tobytes() + THUMBNAIL
    if picture:
        note = b"\xff\xe1" + struct.pack(">H", 2 + len(noted)) + noted
        picture = picture[:2] + note + picture[2:]
    head = b"FUJIFILMCCD-RAW 0201FF393103X-T5".ljust(84, b"\0")
    return head + struct.pack(">II", 148, len(picture)) + bytes(56) + picture + PIXELS


def orf(picture: bytes, orientation: int = 1) -> bytes:
    return directory(orientation, b"IIRO") + PIXELS + picture + bytes(99)


def rw2(picture: bytes, orientation: int = 1) -> bytes:
    return directory(orientation, b"IIU\0") + picture + PIXELS


def x3f(picture: bytes, orientation: int = 1) -> bytes:
    return b"FOVb\0\0\2\0" + PIXELS + picture


KINDS = (cr3, raf, orf, rw2, x3f)
Kind = Callable[..., bytes]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_picture_of_the_camera_is_taken(kind: Kind) -> None:
    await shows_both(kind(jpeg(TWO)), "JPEG")
    await shows_both(kind(encoded(TWO, "JPEG", progressive=True)), "JPEG")


@pytest.mark.parametrize("kind", [cr3, raf, orf, rw2])
async def test_it_is_upright(kind: Kind) -> None:
    lying = TWO.transpose(Image.Transpose.ROTATE_90).resize((400, 300))
    await shows_both(kind(jpeg(lying), 6), "JPEG", (300, 400))


@pytest.mark.parametrize("kind", [raf, orf, rw2, x3f])
async def test_a_raw_file_without_a_picture_is_refused(kind: Kind) -> None:
    assert await problem_of(kind(b"")) is Problem.NOT_AN_IMAGE


async def test_without_the_picture_its_preview_is_taken() -> None:
    await shows_both(cr3(b""), "JPEG", (200, 200))


def test_only_a_whole_jpeg_is_found() -> None:
    data = jpeg(TWO)
    assert picture_repair.embedded_jpeg(b"xx" + data + b"\xff\xd9", 2) == (160_000, len(data) + 2)
    assert picture_repair.embedded_jpeg(data[:-2], 0) == (160_000, len(data) - 2)
    for end in range(0, 300, 3):
        assert picture_repair.embedded_jpeg(data[:end], 0) is None


@pytest.mark.parametrize("kind", KINDS)
async def test_random_damage_never_raises_anything_else(kind: Kind) -> None:
    chance, whole = random.Random(5), kind(jpeg(TWO))
    for _ in range(12):
        damaged = bytearray(whole[: chance.choice((len(whole), chance.randrange(len(whole))))])
        for _ in range(2):
            damaged[chance.randrange(len(damaged))] = chance.choice((0, 1, 127, 255))
        try:
            await frames.make_frame(bytes(damaged), AspectRatio.WIDE)
        except InputError:
            continue


def test_endless_starts_are_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each start looks like a JPEG without an end marker, and would be searched to the end of the
    file."""
    head = jpeg(Image.new("RGB", (64, 64)))[:-2]
    calls = []
    plain = picture_repair.embedded_jpeg
    monkeypatch.setattr(
        picture_containers, "embedded_jpeg", lambda *a: calls.append(a) or plain(*a)
    )
    assert len(picture_containers.previews(b"FOVb" + head * 2000).jpegs) <= 4
    assert len(calls) <= 64
