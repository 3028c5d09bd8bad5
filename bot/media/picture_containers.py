"""Find the picture in files that hold several: icons, and the raw files of cameras; and recognise
a TGA. Bytes in, bytes out.

Pillow would decode an icon at a size that its directory does not tell, shows the thumbnail of a
raw file, and takes many files for a TGA. It must not decode pictures.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bot.media.picture_repair import embedded_jpeg

_TARGA_HEAD, _TARGA_END = 18, b"TRUEVISION-XFILE.\0"  # (TGA 2.0, appendix C)
_PSD_HEAD = 26  # (Photoshop file format: a negative number of layers means transparency)
_ICON = b"\0\0\1\0"
_PNG = b"\x89PNG\r\n\x1a\n"
_ICON_SIDE = 256  # px: the directory of an icon cannot tell more (a byte, 0 means 256)
_BITMAP_HEAD = 40  # bytes (BITMAPINFOHEADER)

_SUB_IFDS, _STRIPS, _STRIP_SIZES = 330, 273, 279  # tags of TIFF 6.0 and its supplement 1
_COMPRESSION, _OLD_JPEG, _JPEG = 259, 6, 7
_JPEG_PLACE, _JPEG_SIZE, _ORIENTATION = 513, 514, 274
_DNG_VERSION, _CANON = 50706, b"CR"  # a tag of DNG; what a CR2 has behind the head of a TIFF
_FORMS = {1: "B", 3: "H", 4: "I", 13: "I"}  # of the types of a tag
_MAX_IFDS, _MAX_TAGS, _MAX_JPEGS = 32, 512, 4
# Raw files that are no TIFF, by bytes at an offset: Canon (CR3, CRW), Fujifilm, Olympus,
# Panasonic, Sigma, Minolta
_RAWS = (
    (b"ftypcrx ", 4), (b"HEAPCCDR", 6), (b"FUJIFILMCCD-RAW", 0), (b"IIRO", 0), (b"IIRS", 0),
    (b"MMOR", 0), (b"IIU\0", 0), (b"FOVb", 0), (b"\0MRM", 0),
)  # fmt: skip
_JPEG_START, _CANON_DIRECTORY, _SEARCHED, _MAX_SEARCHED = b"\xff\xd8\xff", b"CMT1", 1 << 16, 64
_TIFF_NUMBERS = {b"II": b"*\0", b"MM": b"\0*"}
# Start of frame of a JPEG that Pillow decodes: baseline, extended, progressive (T.81, B.1.1.3)
_FRAMES = {0xC0, 0xC1, 0xC2}


def is_targa(content: bytes) -> bool:
    """Return whether it is a TGA, which has no beginning to know it by: by its end, or by its size
    if it is not compressed."""
    if content.endswith(_TARGA_END):
        return True
    if len(content) < _TARGA_HEAD:
        return False
    words, kind, colours, each, width, height, bits = struct.unpack_from("<B1xB2xHB4xHHB", content)
    size = _TARGA_HEAD + words + colours * each // 8 + width * height * bits // 8
    return kind in (1, 2, 3) and width > 0 < height and len(content) == size


def is_clear_psd(content: bytes) -> bool:
    """Return whether the fourth channel of a PSD is its transparency; otherwise it is a selection
    that somebody saved, which Pillow takes for transparency too."""
    try:
        place = _PSD_HEAD
        for _ in range(2):  # colours and resources
            place += 4 + struct.unpack_from(">I", content, place)[0]
        length, inside, layers = struct.unpack_from(">IIh", content, place)
    except struct.error:
        return False
    return bool(length > 0 < inside and layers < 0)


def is_icon(content: bytes) -> bool:
    """Return whether it begins like an icon."""
    return content.startswith(_ICON)


def icon(content: bytes) -> bytes | None:
    """Return the largest picture of an icon, a PNG or an icon of one bitmap; None without one."""
    entries = []
    try:
        [count] = struct.unpack_from("<H", content, 4)
        for number in range(min(count, 64)):
            width, height, bits, size, place = struct.unpack_from(
                "<BB4xHII", content, 6 + 16 * number
            )
            entries.append(((width or 256) * (height or 256), bits, place, size, number))
        _, _, place, size, number = max(entries)
        picture = content[place : place + size]
        if picture.startswith(_PNG):
            return picture
        head, width, height = struct.unpack_from("<Iii", picture)
        # The height is that of the colours and of the mask below them.
        if head != _BITMAP_HEAD or not (0 < width <= _ICON_SIDE >= abs(height) // 2):
            return None
    except (struct.error, ValueError):  # damaged, or empty
        return None
    entry = content[6 + 16 * number : 6 + 16 * number + 12]
    return _ICON + struct.pack("<H", 1) + entry + struct.pack("<I", 22) + picture


class Previews(NamedTuple):
    """The JPEGs in a file, the largest first; the EXIF orientation of its first picture; and
    whether it is the raw file of a camera."""

    jpegs: Sequence[bytes]
    orientation: int
    is_raw: bool


def previews(content: bytes) -> Previews:
    """Return the JPEGs that a TIFF or a raw file holds as whole files; none for other files.

    Raw files of most cameras are TIFFs: thumbnails, the raw pixels, and a JPEG made from them.
    """
    if any(content.startswith(magic, place) for magic, place in _RAWS):
        return _searched(content)
    found, orientation, is_raw = [], 1, content[8:10] == _CANON
    for number, (order, tags) in enumerate(_directories(content)):
        if number == 0:
            orientation = _first(content, order, tags, _ORIENTATION) or 1
            is_raw = is_raw or _DNG_VERSION in tags
        place = _first(content, order, tags, _JPEG_PLACE)
        size = _first(content, order, tags, _JPEG_SIZE)
        if not place and _first(content, order, tags, _COMPRESSION) in (_OLD_JPEG, _JPEG):
            strips = _values(content, order, tags, _STRIPS)
            if len(strips) == 1:  # several are not a file together
                place, size = strips[0], _first(content, order, tags, _STRIP_SIZES)
        jpeg = content[place : place + size]
        if _is_jpeg(jpeg):
            found.append(jpeg)
    return Previews(sorted(found, key=len, reverse=True)[:_MAX_JPEGS], orientation, is_raw)


def _searched(content: bytes) -> Previews:
    """Search a raw file for JPEGs, without reading its own index."""
    found, place = [], 0
    for _ in range(_MAX_SEARCHED):
        place = content.find(_JPEG_START, place)
        if place < 0:
            break
        jpeg = embedded_jpeg(content, place)
        if jpeg is None:
            place += len(_JPEG_START)
        else:  # this skips the thumbnail inside of it
            pixels, end = jpeg
            found.append((pixels, content[place:end]))
            place = end
    found.sort(key=lambda one: one[0], reverse=True)
    orientation = 1
    # Canon's directory is a box, Olympus and Panasonic changed the head of their TIFF.
    start = content.find(_CANON_DIRECTORY, 0, _SEARCHED) + 4
    tiff = content[start : start + _SEARCHED] if start >= 4 else content[:_SEARCHED]
    for order, tags in _directories(tiff[:2] + _TIFF_NUMBERS.get(tiff[:2], b"") + tiff[4:]):
        orientation = _first(tiff, order, tags, _ORIENTATION) or 1
        break
    return Previews([jpeg for _, jpeg in found[:_MAX_JPEGS]], orientation, is_raw=True)


_Tags = dict[int, tuple[str, int, int]]  # tag -> form of a value, number of them, their place


def _directories(content: bytes) -> Iterator[tuple[str, _Tags]]:
    """Iterate over the directories of a TIFF, also those below others, each once."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(content[:4])
    if order is None or len(content) < 8:
        return
    places = [*struct.unpack_from(f"{order}I", content, 4)]
    seen: set[int] = set()
    while places and len(seen) < _MAX_IFDS:
        place = places.pop(0)
        if not place or place in seen:
            continue
        seen.add(place)
        try:
            [count] = struct.unpack_from(f"{order}H", content, place)
            tags: _Tags = {}
            for entry in range(place + 2, place + 2 + 12 * min(count, _MAX_TAGS), 12):
                tag, kind, number = struct.unpack_from(f"{order}HHI", content, entry)
                if kind in _FORMS:
                    tags[tag] = _FORMS[kind], number, entry + 8
            places += struct.unpack_from(f"{order}I", content, place + 2 + 12 * count)
        except struct.error:  # damaged
            continue
        yield order, tags
        places += _values(content, order, tags, _SUB_IFDS)[:_MAX_IFDS]


def _values(content: bytes, order: str, tags: _Tags, tag: int) -> tuple[int, ...]:
    form, number, place = tags.get(tag, ("B", 0, 0))
    values = struct.Struct(f"{order}{min(number, _MAX_TAGS)}{form}")
    try:
        if values.size > 4:
            [place] = struct.unpack_from(f"{order}I", content, place)
        return values.unpack_from(content, place)
    except struct.error:
        return ()


def _first(content: bytes, order: str, tags: _Tags, tag: int) -> int:
    return next(iter(_values(content, order, tags, tag)), 0)


def _is_jpeg(content: bytes) -> bool:
    """Return whether it is a JPEG with tables and pixels that Pillow decodes: raw pixels are
    often packed as a JPEG of a lossless kind."""
    place, has_tables = 2, False
    if not content.startswith(b"\xff\xd8"):
        return False
    for _ in range(256):
        if len(content) < place + 4 or content[place] != 0xFF:
            return False
        kind, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4], "big")
        has_tables = has_tables or kind == 0xDB
        if kind in _FRAMES:
            return has_tables
        if kind in (0xC3, 0xC5, 0xC6, 0xC7, 0xDA):
            return False
        place += 2 + length
    return False
