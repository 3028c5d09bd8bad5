"""Read a finished picture: checked under the limits of bot/media/pictures.py, and converted.

What an image model returns may be PNG, WebP or anything else; people get one clean JPEG, which
Telegram accepts as a photo. The file itself stays as it is. It must not know where it comes from
or where it is sent.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

from bot.core.errors import BotError, InputError
from bot.core.task import Problem
from bot.media import frames

_TOO_LARGE = frozenset({Problem.FILE_TOO_BIG, Problem.IMAGE_BOMB})


class NotAPicture(BotError):
    """The file is not a picture, or only a part of one."""


class PictureTooLarge(BotError):
    """A picture with more bytes or pixels than are decoded here."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture ready for sendPhoto, in memory."""

    file: BinaryIO  # JPEG
    size: int  # bytes
    is_document: bool = False


async def prepare(file: BinaryIO) -> Picture:
    """Return the picture of an open file. Raises NotAPicture and PictureTooLarge."""
    try:
        jpeg = await frames.make_photo(file)
    except InputError as exc:
        if exc.problem in _TOO_LARGE:
            raise PictureTooLarge(f"a picture with too much of {exc.problem}") from None
        raise NotAPicture(f"not a picture: {exc.problem}") from None
    return Picture(file=io.BytesIO(jpeg), size=len(jpeg))
