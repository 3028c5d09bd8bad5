"""The bot's profile: commands and descriptions, set at the start."""

from __future__ import annotations

from typing import Any

import pytest
from aiogram.methods import TelegramMethod

from bot.core.errors import TelegramError, TelegramFlood, TelegramLater
from bot.telegram.profile import set_profile

NAMES = {"SetMyCommands": 4, "SetMyDescription": 2, "SetMyShortDescription": 2}
"""Calls that set the whole profile: two languages, commands in private chats and in groups."""


class Bot:
    """A bot without a profile; each of its first calls raises the next of `errors`."""

    def __init__(self, *errors: TelegramError) -> None:
        self.errors = list(errors)
        self.done: list[str] = []

    async def __call__(self, method: TelegramMethod[Any]) -> Any:
        if (name := type(method).__name__).startswith("Get"):
            return []
        if self.errors:
            raise self.errors.pop(0)
        self.done.append(name)
        return True


@pytest.mark.parametrize("error", [TelegramFlood("flood", retry_after=40), TelegramLater("away")])
async def test_the_profile_is_set_after_the_pause_that_telegram_asks_for(
    error: TelegramLater,
) -> None:
    bot: Any = Bot(error, error)
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    await set_profile(bot, sleep=sleep)
    assert {name: bot.done.count(name) for name in bot.done} == NAMES
    assert len(waits) == 2
    assert min(waits) >= error.retry_after
