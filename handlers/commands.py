"""The general commands: /start, /help, /cancel, /privacy, /language."""

from __future__ import annotations

from dataclasses import replace

from aiogram import Bot, Router
from aiogram.enums import ChatType
from aiogram.filters import Command
from aiogram.types import CallbackQuery, Message, Update, User

from bot import texts
from bot.core.access import Access
from bot.core.clock import Clock
from bot.core.stars import StarsPackages
from bot.core.task import TaskState
from bot.telegram.profile import follow_choice, set_menu
from bot.texts import keyboards
from bot.texts.callback_data import SetLanguage
from bot.texts.i18n import LANGUAGES
from bot.texts.subject import speak_of
from handlers import reply
from handlers.card import cancelled
from handlers.context import Offer
from handlers.gate import EVERYBODY
from handlers.storyboard import take_away_card
from storage import Storage
from storage import User as Person

_BEING_MADE = (TaskState.SUBMITTING, TaskState.GENERATING, TaskState.RENDERED)


def router() -> Router:
    router = Router(name="commands")
    router.message.register(start, Command("start"))
    router.message.register(help, Command("help"))
    router.message.register(cancel, Command("cancel"))
    router.message.register(privacy, Command("privacy"), flags=EVERYBODY)
    router.message.register(language, Command("language"), flags=EVERYBODY)
    router.callback_query.register(set_language, SetLanguage.filter(), flags=EVERYBODY)
    return router


async def start(
    message: Message,
    event_from_user: User,
    bot: Bot,
    storage: Storage,
    access: Access,
    stars_packages: StarsPackages,
    lang: str,
    offer: Offer,
    person: Person,
) -> None:
    in_group = message.chat.type != ChatType.PRIVATE
    if access.is_admin(event_from_user.id) and not in_group:
        sells = bool(stars_packages.packages)
        await set_menu(
            bot, event_from_user.id, lang, sells=sells, refers=offer.bonus is not None,
            is_admin=True,
        )  # fmt: skip
    model = offer.model_for(person)
    text = texts.commands.start(
        lang,
        model,
        photos_on=offer.photos_on,
        in_group=in_group,
        translates=offer.translator is not None,
        left=await offer.left(storage, event_from_user.id, model.price),
    )
    await reply.say(message, text, keyboards.cards.begin(lang) if offer.examples else None)


async def help(message: Message, lang: str, offer: Offer, person: Person) -> None:
    translates = offer.translator is not None
    text = texts.commands.help(
        lang,
        offer.model_for(person),
        photos_on=offer.photos_on,
        translates=translates,
        hears=offer.transcriber is not None,
        image_model=offer.image_model,
    )
    await reply.say(message, text)


async def privacy(message: Message, lang: str, offer: Offer) -> None:
    text = texts.privacy.privacy(
        lang,
        offer.retention_days,
        offer.tunnel_owner,
        ideas=offer.viewer is not None,
        voice=None if offer.transcriber is None else offer.transcriber_host,
        refers=offer.bonus is not None,
    )
    await reply.say(message, text)


async def cancel(
    message: Message,
    event_from_user: User,
    event_update: Update,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    lang: str,
) -> None:
    chat, user_id = reply.place(message), event_from_user.id
    board = await storage.storyboards.cancel_latest(
        user_id=user_id, chat=chat, update_id=event_update.update_id, now=clock()
    )
    if board is not None:
        await take_away_card(board, bot)
        await reply.say(message, texts.storyboards.cancelled(lang))
        return
    task = await storage.tasks.cancel_latest(
        user_id=user_id, chat=chat, update_id=event_update.update_id, now=clock()
    )
    made = await storage.tasks.latest(user_id, chat=chat, states=_BEING_MADE, limit=1)
    speak_of(task or next(iter(made), None))
    if task is None:
        answer = (
            texts.statuses.too_late_to_cancel(lang)
            if made
            else texts.statuses.nothing_to_cancel(lang)
        )
        await reply.say(message, answer)
        return
    ended = [task]
    if task.storyboard_id is not None:
        parts = await storage.storyboards.parts(task.storyboard_id)
        ended = [part for part in parts if part.state is TaskState.CANCELLED]
    words, keyboard = await cancelled(task, storage)
    for one in ended:
        if one.card_message_id is not None:
            await reply.rewrite(
                bot,
                one.chat,
                one.card_message_id,
                words,
                is_media=one.card_is_media,
                keyboard=keyboard,
            )
    words, keyboard = await cancelled(
        replace(task, lang=lang), storage, task.own_words, others=bool(made)
    )
    await reply.say(message, words, keyboard)


async def language(message: Message) -> None:
    await reply.say(message, texts.commands.choose_language(), keyboards.personal.languages())


async def set_language(
    query: CallbackQuery,
    callback_data: SetLanguage,
    bot: Bot,
    access: Access,
    stars_packages: StarsPackages,
    storage: Storage,
    offer: Offer,
    lang: str,
) -> None:
    chosen = callback_data.lang
    if chosen not in LANGUAGES:
        await reply.toast(query, texts.statuses.press_expired(lang), alert=True)
        return
    await storage.users.set_lang(query.from_user.id, chosen)
    if chosen != lang:
        await follow_choice(
            bot,
            query.from_user,
            chosen,
            sells=bool(stars_packages.packages),
            refers=offer.bonus is not None,
            is_admin=access.is_admin(query.from_user.id),
        )
    text = texts.commands.language_set(chosen)
    await reply.toast(query, text.render()[0])
    if isinstance(query.message, Message):
        await reply.rewrite(
            bot, reply.place(query.message), query.message.message_id, text, is_media=False
        )
