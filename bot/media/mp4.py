"""Untrusted videos inside the reader process: a file without a name, its index, its pictures.

It must not know settings, secrets or other modules of the bot.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import av
from av.container import InputContainer

MAX_SIDE = 8192  # px
MAX_BOXES = 10_000


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


def find_index(file: Positioned, size: int) -> tuple[int, bool]:
    """Return the size of the index (`moov`) in bytes, and whether it is before the data (`mdat`).

    Walks the top-level boxes (ISO/IEC 14496-12, 4.2), which also shows whether the file is
    complete.
    """
    place, moov, mdat_first = 0, 0, False
    for _ in range(MAX_BOXES):
        if place + 8 > size:
            break
        file.seek(place)
        head = file.read(16)
        length, kind = struct.unpack(">I4s", head[:8])
        if place == 0 and kind not in {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"}:
            raise Unusable("it is no MP4")
        if length == 1 and len(head) == 16:
            [length] = struct.unpack(">Q", head[8:])
        elif length == 0:
            length = size - place
        if length < 8:
            raise Unusable("a box in it has no sensible size")
        if place + length > size:
            raise Unusable("its end is missing")
        if kind == b"moov":
            moov = length
        elif kind == b"mdat" and not moov:
            mdat_first = True
        place += length
    else:
        raise Unusable("it has too many boxes")
    if not moov:
        raise Unusable("its index is missing")
    return moov, not mdat_first


@contextmanager
def film(descriptor: int, demuxer: str = "mp4") -> Iterator[InputContainer]:
    """Open the file when it has pictures. Raises Unusable."""
    # Only this demuxer: others open further files and addresses that a file names.
    with av.open(
        Positioned(descriptor), "r", format=demuxer, metadata_errors="replace"
    ) as container:
        if not container.streams.video:
            raise Unusable("there is no video in it")
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        if not 0 < max(stream.width, stream.height) <= MAX_SIDE:
            raise Unusable("its pictures have no sensible size")
        yield container


def duration(container: InputContainer) -> float:
    """Return the duration in seconds from the index or, without one, from the last packet."""
    stream = container.streams.video[0]
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
