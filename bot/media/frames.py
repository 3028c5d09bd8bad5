"""First frames: turn any picture into one clean JPEG of the chosen aspect ratio.

It works in a thread, one picture at a time, so that the memory peak is that of one picture. It
must not know Telegram, the provider or SQL. The work is in bot/media/pictures.py, imported with
the first picture: Pillow and its decoders take 8 MB that an idle bot does not need.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, TypeVar

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
from bot.core.task import AspectRatio

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

_one_at_a_time = ThreadPoolExecutor(max_workers=1, thread_name_prefix="frames")


async def check(source: bytes | BinaryIO) -> ImageInfo:
    """Decode the picture once and return its facts; the content counts, not the name.

    InputError names the problem: FILE_TOO_BIG (`size`, `limit`, bytes), NOT_AN_IMAGE, IMAGE_BOMB
    or IMAGE_SIDES (`width`, `height`, `minimum`, px).
    """

    def work() -> ImageInfo:
        from bot.media import pictures

        return pictures.check(source)

    return await _off_the_loop(work)


async def make_frame(source: bytes | BinaryIO, ratio: AspectRatio) -> bytes:
    """Return a JPEG with exactly this `ratio`: upright, cut around the centre, sRGB, without
    metadata.

    Its sides are within the provider's limits. Raises InputError as `check` does.
    """

    def work() -> bytes:
        from bot.media import pictures

        return pictures.make_frame(source, ratio)

    return await _off_the_loop(work)


async def make_glance(source: bytes | BinaryIO) -> bytes:
    """Return a JPEG of at most 512 px and some 60 kB, without metadata, for a model to look at.

    Raises InputError as `check` does.
    """

    def work() -> bytes:
        from bot.media import pictures

        return pictures.make_glance(source)

    return await _off_the_loop(work)


async def make_photo(source: bytes | BinaryIO) -> bytes:
    """Return the whole picture as a JPEG of at most PHOTO_SIDE px: upright, sRGB, no metadata.

    Raises InputError as `check` does.
    """

    def work() -> bytes:
        from bot.media import pictures

        return pictures.make_photo(source)

    return await _off_the_loop(work)


async def make_preview(source: bytes | BinaryIO, ratio: AspectRatio | None = None) -> bytes:
    """Return a small JPEG of the whole picture, with the parts dimmed that a cut to `ratio`
    removes.

    Raises InputError as `check` does.
    """

    def work() -> bytes:
        from bot.media import pictures

        return pictures.make_preview(source, ratio)

    return await _off_the_loop(work)


async def _off_the_loop(work: Callable[[], _T]) -> _T:
    return await asyncio.get_running_loop().run_in_executor(_one_at_a_time, work)
