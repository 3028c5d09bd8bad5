"""Keep the models that parse Telegram's answers: pydantic only has weak references to them.

Without this, `Response[bool]` is dropped after each call and built again for the next one, which
costs more CPU than all the rest of a call.
"""

from __future__ import annotations

from typing import Any

from aiogram import Bot
from aiogram.client.session.middlewares.base import (
    BaseRequestMiddleware,
    NextRequestMiddlewareType,
)
from aiogram.methods import Response, TelegramMethod
from aiogram.methods.base import TelegramType


class KeepAnswerTypes(BaseRequestMiddleware):
    """Keeps the model of each kind of answer from its first use on."""

    def __init__(self) -> None:
        self._kept: dict[Any, Any] = {}

    async def __call__(
        self,
        make_request: NextRequestMiddlewareType[TelegramType],
        bot: Bot,
        method: TelegramMethod[TelegramType],
    ) -> Response[TelegramType]:
        answer = method.__returning__
        if answer not in self._kept:
            self._kept[answer] = Response[answer]  # type: ignore[valid-type]
        return await make_request(bot, method)
