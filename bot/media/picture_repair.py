"""Repair pictures that other programs show and Pillow refuses: bytes in, bytes out.

Only what does not belong to the pixels is left out or added. It must not decode pictures.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

_PNG = b"\x89PNG\r\n\x1a\n"
_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_SCAN, _TABLES = 0xDA, 0xDB
# Start of frame of a JPEG that Pillow decodes: baseline, extended, progressive (T.81, B.1.1.3)
_FRAMES = {0xC0, 0xC1, 0xC2}
_NO_FRAMES = {0xC4, 0xC8, 0xCC}  # codes and what is reserved, among the numbers of the others
# What is in a scan: any byte, 0xFF only before 0 or a restart marker (ITU-T T.81, B.1.1)
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])", re.DOTALL)
# Only for `match`: with `search`, a long run of fill bytes would take quadratic time
_FILLED_MARKER = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])", re.DOTALL)
_LEAD = re.compile(
    rb"(?:[ \t\r\n\0]|\xef\xbb\xbf|\xff\xd8(?=\xff\xd8)){1,64}(?=\xff\xd8\xff|\x89PNG\r\n)"
)
_ZLIB_HEAD = b"\x78\x01"  # (RFC 1950, 2.2)
# Pillow reads the head of a JPEG byte by byte in Python: 20 MB without pixels took 18 s.
_MAX_SEGMENTS = 4096
_MAX_GAP = 1 << 16  # bytes between two segments
_PHOTOMETRIC, _SHORT = 262, 3  # a tag of TIFF, and a type
_PROFILE_LIMIT = 1 << 20  # bytes, unpacked: Pillow's own limit


def without_lead(content: bytes) -> bytes:
    """Return a JPEG or PNG without the blank bytes, the byte order mark or the second start that
    scripts and servers put in front of it; other files unchanged."""
    lead = _LEAD.match(content)
    return content[lead.end() :] if lead else content


def under_known_brands(content: bytes) -> Iterator[bytes]:
    """Iterate over a HEIF or AVIF under the brands that it lists and decoders know: they look
    only at the first one (ISO/IEC 14496-12, 4.3), which may be any other."""
    if content[4:8] != b"ftyp":
        return
    end = min(int.from_bytes(content[:4], "big"), 256)
    listed = {content[place : place + 4] for place in range(16, end - 3, 4)}
    for brand in (b"avif", b"heic", b"mif1"):
        if brand in listed and brand != content[8:12]:
            yield content[:8] + brand + content[12:]


def as_usual_png(content: bytes) -> bytes | None:
    """Return a PNG of an app for iPhones as other programs read it; None for other files.

    Xcode leaves out the frame of the compressed pixels, and stores them as BGR, multiplied by
    their alpha. Whoever decodes it has these.
    """
    if content[12:16] != b"CgBI" or not content.startswith(_PNG):
        return None
    made, lead = [_PNG], _ZLIB_HEAD
    for name, chunk in _chunks(content):
        if name == b"IDAT":
            body = lead + chunk[8:-4]
            made.append(_chunk(b"IDAT", body))
            lead = b""
        elif name == b"IEND":
            made += [_chunk(b"IDAT", bytes(4)), chunk]  # a checksum, which Pillow ignores
        elif name != b"CgBI":
            made.append(chunk)
    return b"".join(made)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def without_metadata(content: bytes) -> bytes | None:
    """Return a PNG or JPEG with nothing but its pixels, their colours and EXIF; None for other
    files.

    A note, a profile or a resolution that is damaged or too long makes Pillow refuse the picture,
    and so do stray bytes between them.
    """
    if content.startswith(_PNG):
        return _PNG + b"".join(
            chunk for name, chunk in _chunks(content) if _is_needed(name, chunk)
        )
    if content.startswith(_SOI):
        kept, place = [_SOI], 2
        for kind, start, end in _segments(content, 2, skip=True):
            body, place = content[start + 4 : end], end
            is_app = 0xE0 <= kind <= 0xEF
            is_exif = kind == 0xE1 and body.startswith(b"Exif\0\0")
            # Adobe's says how the colours are stored (12 bytes)
            is_adobe = kind == 0xEE and body.startswith(b"Adobe") and len(body) >= 12
            if not is_app or is_exif or is_adobe:
                kept.append(content[start:end])
            if kind == _SCAN:
                break
        return b"".join(kept) + content[place:]
    return None


def as_black_is_zero(content: bytes) -> bytes | None:
    """Return a TIFF that counts from white (TIFF 6.0: PhotometricInterpretation 0) as one that
    counts from black; None for other files. Whoever decodes it has a negative.

    Pillow knows this only for up to 8 bits, shows 16 bits as a negative and refuses the rest.
    """
    order = {b"II": "<", b"MM": ">"}.get(content[:2])
    try:
        if order is None or struct.unpack_from(f"{order}H", content, 2)[0] != 42:
            return None
        [place] = struct.unpack_from(f"{order}I", content, 4)
        [count] = struct.unpack_from(f"{order}H", content, place)
        for entry in range(place + 2, place + 2 + 12 * count, 12):
            tag, kind, number, value = struct.unpack_from(f"{order}HHIH", content, entry)
            if tag == _PHOTOMETRIC and (kind, number, value) == (_SHORT, 1, 0):
                one = struct.pack(f"{order}H", 1)
                return content[: entry + 8] + one + content[entry + 10 :]
    except struct.error:  # damaged
        pass
    return None


def is_headless(content: bytes) -> bool:
    """Return whether it is a JPEG in which no pixels begin after headers of a sensible size."""
    if not content.startswith(_SOI):
        return False
    return all(kind != _SCAN for kind, _, _ in _segments(content, 2, skip=True))


def end_of_jpeg(content: bytes) -> int | None:
    """Return where the pixels of a JPEG end that has no end marker; None if it has one.

    Some phones leave it out, also in front of a video that they append.
    """
    end, place = None, 2
    while True:
        for kind, start, stop in _segments(content, place):
            if kind == _SCAN:
                marker = _MARKER.search(content, stop)
                end = place = marker.start() if marker else len(content)
                break
            if content[start : start + 2] == _EOI:
                return None
        else:
            return end


def embedded_jpeg(content: bytes, place: int) -> tuple[int, int] | None:
    """Return the number of pixels of the JPEG at this place, and its end; None if Pillow cannot
    decode it. Cameras often store raw pixels as a lossless JPEG."""
    pixels, has_tables, after = 0, False, place + 2
    while True:
        for kind, start, stop in _segments(content, after):
            has_tables = has_tables or kind == _TABLES
            if 0xC0 <= kind <= 0xCF and kind not in _FRAMES | _NO_FRAMES:
                return None
            if kind in _FRAMES and stop - start >= 9:
                height, width = struct.unpack_from(">HH", content, start + 5)
                pixels = width * height
            if kind == _SCAN:
                marker = _MARKER.search(content, stop)
                after = marker.start() if marker else len(content)
                break
            if kind == _EOI[1]:
                return (pixels, stop) if pixels and has_tables else None
        else:  # its end is missing
            return (pixels, len(content)) if pixels and has_tables and after > place + 2 else None
        if not (pixels and has_tables):
            return None


def _segments(content: bytes, place: int, *, skip: bool = False) -> Iterator[tuple[int, int, int]]:
    """Iterate over the marker segments from `place`: the kind, the start and the end of each; the
    end marker is the last. `skip` what is between two of them, as libjpeg does."""
    find = _MARKER.search if skip else _FILLED_MARKER.match
    for _ in range(_MAX_SEGMENTS):
        marker = find(content, place)
        if marker is None or marker.start() - place > _MAX_GAP:
            return
        kind, start = marker[1][0], marker.end() - 2
        if kind == _EOI[1]:
            yield kind, start, start + 2
            return
        length = int.from_bytes(content[start + 2 : start + 4], "big")
        place = start + 2 + length
        if length < 2 or place > len(content):
            return
        yield kind, start, place


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(_PNG)
    while place + 12 <= len(content):
        length, name = struct.unpack_from(">I4s", content, place)
        yield name, content[place : place + 12 + length]
        place += 12 + length


def _is_needed(name: bytes, chunk: bytes) -> bool:
    if name in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
        return True
    body = chunk[8:-4]
    if name not in (b"tRNS", b"eXIf", b"iCCP") or zlib.crc32(name + body) != int.from_bytes(
        chunk[-4:], "big"
    ):
        return False
    return _is_profile(body) if name == b"iCCP" else bool(body)


def _is_profile(body: bytes) -> bool:
    """Return whether it is a name, method 0 and a compressed profile of an acceptable size."""
    _, _, packed = body.partition(b"\0")
    unpack = zlib.decompressobj()
    try:
        unpack.decompress(packed[1:], _PROFILE_LIMIT)
    except zlib.error:
        return False
    return packed[:1] == b"\0" and unpack.eof
