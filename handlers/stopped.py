"""Telegram's own Stop button on a streamed draft does the same as Cancel on the status message.

The id of the streamed draft is the task's; the id of a private chat is the person's.
"""

from __future__ import annotations

from aiogram import Bot, Router
from aiogram.types import MessageGenerationStopped

from bot.core.clock import Clock
from bot.core.prices import PriceView
from bot.core.task import TaskState
from bot.texts.audience import reader
from bot.texts.subject import about
from handlers import reply
from handlers.card import cancelled
from storage import Storage


def router() -> Router:
    router = Router(name="stopped")
    router.stopped_message_generation.register(stop)
    return router


async def stop(
    event: MessageGenerationStopped, bot: Bot, storage: Storage, clock: Clock, prices: PriceView
) -> None:
    user_id = event.chat.id
    task = await storage.tasks.cancel(event.draft_id, user_id=user_id, now=clock())
    task = task or await storage.tasks.get(event.draft_id)
    if task is None or task.user_id != user_id or task.card_message_id is None:
        return
    if task.state is TaskState.CANCELLED:
        with reader(pays=prices.seen_by(user_id)), about(task):
            words, keyboard = await cancelled(task, storage)
        await reply.rewrite(
            bot,
            task.chat,
            task.card_message_id,
            words,
            is_media=task.card_is_media,
            keyboard=keyboard,
        )
