"""Convert TIFF and PSD files with samples that Pillow cannot read to 8 bits a sample.

Photoshop, scanners and scientific programs store half floats, floats, doubles, 32-bit integers,
and 16-bit grey with transparency. Each sample is looked up in a table by its upper 16 bits, which
hold the exponent and enough of the mantissa of a float. Slices and Pillow do the work, never a
loop over samples. The module is long because both formats share the tables and limits. It must not
know where a picture comes from.
"""

from __future__ import annotations

import io
import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise

from PIL import Image

from bot.media import colour_points

MAX_RAW = 44 << 20  # bytes of samples; converting takes six times as much memory in the bot
MAX_RAW_LARGE = 80 << 20  # in the reader process; more floats do not fit into a file of 20 MB
_BAND = 1 << 22  # bytes that are converted at once
# Tags of TIFF 6.0
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL = 256, 257, 258, 259, 262, 266
_STRIPS, _ORIENTATION, _SAMPLES, _ROWS, _SIZES, _PLANAR = 273, 274, 277, 278, 279, 284
_PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_SIZES = 317, 322, 323, 324, 325
_EXTRA, _FORMAT, _PROFILE = 338, 339, 34675
_LAYOUT = (
    _COMPRESSION, _FILL, _STRIPS, _ROWS, _SIZES, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_SIZES,
)  # fmt: skip
_SHORT, _LONG, _BYTES = 3, 4, 7  # types
_FORMS = {1: "B", 2: "B", 3: "H", 4: "I", 7: "B"}
_COLOURS = {0: 1, 1: 1, 2: 3, 5: 4, 8: 3}  # how many, by photometric interpretation
_LAB = 8
_SIGNED, _FLOAT = 2, 3
_MAX_TAGS, _MAX_VALUES = 512, 1 << 20
_PSD_DEPTHS = (16, 32)
_COPIES, _PACKED = 0, 1  # of a PSD's channels: as they are, or PackBits

_Tags = dict[int, tuple[int, bytes]]  # tag -> type, values


