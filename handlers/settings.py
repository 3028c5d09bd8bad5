"""/settings: the defaults of a person's new cards, and their language."""

from __future__ import annotations

from aiogram import Bot, Router
from aiogram.filters import Command
from aiogram.types import CallbackQuery, Message

from bot import texts
from bot.core.task import AspectRatio
from bot.texts import keyboards
from bot.texts.callback_data import SetModel, SetRatio
from handlers import reply
from handlers.context import Offer, own_ratio
from storage import Storage, User


def router() -> Router:
    router = Router(name="settings")
    router.message.register(settings, Command("settings"))
    router.callback_query.register(set_ratio, SetRatio.filter())
    router.callback_query.register(set_model, SetModel.filter())
    return router


async def settings(message: Message, offer: Offer, lang: str, person: User) -> None:
    model, ratio = offer.model_for(person), own_ratio(person)
    await reply.say(
        message,
        texts.commands.settings(lang, model, ratio),
        keyboards.personal.settings(lang, model, ratio, offer.models),
    )


async def set_ratio(
    query: CallbackQuery,
    callback_data: SetRatio,
    bot: Bot,
    storage: Storage,
    offer: Offer,
    lang: str,
) -> None:
    known = callback_data.ratio in list(AspectRatio)
    await storage.users.set_defaults(
        query.from_user.id, ratio=callback_data.ratio if known else None
    )
    await _redrawn(query, bot, storage, offer, lang)


async def set_model(
    query: CallbackQuery,
    callback_data: SetModel,
    bot: Bot,
    storage: Storage,
    offer: Offer,
    lang: str,
) -> None:
    if callback_data.model not in {model.id for model in offer.models}:
        await reply.toast(query, texts.statuses.press_expired(lang), alert=True)
        return
    await storage.users.set_defaults(query.from_user.id, model=callback_data.model)
    await _redrawn(query, bot, storage, offer, lang)


async def _redrawn(
    query: CallbackQuery, bot: Bot, storage: Storage, offer: Offer, lang: str
) -> None:
    """Return the settings of the person who pressed, even if another person opened the message."""
    await reply.toast(query, "✓")
    person = await storage.users.get(query.from_user.id)
    message = query.message
    if not isinstance(message, Message):
        return
    model, ratio = offer.model_for(person), own_ratio(person)
    await reply.rewrite(
        bot,
        reply.place(message),
        message.message_id,
        texts.commands.settings(lang, model, ratio),
        is_media=False,
        keyboard=keyboards.personal.settings(lang, model, ratio, offer.models),
    )
