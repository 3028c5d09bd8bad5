"""ICC profiles for pictures that describe their colours by code points (ITU-T H.273).

AVIF, HEIF and PNG can do so instead of holding a profile. Cameras and phones use it for wide
colours (Display P3) and for high dynamic range (PQ, HLG), which look pale without a conversion.
It must not know pixels.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

# The primaries red, green and blue in the profile's colour space (XYZ under D50, Bradford), made
# from the chromaticities in H.273, table 2. All other code points are close to those of sRGB,
# or are only defaults of encoders.
_SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
_PRIMARIES = {
    9: ((0.67348, 0.27904, -0.00193), (0.16566, 0.67535, 0.02998), (0.12505, 0.04561, 0.79686)),
    12: ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
}
_WHITE = (0.9642, 1.0, 0.8249)  # D50
_POINTS = 4096  # of a curve
_SDR_WHITE, _HLG_PEAK = 203.0, 1000.0  # cd/m² (ITU-R BT.2408, 2.2; BT.2100, table 5)
_KNEE = 0.7  # of white: brighter light is compressed

# The identity curve (ICC.1:2010, 10.5 and 10.15), without the zeros at its end
_NO_CURVES = (b"curv", b"curv" + bytes(7) + b"\1\1", b"para" + bytes(8) + b"\0\1")

_BOX, _CHUNK = b"colrnclx", b"cICP"
_SEARCHED = 1 << 16  # bytes of an AVIF: its properties are in front


def profile(kind: str, content: bytes, info: Mapping[Any, Any]) -> bytes | None:
    """Return an ICC profile for a picture of this kind ("AVIF", "HEIF", "PNG"); None if it
    describes no colours, or those of sRGB. `info` is what its decoder tells."""
    points = None
    if kind == "PNG":
        points = _of_png(content)
    elif not info.get("icc_profile"):
        points = _of_avif(content) if kind == "AVIF" else _of_heif(info.get("nclx_profile"))
    return _profile(*points) if points else None


def _of_png(content: bytes) -> tuple[int, int] | None:
    """PNG, third edition, 11.3.2.6: the chunk is in front of the pixels and above a profile."""
    place = content.find(_CHUNK, 8, content.find(b"IDAT"))
    if place < 0 or content[place - 4 : place] != b"\0\0\0\4" or len(content) < place + 6:
        return None
    return content[place + 4], content[place + 5]


def _of_avif(content: bytes) -> tuple[int, int] | None:
    """Return the colours of an AVIF if all of its pictures have the same ones; one of them may be
    only a gain map."""
    found, place = set(), content.find(_BOX, 0, _SEARCHED)
    while 0 <= place <= len(content) - 12:
        found.add(struct.unpack_from(">HH", content, place + len(_BOX)))
        place = content.find(_BOX, place + 1, _SEARCHED)
    if len(found) != 1:
        return None
    primaries, transfer = found.pop()
    return primaries, transfer


def _of_heif(nclx: Any) -> tuple[int, int] | None:
    if not isinstance(nclx, Mapping):
        return None
    return int(nclx.get("color_primaries", 2)), int(nclx.get("transfer_characteristics", 2))


@lru_cache(maxsize=8)
def _profile(primaries: int, transfer: int) -> bytes | None:
    if primaries not in _PRIMARIES and transfer not in _LIGHT:
        return None
    curve = _LIGHT.get(transfer, _srgb)
    values = (round(65535 * min(1.0, max(0.0, curve(n / (_POINTS - 1))))) for n in range(_POINTS))
    table = struct.pack(f">4s4xI{_POINTS}H", b"curv", _POINTS, *values)
    red, green, blue = map(_xyz, _PRIMARIES.get(primaries, _SRGB))
    return _icc(
        {
            b"wtpt": _xyz(_WHITE),
            b"rXYZ": red,
            b"gXYZ": green,
            b"bXYZ": blue,
            b"rTRC": table,
            b"gTRC": table,
            b"bTRC": table,
        }
    )


def without_linear_curve(profile: bytes) -> bytes | None:
    """Return a profile for linear light as one with the curve of sRGB; None for other profiles.
    Linear light in 8 bits has too few values for dark areas."""
    table = b"".join(struct.pack(">H", round(65535 * _srgb(n / 1023))) for n in range(1024))
    curve = struct.pack(">4s4xI", b"curv", 1024) + table
    made, found = bytearray(profile + bytes(-len(profile) % 4)), False
    try:
        [count] = struct.unpack_from(">I", profile, 128)
        for entry in range(132, 132 + 12 * min(count, 64), 12):
            tag, place, size = struct.unpack_from(">4sII", profile, entry)
            if tag not in (b"rTRC", b"gTRC", b"bTRC", b"kTRC"):
                continue
            if profile[place : place + size].rstrip(b"\0") not in _NO_CURVES:
                return None
            made[entry + 4 : entry + 12] = struct.pack(">II", len(made), len(curve))
            found = True
    except struct.error:
        return None
    if not found:
        return None
    struct.pack_into(">I", made, 0, len(made) + len(curve))
    return bytes(made + curve)


def curved(light: float) -> float:
    """Return the value, 0 to 1, that sRGB stores for linear light; 1 is the white of a page, and
    what is brighter is compressed."""
    light = _compressed(max(0.0, light))
    return light * 12.92 if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


def _xyz(values: tuple[float, float, float]) -> bytes:
    return struct.pack(">4s4x3i", b"XYZ ", *(round(value * 65536) for value in values))


def _icc(tags: dict[bytes, bytes]) -> bytes:
    """Return a display profile of version 2 (ICC.1:2001-04, 6); equal tags are stored once."""
    start, body = 128 + 4 + 12 * len(tags), b""
    table, places = struct.pack(">I", len(tags)), {}
    for tag, content in tags.items():
        if content not in places:
            places[content] = start + len(body)
            body += content + bytes(-len(content) % 4)
        table += struct.pack(">4sII", tag, places[content], len(content))
    head = struct.pack(
        ">I4xI4s4s4s12x4s28x3i", start + len(body), 0x02100000, b"mntr", b"RGB ", b"XYZ ",
        b"acsp", *(round(value * 65536) for value in _WHITE),
    )  # fmt: skip
    return head.ljust(128, b"\0") + table + body


# -- light of a value, 0 to 1; 1 is the white of a page ------------------------------------------


def _srgb(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _pq(value: float) -> float:
    """ITU-R BT.2100, table 4."""
    power = value ** (32 / 2523)
    light = max(power - 0.8359375, 0.0) / (18.8515625 - 18.6875 * power)
    return _compressed(10_000 / _SDR_WHITE * light ** (16384 / 2610))


def _hlg(value: float) -> float:
    """ITU-R BT.2100, table 5, on a display of 1000 cd/m²."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    light = value**2 / 3 if value <= 0.5 else (math.exp((value - c) / a) + b) / 12
    return _compressed(_HLG_PEAK / _SDR_WHITE * light**1.2)


def _compressed(light: float) -> float:
    """Leave the light of a page as it is, and bring brighter light below 1."""
    rest = 1 - _KNEE
    return light if light <= _KNEE else 1 - rest * math.exp(-(light - _KNEE) / rest)


# H.273, table 3; the other curves are those of sRGB, or close to them
_LIGHT: dict[int, Callable[[float], float]] = {
    4: lambda value: value**2.2,
    5: lambda value: value**2.8,
    8: lambda value: value,
    16: _pq,
    18: _hlg,
}
