"""The webhook: Telegram calls the bot's HTTP server, which answers 200 after the commit.

Updates end in the same inbox rows as with polling, so an operator can switch between the two
without loss. It must not know what any update means.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from datetime import datetime, timedelta

from aiogram import Bot
from aiogram.methods import GetWebhookInfo, SetWebhook
from aiogram.types import WebhookInfo
from aiohttp import web

from bot.core.clock import Clock, Sleep, wait_for
from bot.core.errors import (
    StorageUnavailable,
    TelegramError,
    TelegramLater,
    TelegramRejected,
    TelegramUnauthorized,
)
from bot.core.json_text import decode
from bot.core.schedule import back_off
from bot.runtime import metrics
from bot.runtime.health import Health
from bot.runtime.public_address import PublicAddress
from bot.telegram.updates import Take, incoming

logger = logging.getLogger(__name__)

PATH = "/telegram"
BODY_LIMIT = 1 << 20
"""Largest size of an update in bytes; real ones have a few thousand (Bot API: setWebhook has no
limit).
"""
BODY_SECONDS = 15.0
CONNECTIONS = 40
"""How many connections Telegram may open at once; this is its default."""
WATCH_SECONDS = 30.0
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the name of it


class Webhook:
    """Keeps the webhook set, watches it, and receives the updates.

    `routes` serves the HTTP server; `run` keeps the webhook set.
    """

    def __init__(
        self,
        bot: Bot,
        take: Take,
        *,
        clock: Clock,
        health: Health,
        address: PublicAddress,
        secret: str,
        allowed_updates: list[str],
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._bot = bot
        self._take = take
        self._clock = clock
        self._health = health
        self._address = address
        self._url = ""  # as it was last set
        self._secret = secret
        self._allowed_updates = allowed_updates
        self._sleep = sleep
        self._came: datetime | None = None

    @property
    def routes(self) -> list[web.AbstractRouteDef]:
        """The routes for bot.runtime.http_server."""
        return [web.post(PATH, self.receive)]

    async def receive(self, request: web.Request) -> web.StreamResponse:
        """Receive an update. Any answer but 2xx makes Telegram send it again."""
        # As bytes, because compare_digest raises an error for non-ASCII text.
        shown = request.headers.get(SECRET_HEADER, "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(shown, self._secret.encode()):
            return web.Response(status=401)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _body(request)
        except TimeoutError:
            return web.Response(status=408)
        if body is None:
            return web.Response(status=413)
        try:
            # One broken character must not keep the updates behind it at Telegram.
            raw = decode(body)
        except (ValueError, RecursionError):
            return web.Response(status=400)
        row = incoming(raw)
        if row is None:
            logger.error("an update without an update_id was dropped")
            return web.Response(status=400)
        try:
            await self._take([row])
        except StorageUnavailable as exc:
            logger.warning("update %d is left with Telegram: %s", row.update_id, exc)
            return web.Response(status=503)
        self._came = self._clock()
        self._health.mark("updates")
        return web.Response()

    async def run(self) -> None:
        """Run until cancelled. Raises TelegramUnauthorized, and TelegramRejected when Telegram
        refuses the operator's address: both end the process. Exception: a tunnel's new address may
        be refused until its name is known everywhere."""
        failures, is_set = 0, False
        while True:
            if self._address.is_awaited:
                self._health.trouble("updates", "the tunnel has no address")
                await self._rest(WATCH_SECONDS)
                continue
            try:
                if not is_set or self._url != self._address.url + PATH:
                    await self._set()
                    is_set = True
                is_set = await self._still_set()
                failures, wait = 0, WATCH_SECONDS if is_set else 1.0
            except TelegramUnauthorized:
                raise
            except TelegramError as exc:
                if isinstance(exc, TelegramRejected) and not self._address.changes:
                    raise
                failures += 1
                self._health.trouble("updates", str(exc))
                wait = back_off(failures, first=1, cap=30)
                if isinstance(exc, TelegramLater) and failures == 1:
                    wait = max(wait, min(exc.retry_after, 3600.0))
                logger.warning("the webhook waits: %s; again in %.0f s", exc, wait)
            await self._rest(wait)

    async def _rest(self, seconds: float) -> None:
        """Sleep until the time is over or there is a new address."""
        if not self._address.changes:
            return await self._sleep(seconds)
        await wait_for(self._address.changed, seconds)
        return self._address.changed.clear()

    async def _set(self) -> None:
        # Pending updates are kept: they may be orders and payments.
        url = self._address.url + PATH
        await self._bot(
            SetWebhook(
                url=url,
                secret_token=self._secret,
                max_connections=CONNECTIONS,
                allowed_updates=self._allowed_updates,
                drop_pending_updates=False,
            )
        )
        self._url = url
        logger.info("the webhook is set")

    async def _still_set(self) -> bool:
        try:
            return self._judge(await self._bot(GetWebhookInfo()))
        except TelegramRejected as exc:
            logger.warning("the webhook cannot be watched: %s", exc)
            return True  # it is set; arriving updates show whether it works

    def _judge(self, info: WebhookInfo) -> bool:
        """Return whether the webhook is still the bot's own; record a heartbeat if it delivers."""
        metrics.WEBHOOK_PENDING.set(info.pending_update_count)
        if info.url != self._url:
            logger.error("somebody else set or deleted the webhook; it is set again")
            return False
        failed = info.last_error_date
        if isinstance(failed, datetime):
            metrics.WEBHOOK_ERROR.set(failed.timestamp())
            fresh = self._clock() - failed < timedelta(seconds=2 * WATCH_SECONDS)
            came_since = self._came is not None and self._came > failed
            if fresh and info.pending_update_count and not came_since:
                words = (
                    f"Telegram cannot deliver {info.pending_update_count} updates: "
                    f"{info.last_error_message}"
                )
                logger.error("%s", words)
                self._health.trouble("updates", words)
                return True
        self._health.mark("updates")
        return True


async def _body(request: web.Request) -> bytes | None:
    """Read the body; return None if it is over the limit."""
    if (request.content_length or 0) > BODY_LIMIT:
        return None
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > BODY_LIMIT:
            return None
    return bytes(body)
