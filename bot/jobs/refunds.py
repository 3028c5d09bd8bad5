"""Request refunds of Stars from Telegram: the loop behind the refunds in the ledger.

A refund is in the ledger before Telegram is asked, and is repeated until Telegram confirms it: the
payment's id makes a repeat harmless (Bot API: refundStarPayment). What Telegram refuses for good
is left to an admin. It must not know why something
is refunded.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial

from aiogram import Bot
from aiogram.methods import RefundStarPayment

from bot.core.clock import Clock, Wait, wait_for
from bot.core.errors import (
    StorageUnavailable,
    TelegramError,
    TelegramLater,
    TelegramRejected,
    TelegramUnreachable,
)
from bot.core.schedule import back_off
from bot.runtime.idle import Idle
from storage import StarRefund, Storage

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=120)
IDLE_SECONDS = 5.0
AT_ONCE = 10
REFUSALS = 3
"""Tries after which a refusal counts: one may be a mistake of a moment."""
DONE_BEFORE = "charge_already_refunded"


class Refunds:
    """The refund loop of one process."""

    def __init__(
        self,
        bot: Bot,
        storage: Storage,
        *,
        clock: Clock,
        owner: str,
        wait: Wait = wait_for,
    ) -> None:
        self._bot = bot
        self._storage = storage
        self._clock = clock
        self._owner = owner
        self._idle = Idle(partial(storage.due.next, "refunds"), clock=clock, wait=wait)
        storage.due.watch_kind("refunds", self._idle.changed)

    async def run(self) -> None:
        """Run until cancelled; an interrupted refund is repeated when its lease has expired."""
        while True:
            try:
                for refund in await self._storage.stars.claim_refunds(
                    owner=self._owner, now=self._clock(), lease_for=LEASE, limit=AT_ONCE
                ):
                    await self._refund(refund)
            except StorageUnavailable as exc:
                logger.warning("refunds wait: %s", exc)
            await self._idle.until_due(IDLE_SECONDS)

    async def _refund(self, refund: StarRefund) -> None:
        try:
            await self._bot(
                RefundStarPayment(
                    user_id=refund.user_id, telegram_payment_charge_id=refund.payment_id
                )
            )
        except TelegramError as exc:
            if not (isinstance(exc, TelegramRejected) and DONE_BEFORE in str(exc).lower()):
                refused = isinstance(exc, TelegramRejected | TelegramUnreachable)
                if refused and refund.attempts >= REFUSALS:
                    return await self._give_up(refund, exc)
                return await self._later(refund, exc)
        await self._storage.stars.refund_done(refund.payment_id, now=self._clock())
        return None

    async def _give_up(self, refund: StarRefund, exc: TelegramError) -> None:
        """Leave it to an admin, who gets an alert (bot/operator/alert_monitor.py)."""
        logger.error("Telegram refuses to give Stars back: %s", exc)
        await self._storage.stars.refund_refused(
            refund.payment_id, now=self._clock(), error=str(exc)
        )

    async def _later(self, refund: StarRefund, exc: TelegramError) -> None:
        wait = back_off(refund.attempts, first=5, cap=6 * 3600)
        if isinstance(exc, TelegramLater):
            wait = max(wait, exc.retry_after)
        logger.error("a refund of Stars failed, again in %.0f s: %s", wait, exc)
        await self._storage.stars.refund_later(
            refund.payment_id, run_at=self._clock() + timedelta(seconds=wait), error=str(exc)
        )
