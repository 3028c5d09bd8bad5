"""HEVC in an MP4 gets the name under which Apple's players show it."""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from bot.media import hevc_name, video_reader
from tests.media.test_mp4_index import box
from tests.media.test_video_reader import mp4, pictures
from tests.support import media_files


@pytest.fixture
def file() -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as opened:
        yield opened


async def test_an_hevc_video_is_renamed_and_otherwise_the_same(file: BinaryIO) -> None:
    data = media_files.film("mp4", "libx265")
    assert data.count(b"hev1") == 1
    file.write(data)
    video = await video_reader.prepare(file)
    after = video.file.read()
    assert b"hev1" not in after
    assert after.count(b"hvc1") == 1
    assert len(after) == len(data)
    assert pictures(after) == pictures(data)
    await video_reader.prepare(file)
    file.seek(0)
    assert file.read() == after


async def test_other_videos_stay_as_they_are(file: BinaryIO, tmp_path: Path) -> None:
    data = mp4(tmp_path, options={"movflags": "+faststart"})
    file.write(data)
    await video_reader.prepare(file)
    file.seek(0)
    assert file.read() == data


async def test_a_read_only_file_stays_as_it_is(tmp_path: Path) -> None:
    data = media_files.film("mp4", "libx265")
    path = tmp_path / "film.mp4"
    path.write_bytes(data)
    with path.open("rb") as file:
        assert (await video_reader.prepare(file)).info.width == 160
    assert path.read_bytes() == data


def parameters(*kinds: int, count: int = 1) -> bytes:
    """What an HEVC decoder is set up with: one unit of each kind (14496-15, 8.3.3)."""
    units = (
        struct.pack(">BH", 0x80 | kind, count) + count * struct.pack(">H2s", 2, b"xx")
        for kind in kinds
    )
    return box(b"hvcC", bytes(22), bytes([len(kinds)]), *units)


def film(*inside: bytes) -> bytes:
    entry = box(b"hev1", bytes(78), *inside)
    table = box(b"stbl", box(b"stsd", bytes(4), struct.pack(">I", 1), entry))
    track = box(b"trak", box(b"mdia", box(b"minf", table)))
    return box(b"ftyp", b"isom") + box(b"moov", track) + box(b"mdat")


@pytest.mark.parametrize(
    ("data", "renamed"),
    [
        (film(parameters(32, 33, 34)), True),
        (film(box(b"pasp", bytes(8)), parameters(32, 33, 34, 39)), True),
        (film(parameters(32, 33)), False),  # the rest is between the pictures
        (film(parameters()), False),
        (film(parameters(32, 33, 34, count=0)), False),
        (film(parameters(32, 33, 34)[:-3]), False),
        (film(box(b"hvcC", bytes(22), b"\xff")), False),
        (film(box(b"hvcC")), False),
        (film(), False),
        (b"", False),
    ],
    ids=[
        "all",
        "more",
        "some",
        "none",
        "empty",
        "cut",
        "too many",
        "nothing",
        "without",
        "no file",
    ],
)
def test_only_a_track_with_all_its_parameters_in_front_is_renamed(
    file: BinaryIO, data: bytes, *, renamed: bool
) -> None:
    file.write(data)
    file.flush()
    hevc_name.rename(file.fileno())
    after = os.pread(file.fileno(), len(data) + 1, 0)
    assert after == (data.replace(b"hev1", b"hvc1") if renamed else data)
