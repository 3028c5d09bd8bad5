"""Topics of private chats: what a topic does not take any more goes to the chat itself.

People delete topics, and Telegram refused all topics of private chats for some days
(telegram-bot-api #847, #854). In a group, another topic has other readers; in a private chat there
is one person, who misses an answer. It must not know what is sent.
"""

from __future__ import annotations

from aiogram import Bot
from aiogram.client.session.middlewares.base import (
    BaseRequestMiddleware,
    NextRequestMiddlewareType,
)
from aiogram.methods import Response, TelegramMethod
from aiogram.methods.base import TelegramType

from bot.core.errors import TelegramTopicGone


class PrivateTopics(BaseRequestMiddleware):
    """Repeats a call without its topic when a private chat does not have that topic."""

    async def __call__(
        self,
        make_request: NextRequestMiddlewareType[TelegramType],
        bot: Bot,
        method: TelegramMethod[TelegramType],
    ) -> Response[TelegramType]:
        try:
            return await make_request(bot, method)
        except TelegramTopicGone:
            chat_id = getattr(method, "chat_id", None)
            topic = getattr(method, "message_thread_id", None)
            if topic is None or not isinstance(chat_id, int) or chat_id < 0:
                raise
        return await make_request(bot, method.model_copy(update={"message_thread_id": None}))
