"""Topics of private chats: if a topic refuses a message, it is sent to the chat without a topic.

People delete topics, and for some days Telegram refused all topics of private chats
(telegram-bot-api #847, #854). In a private chat the same person reads it; in a group the message
would reach other readers, so the error stays. It must not know what is sent.
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
    """Repeats a call without the topic when a private chat refuses it."""

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
