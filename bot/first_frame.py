"""From a Telegram `file_id` to a link that the provider can open, and that says nothing else.

The link is unguessable and dies with the task or its time; a Telegram link would hold the bot's
token. It must not know states.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from aiogram import Bot

from bot import frames
from bot.clock import Clock
from bot.errors import LeaseLost
from bot.http import frame_url
from bot.steps.submit import FramesOff
from bot.task import Task
from bot.telegram import fetch_file
from storage import Storage


class FirstFrames:
    """Publishes the first frame of a task at the bot's own HTTP server."""

    def __init__(
        self, bot: Bot, storage: Storage, *, clock: Clock, public_url: str, ttl: timedelta
    ) -> None:
        self._bot = bot
        self._storage = storage
        self._clock = clock
        self._public_url = public_url
        self._ttl = ttl

    async def publish(self, task: Task) -> str:
        """The link to the frame, cut to the task's ratio; it replaces an earlier one.

        Raises FramesOff without PUBLIC_URL, InputError for a file that is no usable picture, and
        TelegramErrors when it cannot be fetched.
        """
        if not self._public_url:
            raise FramesOff
        assert task.frame is not None
        assert task.aspect_ratio is not None
        source = await fetch_file(self._bot, task.frame.file_id, limit=frames.MAX_BYTES)
        jpeg = await frames.make_frame(source, task.aspect_ratio)
        token = secrets.token_urlsafe(32)
        if not await self._storage.frames.publish(
            task.id, token=token, jpeg=jpeg, expires_at=self._clock() + self._ttl
        ):
            raise LeaseLost("the task needs no frame any more")
        return frame_url(self._public_url, token)