class TooLarge(Exception):
    """The picture has more samples than the limit."""


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """How a sample is stored: its bits; its form (1 unsigned, 2 signed, 3 float); the byte
    order."""

    bits: int
    form: int
    order: str

    @property
    def size(self) -> int:
        return self.bits // 8

    def upper(self, samples: bytes) -> bytes:
        """Return the upper 16 bits of each sample, in big-endian order."""
        if self.form == _FLOAT and self.bits == 64:
            # the upper 16 bits of a double hold too little of the mantissa
            count = len(samples) // 8
            raw = "F;64F" if self.order == "<" else "F;64BF"
            single = Image.frombytes("F", (count, 1), samples, "raw", raw).tobytes()
            return _Kind(bits=32, form=_FLOAT, order="<").upper(single)
        high, low = (self.size - 1, self.size - 2) if self.order == "<" else (0, 1)
        made = bytearray(2 * (len(samples) // self.size))
        made[0::2], made[1::2] = samples[high :: self.size], samples[low :: self.size]
        return bytes(made)


def as_usual_tiff(content: bytes, most: int = MAX_RAW) -> bytes | None:
    """Return a TIFF with samples of 16, 32 or 64 bits as one with 8 bits; None for a damaged file
    or another one. Raises TooLarge for more than `most` bytes of samples."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(content[:4])
    tags = _tags(content, order) if order else {}
    assert order is not None or not tags

    def number(tag: int, default: int) -> int:
        return next(iter(_numbers(tags, tag, order or "<")), default)

    width, height, samples = number(_WIDTH, 0), number(_HEIGHT, 0), number(_SAMPLES, 1)
    photometric, form = number(_PHOTOMETRIC, 1), number(_FORMAT, 1)
    kind = _Kind(bits=number(_BITS, 1), form=form, order=order or "<")
    colours = _COLOURS.get(photometric, 0)
    if (
        len({*_numbers(tags, _BITS, kind.order)}) != 1
        or (kind.bits not in (16, 32) and (kind.bits, form) != (64, _FLOAT))
        or form not in (1, _SIGNED, _FLOAT)
        or (photometric == _LAB and (kind.bits, form) != (16, 1))
        or not 0 < colours <= samples <= 8
        or not (width and height)
    ):
        return None
    if width * height * samples * kind.size > most:
        raise TooLarge
    extra = _numbers(tags, _EXTRA, kind.order)
    is_clear = samples > colours and photometric < 5 and (not extra or extra[0] in (1, 2))
    profile = tags.get(_PROFILE, (0, b""))[1]
    curved = colour_points.without_linear_curve(profile) if form == _FLOAT else None
    try:
        planes = _planes(content, tags, kind, (width, height, samples))
        shown = _eight_bits(planes, kind, colours, is_clear=is_clear, is_linear=bool(curved))
    except Exception:  # damaged: libtiff raises errors of any type
        return None
    out = bytearray(width * height * len(shown))
    for at, plane in enumerate(shown):
        out[at :: len(shown)] = plane
    kept: _Tags = {
        tag: tags[tag] for tag in (_WIDTH, _HEIGHT, _PHOTOMETRIC, _ORIENTATION) if tag in tags
    }
    kept |= {
        _BITS: _shorts(kind.order, *[8] * len(shown)),
        _COMPRESSION: _shorts(kind.order, 1),
        _SAMPLES: _shorts(kind.order, len(shown)),
        _ROWS: _longs(kind.order, height),
        _SIZES: _longs(kind.order, len(out)),
    }
    if is_clear:
        kept[_EXTRA] = _shorts(kind.order, 2)
    if curved or profile:
        kept[_PROFILE] = _BYTES, curved or profile
    return _tiff(kind.order, kept, bytes(out))


def as_usual_psd(content: bytes, most: int = MAX_RAW) -> bytes | None:
    """Return a PSD with 16 or 32 bits as one with 8 bits; None for a damaged file or another one.
    Raises TooLarge."""
    try:
        magic, version, channels, height, width, depth = struct.unpack_from(">4sH6xHIIH", content)
        if (magic, version) != (b"8BPS", 1) or depth not in _PSD_DEPTHS:
            return None
        if channels * height * width * depth // 8 > most:
            raise TooLarge
        sections, place = [], 26
        for _ in range(3):  # colours, resources, layers
            end = place + 4 + struct.unpack_from(">I", content, place)[0]
            sections.append(content[place:end])
            place = end
        [packing] = struct.unpack_from(">H", content, place)
        kind = _Kind(bits=depth, form=_FLOAT if depth == 32 else 1, order=">")
        pixels, rows = width * height, channels * height
        raw = content[place + 2 :]
        if packing == _PACKED:
            ends = [*accumulate(struct.unpack_from(f">{rows}H", raw), initial=2 * rows)]
            raw = b"".join(
                _unpacked(raw[start:end], width * kind.size) for start, end in pairwise(ends)
            )
        elif packing != _COPIES:
            return None
    except struct.error:
        return None
    if not pixels or len(raw) < channels * pixels * kind.size:
        return None
    each = pixels * kind.size
    planes = [raw[at * each : (at + 1) * each] for at in range(channels)]
    # Photoshop's floats are linear light; their profile, which has no curve, is left out
    table = _table(kind.form, kind.bits, 1.0, is_linear=depth == 32)
    shown = b"".join(_looked_up(plane, kind, table) for plane in planes)
    if depth == 32:
        sections[1] = bytes(4)
    head = content[:22] + struct.pack(">H", 8) + content[24:26]
    return head + b"".join(sections) + struct.pack(">H", _COPIES) + shown


def of_light(plane: bytes, bits: int, exposure: float) -> bytes:
    """Return the bytes that sRGB stores for linear light (little-endian floats); the light
    1 / `exposure` is white."""
    kind = _Kind(bits=bits, form=_FLOAT, order="<")
    return _looked_up(plane, kind, _table(_FLOAT, bits, 1 / exposure, is_linear=True))


def of_fractions(plane: bytes, bits: int) -> bytes:
    """Return the bytes for floats between 0 and 1 (little-endian)."""
    kind = _Kind(bits=bits, form=_FLOAT, order="<")
    return _looked_up(plane, kind, _table(_FLOAT, bits, 1.0, is_linear=False))


def _unpacked(row: bytes, size: int) -> bytes:
    """Unpack a row of PackBits and cut or pad it to `size` bytes (TIFF 6.0, 9)."""
    made, place = bytearray(), 0
    while place < len(row) and len(made) < size:
        count = row[place]
        if count < 128:
            made += row[place + 1 : place + 2 + count]
            place += 2 + count
        else:
            made += row[place + 1 : place + 2] * (257 - count if count > 128 else 0)
            place += 2 if count > 128 else 1
    return bytes(made[:size]).ljust(size, b"\0")


# -- samples -------------------------------------------------------------------------------------


def _eight_bits(
    planes: Sequence[bytes], kind: _Kind, colours: int, *, is_clear: bool, is_linear: bool
) -> list[bytes]:
    """Return the planes of the colours and, if there is one, of the transparency."""
    white = _white(planes[:colours], kind)
    table = _table(kind.form, kind.bits, white, is_linear=is_linear)
    shown = [_looked_up(plane, kind, table) for plane in planes[:colours]]
    if is_clear:
        whole = _white(planes[colours : colours + 1], kind)
        table = _table(kind.form, kind.bits, whole, is_linear=False)
        shown.append(_looked_up(planes[colours], kind, table))
    return shown


def _white(planes: Sequence[bytes], kind: _Kind) -> float:
    """Return the value of white: 1 where programs store fractions of white (brighter areas exceed
    it), or the largest integer where they store values like those of integers."""
    if kind.form != _FLOAT:
        return 1.0
    table = [0 if bits >= _endless(kind) else bits >> 7 for bits in range(65536)]
    brightest = 0
    for plane in planes:
        for band in _bands(plane, kind):
            extremes = band.point(table, "L").getextrema()
            brightest = max(brightest, int(extremes[1]))  # type: ignore[arg-type]
    value = _value(brightest << 7, kind.form, kind.bits)
    return 1.0 if value <= 16 else 255.0 if value < 256 else 65535.0


def _looked_up(plane: bytes, kind: _Kind, table: Sequence[int]) -> bytes:
    return b"".join(band.point(table, "L").tobytes() for band in _bands(plane, kind))


def _bands(plane: bytes, kind: _Kind) -> Iterator[Image.Image]:
    """Iterate over the upper 16 bits of the samples, as pictures with one row."""
    for start in range(0, len(plane), _BAND):
        upper = kind.upper(plane[start : start + _BAND])
        yield Image.frombytes("I", (len(upper) // 2, 1), upper, "raw", "I;16B")


def _endless(kind: _Kind) -> int:
    """Return the first bit pattern that is not a positive number: infinity; negative numbers
    follow."""
    return 0x7C00 if kind.bits == 16 else 0x7F80


@lru_cache(maxsize=16)
def _table(form: int, bits: int, white: float, *, is_linear: bool) -> Sequence[int]:
    """Return the byte for each value of the upper 16 bits of a sample."""
    made = []
    for pattern in range(65536):
        value = _value(pattern, form, bits) / white
        if is_linear:
            value = colour_points.curved(value)
        made.append(round(255 * min(1.0, max(0.0, value))))
    return made


def _value(pattern: int, form: int, bits: int) -> float:
    """Return the sample with these upper 16 bits; for integers, 1 is white. Never returns NaN."""
    if form == _SIGNED:
        return max(0, pattern - 65536 * (pattern > 32767)) / 32767
    if form != _FLOAT:
        return pattern / 65535
    if bits == 16:
        [value] = struct.unpack(">e", struct.pack(">H", pattern))
    else:  # the middle of what has been cut off
        [value] = struct.unpack(">f", struct.pack(">HH", pattern, 0x8000 if pattern & 0x7F else 0))
    if value != value:  # not a number
        return 0.0
    return float(min(value, 1e30))


# -- planes of a TIFF ----------------------------------------------------------------------------


def _planes(
    content: bytes, tags: _Tags, kind: _Kind, shape: tuple[int, int, int]
) -> Sequence[bytes]:
    """Return the samples of each channel, unpacked by libtiff as if they were grey bytes."""
    width, height, samples = shape
    order = kind.order

    def number(tag: int, default: int) -> int:
        return next(iter(_numbers(tags, tag, order)), default)

    is_planar = number(_PLANAR, 1) == 2
    together = 1 if is_planar else samples
    pixel = together * kind.size
    across = number(_TILE_WIDTH, 0) or width
    predictor = number(_PREDICTOR, 1)
    if number(_FILL, 1) != 1 or predictor not in (1, 2, 3) or across * pixel > MAX_RAW_LARGE:
        raise ValueError
    if (predictor == 3) != (predictor > 1 and kind.form == _FLOAT):
        raise ValueError  # no program stores floats with this predictor
    padded = -(-width // across) * across
    if padded * pixel * height > 2 * MAX_RAW_LARGE:
        raise ValueError
    planes = [bytearray() for _ in range(samples)]
    for part in range(samples if is_planar else 1):
        entries = {tag: tags[tag] for tag in _LAYOUT if tag in tags}
        for tag in (_STRIPS, _SIZES, _TILES, _TILE_SIZES):
            places = _numbers(tags, tag, order)
            each = len(places) // samples
            if places:
                mine = places[part * each : (part + 1) * each] if is_planar else places
                entries[tag] = _longs(order, *mine)
        entries |= {
            _WIDTH: _longs(order, padded * pixel),
            _HEIGHT: _longs(order, height),
            _BITS: _shorts(order, 8),
            _PHOTOMETRIC: _shorts(order, 1),
            _SAMPLES: _shorts(order, 1),
        }
        if _TILE_WIDTH in tags:
            entries[_TILE_WIDTH] = _longs(order, across * pixel)
        grey = _with_directory(content, order, entries)
        with Image.open(io.BytesIO(grey), formats=["TIFF"]) as image:
            image.load()
            rows = max(1, _BAND // (padded * pixel))
            for top in range(0, height, rows):
                band = image.crop((0, top, image.width, min(top + rows, height))).tobytes()
                for start in range(0, len(band), padded * pixel):
                    row = band[start : start + padded * pixel]
                    if predictor > 1:
                        row = b"".join(
                            _summed(row[at : at + across * pixel], kind, together)
                            for at in range(0, len(row), across * pixel)
                        )
                    if together == 1:
                        planes[part] += row[: width * pixel]
                    else:
                        _deal(row[: width * pixel], kind.size, planes)
    return [bytes(plane) for plane in planes]


def _deal(row: bytes, size: int, planes: Sequence[bytearray]) -> None:
    """Append each sample of a row of pixels to the plane of its channel."""
    for channel, plane in enumerate(planes):
        mine = bytearray(len(row) // len(planes))
        for byte in range(size):
            mine[byte::size] = row[channel * size + byte :: len(planes) * size]
        plane += mine


def _summed(row: bytes, kind: _Kind, together: int) -> bytes:
    """Undo the differences of a row (TIFF 6.0, 14; Adobe's TIFF Technical Note 3), in the byte
    order of the file."""
    if kind.form == _FLOAT:
        bytes_ = bytearray(len(row))
        for channel in range(together):
            sums = array("Q", accumulate(row[channel::together]))
            bytes_[channel::together] = sums.tobytes()[_LOWEST::8]
        each, made = len(row) // kind.size, bytearray(len(row))
        for byte in range(kind.size):  # the highest bytes of all samples come first
            place = byte if kind.order == ">" else kind.size - 1 - byte
            made[place :: kind.size] = bytes_[byte * each : (byte + 1) * each]
        return bytes(made)
    form = {16: "H", 32: "I"}[kind.bits]
    values = struct.unpack(f"{kind.order}{len(row) // kind.size}{form}", row)
    summed = [0] * len(values)
    for channel in range(together):
        summed[channel::together] = accumulate(values[channel::together])
    limit = (1 << kind.bits) - 1
    return struct.pack(f"{kind.order}{len(values)}{form}", *(value & limit for value in summed))


_LOWEST = 0 if struct.pack("=H", 1)[0] else 7  # where the lowest byte of eight is here


# -- directories of a TIFF -----------------------------------------------------------------------


def _tags(content: bytes, order: str) -> _Tags:
    """Return the first directory; empty if it is damaged."""
    found: _Tags = {}
    try:
        [place] = struct.unpack_from(f"{order}I", content, 4)
        [count] = struct.unpack_from(f"{order}H", content, place)
        for entry in range(place + 2, place + 2 + 12 * min(count, _MAX_TAGS), 12):
            tag, kind, number = struct.unpack_from(f"{order}HHI", content, entry)
            if kind not in _FORMS or number > _MAX_VALUES:
                continue
            size = struct.calcsize(_FORMS[kind]) * number
            start = (
                struct.unpack_from(f"{order}I", content, entry + 8)[0] if size > 4 else entry + 8
            )
            found[tag] = kind, content[start : start + size]
    except struct.error:
        return {}
    return found


def _numbers(tags: _Tags, tag: int, order: str) -> tuple[int, ...]:
    kind, values = tags.get(tag, (_SHORT, b""))
    size = struct.calcsize(_FORMS[kind])
    return struct.unpack(
        f"{order}{len(values) // size}{_FORMS[kind]}", values[: len(values) // size * size]
    )


def _shorts(order: str, *values: int) -> tuple[int, bytes]:
    return _SHORT, struct.pack(f"{order}{len(values)}H", *values)


def _longs(order: str, *values: int) -> tuple[int, bytes]:
    return _LONG, struct.pack(f"{order}{len(values)}I", *values)


def _directory(order: str, tags: _Tags, place: int) -> bytes:
    """Return a directory for this place, followed by its values that are longer than four
    bytes."""
    after = place + 2 + 12 * len(tags) + 4
    made, longer = struct.pack(f"{order}H", len(tags)), b""
    for tag, (kind, values) in sorted(tags.items()):
        number = len(values) // struct.calcsize(_FORMS[kind])
        made += struct.pack(f"{order}HHI", tag, kind, number)
        if len(values) > 4:
            made += struct.pack(f"{order}I", after + len(longer))
            longer += values + bytes(len(values) % 2)
        else:
            made += values.ljust(4, b"\0")
    return made + bytes(4) + longer


def _with_directory(content: bytes, order: str, tags: _Tags) -> bytes:
    """Return the file with this directory as its first one."""
    filled = content + bytes(len(content) % 2)
    head = content[:4] + struct.pack(f"{order}I", len(filled))
    return head + filled[8:] + _directory(order, tags, len(filled))


def _tiff(order: str, tags: _Tags, pixels: bytes) -> bytes:
    """Return a TIFF of one strip."""
    magic = b"II*\0" if order == "<" else b"MM\0*"
    filled = pixels + bytes(len(pixels) % 2)
    tags = {**tags, _STRIPS: _longs(order, 8)}
    head = magic + struct.pack(f"{order}I", 8 + len(filled))
    return head + filled + _directory(order, tags, 8 + len(filled))
