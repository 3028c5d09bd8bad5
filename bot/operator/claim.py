"""Let the first admin claim a new bot: print a link once, and keep the admins of this process.

The link's code is a secret that is shown on purpose; its digest is a row, so any process may
handle the update that opens it. It must not know what an admin may do.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TextIO

from aiogram import Bot
from aiogram.utils.deep_linking import create_start_link

from bot.core.access import CLAIM_LIFE, Admins
from bot.core.clock import Clock, Sleep
from bot.core.errors import StorageUnavailable, TelegramError
from bot.core.schedule import back_off
from bot.runtime.logs import SHOWS_CLAIM
from storage import Storage

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5.0


class AdminList:
    """Keeps the admins of this process as the rows say."""

    def __init__(self, storage: Storage, admins: Admins, *, sleep: Sleep = asyncio.sleep) -> None:
        self._storage = storage
        self._admins = admins
        self._sleep = sleep
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Read the rows again soon: another process may have changed them."""
        self._changed.set()

    async def read(self) -> None:
        """Read the rows now."""
        self._admins.learn(await self._storage.admins.claimed())

    async def run(self) -> None:
        """Read the rows after each change; runs until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self.read()
            except StorageUnavailable as exc:
                logger.warning("the admins are not read again yet: %s", exc)
                await self._sleep(RETRY_SECONDS)
                self._changed.set()


async def offer(
    bot: Bot,
    storage: Storage,
    *,
    is_usable: bool,
    clock: Clock,
    sleep: Sleep = asyncio.sleep,
    terminal: TextIO | None = None,
) -> None:
    """Print the link that claims the bot, if nobody runs it or was let in.

    `is_usable`: the settings let somebody in. Waits while Telegram or the database is away, so
    that the link is good for its whole time from when it is printed.
    """
    for failures in range(1, sys.maxsize):
        try:
            if is_usable:
                await storage.admins.withdraw_claim()
            elif await storage.admins.nobody_let_in():
                await bot.me()  # the link needs the bot's name
                await _print_link(bot, storage, clock, terminal)
            else:
                await storage.admins.withdraw_claim()
                if not await storage.admins.claimed():
                    logger.warning("the bot has no admin: set ADMINS, people were let in before")
            return
        except (TelegramError, StorageUnavailable) as exc:
            logger.info("the link that claims the bot is not made yet: %s", exc)
            await sleep(back_off(failures, first=1, cap=60))


async def _print_link(bot: Bot, storage: Storage, clock: Clock, terminal: TextIO | None) -> None:
    code = await storage.admins.offer_claim(clock())
    if code is None:
        return
    minutes = CLAIM_LIFE.seconds // 60
    line = "the bot has no admin yet: open %s within %d minutes to become the admin"
    link = await create_start_link(bot, code)
    logger.warning(line, link, minutes, extra=SHOWS_CLAIM)
    # The log is standard error: a terminal that does not show it shows the link too.
    terminal = terminal or sys.stdout
    if terminal.isatty() and not sys.stderr.isatty():
        print(line % (link, minutes), file=terminal, flush=True)
