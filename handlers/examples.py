"""/examples: ready scenes in one message to browse; choosing one makes a draft.

A template waits for the person's photo first: handlers/picture.py makes its draft.
"""

from __future__ import annotations

from aiogram import Bot, Router
from aiogram.enums import ChatType
from aiogram.filters import Command
from aiogram.types import (
    BufferedInputFile,
    CallbackQuery,
    InlineKeyboardMarkup,
    Message,
    Update,
)
from aiogram.utils.formatting import Text

from bot import texts
from bot.core.alerts import Switch
from bot.core.clock import Clock
from bot.core.examples import Example
from bot.core.task import Problem
from bot.texts import keyboards
from bot.texts.callback_data import DropRequest, ShowExample, TakeExample
from handlers import reply
from handlers.card import send_card
from handlers.context import Offer
from storage import Storage, User


def router() -> Router:
    router = Router(name="examples")
    router.message.register(examples, Command("examples"))
    router.callback_query.register(show, ShowExample.filter())
    router.callback_query.register(take, TakeExample.filter())
    router.callback_query.register(drop, DropRequest.filter())
    return router


async def examples(message: Message, offer: Offer, lang: str) -> None:
    await _send(message, offer, 0, lang)


async def show(
    query: CallbackQuery, callback_data: ShowExample, bot: Bot, offer: Offer, lang: str
) -> None:
    message, index = query.message, callback_data.index
    if not isinstance(message, Message) or not 0 <= index < len(offer.examples):
        await reply.toast(query, texts.statuses.press_expired(lang), alert=True)
        return
    await reply.toast(query, "")
    example = offer.examples[index]
    if not message.photo or example.picture is None:
        await _send(message, offer, index, lang)
        return
    await reply.replace(
        bot,
        reply.place(message),
        message.message_id,
        BufferedInputFile(example.picture, "scene.jpg"),
        *_shown(offer, index, lang),
    )


async def take(
    query: CallbackQuery,
    callback_data: TakeExample,
    event_update: Update,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
    person: User,
) -> None:
    message, index = query.message, callback_data.index
    if not isinstance(message, Message) or not 0 <= index < len(offer.examples):
        await reply.toast(query, texts.statuses.press_expired(lang), alert=True)
        return
    example = offer.examples[index]
    if example.needs_photo:
        await reply.toast(query, "")
        await _ask_for_photo(message, example, query.from_user.id, storage, clock, offer, lang)
        return
    model = offer.model_of(example.model, person)
    task = await storage.tasks.draft_from_text(
        user_id=query.from_user.id,
        chat=reply.place(message),
        message_id=message.message_id,
        lang=lang,
        model=model.id,
        price=model.price,
        prompt=example.prompt,
        now=clock(),
        # The person sent no message for it: the press is the key, as a negative number to avoid
        # message ids.
        source_id=-event_update.update_id,
    )
    await reply.toast(query, "")
    await send_card(
        message,
        task,
        bot=bot,
        storage=storage,
        offer=offer,
        ratio=example.ratio,
        ends=(event_update.update_id, clock()),
    )


async def _ask_for_photo(
    message: Message,
    example: Example,
    user_id: int,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
) -> None:
    if not offer.photos_on or await storage.alerts.is_held(Switch.PHOTOS):
        await reply.say(message, texts.failures.problem(lang, Problem.PHOTOS_OFF))
        return
    number = await storage.photo_requests.add(
        user_id=user_id,
        chat=reply.place(message),
        prompt=example.prompt,
        ratio=example.ratio,
        model=example.model,
        now=clock(),
    )
    in_group = message.chat.type != ChatType.PRIVATE
    await reply.say(
        message,
        texts.templates.ask_photo(lang, example.title(lang), in_group=in_group),
        keyboards.cards.photo_request(lang, number),
    )


async def drop(
    query: CallbackQuery, callback_data: DropRequest, bot: Bot, storage: Storage, lang: str
) -> None:
    gone = await storage.photo_requests.cancel(callback_data.number, user_id=query.from_user.id)
    if not gone or not isinstance(query.message, Message):
        await reply.toast(query, texts.statuses.press_expired(lang), alert=True)
        return
    await reply.toast(query, "")
    chat, shown = reply.place(query.message), query.message.message_id
    await reply.rewrite(bot, chat, shown, texts.templates.dropped(lang), is_media=False)


async def _send(message: Message, offer: Offer, index: int, lang: str) -> None:
    if not offer.examples:
        await reply.say(message, texts.cards.no_examples(lang))
        return
    example = offer.examples[index]
    text, keyboard = _shown(offer, index, lang)
    if example.picture is not None:
        picture = BufferedInputFile(example.picture, "scene.jpg")
        if await reply.show(message, picture, text, keyboard) is not None:
            return
    await reply.say(message, text, keyboard)


def _shown(offer: Offer, index: int, lang: str) -> tuple[Text, InlineKeyboardMarkup]:
    """Return the words and buttons of a scene."""
    example, count = offer.examples[index], len(offer.examples)
    others = (
        number
        for number, one in enumerate(offer.examples)
        if one.needs_photo != example.needs_photo
    )
    text = texts.cards.example(
        lang,
        example.title(lang),
        example.prompt,
        index + 1,
        count,
        needs_photo=example.needs_photo,
    )
    return text, keyboards.cards.example(
        lang, index, count, needs_photo=example.needs_photo, others=next(others, None)
    )
