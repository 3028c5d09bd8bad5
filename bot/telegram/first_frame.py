"""Fetch the picture that a video starts from: a photo, a file, or where another video ends.

It must not know tasks, nor what the picture is used for.
"""

from __future__ import annotations

import tempfile

from aiogram import Bot

from bot.core.errors import InputError
from bot.core.task import Frame, Problem
from bot.media import video_reader
from bot.telegram.client import download_file, fetch_file

VIDEO_LIMIT = 20 * 1000 * 1000
"""Bytes that a bot can download (Bot API: getFile)."""


async def fetch_frame(bot: Bot, frame: Frame, *, limit: int) -> bytes:
    """Return the picture: at most `limit` bytes, or the last one of a video.

    Raises what bot.telegram.client.fetch_file raises; InputError for a video without pictures.
    """
    if frame.kind != "video":
        return await fetch_file(bot, frame.file_id, limit=limit)
    with tempfile.TemporaryFile() as file:
        await download_file(bot, frame.file_id, file, limit=VIDEO_LIMIT)
        try:
            return await video_reader.last_frame(file)
        except video_reader.NotAVideo:
            raise InputError(Problem.NOT_AN_IMAGE) from None
