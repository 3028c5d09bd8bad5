"""Check now and then whether voice messages can be turned into text, and log what changed.

In the background: a service that is away delays nothing. It must not know how speech is heard.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from bot.core.clock import Sleep

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 6 * 3600.0
RETRY_SECONDS = 900.0


class HearingCheck:
    """Checks a transcription; `check` returns what is wrong, "" for nothing."""

    def __init__(
        self, check: Callable[[], Awaitable[str]], by: str, *, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._check = check
        self._by = by
        self._sleep = sleep
        self._told: str | None = None

    async def run(self) -> None:
        """Check now and four times a day, more often while something is wrong; never ends."""
        while True:
            wrong = await self._check()
            if wrong != self._told:
                self._told = wrong
                if wrong:
                    logger.warning("voice messages: %s does not work: %s", self._by, wrong)
                else:
                    logger.info("voice messages: by %s, it answers", self._by)
            await self._sleep(RETRY_SECONDS if wrong else AGAIN_SECONDS)
