"""Untrusted videos inside the reader process: a file without a name, its index, its pictures.

It must not know settings, secrets or other modules of the bot.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

MAX_SIDE = 8192  # px
MAX_BOXES = 10_000
FIRST = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"}
PIECE = 1 << 17  # larger pieces would be allocated anew each time
AS_DECLARED = {"skip_frame": "all", "probesize": "32", "analyzeduration": "1"}
"""Options of libav: trust the index. Without them libav decodes a picture to open the file."""


class Unusable(Exception):
    """The file cannot be used."""


class Positioned(io.RawIOBase):
    """A file object with its own position: the parent's position does not move."""

    name = "video.mp4"

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            size = max(0, self._size - self._place)
        data = os.pread(self._descriptor, size, self._place)
        self._place += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def tell(self) -> int:
        return self._place


class Box(NamedTuple):
    """One box (ISO/IEC 14496-12, 4.2): where it begins and how long it is, in bytes."""

    kind: bytes
    place: int
    head: int
    length: int

    @property
    def end(self) -> int:
        return self.place + self.length


def boxes(file: io.RawIOBase | io.BytesIO, place: int, end: int) -> Iterator[Box]:
    """Iterate over the boxes between two places. Raises Unusable if a box does not fit."""
    for _ in range(MAX_BOXES):
        if place + 8 > end:
            return
        file.seek(place)
        head = file.read(16) or b""
        length, kind = struct.unpack(">I4s", head[:8])
        long = length == 1 and len(head) == 16
        if long:
            [length] = struct.unpack(">Q", head[8:])
        elif length == 0:
            length = end - place
        if length < 8:
            raise Unusable("a box in it has no sensible size")
        if place + length > end:
            raise Unusable("its end is missing")
        yield Box(kind, place, 16 if long else 8, length)
        place += length
    raise Unusable("it has too many boxes")


def outer_boxes(file: Positioned, size: int) -> Iterator[Box]:
    """Iterate over the top-level boxes. Raises Unusable as `boxes`.

    Data after the last box of a complete file is ignored, as players do: some tools append it.
    """
    seen, place = set(), 0
    try:
        for box in boxes(file, 0, size):
            seen.add(box.kind)
            place = box.end
            yield box
    except Unusable:
        file.seek(place + 4)
        more = file.read(4) in (b"moov", b"mdat", b"moof") or b"moof" in seen
        if more or not seen >= {b"moov", b"mdat"}:
            raise


def find_index(file: Positioned, size: int) -> tuple[int, bool]:
    """Return the size of the index (`moov`) in bytes, and whether it is before the data (`mdat`).

    Walks the top-level boxes, which also shows whether the file is complete.
    """
    moov, mdat_first = 0, False
    for box in outer_boxes(file, size):
        if box.place == 0 and box.kind not in FIRST:
            raise Unusable("it is no MP4")
        if box.kind == b"moov":
            moov = box.length
        elif box.kind == b"mdat" and not moov:
            mdat_first = True
    if not moov:
        raise Unusable("its index is missing")
    return moov, not mdat_first


def move_index(descriptor: int) -> None:
    """Move the index of a complete MP4 in front of its data, in place.

    The data stays the same; in the index only the places of the data change. If that is
    impossible, the file stays as it is: it still plays, but starts later.
    """
    file, size = Positioned(descriptor), os.fstat(descriptor).st_size
    found = list(outer_boxes(file, size))
    kinds = [box.kind for box in found]
    if kinds.count(b"moov") != 1 or b"moof" in kinds:
        return
    old, start = found[kinds.index(b"moov")], found[kinds.index(b"mdat")].place
    index = io.BytesIO(os.pread(descriptor, old.length, old.place))
    if old.head == 8:  # its length may be 0, which means "to the end of the file"
        index.write(struct.pack(">I", old.length))
    try:
        _shift_offsets(index, Box(b"moov", 0, old.head, old.length), start, old.place)
    except (Unusable, struct.error):  # damaged, or a place beyond four bytes
        return
    place = old.place
    while place > start:  # from the end: the pieces move over each other
        piece = os.pread(descriptor, min(PIECE, place - start), max(start, place - PIECE))
        place -= len(piece)
        os.pwrite(descriptor, piece, place + old.length)
    os.pwrite(descriptor, index.getbuffer(), start)


