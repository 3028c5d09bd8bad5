"""/examples: ready scenes in one message to browse; choosing one makes a draft."""

from __future__ import annotations

from aiogram import Bot, Router
from aiogram.filters import Command
from aiogram.types import BufferedInputFile, CallbackQuery, Message, Update

from bot import texts
from bot.core.clock import Clock
from bot.texts import keyboards
from bot.texts.callback_data import ShowExample, TakeExample
from handlers import reply
from handlers.card import send_card
from handlers.context import Offer
from storage import Storage, User


def router() -> Router:
    router = Router(name="examples")
    router.message.register(examples, Command("examples"))
    router.callback_query.register(show, ShowExample.filter())
    router.callback_query.register(take, TakeExample.filter())
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
        texts.cards.example(
            lang, example.title(lang), example.prompt, index + 1, len(offer.examples)
        ),
        keyboards.cards.example(lang, index, len(offer.examples)),
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
    await reply.toast(query, "")
    example, model = offer.examples[index], offer.model_for(person)
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
    await send_card(
        message,
        task,
        bot=bot,
        storage=storage,
        offer=offer,
        ratio=example.ratio,
        ends=(event_update.update_id, clock()),
    )


async def _send(message: Message, offer: Offer, index: int, lang: str) -> None:
    if not offer.examples:
        await reply.say(message, texts.cards.no_examples(lang))
        return
    example, count = offer.examples[index], len(offer.examples)
    text = texts.cards.example(lang, example.title(lang), example.prompt, index + 1, count)
    keyboard = keyboards.cards.example(lang, index, count)
    if example.picture is None:
        await reply.say(message, text, keyboard)
        return
    picture = BufferedInputFile(example.picture, "scene.jpg")
    await reply.show(message, picture, text, keyboard)
