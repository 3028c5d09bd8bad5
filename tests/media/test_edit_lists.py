"""Edit lists of MP4s that leave out everything, which players show all the same."""

from __future__ import annotations

import io
import struct
from contextlib import ExitStack
from pathlib import Path

import av
import pytest
from PIL import Image

from bot.media import video_reader
from bot.media.mp4 import edits_show_nothing
from tests.media.test_mp4_index import box
from tests.media.test_video_reader import mp4, packets, pictures
from tests.support.media_files import opened

NORMAL = 1 << 16
"""The speed of an edit: 1, in sixteenths of bits."""
NOTHING: dict[str, list[tuple[int, int]]] = {
    "a duration of 0": [(0, 0)],
    "twice": [(0, 0), (0, 0)],
    "a pause, then a duration of 0": [(500, -1), (0, 0)],
    "only a pause": [(1000, -1)],
    "a start behind the end": [(1000, 1 << 28)],
}
"""Edits as (duration in ms, start in the media); a start of -1 is a pause."""
SOMETHING: dict[str, list[tuple[int, int]]] = {
    "all of it": [(2000, 0)],
    "no edit": [],
    "a duration of 0, then more": [(0, 0), (2000, 0)],
    "half of it": [(1000, 0)],
}


def edit_list(edits: list[tuple[int, int]], version: int) -> bytes:
    form = ">QqI" if version else ">IiI"
    entries = (struct.pack(form, *edit, NORMAL) for edit in edits)
    return box(b"elst", struct.pack(">II", version << 24, len(edits)), *entries)


def edited(data: bytes, edits: list[tuple[int, int]], version: int = 0, track: int = 0) -> bytes:
    """The MP4, whose index is its last box, with another edit list in this track."""
    start = data.index(b"moov") - 4
    index = data[start:]
    place = -1
    for _ in range(track + 1):
        place = index.index(b"trak", place + 1)
    found = index.index(b"elst", place) - 4
    old = int.from_bytes(index[found : found + 4], "big")
    new = edit_list(edits, version)
    made = bytearray(index[:found] + new + index[found + old :])
    for at in (0, place - 4, index.index(b"edts", place) - 4):
        [length] = struct.unpack_from(">I", made, at)
        struct.pack_into(">I", made, at, length + len(new) - old)
    return data[:start] + bytes(made)


@pytest.mark.parametrize("later", ["0", "2"], ids=["in order", "B-frames"])
@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("edits", NOTHING)
async def test_a_video_whose_edits_leave_nothing_is_shown_whole(
    files: ExitStack, tmp_path: Path, edits: str, version: int, later: str
) -> None:
    data = edited(mp4(tmp_path, seconds=2, later=later), NOTHING[edits], version)
    with pytest.raises(AssertionError):
        assert pictures(data)  # libav itself shows nothing
    file = opened(files, data)
    video = await video_reader.prepare(file)
    assert video.info == video_reader.VideoInfo(width=160, height=96, duration=2, has_audio=False)
    for picture in (video.thumbnail, await video_reader.last_frame(file)):
        with Image.open(io.BytesIO(picture)) as shown:
            assert shown.size == (160, 96)
            assert shown.getpixel((20, 48))[0] > 150  # type: ignore[index]
    assert (await video_reader.readers.details(file)).seconds == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("edits", SOMETHING)
async def test_edits_that_leave_something_are_kept(
    files: ExitStack, tmp_path: Path, edits: str
) -> None:
    data = edited(mp4(tmp_path, seconds=2), SOMETHING[edits])
    file = opened(files, data)
    assert not edits_show_nothing(file.fileno())
    assert (await video_reader.prepare(file)).info.width == 160


async def test_such_a_part_is_joined_whole_with_its_sound(
    files: ExitStack, tmp_path: Path
) -> None:
    whole = mp4(tmp_path, seconds=2, sound=True)
    part = edited(edited(whole, [(0, 0)]), [(0, 1024)], track=1)
    film = opened(files)
    await video_reader.join([opened(files, part), opened(files, whole)], film)
    film.seek(0)
    data = film.read()
    assert pictures(data) == 2 * pictures(whole)
    heard, once = ([packet for packet in packets(one) if packet[0] == 1] for one in (data, whole))
    assert abs(len(heard) - 2 * len(once)) <= 2


async def test_the_sound_of_such_a_video_note_is_copied(files: ExitStack, tmp_path: Path) -> None:
    note = edited(mp4(tmp_path, seconds=2, sound=True), [(0, 0)], track=1)
    copy = opened(files)
    await video_reader.sound(opened(files, note), copy)
    copy.seek(0)
    with av.open(io.BytesIO(copy.read()), "r") as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) >= 1.9 * 48000


def track(kind: bytes, edits: bytes, *, lasts: int = 2000, version: int = 0) -> bytes:
    times = struct.pack(">QQIQ" if version else ">IIII", 0, 0, 1000, lasts)
    header = box(b"mdhd", struct.pack(">I", version << 24), times)
    handler = box(b"hdlr", bytes(8), kind, bytes(12))
    return box(b"trak", box(b"edts", edits), box(b"mdia", header, handler))


@pytest.mark.parametrize(
    ("inside", "nothing"),
    [
        ([track(b"vide", edit_list([(0, 0)], 0))], True),
        ([track(b"vide", edit_list([(9, 1999)], 0))], False),
        ([track(b"vide", edit_list([(9, 2000)], 1), version=1)], True),
        ([track(b"vide", edit_list([(9, 2000)], 0), lasts=0)], False),  # how long is not known
        ([track(b"tmcd", edit_list([(0, 0)], 0))], False),  # nobody sees or hears a time code
        ([track(b"vide", edit_list([(0, 0)], 0)), box(b"mvex")], False),  # more in fragments
        ([box(b"trak"), track(b"soun", edit_list([(0, 0)], 0))], True),
        ([track(b"vide", box(b"elst", bytes(4), b"\xff" * 4))], False),
        ([track(b"vide", box(b"elst", bytes(4), b"\0\0\0\1", b"cut"))], False),
        ([track(b"vide", box(b"elst"))], False),
        ([], False),
    ],
)
def test_what_the_index_says_about_edits(
    files: ExitStack, inside: list[bytes], *, nothing: bool
) -> None:
    data = box(b"ftyp", b"isom") + box(b"moov", *inside) + box(b"mdat")
    assert edits_show_nothing(opened(files, data).fileno()) is nothing
