"""The inbox dispatcher: commits incoming updates and runs their handlers, in order within a chat.

It knows the inbox and aiogram's dispatcher; it must not know what any update means.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from aiogram import Bot, Dispatcher
from pydantic import ValidationError

from bot.core.clock import Clock, Sleep, Wait, wait_for
from bot.core.errors import (
    StorageUnavailable,
    TelegramError,
    TelegramLater,
    TelegramMoved,
    TelegramRejected,
    TelegramUnreachable,
)
from bot.core.schedule import back_off
from bot.runtime import logs, metrics
from bot.runtime.idle import Idle
from bot.telegram.parsing import parse
from bot.telegram.updates import PAGE
from storage import InboxUpdate, IncomingUpdate, Storage

logger = logging.getLogger(__name__)

HANDLERS_AT_ONCE = 32

HANDLER_SECONDS = 120.0

LEASE = timedelta(seconds=30)
"""Seconds; after a kill, a chat with an open update waits this long."""

HEARTBEAT_SECONDS = 8.5
"""Several heartbeats within a lease."""

TRIES = 8
"""After this many failed or killed attempts an update is set aside."""

PATIENCE = timedelta(days=1)
"""How long an update waits during an outage of Telegram or the database."""

PRESS_PATIENCE = timedelta(minutes=10)
"""The same for a button press: nobody reads a late answer, and its chat has to wait meanwhile."""

IDLE_SECONDS = 1.0

NEXT_PAGE_SECONDS = 0.01
"""Seconds after a full page in which no handler starts: Telegram probably has a next page, with
updates of other chats."""

PAGES_FIRST = timedelta(seconds=0.25)
"""The longest time for which full pages, one after the other, delay handlers."""


class _Failed(timedelta):
    """Retry after this time; the attempt counts."""


@dataclass(frozen=True)
class _Arrival:
    """Updates from one caller, which waits until they are committed."""

    rows: Sequence[IncomingUpdate]
    kept: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Inbox:
    """Runs handlers for inbox rows: in order within a chat, different chats in parallel."""

    def __init__(
        self,
        bot: Bot,
        dispatcher: Dispatcher,
        storage: Storage,
        *,
        clock: Clock,
        owner: str,
        wait: Wait = wait_for,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._bot = bot
        self._dispatcher = dispatcher
        self._storage = storage
        self._clock = clock
        self._owner = owner
        self._wait = wait
        self._sleep = sleep
        self._running = False
        self._arrivals: list[_Arrival] = []
        self._in_hand: set[int] = set()
        self._has_some = asyncio.Event()  # set while updates are in hand
        self._finished: list[int] = []  # open too, until their completion is committed
        self._behind: set[str] = set()  # chats with more updates than the open one
        self._stopping = False
        self._idle = Idle(
            partial(storage.due.next, "inbox"),
            clock=clock, wait=wait, unwritten=lambda: bool(self._finished),
        )  # fmt: skip
        storage.due.watch_kind("inbox", self._idle.changed)
        self._arrived = asyncio.Event()
        self._pages_since: datetime | None = None  # when the first of these full pages came

    async def take(self, rows: Sequence[IncomingUpdate]) -> None:
        """Commit the updates; afterwards Telegram may forget them. Raises StorageUnavailable.

        If this process runs handlers, the same commit leases the updates.
        """
        if self._running and not self._stopping:
            arrival = _Arrival(rows)
            self._arrivals.append(arrival)
            self._arrived.set()
            self._idle.wake()
            await arrival.kept
        else:
            await self._storage.inbox.add(rows, now=self._clock())
            self._idle.wake()
        metrics.UPDATES_RECEIVED.inc(len(rows))

    def stop(self) -> None:
        """Stop claiming; `run` finishes the open updates."""
        self._stopping = True
        self._idle.wake()

    async def run(self) -> None:
        """Run until `stop`, and then until all open updates are finished."""
        self._running = True
        async with asyncio.TaskGroup() as heartbeats:
            heartbeat = heartbeats.create_task(self._heartbeat(), name="inbox heartbeat")
            try:
                async with asyncio.TaskGroup() as group:
                    await self._hand_out(group)
            finally:
                self._running = False
                self._answer(self._arrivals, StorageUnavailable("the inbox has ended"))
                heartbeat.cancel()

    async def _hand_out(self, group: asyncio.TaskGroup) -> None:
        while not self._stopping or self._in_hand or self._arrivals:
            self._arrived.clear()
            for update in await self._turn():
                if update.update_id in self._in_hand:
                    continue  # suspended past its lease: the handler continues under this claim
                self._in_hand.add(update.update_id)
                self._has_some.set()
                group.create_task(self._process(update), name=f"update {update.update_id}")
            if self._pages_since is not None:
                await self._wait(self._arrived, NEXT_PAGE_SECONDS)
            elif not self._stopping or self._in_hand:
                await self._idle.until_due(IDLE_SECONDS)

    async def _heartbeat(self) -> None:
        """Renew the leases of open updates; if this fails, another run of the handler changes
        nothing.
        """
        while True:
            await self._has_some.wait()
            await self._sleep(HEARTBEAT_SECONDS)
            if not self._in_hand:
                self._has_some.clear()
            else:
                try:
                    await self._storage.inbox.extend(
                        self._owner, list(self._in_hand), until=self._clock() + LEASE
                    )
                except StorageUnavailable as exc:
                    logger.warning("the inbox's leases wait: %s", exc)

    async def _turn(self) -> list[InboxUpdate]:
        """Add new updates, mark finished ones and lease the next, in one commit.

        Under load one commit serves all updates that came or ended meanwhile. If the commit fails,
        the marks go with the next one; the callers get the error and bring their updates again.
        """
        full = len(self._in_hand) >= HANDLERS_AT_ONCE
        if full and not self._finished and not self._arrivals:
            self._pages_since = None
            return []
        finished: list[int] = []
        try:
            async with self._storage.inbox.turn() as turn:
                finished, self._finished = self._finished, []
                arrivals = list(self._arrivals)
                now, free = self._clock(), HANDLERS_AT_ONCE - len(self._in_hand) + len(finished)
                if self._stopping or self._has_more(arrivals, now):
                    free = 0
                await turn.add([row for one in arrivals for row in one.rows], now=now)
                await turn.done(finished, now=now)
                claimed = await turn.claim(
                    owner=self._owner,
                    now=now,
                    lease_for=LEASE,
                    limit=free,
                )
        except StorageUnavailable as exc:
            logger.warning("the inbox waits: %s", exc)
            self._pages_since = None
            self._answer(self._arrivals, exc)
            if self._stopping:
                # Their leases expire, and another run of their handlers changes nothing.
                self._in_hand.difference_update(finished, self._finished)
                self._finished = []
                return []
            self._finished = finished + self._finished
            await self._sleep(IDLE_SECONDS)
            self._idle.wake()
            return []
        self._answer(arrivals)
        self._in_hand.difference_update(finished)
        if not self._in_hand:
            # updates that wait behind another process's update are handled by that process
            self._behind.clear()
        handled = {update.update_id for update in claimed}
        self._behind.update(
            row.chat_key for one in arrivals for row in one.rows if row.update_id not in handled
        )
        metrics.UPDATES.labels("done").inc(len(finished))
        return claimed

    def _has_more(self, arrivals: list[_Arrival], now: datetime) -> bool:
        """Return whether to wait for the next page of updates before handlers start.

        While one chat sends thousands of updates, those of other chats are behind them at
        Telegram; handlers that start meanwhile would delay their page.
        """
        since = self._pages_since or now
        is_full = any(len(one.rows) >= PAGE for one in arrivals)
        self._pages_since = since if is_full and now - since < PAGES_FIRST else None
        return self._pages_since is not None

    def _answer(self, arrivals: list[_Arrival], error: StorageUnavailable | None = None) -> None:
        """Report the result to the callers of `take`."""
        self._arrivals = self._arrivals[len(arrivals) :]
        for arrival in arrivals:
            if arrival.kept.done():
                continue  # the caller was cancelled
            if error is None:
                arrival.kept.set_result(None)
            else:
                arrival.kept.set_exception(error)

    async def _process(self, update: InboxUpdate) -> None:
        took_effect, hurry = False, True
        try:
            with logs.about(update=update.update_id, **_chat(update.chat_key)):
                outcome = await self._outcome(update)
                if outcome is None:
                    took_effect = True
                    self._finished.append(update.update_id)
                    # no other update of its chat waits, so the mark can wait for the next commit
                    hurry = (
                        self._stopping
                        or update.chat_key in self._behind
                        or update.update_id not in self._storage.inbox.ended
                    )
                else:
                    await self._settle(update, outcome)
        finally:
            self._behind.discard(update.chat_key)
            if not took_effect:
                self._storage.inbox.ended.discard(update.update_id)
                self._in_hand.discard(update.update_id)
            if hurry:
                self._idle.wake()
            else:
                self._idle.changed()

    async def _outcome(self, update: InboxUpdate) -> str | timedelta | None:
        """Return None if the update is done, a duration to retry after it, or the reason to set it
        aside.
        """
        if update.attempts > TRIES:
            return "its handler was killed again and again"
        try:
            raw = json.loads(update.payload)
            return await self._handle(update, raw)
        except TelegramMoved as exc:
            return await self._follow(update, raw, exc.chat_id)
        except (ValidationError, ValueError, RecursionError) as exc:
            return f"cannot be parsed ({type(exc).__name__})"

    async def _handle(self, update: InboxUpdate, raw: dict[str, Any]) -> str | timedelta | None:
        """Run the handlers. Raises TelegramMoved, and parse errors of the update."""
        parsed = parse(raw, self._bot)
        age = self._clock() - update.received_at
        patience = PRESS_PATIENCE if parsed.callback_query else PATIENCE
        # Each wait is half of the elapsed time; no attempt is counted, since the fault is outside.
        wait = min(max(age.total_seconds() / 2, 2.0), 300.0)
        try:
            async with asyncio.timeout(HANDLER_SECONDS):
                await self._dispatcher.feed_update(self._bot, parsed)
        except TelegramMoved:
            raise
        except TelegramUnreachable as exc:
            logger.info("update %d: the chat accepts no answer: %s", update.update_id, exc)
            return None
        except TelegramRejected as exc:
            return str(exc)
        except (TelegramError, StorageUnavailable) as exc:
            logger.warning("update %d waits: %s", update.update_id, exc)
            if isinstance(exc, TelegramLater):
                wait = max(wait, exc.retry_after)
            again = timedelta(seconds=wait)
            return again if age + again <= patience else str(exc)
        except Exception as exc:
            logger.exception("update %d: a handler failed", update.update_id)
            if update.attempts >= 3:
                return f"the handler fails ({type(exc).__name__})"
            return _Failed(seconds=back_off(update.attempts, first=2, cap=60))
        return None

    async def _follow(
        self, update: InboxUpdate, raw: dict[str, Any], chat_id: int
    ) -> str | timedelta | None:
        """Handle the update in the supergroup that its group has become."""
        try:
            await self._storage.tasks.migrate_chat(int(update.chat_key), chat_id)
        except StorageUnavailable as exc:
            logger.warning("update %d waits: %s", update.update_id, exc)
            return timedelta(seconds=2)
        if "callback_query" in raw:
            return None  # its effect is committed, and its message is in the old group
        for event in raw.values():
            if isinstance(event, dict) and isinstance(event.get("chat"), dict):
                event["chat"]["id"] = chat_id
        try:
            return await self._handle(update, raw)
        except TelegramMoved as exc:
            return f"the group moves on and on: {exc}"

    async def _settle(self, update: InboxUpdate, outcome: str | timedelta) -> None:
        """Write the outcome, with retries: a lost write would run the handler again."""
        failures = 0
        while True:
            now = self._clock()
            try:
                match outcome:
                    case timedelta():
                        await self._storage.inbox.later(
                            update.update_id,
                            run_at=now + outcome,
                            error="again",
                            counts=isinstance(outcome, _Failed),
                        )
                    case words:
                        logger.error("update %d is set aside: %s", update.update_id, words)
                        await self._storage.inbox.set_aside(update.update_id, error=words, now=now)
            except StorageUnavailable as exc:
                failures += 1
                logger.warning("update %d: its end is not saved yet: %s", update.update_id, exc)
                if self._stopping or failures > 20:
                    return  # its lease expires, and another run of the handler changes nothing
                await self._sleep(back_off(failures, first=0.5, cap=10))
            else:
                put_off = isinstance(outcome, timedelta)
                metrics.UPDATES.labels("again" if put_off else "set_aside").inc()
                return


def _chat(key: str) -> dict[str, int]:
    """Return the field of the chat for the log, always a number; none for a checkout."""
    return {"chat": int(key)} if key.removeprefix("-").isdecimal() else {}
