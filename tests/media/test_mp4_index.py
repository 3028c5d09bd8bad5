"""Moving the index of an MP4 to the front, with files whose every byte is known."""

from __future__ import annotations

import struct
import tempfile

import pytest

from bot.media.mp4 import PIECE, move_index

DATA = bytes(range(256)) * 1200  # more than one piece
START = 16 + 8
"""The place where the data begins: after the first box and the header of the second."""


def box(kind: bytes, *inside: bytes) -> bytes:
    content = b"".join(inside)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def index(*tables: bytes) -> bytes:
    tracks = (box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", one)))) for one in tables)
    return box(b"moov", box(b"mvhd", bytes(100)), *tracks)


def offsets(kind: bytes, *places: int) -> bytes:
    """The chunk offsets of a track (ISO/IEC 14496-12, 8.7.5)."""
    numbers = struct.pack(f">{len(places)}{'I' if kind == b'stco' else 'Q'}", *places)
    return box(kind, bytes(4), struct.pack(">I", len(places)), numbers)


def moved(*boxes: bytes) -> bytes:
    with tempfile.TemporaryFile() as file:
        file.write(b"".join(boxes))
        file.flush()
        move_index(file.fileno())
        file.seek(0)
        return file.read()


FTYP, MDAT = box(b"ftyp", b"isom\0\0\0\0"), box(b"mdat", DATA)


def test_the_places_of_all_tracks_follow_the_data() -> None:
    assert len(DATA) > 2 * PIECE
    old = index(offsets(b"stco", START, START + 500), offsets(b"co64", START + 70_000))
    by = len(old)
    new = index(
        offsets(b"stco", START + by, START + 500 + by), offsets(b"co64", START + 70_000 + by)
    )
    assert moved(FTYP, MDAT, old) == FTYP + new + MDAT


def test_what_is_behind_the_index_stays_where_it_is() -> None:
    more = box(b"mdat", b"the end")
    behind = len(FTYP + MDAT) + len(index(offsets(b"stco", 0, 0))) + 8
    old = index(offsets(b"stco", START, behind))
    new = index(offsets(b"stco", START + len(old), behind))
    assert moved(FTYP, MDAT, old, more) == FTYP + new + MDAT + more


def test_an_index_that_goes_on_to_the_end_of_the_file_gets_its_length() -> None:
    old = index(offsets(b"stco", START))
    endless = struct.pack(">I", 0) + old[4:]
    new = index(offsets(b"stco", START + len(old)))
    assert moved(FTYP, MDAT, endless) == FTYP + new + MDAT


@pytest.mark.parametrize(
    "boxes",
    [
        [FTYP, MDAT, index(box(b"stco", bytes(4), struct.pack(">I", 1 << 30)))],
        [FTYP, MDAT, index(box(b"co64", bytes(4)))],
        [FTYP, MDAT, index(struct.pack(">I4s", 4, b"stco"))],
        [FTYP, MDAT, index(offsets(b"stco", START)), box(b"moof")],
        [FTYP, MDAT, index(offsets(b"stco", START)), index(offsets(b"stco", START))],
        [FTYP, MDAT, box(b"moov", box(b"cmov", box(b"dcom", b"zlib"), box(b"cmvd", b"x")))],
        [FTYP, MDAT, index(offsets(b"stco", START) + offsets(b"saio", START))],
    ],
    ids=[
        "too many",
        "cut off",
        "no size",
        "fragments",
        "two indexes",
        "compressed",
        "encrypted",
    ],
)
def test_an_index_that_cannot_be_moved_stays(boxes: list[bytes]) -> None:
    assert moved(*boxes) == b"".join(boxes)
