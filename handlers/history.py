"""/history: a person's orders, page by page, and the details of each.

The buttons work as long as the message exists; a video is sent by its `file_id`, so nothing is
uploaded or paid.
"""

from __future__ import annotations

from aiogram import Bot, Router
from aiogram.filters import Command
from aiogram.types import CallbackQuery, Message, User

from bot import texts
from bot.core.task import TaskKind, TaskState
from bot.texts import keyboards
from bot.texts.callback_data import OpenOrder, TurnPage
from bot.texts.subject import speak_of
from handlers import reply
from handlers.card import why_not
from storage import Storage

PAGE = 5
"""Orders per page: their buttons are in one row."""


def router() -> Router:
    router = Router(name="history")
    router.message.register(history, Command("history"))
    router.callback_query.register(turn, TurnPage.filter())
    router.callback_query.register(open_order, OpenOrder.filter())
    return router


async def history(message: Message, event_from_user: User, storage: Storage, lang: str) -> None:
    user_id = event_from_user.id
    page = await storage.history.page(user_id, 0, size=PAGE)
    await reply.say(
        message,
        texts.history.history(lang, page.tasks, page.number, page.pages),
        keyboards.results.history(page.tasks, user_id, page.number, page.pages),
    )


async def turn(
    query: CallbackQuery, callback_data: TurnPage, bot: Bot, storage: Storage, lang: str
) -> None:
    user_id = query.from_user.id
    if callback_data.user_id != user_id or query.message is None:
        await reply.toast(query, texts.statuses.press_foreign(lang), alert=True)
        return
    await reply.toast(query, "")
    page = await storage.history.page(user_id, callback_data.page, size=PAGE)
    message = query.message
    await reply.rewrite(
        bot,
        reply.place(message),
        message.message_id,
        texts.history.history(lang, page.tasks, page.number, page.pages),
        is_media=False,
        keyboard=keyboards.results.history(page.tasks, user_id, page.number, page.pages),
    )


async def open_order(
    query: CallbackQuery, callback_data: OpenOrder, storage: Storage, lang: str
) -> None:
    task = await storage.tasks.get(callback_data.task_id)
    if task is None or task.user_id != query.from_user.id or query.message is None:
        await reply.toast(query, why_not(task, query.from_user.id, lang), alert=True)
        return
    await reply.toast(query, "")
    speak_of(task)
    message = reply.below(query, reply.place(query.message))
    if (
        task.state is TaskState.DELIVERED
        and task.video_file_id is not None
        and await reply.video(
            message,
            task.video_file_id,
            texts.results.caption(task),
            keyboards.results.result(task, forget=True),
            is_document=task.video_is_document,
            is_photo=task.kind is TaskKind.PICTURE,
        )
    ):
        return
    returned = await storage.ledger.is_paid_by_person(task.id)
    text = texts.history.order(lang, task, returned=returned)
    await reply.say(message, text, keyboards.results.order(task))
