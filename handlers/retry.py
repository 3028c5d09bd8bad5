"""The buttons below notices: order again after an unknown result, send a kept video."""

from __future__ import annotations

from aiogram import Bot, Router
from aiogram.types import CallbackQuery, Update

from bot import texts
from bot.core.clock import Clock
from bot.core.errors import NotOrdered
from bot.core.task import TaskState
from bot.texts.callback_data import Redeliver, RetryUnknown
from bot.texts.subject import speak_of
from handlers import reply
from handlers.card import start_status
from handlers.context import Wake
from handlers.ownership import why_not
from storage import Storage


def router() -> Router:
    router = Router(name="retry")
    router.callback_query.register(retry_unknown, RetryUnknown.filter())
    router.callback_query.register(redeliver, Redeliver.filter())
    return router


async def retry_unknown(
    query: CallbackQuery,
    callback_data: RetryUnknown,
    event_update: Update,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    wake: Wake,
    lang: str,
) -> None:
    user_id = query.from_user.id
    try:
        task = await storage.tasks.retry_unknown(
            callback_data.task_id, user_id=user_id, update_id=event_update.update_id, now=clock()
        )
    except NotOrdered:
        speak_of(await storage.tasks.get(callback_data.task_id))  # the refusal names it
        raise
    if task is not None:
        speak_of(task)
        await start_status(query, task, texts.results.press_retried(lang), bot, storage, wake)
        return
    known = await storage.tasks.get(callback_data.task_id)
    speak_of(known)
    if known and known.user_id == user_id and known.state is TaskState.UNKNOWN:
        # It has been ordered again before, and the new order is under way.
        await reply.toast(query, texts.statuses.press_done(lang, TaskState.QUEUED), alert=True)
        return
    await reply.toast(query, why_not(known, user_id, lang), alert=True)


async def redeliver(
    query: CallbackQuery,
    callback_data: Redeliver,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    wake: Wake,
    lang: str,
) -> None:
    user_id = query.from_user.id
    known = await storage.tasks.get(callback_data.task_id)
    chat = reply.pressed_in(query, known.chat) if known and query.message else None
    task = await storage.tasks.redeliver(
        callback_data.task_id, user_id=user_id, chat=chat, now=clock()
    )
    if task is None:
        task = await storage.tasks.get(callback_data.task_id)
        if task is None or task.user_id != user_id or task.state is not TaskState.RENDERED:
            await reply.toast(query, why_not(task, user_id, lang), alert=True)
            return
    await start_status(query, task, texts.results.press_sending(lang), bot, storage, wake)
    if query.message:
        await reply.rewrite(
            bot,
            task.chat,
            query.message.message_id,
            texts.statuses.status_sending(task.lang, task),
            is_media=False,
        )
