"""First frames: turn any picture into one clean JPEG of the chosen aspect ratio.

It works in a thread, one picture at a time, so that the memory peak is that of one picture. It
must not know Telegram, the provider or SQL. The work is in bot/media/pictures.py, imported with
the first picture: Pillow and its decoders take 8 MB that an idle bot does not need. Pictures that
are too large or of too rare a format are read by the process that reads videos.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import BinaryIO, TypeVar

from bot.core.errors import InputError
from bot.core.image_limits import (
    MAX_BYTES,
    MAX_SIDE,
    MIN_SIDE,
    PREVIEW_SIDE,
    SMALLEST_SIDE,
    ImageInfo,
    is_blurry,
    nearest_ratio,
)
from bot.core.task import AspectRatio, Problem
from bot.media import rare_pictures, video_reader

__all__ = [
    "MAX_BYTES",
    "MAX_SIDE",
    "MIN_SIDE",
    "PREVIEW_SIDE",
    "SMALLEST_SIDE",
    "ImageInfo",
    "check",
    "is_blurry",
    "make_frame",
    "make_glance",
    "make_photo",
    "make_preview",
    "nearest_ratio",
]

_T = TypeVar("_T")
_Source = bytes | BinaryIO

_one_at_a_time = ThreadPoolExecutor(max_workers=1, thread_name_prefix="frames")
_one_outside = asyncio.Lock()  # each may take 0.6 GiB there


async def check(source: bytes | BinaryIO) -> ImageInfo:
    """Decode the picture once and return its facts; the content counts, not the name.

    InputError names the problem: FILE_TOO_BIG (`size`, `limit`, bytes), NOT_AN_IMAGE, IMAGE_BOMB
    or IMAGE_SIDES (`width`, `height`, `minimum`, px).
    """

    def work(source: _Source) -> ImageInfo:
        from bot.media import pictures

        return pictures.check(source)

    return await _off_the_loop(work, source)


async def make_frame(source: bytes | BinaryIO, ratio: AspectRatio) -> bytes:
    """Return a JPEG with exactly this `ratio`: upright, cut around the centre, sRGB, without
    metadata.

    Its sides are within the provider's limits. Raises InputError as `check` does.
    """

    def work(source: _Source) -> bytes:
        from bot.media import pictures

        return pictures.make_frame(source, ratio)

    return await _off_the_loop(work, source)


async def make_glance(source: bytes | BinaryIO) -> bytes:
    """Return a JPEG of at most 512 px and some 60 kB, without metadata, for a model to look at.

    Raises InputError as `check` does.
    """

    def work(source: _Source) -> bytes:
        from bot.media import pictures

        return pictures.make_glance(source)

    return await _off_the_loop(work, source)


async def make_photo(source: bytes | BinaryIO) -> bytes:
    """Return the whole picture as a JPEG of at most PHOTO_SIDE px: upright, sRGB, no metadata.

    Raises InputError as `check` does.
    """

    def work(source: _Source) -> bytes:
        from bot.media import pictures

        return pictures.make_photo(source)

    return await _off_the_loop(work, source)


async def make_preview(source: bytes | BinaryIO, ratio: AspectRatio | None = None) -> bytes:
    """Return a small JPEG of the whole picture, with the parts dimmed that a cut to `ratio`
    removes.

    Raises InputError as `check` does.
    """

    def work(source: _Source) -> bytes:
        from bot.media import pictures

        return pictures.make_preview(source, ratio)

    return await _off_the_loop(work, source)


async def _off_the_loop(work: Callable[[_Source], _T], source: _Source) -> _T:
    loop = asyncio.get_running_loop()
    try:
        return await loop.run_in_executor(_one_at_a_time, work, source)
    except InputError as exc:
        if exc.problem is not Problem.IMAGE_BOMB and not _is_rare(exc, source):
            raise
        smaller = await _smaller(source)
        if smaller is None:
            raise
    return await loop.run_in_executor(_one_at_a_time, work, smaller)


def _is_rare(exc: InputError, source: _Source) -> bool:
    """Return whether only the reader process has a decoder for this picture."""
    if exc.problem is not Problem.NOT_AN_IMAGE:
        return False
    if not isinstance(source, bytes):
        source.seek(0)
        source = source.read(64)
    return rare_pictures.codec_of(source) is not None


async def _smaller(source: _Source) -> bytes | None:
    """Return a JPEG that the reader process makes of a large or rare picture; None if it
    cannot."""
    if not isinstance(source, bytes):
        source.seek(0)
        source = source.read(MAX_BYTES)
    async with _one_outside:
        with tempfile.TemporaryFile() as file, suppress(video_reader.NotAVideo):
            file.write(source)
            return await video_reader.picture(file)
    return None
