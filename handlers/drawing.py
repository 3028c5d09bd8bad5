"""Pictures by an image model: 🖼 makes the first frame of a card, 🖌 changes a photo, and a picture
opens the card of a video.

A picture is ordered on its own card, as a video is. Handlers of pictures that people send are
in handlers/picture.py.
"""

from __future__ import annotations

from dataclasses import replace

from aiogram import Bot, Router
from aiogram.types import CallbackQuery, Update

from bot import texts
from bot.core.alerts import Switch
from bot.core.catalog import CATALOG, Model
from bot.core.clock import Clock
from bot.core.task import Task, TaskKind, TaskState
from bot.texts import keyboards
from bot.texts.callback_data import ChangePhoto, DrawPicture, UsePicture, of_album
from bot.texts.subject import about, speak_of
from handlers import reply
from handlers.card import send_card
from handlers.context import Offer, own_ratio
from handlers.ownership import own_task
from handlers.result import point_at
from storage import Storage, User
from storage.tasks.pictures import Place


def router() -> Router:
    router = Router(name="drawing")
    router.callback_query.register(draw, DrawPicture.filter())
    router.callback_query.register(change, ChangePhoto.filter())
    router.callback_query.register(use, UsePicture.filter())
    return router


async def draw(
    query: CallbackQuery,
    callback_data: DrawPicture,
    event_update: Update,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
    person: User,
) -> None:
    """Send the card of a picture with the words of this card."""
    source = await own_task(query, callback_data.task_id, storage, lang)
    model = await _model(query, storage, offer, lang) if source else None
    if source is None or model is None:
        return
    draft = await storage.pictures.draw(
        source.id,
        user_id=person.user_id,
        update_id=event_update.update_id,
        lang=lang,
        model=model.id,
        price=model.price,
        now=clock(),
        pressed=_pressed(query, source),
    )
    if draft is None:
        await reply.toast(query, texts.cards.press_wordless(lang), alert=True)
        return
    await reply.toast(query, texts.pictures.press_draw(lang))
    speak_of(draft)
    await _show(query, source, draft, bot, storage, offer, person)


async def change(
    query: CallbackQuery,
    callback_data: ChangePhoto,
    event_update: Update,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
    person: User,
) -> None:
    """Ask for the words with which the photo is changed."""
    source = await own_task(query, callback_data.task_id, storage, lang)
    model = await _model(query, storage, offer, lang) if source else None
    if source is None or model is None:
        return
    if not model.takes_image:
        await reply.toast(query, texts.pictures.press_only_words(lang), alert=True)
        return
    draft = await storage.pictures.draw(
        source.id,
        user_id=person.user_id,
        update_id=event_update.update_id,
        lang=lang,
        model=model.id,
        price=model.price,
        now=clock(),
        change=True,
        pressed=_pressed(query, source),
    )
    if draft is None:
        await reply.toast(query, texts.statuses.press_expired(lang), alert=True)
        return
    await reply.toast(query, texts.pictures.press_change(lang))
    if draft.prompt is None and draft.state is TaskState.DRAFT:
        await reply.say(
            reply.below(query, source.chat),
            texts.pictures.change_wanted(lang, in_group=draft.chat.chat_id < 0),
            keyboards.cards.card(draft),
        )


async def use(
    query: CallbackQuery,
    callback_data: UsePicture,
    event_update: Update,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
    person: User,
) -> None:
    """Send the card of a video that starts with this picture; one that is open moves down here."""
    picture = await own_task(query, callback_data.task_id, storage, lang)
    if picture is None:
        return
    if not offer.photos_on or await storage.alerts.is_held(Switch.PHOTOS):
        await reply.toast(query, texts.results.press_photos_off(lang), alert=True)
        return
    card = await storage.tasks.get(picture.picture_for) if picture.picture_for else None
    model = CATALOG.get(card.model) if card else None
    if model is None or model.kind is TaskKind.PICTURE:
        model = offer.model_for(person)
    draft = await storage.pictures.use(
        picture.id,
        user_id=person.user_id,
        update_id=event_update.update_id,
        lang=lang,
        model=model.id,
        price=model.price,
        now=clock(),
        pressed=_pressed(query, picture),
    )
    if draft is None:
        await reply.toast(query, texts.statuses.press_expired(lang), alert=True)
        return
    if draft.state is not TaskState.DRAFT:  # the press is repeated, and the video is ordered
        await reply.toast(query, texts.statuses.press_done(lang, draft.state))
        return
    await reply.toast(query, texts.pictures.press_use(lang))
    with about(draft):
        await _show(query, picture, draft, bot, storage, offer, person)
    videos = of_album(picture, callback_data.steps)
    if len(videos) > 1:
        await point_at(query, picture, videos, bot)


# --- shared --------------------------------------------------------------------------------


async def _model(query: CallbackQuery, storage: Storage, offer: Offer, lang: str) -> Model | None:
    """Return what makes pictures; answer when it is off, or while photos are held: a picture is of
    use only as a photo."""
    if offer.image_model is None or await storage.alerts.is_held(Switch.PHOTOS):
        await reply.toast(query, texts.pictures.press_off(lang), alert=True)
        return None
    return offer.image_model


def _pressed(query: CallbackQuery, source: Task) -> Place | None:
    """Return where the button was pressed, if that is another place than the task's."""
    assert query.message
    chat = reply.pressed_in(query, source.chat)
    return None if chat == source.chat else (chat, query.message.message_id)


async def _show(
    query: CallbackQuery,
    source: Task,
    draft: Task,
    bot: Bot,
    storage: Storage,
    offer: Offer,
    person: User,
) -> None:
    """Send the card below the pressed message; the one that it had is taken away."""
    message = reply.below(query, source.chat)
    old = draft.card_message_id
    anew = replace(draft, card_message_id=None, card_revision=None)
    ratio = own_ratio(person)
    await send_card(message, anew, bot=bot, storage=storage, offer=offer, ratio=ratio)
    if old is not None:
        await reply.take_away(bot, draft.chat, old)
