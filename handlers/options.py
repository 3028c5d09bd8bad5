"""The options of a card before it is ordered: kind, quality, length, number, prompt."""

from __future__ import annotations

from aiogram import Bot, Router
from aiogram.types import CallbackQuery, Message

from bot import texts
from bot.core.task import AspectRatio, Task, TaskState
from bot.texts import keyboards
from bot.texts.callback_data import Choose, ChooseWording, Improve, Options, Several
from bot.texts.subject import speak_of
from handlers import reply
from handlers.card import asks_consent, words_of
from handlers.context import Offer
from handlers.ownership import why_not
from storage import Storage


def router() -> Router:
    router = Router(name="options")
    router.callback_query.register(options, Options.filter())
    router.callback_query.register(choose, Choose.filter())
    router.callback_query.register(several, Several.filter())
    router.callback_query.register(wording, ChooseWording.filter())
    router.callback_query.register(improve, Improve.filter())
    return router


async def options(
    query: CallbackQuery,
    callback_data: Options,
    bot: Bot,
    storage: Storage,
    offer: Offer,
    lang: str,
) -> None:
    task = await storage.tasks.get(callback_data.task_id)
    usable = task and task.user_id == query.from_user.id and task.state is TaskState.DRAFT
    await _shown(query, task if usable else None, task, bot, storage, offer, lang,
                 is_open=callback_data.shown)  # fmt: skip


async def choose(
    query: CallbackQuery,
    callback_data: Choose,
    bot: Bot,
    storage: Storage,
    offer: Offer,
    lang: str,
) -> None:
    model = next((one for one in offer.models if one.id == callback_data.model), None)
    task = None
    if model is not None:
        task = await storage.tasks.choose(
            callback_data.task_id, user_id=query.from_user.id, model=model.id, price=model.price
        )
    known = await storage.tasks.get(callback_data.task_id)
    await _shown(query, task, known, bot, storage, offer, lang, is_open=True)


async def several(
    query: CallbackQuery,
    callback_data: Several,
    bot: Bot,
    storage: Storage,
    offer: Offer,
    lang: str,
) -> None:
    known = await storage.tasks.get(callback_data.task_id)
    task = None
    if known is not None and callback_data.count in keyboards.cards.VARIANTS[known.kind]:
        task = await storage.tasks.choose(
            callback_data.task_id, user_id=query.from_user.id, variants=callback_data.count
        )
        known = await storage.tasks.get(callback_data.task_id)
    await _shown(query, task, known, bot, storage, offer, lang, is_open=True)


async def wording(
    query: CallbackQuery,
    callback_data: ChooseWording,
    bot: Bot,
    storage: Storage,
    offer: Offer,
    lang: str,
) -> None:
    known = await storage.tasks.get(callback_data.task_id)
    task = None
    if known and known.original and known.rewritten:
        task = await storage.tasks.choose_wording(
            known.id,
            user_id=query.from_user.id,
            prompt=known.original if callback_data.own else known.rewritten,
            original=known.original,
            rewritten=known.rewritten,
        )
    await _shown(query, task, known, bot, storage, offer, lang)


async def improve(
    query: CallbackQuery,
    callback_data: Improve,
    bot: Bot,
    storage: Storage,
    offer: Offer,
    lang: str,
) -> None:
    known = await storage.tasks.get(callback_data.task_id)
    if (
        known is None
        or known.user_id != query.from_user.id
        or known.state is not TaskState.DRAFT
        or known.prompt is None
        or offer.translator is None
    ):
        await _shown(query, None, known, bot, storage, offer, lang)
        return
    await reply.toast(query, texts.cards.press_improving(lang))
    scene = await offer.translator.improve(known.prompt)
    if scene is None:
        if isinstance(query.message, Message):
            await reply.say(query.message, texts.cards.press_not_improved(lang))
        return
    task = await storage.tasks.choose_wording(
        known.id,
        user_id=known.user_id,
        prompt=scene,
        original=known.original or known.prompt,
        rewritten=scene,
        revision=known.revision,
    )
    if task is not None:
        await _redrawn(query, task, bot, storage, offer)


async def _shown(
    query: CallbackQuery,
    task: Task | None,
    known: Task | None,
    bot: Bot,
    storage: Storage,
    offer: Offer,
    lang: str,
    *,
    is_open: bool = False,
) -> None:
    """Show the card after the press; if the draft is gone, tell why nothing changed."""
    if task is None:
        await reply.toast(query, why_not(known, query.from_user.id, lang), alert=True)
        return
    await reply.toast(query, "")
    await _redrawn(query, task, bot, storage, offer, is_open=is_open)


async def _redrawn(
    query: CallbackQuery,
    task: Task,
    bot: Bot,
    storage: Storage,
    offer: Offer,
    *,
    is_open: bool = False,
) -> None:
    message = query.message
    if not isinstance(message, Message):
        return
    is_media = bool(message.photo)
    speak_of(task)
    await reply.rewrite(
        bot,
        reply.place(message),
        message.message_id,
        texts.cards.card(
            task.lang,
            task,
            asks_consent=await asks_consent(task, storage),
            untranslated=offer.untranslated(task),
            left=await offer.left(storage, task.user_id, task.price),
            answered=words_of(message.reply_to_message),
        ),
        is_media=is_media,
        keyboard=keyboards.cards.card(task, _first(message), offer.card_options(is_open=is_open)),
    )
    if message.chat.id == task.chat.chat_id:  # or the group has become a supergroup
        await storage.tasks.card_shown(task, card_message_id=message.message_id, is_media=is_media)


def _first(message: Message) -> AspectRatio | None:
    """Return the ratio that this card marked first when it was sent."""
    markup = message.reply_markup
    for row in markup.inline_keyboard if markup else []:
        for button in row:
            if button.style == "primary" and button.text in list(AspectRatio):
                return AspectRatio(button.text)
    return None
