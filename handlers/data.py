"""/delete_me: delete everything about a person, after a second tap."""

from __future__ import annotations

from aiogram import Bot, Router
from aiogram.filters import Command
from aiogram.types import CallbackQuery, Message, User

from bot import texts
from bot.core.access import Access
from bot.core.clock import Clock
from bot.core.stars import StarsPackages
from bot.core.task import Task, TaskState
from bot.telegram.profile import follow_choice
from bot.texts import keyboards
from bot.texts.callback_data import DeleteMe
from bot.texts.i18n import language_of
from handlers import reply
from handlers.context import ForgetFiles, Offer
from handlers.gate import EVERYBODY
from storage import Storage

_SHOWN = {TaskState.QUEUED, TaskState.SUBMITTING, TaskState.GENERATING, TaskState.RENDERED}
"""The states in which a status message is kept up to date."""
_MOST = 20
"""Status messages that are taken away: more would wait for their turn for too long."""


def router() -> Router:
    router = Router(name="data")
    router.message.register(ask, Command("delete_me"), flags=EVERYBODY)
    router.callback_query.register(delete, DeleteMe.filter(), flags=EVERYBODY)
    return router


async def ask(message: Message, event_from_user: User, lang: str) -> None:
    await reply.say(
        message,
        texts.privacy.delete_me(lang),
        keyboards.personal.delete_me(event_from_user.id, lang),
    )


async def delete(
    query: CallbackQuery,
    callback_data: DeleteMe,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    forget_files: ForgetFiles,
    access: Access,
    stars_packages: StarsPackages,
    offer: Offer,
    lang: str,
) -> None:
    user_id, message = query.from_user.id, query.message
    if callback_data.user_id != user_id or message is None:
        await reply.toast(query, texts.statuses.press_foreign(lang), alert=True)
        return
    erased: list[Task] = []
    if callback_data.sure:
        erased = await storage.privacy.erase_person(user_id, now=clock())
        await forget_files([task.id for task in erased])
        if lang != language_of(query.from_user.language_code):
            await follow_choice(
                bot,
                query.from_user,
                None,
                sells=bool(stars_packages.packages),
                refers=offer.bonus is not None,
                is_admin=access.is_admin(user_id),
            )
        text = texts.privacy.deleted_me(lang, asks=await storage.access.waits(user_id))
    else:
        text = texts.privacy.kept_me(lang)
    await reply.toast(query, "")
    await reply.rewrite(bot, reply.place(message), message.message_id, text, is_media=False)
    # Nobody would edit them any more: "making your video" would stay for ever.
    shown = dict.fromkeys(
        (task.chat, task.card_message_id) for task in erased if task.state in _SHOWN
    )
    for chat, message_id in list(shown)[:_MOST]:
        if message_id is not None:
            await reply.take_away(bot, chat, message_id)
