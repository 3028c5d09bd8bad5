"""Long polling with getUpdates; updates are confirmed to Telegram only after their commit.

It must not know what an update means or who handles it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from aiogram import Bot
from aiogram.methods import DeleteWebhook

from bot.core.alerts import AlertSignals
from bot.core.clock import Clock, Sleep
from bot.core.errors import (
    StorageUnavailable,
    TelegramConflict,
    TelegramError,
    TelegramLater,
    TelegramUnauthorized,
)
from bot.core.schedule import back_off
from bot.runtime.health import Health
from bot.telegram.client import GetRawUpdates
from bot.telegram.updates import PAGE, Take, incoming

logger = logging.getLogger(__name__)

T = TypeVar("T")

POLL_SECONDS = 25

TAKE_OVER_SECONDS = 10
"""Seconds for deleting an old webhook; without an answer polling starts anyway."""

IDLE_SECONDS = 1.0


class Polling:
    """Moves updates from getUpdates to the inbox; Telegram forgets an update only after its
    commit.
    """

    def __init__(
        self,
        bot: Bot,
        take: Take,
        *,
        clock: Clock,
        health: Health,
        allowed_updates: list[str],
        signals: AlertSignals | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._bot = bot
        self._take = take
        self._clock = clock
        self._health = health
        self._allowed_updates = allowed_updates
        self._signals = signals or AlertSignals()
        self._sleep = sleep
        self._webhook_is_gone = False

    async def run(self) -> None:
        """Run until cancelled. Raises TelegramUnauthorized, which ends the process."""
        await self._take_over()
        offset: int | None = None
        while True:
            asked_at = self._clock()
            page = await self._until_success(partial(self._page, offset))
            if not isinstance(page, list):
                logger.error("getUpdates: the answer is no list")
                await self._sleep(IDLE_SECONDS)
                continue
            rows = [row for raw in page if (row := incoming(raw)) is not None]
            if len(rows) < len(page):
                logger.error("%d updates without an update_id were dropped", len(page) - len(rows))
            if rows:
                await self._until_success(partial(self._take, rows))
                latest = max(row.update_id for row in rows)
                # After a quiet week the numbers may begin anew (Bot API: Update).
                is_new, offset = latest >= (offset or 0), latest + 1
            else:
                # An empty page that came at once: the server does not wait for updates.
                waited = (self._clock() - asked_at).total_seconds() >= IDLE_SECONDS
                is_new = waited and not page
            if not is_new:
                await self._sleep(IDLE_SECONDS)
            self._health.mark("updates")
            self._signals.polled_at = self._clock()

    async def _take_over(self) -> None:
        """Delete the webhook once, at the start: a later webhook is somebody's decision.

        Polling does not wait for it: without a webhook nothing has to be deleted.
        """
        try:
            # Pending updates are kept: they may be orders and payments.
            await self._bot(DeleteWebhook(drop_pending_updates=False), TAKE_OVER_SECONDS)
            self._webhook_is_gone = True
        except TelegramUnauthorized:
            raise
        except TelegramError as exc:
            logger.warning("the webhook could not be deleted: %s", exc)

    async def _page(self, offset: int | None) -> Any:
        return await self._bot(
            GetRawUpdates(
                offset=offset,
                timeout=POLL_SECONDS,
                limit=PAGE,
                allowed_updates=self._allowed_updates,
            ),
            request_timeout=POLL_SECONDS + 10,
        )

    async def _until_success(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call until it succeeds: the network and the disk recover by themselves."""
        failures = 0
        while True:
            try:
                return await call()
            except TelegramUnauthorized:
                raise
            except (TelegramError, StorageUnavailable) as exc:
                failures += 1
                self._health.trouble("updates", str(exc))
                wait = back_off(failures, first=1, cap=30)
                if isinstance(exc, TelegramLater) and failures == 1:
                    wait = max(wait, min(exc.retry_after, 3600.0))
                if isinstance(exc, TelegramConflict):
                    self._signals.conflict(self._clock())
                    logger.error("another program reads this bot's updates: %s", exc)
                    if not self._webhook_is_gone:
                        await self._take_over()
                else:
                    logger.warning("updates wait: %s; again in %.0f s", exc, wait)
                await self._sleep(wait)
