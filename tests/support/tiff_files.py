"""TIFFs of any kind, written byte by byte (TIFF 6.0)."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Literal

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, CMYK, LAB = 0, 1, 2, 5, 8
"""How colours are counted: the tag PhotometricInterpretation."""


def tiff(
    width: int,
    height: int,
    pixels: bytes,
    photometric: int,
    bits: int,
    *,
    samples: int = 1,
    sample: int = 1,
    extra: int | None = None,
    order: Literal["<", ">"] = "<",
    strips: int = 1,
    others: Mapping[int, Sequence[int]] | None = None,
) -> bytes:
    """A TIFF with `strips` of equal length. `sample`: 1 unsigned, 2 signed, 3 float; `extra`: the
    meaning of the last sample, 2 is transparency; `others`: more tags with short integers."""
    short, long = 3, 4
    each = len(pixels) // strips
    entries: list[tuple[int, int, list[int]]] = [
        (256, long, [width]),
        (257, long, [height]),
        (258, short, [bits] * samples),
        (262, short, [photometric]),
        (273, long, [0] * strips),  # where the pixels begin, filled in below
        (277, short, [samples]),
        (278, long, [height]),
        (279, long, [each] * strips),
    ]
    if extra is not None:
        entries.append((338, short, [extra]))
    entries.append((339, short, [sample] * samples))
    entries += [
        (tag, short, [*values]) for tag, values in ({259: [1]} | {**(others or {})}).items()
    ]
    entries.sort()
    after = 8 + 2 + 12 * len(entries) + 4
    longer = b""
    head = struct.pack(f"{order}2sHIH", b"II" if order == "<" else b"MM", 42, 8, len(entries))
    sizes = [len(values) * (2 if kind == short else 4) for _, kind, values in entries]
    start = after + sum(size for size in sizes if size > 4)
    for (tag, kind, values), size in zip(entries, sizes, strict=True):
        shown = [start + each * n for n in range(strips)] if tag == 273 else values
        packed = struct.pack(f"{order}{len(values)}{'H' if kind == short else 'I'}", *shown)
        if size > 4:
            place = struct.pack(f"{order}I", after + len(longer))
            longer += packed
        else:
            place = packed.ljust(4, b"\0")
        head += struct.pack(f"{order}HHI", tag, kind, len(values)) + place
    return head + struct.pack(f"{order}I", 0) + longer + pixels
