"""Keep the buttons below messages to the operator true, however their event was decided.

An alert that is over has no buttons; the rest have those that change something now. The rows say
it, so it does not matter whether a button, a command or the monitor changed them. It must not
know the checks, nor who is told.
"""

from __future__ import annotations

import logging

from bot import texts
from bot.core.clock import Clock, Wait, wait_for
from bot.core.errors import StorageUnavailable, TelegramError, TelegramLater
from bot.core.notices import NoticeKind
from bot.runtime.idle import Idle
from bot.telegram.messenger import Messenger
from bot.texts import keyboards
from storage import Storage
from storage.operator_messages import SentCopy

logger = logging.getLogger(__name__)

LOOK_SECONDS, QUIET_SECONDS = 5.0, 300.0
"""Seconds between two checks: of rows that change, and of rows that do not."""
SHOWN = ("operator_messages", "switches", "access_requests", "permits")
"""The tables that the buttons depend on."""


class MessageButtons:
    """Edits the copies whose buttons differ from those that make sense; one process does it."""

    def __init__(
        self, storage: Storage, messenger: Messenger, *, clock: Clock, wait: Wait = wait_for
    ) -> None:
        self._storage = storage
        self._messenger = messenger
        self._is_behind = False
        self._idle = Idle(clock=clock, wait=wait, unwritten=lambda: self._is_behind)
        storage.due.watch(SHOWN, self._idle.changed)

    async def run(self) -> None:
        """Look again and again; runs until cancelled."""
        while True:
            self._is_behind = True
            try:
                self._is_behind = not await self.look()
            except StorageUnavailable as exc:
                logger.warning("the buttons of alerts wait: %s", exc)
            await self._idle.until_due(LOOK_SECONDS, at_most=QUIET_SECONDS)

    async def look(self) -> bool:
        """Edit all copies that differ once; return False if Telegram asks to wait.

        A copy that Telegram refuses for good stays as it is.
        """
        copies = await self._storage.operator_messages.with_buttons()
        if not copies:
            return True
        held = await self._storage.alerts.held()
        for copy in copies:
            keyboard = keyboards.notices.operator(
                copy.notice, held, decided=copy.decided, over=copy.over
            )
            shown = keyboards.notices.buttons(keyboard)
            if shown == copy.buttons:
                continue
            try:
                if not await self._answered(copy):
                    await self._messenger.edit_keyboard(
                        copy.notice.chat, copy.message_id, keyboard
                    )
            except TelegramLater:
                return False
            except TelegramError as exc:
                logger.info("the buttons of an old alert stay: %s", exc)
            await self._storage.operator_messages.shows(copy.notice, shown)
        return True

    async def _answered(self, copy: SentCopy) -> bool:
        """Show the answer in a request for access; False: this is none, or it is gone."""
        if copy.notice.kind is not NoticeKind.ACCESS_ASKED:
            return False
        request = await self._storage.access.answered(int(copy.notice.params["user_id"] or 0))
        if request is None:
            return False
        text = texts.access.access_decided(
            copy.notice.lang, request.user_id, request.name, allowed=bool(request.allowed)
        )
        await self._messenger.edit(copy.notice.chat, copy.message_id, text, is_media=False)
        return True
