"""Find payments and refunds of Stars whose message was lost, in Telegram's own list.

Telegram forgets an update after 24 hours, and another program with the same token may take it.
Then somebody paid and has no credit. The list has the same ids as the messages, so what is known
changes nothing. It must not know what is bought.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from aiogram import Bot
from aiogram.methods import GetStarTransactions
from aiogram.types import StarTransaction, TransactionPartnerUser

from bot.core.clock import Clock, Sleep
from bot.core.stars import package_of
from bot.texts.i18n import language_of
from storage import Storage

logger = logging.getLogger(__name__)

LOOK_BACK = timedelta(days=7)
"""Older payments are ignored. Otherwise a new, empty database would credit all of them again."""
PAGE = 100
"""The most that Telegram returns at once (Bot API: getStarTransactions)."""
PAGES = 1000
BETWEEN_SECONDS = 0.1


class StarPayments:
    """Reads the list; what it has read before is skipped, because the list only grows."""

    def __init__(
        self, bot: Bot, storage: Storage, *, clock: Clock, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._bot = bot
        self._storage = storage
        self._clock = clock
        self._sleep = sleep
        self._read = 0  # transactions, the oldest first

    async def collect(self) -> int:
        """Record what is not known; return how many payments and refunds that were.

        Raises TelegramError and StorageUnavailable.
        """
        since = self._clock() - LOOK_BACK
        new: list[StarTransaction] = []
        for _ in range(PAGES):
            listed = await self._bot(GetStarTransactions(offset=self._read, limit=PAGE))
            new += [one for one in listed.transactions if one.date >= since]
            self._read += len(listed.transactions)
            if len(listed.transactions) < PAGE:
                break
            await self._sleep(BETWEEN_SECONDS)
        # A payment before its refund, which has the same id
        found = [await self._pay(one, one.source) for one in new]
        found += [await self._refund(one) for one in new]
        return sum(found)

    async def _refund(self, one: StarTransaction) -> bool:
        if not isinstance(one.receiver, TransactionPartnerUser):
            return False
        is_new = await self._storage.stars.refunded(one.id, now=self._clock())
        if is_new:
            logger.warning("a refund of %d Stars was found in Telegram's list", one.amount)
        return is_new

    async def _pay(self, one: StarTransaction, source: object) -> bool:
        """Record a payment for a package of this bot; others are not its own."""
        if not isinstance(source, TransactionPartnerUser):
            return False
        package = package_of(source.invoice_payload or "")
        if package is None or package.stars != one.amount:
            return False
        known = await self._storage.users.get(source.user.id)
        is_new = await self._storage.stars.purchase(
            user_id=source.user.id,
            payment_id=one.id,
            stars=one.amount,
            credit=package.credit,
            lang=known.lang if known else language_of(source.user.language_code),
            now=self._clock(),
        )
        if is_new:
            logger.warning("a payment of %d Stars was found in Telegram's list", one.amount)
        return is_new
