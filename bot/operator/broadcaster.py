"""Send an admin's message to everybody whom the bot serves, within Telegram's rates.

Progress is in a row: after a kill the next process continues there. It must not know the content
of the message, which is copied (Bot API: copyMessage).
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from functools import partial

from aiogram import Bot
from aiogram.methods import CopyMessage

from bot import texts
from bot.core.access import Access
from bot.core.clock import Clock, Sleep, Wait, wait_for
from bot.core.errors import (
    StorageUnavailable,
    TelegramError,
    TelegramFlood,
    TelegramLater,
    TelegramLost,
    TelegramMoved,
    TelegramNothingToCopy,
    TelegramRejected,
    TelegramUnreachable,
)
from bot.core.schedule import back_off
from bot.core.task import Chat
from bot.runtime.idle import Idle
from bot.telegram.messenger import Messenger
from bot.texts import keyboards
from bot.texts.callback_data import Operation
from storage import Storage
from storage.broadcasts import Broadcast, Recipient

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
IDLE_SECONDS = 2.0
BETWEEN_SECONDS = 0.05
"""Messages per second; of Telegram's 30 the rest is left for videos (docs/telegram.md)."""
PAGE = 20
"""Number of people after which the lease is checked and the shown progress is updated."""
AGAIN_SECONDS, AGAIN_CAP_SECONDS = 60.0, 3600.0
"""The first and the longest pause before somebody for whom Telegram failed is tried again. The
others are not held up: it may fail for this one alone. Flood control is no failure."""
TRIED_FOR = timedelta(days=1)
"""How long a person is tried before they count as not reached."""
NAP_SECONDS = LEASE.total_seconds() / 2
"""The longest pause after which the lease is renewed."""


class Broadcaster:
    """The broadcast loop of one process."""

    def __init__(
        self,
        bot: Bot,
        storage: Storage,
        messenger: Messenger,
        *,
        access: Access,
        clock: Clock,
        owner: str,
        wait: Wait = wait_for,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._bot = bot
        self._storage = storage
        self._messenger = messenger
        self._access = access
        self._clock = clock
        self._owner = owner
        self._sleep = sleep
        self._failures = 0  # in a row, of whomever
        self._pause = 0.0  # seconds until the next try
        self._idle = Idle(partial(storage.due.next, "broadcasts"), clock=clock, wait=wait)
        storage.due.watch_kind("broadcasts", self._idle.changed)

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            try:
                if await self.page():
                    continue
            except StorageUnavailable as exc:
                logger.warning("the broadcast waits: %s", exc)
            await self._idle.until_due(IDLE_SECONDS)

    async def page(self) -> bool:
        """Send to the next people of one broadcast; return False if there is nothing to do."""
        store = self._storage.broadcasts
        running = await store.claim(owner=self._owner, now=self._clock(), lease_for=LEASE)
        if running is None:
            self._failures, self._pause = 0, 0.0
            return False
        if self._pause > 0:
            nap = min(self._pause, NAP_SECONDS)
            self._pause -= nap
            await self._sleep(nap)
            return True
        people = await store.next_people(
            running, limit=PAGE, access=self._access, now=self._clock()
        )
        for person in people:
            try:
                sent = await self._copy(running, person.user_id)
            except TelegramNothingToCopy as exc:
                logger.warning("broadcast %d has ended: %s", running.id, exc)
                await store.done(running.id, owner=self._owner, now=self._clock(), gone=True)
                await self._show(running.id, gone=True)
                return True
            except TelegramFlood as exc:
                self._pause = exc.retry_after
                break
            except TelegramError as exc:
                logger.warning("broadcast %d: %s", running.id, exc)
                self._failures += 1
                named = exc.retry_after if isinstance(exc, TelegramLater) else 0.0
                self._pause = max(back_off(self._failures, first=IDLE_SECONDS, cap=60), named)
                await self._failed(running, person)
                break
            self._failures = 0
            if not await store.advance(running.id, person.user_id, owner=self._owner, sent=sent):
                break  # stopped, or another process has it
            await self._sleep(BETWEEN_SECONDS)
        rests = not people and await store.rest(running.id, owner=self._owner, access=self._access)
        if not people and not rests:
            await store.done(running.id, owner=self._owner, now=self._clock())
        await self._show(running.id)
        return not rests

    async def _failed(self, running: Broadcast, person: Recipient) -> None:
        """Try this person again later, or no more."""
        store, now = self._storage.broadcasts, self._clock()
        if person.since is not None and now - person.since >= TRIED_FOR:
            await store.advance(running.id, person.user_id, owner=self._owner, sent=False)
            return
        pause = back_off(person.attempts + 1, first=AGAIN_SECONDS, cap=AGAIN_CAP_SECONDS)
        await store.postpone(
            running.id, person.user_id, owner=self._owner, now=now,
            run_at=now + timedelta(seconds=pause),
        )  # fmt: skip

    async def _copy(self, running: Broadcast, user_id: int) -> bool:
        """Send to one person; return whether it arrived, or False if it never will. A send that
        may have worked is not repeated.

        Raises TelegramFlood, TelegramNothingToCopy, and other TelegramErrors to try again.
        """
        try:
            await self._bot(
                CopyMessage(
                    chat_id=user_id,
                    from_chat_id=running.from_chat_id,
                    message_id=running.message_id,
                )
            )
        except TelegramLost:
            return True
        except TelegramNothingToCopy:
            raise
        except (TelegramUnreachable, TelegramRejected, TelegramMoved):
            return False
        return True

    async def _show(self, broadcast_id: int, *, gone: bool = False) -> None:
        now = await self._storage.broadcasts.get(broadcast_id)
        if now is None or now.shown_message_id is None:
            return
        text = texts.admin.broadcast(
            now.lang, now.state.value, now.total, now.sent, now.refused, gone=gone,
            postponed=await self._storage.broadcasts.postponed(now.id),
        )  # fmt: skip
        stop = keyboards.admin.operations(now.lang, [Operation.STOP], number=now.id)
        try:
            await self._messenger.edit(
                Chat(chat_id=now.from_chat_id),
                now.shown_message_id,
                text,
                is_media=False,
                keyboard=stop if now.state.value == "running" else None,
            )
        except TelegramError as exc:
            logger.info("broadcast %d: the progress cannot be shown: %s", broadcast_id, exc)
