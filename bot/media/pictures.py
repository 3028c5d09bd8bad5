"""Decode untrusted pictures with Pillow and write clean JPEGs.

Used only in the thread of `bot.media.frames`, and in the reader process for large pictures.
Nothing is decoded before its header was checked. One long module: limits, opening and cutting
together make sure that only one copy of a picture is held.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

import pillow_heif
from PIL import ExifTags, Image, ImageChops

from bot.core.errors import InputError
from bot.core.image_limits import (
    GLANCE_SIDE,
    MAX_BYTES,
    MIN_SIDE,
    PREVIEW_SIDE,
    SMALLEST_SIDE,
    ImageInfo,
)
from bot.core.task import AspectRatio, Problem
from bot.media import (
    colour_points,
    picture_colours,
    picture_containers,
    picture_repair,
    picture_samples,
)

# px, the largest long side of a frame: more than twice that of the largest video on offer
FRAME_SIDE = 2048
QUALITY = 90
GLANCE_QUALITY = 80
# px, the longest side of a photo that clients show (Bot API: sendPhoto takes 10 MB, and at most
# 10 000 px of width and height together)
PHOTO_SIDE = 2560

# AVIF before HEIF: both accept files of the brand `mif1`, but only the AVIF decoder then refuses
# those of the other
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIF", "JPEG2000", "PSD", "ICO")
# A larger picture is a bomb in any format: no camera makes one, and Pillow warns at this size too.
_MAX_PIXELS = 89_000_000
# Pixels that fit into 200 MB while decoding: libwebp takes 16 bytes per pixel, libheif and
# progressive JPEGs 7, libavif 8, and Pillow holds a TIFF twice while it rotates it. The others
# take 4: 6000 x 6000 fits. A baseline JPEG is decoded small from the start, so that a phone's 48
# Mpx fit.
_MAX_DECODED = 36_000_000
_MAX_PIXELS_OF = {
    "JPEG": _MAX_PIXELS,
    "AVIF": 20_000_000,
    "WEBP": 12_000_000,
    "HEIF": 25_000_000,
    "TIFF": 25_000_000,
    "PSD": 25_000_000,  # and held twice, if its alpha channel is none
    "TGA": 25_000_000,
    "progressive JPEG": 25_000_000,
    "JPEG2000": 32_000_000,
}
# The limits of the reader process, which has twice as much memory
_MAX_LARGE = 64_000_000
_MAX_LARGE_OF = {
    "JPEG": _MAX_PIXELS,
    "AVIF": 36_000_000,
    "WEBP": 20_000_000,
    "HEIF": 52_000_000,
    "TIFF": 45_000_000,
    "PSD": 45_000_000,
    "TGA": 45_000_000,
    "progressive JPEG": 52_000_000,
    "JPEG2000": 32_000_000,
}
_MAX_JPEG2000 = 8_000_000  # px that fit into it: OpenJPEG takes 24 bytes for each
# Each scan of a JPEG costs a pass over the whole picture (22 ms at 25 Mpx) and can be a few bytes
# long: 20 MB could take hours. Real ones have about ten. A video that a phone appended contains
# the two bytes by chance, once in 64 KiB.
_MAX_SCANNED = 4_000_000_000  # px, the total of all scans
# In a picture's `info`: its decoder gives a negative, or red and blue swapped, or takes another
# channel for alpha; its orientation, which is noted elsewhere
_NEGATIVE, _SWAPPED, _FLAT, _TURN = "negative", "swapped", "flat", "turn"
_STRIP_PIXELS = 2_000_000
_LONGEST = 20  # width by height, or the other way round, of a photo (Bot API: sendPhoto)

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # EXIF orientation -> the operation that makes it upright

pillow_heif.register_heif_opener()
warnings.simplefilter("error", Image.DecompressionBombWarning)


def check(source: bytes | BinaryIO) -> ImageInfo:
    with _open(source) as (image, info):
        if image.format in {"JPEG", "MPO"}:
            image.draft(None, (SMALLEST_SIDE, SMALLEST_SIDE))
        _load(image)
    return info


def make_frame(source: bytes | BinaryIO, ratio: AspectRatio) -> bytes:
    with _open(source) as (image, info):
        return _jpeg(_render(image, _cut(info, ratio), _frame_size(info, ratio)))


def make_glance(source: bytes | BinaryIO) -> bytes:
    with _open(source) as (image, info):
        return _jpeg(_render(image, _WHOLE, _within(info, GLANCE_SIDE)), quality=GLANCE_QUALITY)


def make_photo(source: bytes | BinaryIO) -> bytes:
    with _open(source) as (image, info):
        if max(info.width, info.height) > _LONGEST * min(info.width, info.height):
            raise InputError(Problem.NOT_AN_IMAGE)
        return _jpeg(_render(image, _WHOLE, _within(info, PHOTO_SIDE)))


def make_small(source: bytes | Image.Image, pixels: int, quality: int) -> bytes:
    """Return the whole picture as a JPEG with at most `pixels` pixels; only in the reader
    process."""
    if isinstance(source, Image.Image):
        info = ImageInfo(format="", width=source.width, height=source.height)
        return _jpeg(_render(source, _WHOLE, _of_pixels(info, pixels)), quality=quality)
    with _open(source, in_reader=True) as (image, info):
        return _jpeg(_render(image, _WHOLE, _of_pixels(info, pixels)), quality=quality)


def make_preview(source: bytes | BinaryIO, ratio: AspectRatio | None) -> bytes:
    with _open(source) as (image, info):
        size = _within(info, PREVIEW_SIDE)
        picture = _render(image, _WHOLE, size)
        if ratio is None:
            return _jpeg(picture)
        left, top, right, bottom = _cut(info, ratio)
    kept = (
        round(left * size[0]),
        round(top * size[1]),
        round(right * size[0]),
        round(bottom * size[1]),
    )
    dimmed = picture.point(lambda value: value * 0.3)
    dimmed.paste(picture.crop(kept), kept[:2])
    return _jpeg(dimmed)


# -- opening ---------------------------------------------------------------------------------


@contextmanager
def _open(
    source: bytes | BinaryIO, *, in_reader: bool = False
) -> Iterator[tuple[Image.Image, ImageInfo]]:
    """Return the picture with its header checked, not decoded and not rotated. `in_reader`: apply
    the limits of the reader process."""
    content = picture_repair.without_lead(_content(source))
    if picture_containers.is_icon(content):
        content = picture_containers.icon(content) or b""
    if picture_repair.is_headless(content):
        raise InputError(Problem.NOT_AN_IMAGE)
    black, usual = picture_repair.as_black_is_zero(content), picture_repair.as_usual_png(content)
    image = _identified(black or usual or content)
    if image is not None:
        image.info |= {_NEGATIVE: black is not None, _SWAPPED: usual is not None}
    if image is None and (bare := picture_repair.without_metadata(content)) is not None:
        image = _identified(content := bare)
    for branded in picture_repair.under_known_brands(content) if image is None else ():
        image = image or _identified(branded)
    if (
        image is None
        and (plain := _in_eight_bits(black or content, in_reader=in_reader)) is not None
    ):
        image = _identified(content := plain)
        if image is not None:
            image.info[_NEGATIVE] = black is not None
    if image is None or image.format == "TIFF":
        image, content = _developed(image, content)
    if image is None:
        raise InputError(Problem.NOT_AN_IMAGE)
    with image:
        format_ = "JPEG" if image.format == "MPO" else str(image.format)
        width, height = image.size
        if width < 1 or height < 1:
            raise InputError(Problem.NOT_AN_IMAGE)
        if width * height > _MAX_PIXELS:
            raise InputError(Problem.IMAGE_BOMB)
        kind = "progressive JPEG" if image.info.get("progressive") else format_
        limits = _MAX_LARGE_OF if in_reader else _MAX_PIXELS_OF
        if width * height > limits.get(kind, _MAX_LARGE if in_reader else _MAX_DECODED):
            raise InputError(Problem.IMAGE_BOMB)
        if format_ == "JPEG" and _scans(content) * width * height > _MAX_SCANNED:
            raise InputError(Problem.IMAGE_BOMB)
        if _orientation(image) >= 5:  # only now: Pillow decodes a whole PNG to find it
            width, height = height, width
        if min(width, height) < SMALLEST_SIDE:
            raise InputError(
                Problem.IMAGE_SIDES, width=width, height=height, minimum=SMALLEST_SIDE
            )
        image.info[_FLAT] = format_ == "PSD" and not picture_containers.is_clear_psd(content)
        if described := colour_points.profile(format_, content, image.info):
            image.info["icc_profile"] = described
        info = ImageInfo(format=format_, width=width, height=height)
        ended = _ended(content) if format_ == "JPEG" else None
        if ended is None:
            yield image, info
        else:
            with ended:
                yield ended, info


def _identified(content: bytes) -> Image.Image | None:
    """Return the picture, not decoded; None if no decoder knows it. Raises IMAGE_BOMB."""
    try:
        formats = (*_FORMATS, "TGA") if picture_containers.is_targa(content) else _FORMATS
        return Image.open(io.BytesIO(content), formats=formats)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(Problem.IMAGE_BOMB) from None
    except Exception:  # decoders raise errors of any type for a hostile header
        return None


def _in_eight_bits(content: bytes, *, in_reader: bool) -> bytes | None:
    """Convert a TIFF or PSD whose samples Pillow cannot read. Raises IMAGE_BOMB."""
    try:
        most = picture_samples.MAX_RAW_LARGE if in_reader else picture_samples.MAX_RAW
        usual = picture_samples.as_usual_tiff(content, most)
        return usual or picture_samples.as_usual_psd(content, most)
    except picture_samples.TooLarge:
        raise InputError(Problem.IMAGE_BOMB) from None


def _developed(image: Image.Image | None, content: bytes) -> tuple[Image.Image | None, bytes]:
    """Return the JPEG inside of a camera's raw file if it is larger than its thumbnail, which is
    all that Pillow shows; otherwise the same picture."""
    inside = picture_containers.previews(content)
    for jpeg in inside.jpegs:
        found = _identified(jpeg)
        pixels = image.width * image.height if image else 0
        if found is not None and found.width * found.height >= pixels + (not inside.is_raw):
            if _orientation(found) == 1:
                found.info[_TURN] = inside.orientation
            image, content = found, jpeg
    return image, content


def _scans(content: bytes) -> int:
    """Return an upper limit for the number of scans of a JPEG: its marker may also occur by
    chance."""
    jpeg = picture_repair.embedded_jpeg(content, 0)
    return content.count(b"\xff\xda", 0, jpeg[1] if jpeg else len(content))


def _ended(content: bytes) -> Image.Image | None:
    """Return a JPEG with the end marker added, if only that marker is missing; otherwise None.

    libjpeg decodes missing pixels from whatever follows: if other bytes change more than the last
    row of blocks, pixels are missing too.
    """
    end = picture_repair.end_of_jpeg(content)
    if end is None:
        return None
    small = []
    for more in (b"", bytes(range(1, 128))):
        image = _identified(content[:end] + more + b"\xff\xd9")
        if image is None:
            return None
        with image:
            image.draft("L", (1, 1))  # an eighth of each side
            _load(image)
            small.append(image.convert("L"))
    changed = ImageChops.difference(*small).getbbox()
    if changed is not None and changed[1] < small[0].height - 2:
        return None
    return _identified(content[:end] + b"\xff\xd9")


def _content(source: bytes | BinaryIO) -> bytes:
    if isinstance(source, bytes):
        content, size = source, len(source)
    else:
        size = source.seek(0, io.SEEK_END)
        source.seek(0)
        content = b"" if size > MAX_BYTES else source.read(MAX_BYTES)
    if size > MAX_BYTES:
        raise InputError(Problem.FILE_TOO_BIG, size=size, limit=MAX_BYTES)
    return content


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":  # Pillow rotates these itself while decoding
        return 1
    if image.info.get(_TURN) in _TURNS:
        return int(image.info[_TURN])
    with suppress(Exception):  # a broken EXIF block does not make the picture unusable
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
        return value if value in _TURNS else 1
    return 1


def _load(image: Image.Image) -> None:
    size = image.size
    if image.format == "JPEG2000":
        size = _reduced(image)
    try:
        image.load()
    except Exception:  # truncated, corrupt or hostile: decoders raise errors of any type
        raise InputError(Problem.NOT_AN_IMAGE) from None
    if image.size != size:  # the header was wrong, so the check does not apply
        raise InputError(Problem.NOT_AN_IMAGE)


def _reduced(image: Image.Image) -> tuple[int, int]:
    """Let a large JPEG 2000 be decoded at half of its sides; return these.

    Not smaller: then Pillow and OpenJPEG round odd sides differently.
    """
    if image.width * image.height <= _MAX_JPEG2000:
        return image.size
    image.reduce = 1  # type: ignore[assignment, method-assign]
    return (image.width + 1) // 2, (image.height + 1) // 2


# -- cutting ---------------------------------------------------------------------------------

_Box = tuple[float, float, float, float]  # left, top, right, bottom as fractions of the sides
_WHOLE = (0.0, 0.0, 1.0, 1.0)


def _within(info: ImageInfo, side: int) -> tuple[int, int]:
    """Return the size of the whole picture with no side longer than `side` px."""
    scale = min(1.0, side / max(info.width, info.height))
    return max(1, round(info.width * scale)), max(1, round(info.height * scale))


def _of_pixels(info: ImageInfo, pixels: int) -> tuple[int, int]:
    """Return the size of the whole picture divided by the smallest integer that leaves at most so
    many pixels: it can be reduced in strips, and is never held twice."""
    factor = math.ceil(math.sqrt(info.width * info.height / pixels))
    return max(1, info.width // factor), max(1, info.height // factor)


def _cut(info: ImageInfo, ratio: AspectRatio) -> _Box:
    """Return the largest centred box of `ratio` in the upright picture."""
    wider_by = info.width / info.height / ratio.value_of
    across, down = min(1.0, 1 / wider_by), min(1.0, wider_by)
    return (1 - across) / 2, (1 - down) / 2, (1 + across) / 2, (1 + down) / 2


def _frame_size(info: ImageInfo, ratio: AspectRatio) -> tuple[int, int]:
    """Return the size after `_cut`, within limits and in whole multiples of the ratio, so that it
    is exact.
    """
    across, down = (int(part) for part in ratio.value.split(":"))
    steps = round(min(info.width / across, info.height / down))
    least = math.ceil(MIN_SIDE / min(across, down))
    most = FRAME_SIDE // max(across, down)
    steps = max(least, min(most, steps))
    return across * steps, down * steps


def _render(image: Image.Image, box: _Box, size: tuple[int, int]) -> Image.Image:
    """Return the upright `box` of the picture at `size`: RGB in sRGB, opaque, no metadata.

    Only one copy of the whole picture exists, the decoder's; the other steps work on strips of it
    and then on the small result. Rotation comes last, so box and size are rotated back first.
    """
    turn = _orientation(image)
    if turn >= 5:
        size = size[1], size[0]
    left, top, right, bottom = _turned_back(box, turn)
    if image.format in {"JPEG", "MPO"}:
        _draft(image, size[0] / (right - left), size[1] / (bottom - top))
    _load(image)
    if image.mode == "RGBA" and (image.info.get(_FLAT) or _is_unused(image)):
        image = image.convert("RGB")
    width, height = image.size
    picture = _shrunk(image, (left * width, top * height, right * width, bottom * height), size)
    picture = picture_colours.in_srgb(picture, image.info.get("icc_profile"))
    if turn in _TURNS:
        picture = picture.transpose(_TURNS[turn])
    clean = Image.new("RGB", picture.size)  # carries no `info`: no metadata can leak through it
    clean.paste(picture)
    return clean


def _is_unused(image: Image.Image) -> bool:
    """Return whether the alpha channel is at zero everywhere, as Photoshop, Windows and games
    leave it; viewers ignore it then."""
    return image.format in {"BMP", "TGA"} and not image.getchannel("A").getbbox()


def _draft(image: Image.Image, across: float, down: float) -> None:
    """Let a JPEG be decoded at no less than these sides, and at most _MAX_DECODED pixels."""
    pixels = image.width * image.height
    scale = next((by for by in (1, 2, 4) if pixels <= _MAX_DECODED * by**2), 8)
    image.draft(
        None,
        (
            min(math.ceil(across), image.width // scale),
            min(math.ceil(down), image.height // scale),
        ),
    )


def _turned_back(box: _Box, turn: int) -> _Box:
    """Rotate a box back. All boxes are centred, so only swapping the axes matters."""
    left, top, right, bottom = box
    return (top, left, bottom, right) if turn >= 5 else box


def _shrunk(image: Image.Image, box: _Box, size: tuple[int, int]) -> Image.Image:
    """Return the `box` (px) scaled to `size` and opaque: reduced by an integer factor in strips,
    then resized.
    """
    left, top = math.floor(box[0]), math.floor(box[1])
    right, bottom = min(image.width, math.ceil(box[2])), min(image.height, math.ceil(box[3]))
    factor = max(1, min((right - left) // size[0], (bottom - top) // size[1]))
    rows = max(1, _STRIP_PIXELS // (right - left) // factor) * factor
    plain = picture_colours.converter(
        image,
        is_negative=image.info.get(_NEGATIVE, False),
        is_swapped=image.info.get(_SWAPPED, False),
    )
    small: Image.Image | None = None
    for row in range(top, bottom, rows):
        strip = image.crop((left, row, right, min(row + rows, bottom)))
        strip = plain(strip).reduce(factor)
        if small is None:
            height = math.ceil((bottom - top) / factor)
            small = Image.new(strip.mode, (strip.width, height))
        small.paste(strip, (0, (row - top) // factor))
    assert small is not None
    exact = (
        (box[0] - left) / factor,
        (box[1] - top) / factor,
        min(small.width, (box[2] - left) / factor),
        min(small.height, (box[3] - top) / factor),
    )
    return small.resize(size, Image.Resampling.LANCZOS, box=exact)


def _jpeg(picture: Image.Image, *, quality: int = QUALITY) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return out.getvalue()
