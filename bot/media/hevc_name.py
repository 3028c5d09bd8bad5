"""Rename HEVC tracks in the index of an MP4, inside the reader process.

`hev1` allows parameters between the pictures, which Apple's players do not take: they show
nothing. Most such files have all parameters in front and would be as right under the name `hvc1`
(ISO/IEC 14496-15, 8.4.1). It must not know settings, secrets or other modules of the bot.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

from bot.media.mp4 import Box, Positioned, Unusable, boxes, outer_boxes

_ANY, _APPLE = b"hev1", b"hvc1"
_ENTRY = 8 + 78  # bytes in front of the boxes of a sample entry of pictures (14496-12, 12.1.3)
_PARAMETERS = {32, 33, 34}  # of video, sequence and picture (H.265, table 7-1)
_ABOVE = (b"trak", b"mdia", b"minf", b"stbl")


def rename(descriptor: int) -> None:
    """Let Apple's players show the HEVC tracks of a complete MP4, in place; a file that is not
    sure to stay right is not changed."""
    file = Positioned(descriptor)
    try:
        for entry in _entries(file, os.fstat(descriptor).st_size):
            if entry.kind == _ANY and _is_described(file, entry):
                os.pwrite(descriptor, _APPLE, entry.place + 4)
    except (Unusable, struct.error):  # damaged: players know better
        return


def _entries(file: Positioned, size: int) -> Iterator[Box]:
    """Iterate over the sample entries of all tracks."""
    found = [box for box in outer_boxes(file, size) if box.kind == b"moov"]
    for kind in _ABOVE:
        found = [
            inner
            for box in found
            for inner in boxes(file, box.place + box.head, box.end)
            if inner.kind == kind
        ]
    for table in found:
        for inner in boxes(file, table.place + table.head, table.end):
            if inner.kind == b"stsd":  # a version and a number in front
                yield from list(boxes(file, inner.place + inner.head + 8, inner.end))


def _is_described(file: Positioned, entry: Box) -> bool:
    """Return whether all kinds of parameters are in front of the pictures (14496-15, 8.3.3)."""
    for box in boxes(file, entry.place + _ENTRY, entry.end):
        if box.kind == b"hvcC":
            file.seek(box.place + box.head)
            content = file.read(min(box.length - box.head, 1 << 16))
            kinds, place = set(), 23
            for _ in range(content[22] if len(content) > 22 else 0):
                kind, count = struct.unpack_from(">BH", content, place)
                kinds.add(kind & 0x3F if count else None)
                place += 3
                for _ in range(count):
                    place += 2 + struct.unpack_from(">H", content, place)[0]
            return kinds >= _PARAMETERS and place <= len(content)
    return False
