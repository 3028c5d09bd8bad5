"""The models of answers are built once, not for every call."""

from __future__ import annotations

import gc
import weakref
from typing import Any, cast

from aiogram import Bot
from aiogram.methods import AnswerCallbackQuery, Response, TelegramMethod
from aiogram.types import StickerSet

from bot.telegram.answer_types import KeepAnswerTypes


async def test_the_model_of_an_answer_outlives_the_call() -> None:
    built: list[weakref.ref[Any]] = []

    async def request(bot: Bot, method: TelegramMethod[Any]) -> Response[Any]:
        built.append(weakref.ref(Response[bool]))
        return Response[bool](ok=True, result=True)

    keep = KeepAnswerTypes()
    for _ in range(2):
        await keep(request, cast(Bot, None), AnswerCallbackQuery(callback_query_id="1"))
        gc.collect()
    assert built[0]() is built[1]() is not None
    dropped = weakref.ref(Response[StickerSet])
    gc.collect()
    assert dropped() is None, "pydantic keeps models itself now: bot/telegram/answer_types.py"