def _shift_offsets(index: io.BytesIO, box: Box, start: int, end: int) -> None:
    """Add the length of the index to the places of data between `start` and `end`: the chunk
    offsets below this box (8.7.5).
    """
    for inner in boxes(index, box.place + box.head, box.end):
        if inner.kind in (b"cmov", b"saio"):
            raise Unusable("it has places that cannot be changed: compressed, or of keys")
        if inner.kind in (b"trak", b"mdia", b"minf", b"stbl"):
            _shift_offsets(index, inner, start, end)
        elif inner.kind in (b"stco", b"co64"):
            index.seek(inner.place + inner.head + 4)
            [count] = struct.unpack(">I", index.read(4))
            each, kind = (4, "I") if inner.kind == b"stco" else (8, "Q")
            if inner.head + 8 + count * each > inner.length:
                raise Unusable("an index in it has no sensible size")
            numbers = struct.Struct(f">{count}{kind}")
            added = len(index.getbuffer())
            places = numbers.unpack(index.read(numbers.size))
            index.seek(-numbers.size, os.SEEK_CUR)
            index.write(numbers.pack(*(at + added * (start <= at < end) for at in places)))


def edits_show_nothing(descriptor: int) -> bool:
    """Return whether the edit list of a track leaves out all of it (ISO/IEC 14496-12, 8.6.6).

    A duration of 0 means "all of it" to some muxers and players; libav would have no pictures.
    """
    file = Positioned(descriptor)
    try:
        for moov in outer_boxes(file, os.fstat(descriptor).st_size):
            if moov.kind == b"moov":
                inside = list(boxes(file, moov.place + moov.head, moov.end))
                tracks = [box for box in inside if box.kind == b"trak"]
                # in fragments, 0 means "what follows", to libav too
                return not any(box.kind == b"mvex" for box in inside) and any(
                    _shows_nothing(file, track) for track in tracks
                )
    except (Unusable, struct.error):  # damaged: libav knows better what can be read
        pass
    return False


def _shows_nothing(file: Positioned, track: Box) -> bool:
    header, edits = _inside(file, track, b"mdia", b"mdhd"), _inside(file, track, b"edts", b"elst")
    kind = _inside(file, track, b"mdia", b"hdlr")[8:12]
    if kind not in (b"vide", b"soun") or not header or not edits:
        return False
    [lasts] = (
        struct.unpack_from(">Q", header, 24) if header[0] else struct.unpack_from(">I", header, 16)
    )
    [count] = struct.unpack_from(">I", edits, 4)
    entry = struct.Struct(">QqI" if edits[0] else ">IiI")
    listed = [*entry.iter_unpack(edits[8 : 8 + count * entry.size])]
    return bool(listed) and not any(
        seconds > 0 and (not lasts or start < lasts)
        for seconds, start, _ in listed
        if start != -1  # nothing is shown for a while
    )


def _inside(file: Positioned, box: Box, *kinds: bytes) -> bytes:
    """Return the content of the box below this one; empty without it."""
    for kind in kinds:
        for inner in boxes(file, box.place + box.head, box.end):
            if inner.kind == kind:
                box = inner
                break
        else:
            return b""
    file.seek(box.place + box.head)
    return file.read(min(box.end - box.place - box.head, PIECE))


@contextmanager
def film(
    descriptor: int, demuxer: str = "mp4", *, as_declared: bool = False
) -> Iterator[InputContainer]:
    """Open the file if it has pictures. Raises Unusable.

    `as_declared`: trust what the index says about the streams; that is enough to decode them.
    """
    options = dict(AS_DECLARED) if as_declared and demuxer == "mp4" else {}
    if demuxer == "mp4" and edits_show_nothing(descriptor):
        options["ignore_editlist"] = "1"
    # Only this demuxer: others open further files and addresses that a file names.
    with av.open(
        Positioned(descriptor),
        "r",
        format=demuxer,
        metadata_errors="replace",
        options=options,
    ) as container:
        stream = pictures(container)
        stream.codec_context.thread_count = 1
        if not 0 < max(stream.width, stream.height) <= MAX_SIDE:
            raise Unusable("its pictures have no sensible size")
        yield container


def pictures(container: InputContainer) -> VideoStream:
    """Return the stream of the pictures, which need not be the first: a cover is also a stream.

    Raises Unusable without one.
    """
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    raise Unusable("there is no video in it")


def duration(container: InputContainer) -> float:
    """Return the duration in seconds from the index or, without one, from the last packet."""
    stream = pictures(container)
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if container.duration:
        return container.duration / av.time_base
    end = 0.0
    container.seek(0)
    for packet in container.demux(stream):
        if packet.pts is not None and packet.time_base is not None:
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    container.seek(0)  # for the next pass
    return end
