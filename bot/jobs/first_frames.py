"""Turn a Telegram `file_id` into a link that the provider can open.

The link is unguessable and expires with the task or after a set time; a Telegram link would
contain the bot's token. It must not know states.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from datetime import timedelta

from aiogram import Bot

from bot.core.clock import Clock, Sleep
from bot.core.errors import FramesAway, FramesOff, LeaseLost, StorageUnavailable
from bot.core.schedule import back_off
from bot.core.task import Task
from bot.media import frames
from bot.media.bucket import Bucket, BucketError
from bot.runtime.http_server import frame_url
from bot.runtime.public_address import PublicAddress
from bot.telegram.first_frame import fetch_frame
from storage import Storage

SWEEP_SECONDS = 5.0

logger = logging.getLogger(__name__)


class FirstFrames:
    """Publishes the first frame of a task: in the bucket if one is set, otherwise on the bot's own
    HTTP server."""

    def __init__(
        self,
        bot: Bot,
        storage: Storage,
        *,
        clock: Clock,
        address: PublicAddress,
        ttl: timedelta,
        bucket: Bucket | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._bot = bot
        self._storage = storage
        self._clock = clock
        self._address = address
        self._ttl = ttl
        self._bucket = bucket
        self._sleep = sleep

    async def publish(self, task: Task) -> str:
        """Return the link to the frame, cut to the task's ratio; it replaces an earlier one.

        Raises FramesOff when neither PUBLIC_URL nor a bucket is set, FramesAway while a tunnel has
        no address, InputError for an unusable file, TelegramErrors when the file cannot be
        fetched, BucketError when it cannot be stored.
        """
        if self.are_away():
            raise FramesAway
        if not self._address.url and self._bucket is None:
            raise FramesOff
        assert task.frame is not None
        assert task.aspect_ratio is not None
        source = await fetch_frame(self._bot, task.frame, limit=frames.MAX_BYTES)
        jpeg = await frames.make_frame(source, task.aspect_ratio)
        token = secrets.token_urlsafe(32)
        if self._bucket is not None:
            return await self._put(self._bucket, task, f"{token}.jpg", jpeg)
        if not await self._storage.frames.publish(
            task, token=token, jpeg=jpeg, expires_at=self._clock() + self._ttl
        ):
            raise LeaseLost("the task needs no frame any more")
        if self.are_away():
            raise FramesAway
        return frame_url(self._address.url, token)

    def are_away(self) -> bool:
        """Whether frames have to wait because the tunnel has no address."""
        return self._bucket is None and self._address.is_awaited

    def still_leads(self, link: str) -> bool:
        """Whether a link from `publish` is still valid: a tunnel may have another address now."""
        return self._bucket is not None or self._address.leads(link)

    async def _put(self, bucket: Bucket, task: Task, key: str, jpeg: bytes) -> str:
        # Recorded first, so that the object is deleted later even after a crash.
        await self._storage.frame_objects.note(key, task.id, expires_at=self._clock() + self._ttl)
        await bucket.put(key, jpeg)
        return await bucket.link(key, self._ttl)

    async def sweep(self) -> None:
        """Delete objects that are no longer needed; runs until cancelled."""
        failures = 0
        while self._bucket is not None:
            problem: Exception | None = None
            try:
                for key in await self._storage.frame_objects.over(self._clock()):
                    try:
                        await self._bucket.delete(key)
                    except BucketError as exc:  # a locked object must not keep the others
                        problem = exc
                    else:
                        await self._storage.frame_objects.forget(key)
            except StorageUnavailable as exc:
                problem = exc
            failures = failures + 1 if problem else 0
            if problem:
                logger.warning("first frames stay in the bucket for now: %s", problem)
            await self._sleep(back_off(failures, first=SWEEP_SECONDS, cap=300.0))
