"""Make a small JPEG of a picture that is too large, or of too rare a format, to be decoded in the
bot's own process; used only in the reader process (bot/media/reader_process.py), under its limits.

libav decodes the formats of film studios, renderers and old programs. It must not know where a
picture comes from.
"""

from __future__ import annotations

import math
import re
import struct
import sys
from array import array
from collections.abc import Sequence

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from PIL import Image

from bot.core.errors import InputError
from bot.core.task import Problem
from bot.media import picture_samples, pictures, rare_pictures

PIXELS = 12_000_000  # of what is made: a panorama still has more lines than a frame
# The largest number of pixels: each takes 36 bytes as floats, 16 otherwise
_MAX_FLOATS, _MAX_RARE = 10_000_000, 20_000_000
_FLOATS = {"exr", "hdr"}
_QUALITY = 95
# Linear light: a mean between the first two is kept; any other is scaled to a grey card's
_DARKEST, _BRIGHTEST, _GREY = 0.03, 0.7, 0.18
_LOOKED_AT = 4096  # samples
_PFM = re.compile(rb"P([Ff])\s+(\d{1,6})\s+(\d{1,6})\s+(-?[\d.]{1,20})\s")


def make_small(content: bytes) -> bytes:
    """Return a JPEG of the whole picture: upright, sRGB, on white. Raises InputError."""
    codec = rare_pictures.codec_of(content)
    return pictures.make_small(_decoded(codec, content) if codec else content, PIXELS, _QUALITY)


def _decoded(codec: str, content: bytes) -> Image.Image:
    """Return the picture of a file of this kind."""
    try:
        if codec == "pfm":
            return _portable_floats(content)
        context = VideoCodecContext.create(codec, "r")
        assert isinstance(context, VideoCodecContext)
        context.thread_count = 1
        context.options = {"max_pixels": str(_MAX_FLOATS if codec in _FLOATS else _MAX_RARE)}
        frames = [*context.decode(av.Packet(content)), *context.decode(None)]
        return _picture(frames[0])
    except Exception:  # libav raises errors of any type for hostile files
        raise InputError(Problem.NOT_AN_IMAGE) from None


def _picture(frame: VideoFrame) -> Image.Image:
    name, size = frame.format.name, (frame.width, frame.height)
    is_clear = "a" in name.replace("gray", "").removesuffix("le") or name == "pal8"
    if not name.endswith(("f32le", "f16le")):
        plane = frame.reformat(format="rgba" if is_clear else "rgb24").planes[0]
        mode = "RGBA" if is_clear else "RGB"
        return Image.frombytes(mode, size, bytes(plane), "raw", mode, plane.line_size)
    # not converted by libav, which clips what is brighter than white
    bits = 32 if name.endswith("f32le") else 16
    if any(plane.line_size <= 0 for plane in frame.planes):  # upside down: PyAV cannot read it
        raise ValueError
    planes = [_rows(bytes(at), frame.width * bits // 8, at.line_size) for at in frame.planes]
    if len(planes) < 3:
        return _of_light([planes[0]] * 3, size, bits)
    green, blue, red, *alpha = planes
    return _of_light([red, green, blue, *alpha], size, bits)


def _of_light(planes: Sequence[bytes], size: tuple[int, int], bits: int) -> Image.Image:
    exposure = _exposure(planes[:3], "<f" if bits == 32 else "<e")
    channels = [picture_samples.of_light(plane, bits, exposure) for plane in planes[:3]]
    channels += [picture_samples.of_fractions(plane, bits) for plane in planes[3:]]
    merged = [Image.frombytes("L", size, channel) for channel in channels]
    return Image.merge("RGBA" if len(merged) == 4 else "RGB", merged)


def _portable_floats(content: bytes) -> Image.Image:
    """Return a PFM, whose rows go from the bottom to the top; a negative scale means
    little-endian."""
    head = _PFM.match(content)
    if head is None:
        raise ValueError
    width, height, channels = int(head[2]), int(head[3]), 3 if head[1] == b"F" else 1
    if not 0 < width * height <= _MAX_FLOATS:
        raise ValueError
    values = array("f", content[head.end() : head.end() + 4 * width * height * channels])
    if head[4].startswith(b"-") != (sys.byteorder == "little"):
        values.byteswap()
    planes = [values[channel::channels].tobytes() for channel in range(channels)]
    picture = _of_light(planes * (3 // channels), (width, height), 32)
    return picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM)


def _rows(plane: bytes, length: int, stride: int) -> bytes:
    """Return a plane without the padding at the end of its rows."""
    if length == stride:
        return plane
    return b"".join(plane[at : at + length] for at in range(0, len(plane), stride))


def _exposure(planes: Sequence[bytes], form: str) -> float:
    """Return the factor by which to multiply linear light: in renderings 1 is white, in photos and
    light probes the unit is arbitrary."""
    size = struct.calcsize(form)
    count = len(planes[0]) // size
    logarithms = []
    for at in range(0, count, max(1, count // _LOOKED_AT)):
        light = sum(struct.unpack_from(form, plane, size * at)[0] for plane in planes) / 3
        if 0 < light < math.inf:
            logarithms.append(math.log(light))
    if not logarithms:
        return 1.0
    mean = math.exp(sum(logarithms) / len(logarithms))
    return 1.0 if _DARKEST <= mean <= _BRIGHTEST else min(1e30, _GREY / mean)
