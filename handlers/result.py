"""The buttons below a video, or below the notice of a failure.

The task's row has all data, so the buttons work after a restart and on old messages. Buttons that
cost money open a card first, except 🔁, which shows the price. The file is long on purpose: what a
press below a video does is read in one place.
"""

from __future__ import annotations

import asyncio
import tempfile

from aiogram import Bot, F, Router
from aiogram.methods import DeleteMessage
from aiogram.types import BufferedInputFile, CallbackQuery, Message, Update

from bot import texts
from bot.core.catalog import CATALOG, Model
from bot.core.clock import Clock
from bot.core.errors import CardOpened, TelegramRejected, TelegramTooLarge
from bot.core.task import AspectRatio, FilmPlace, Frame, Task, TaskKind, TaskState
from bot.media import video_reader
from bot.telegram.client import fetch_file
from bot.texts import keyboards
from bot.texts.callback_data import Act, Below, DropVideo, ShowVideo, of_album
from bot.texts.subject import speak_of
from handlers import reply
from handlers.card import send_card
from handlers.context import Offer, Wake
from handlers.ownership import own_task
from storage import Storage

READ_LIMIT = 20 * 1000 * 1000
"""Bytes that a bot can download (Bot API: getFile)."""


_FOLDS = frozenset({Act.MORE, Act.LESS, Act.MORE_KEPT, Act.LESS_KEPT})


def router() -> Router:
    router = Router(name="result")
    press = router.callback_query
    press.register(again, Below.filter(F.act == Act.AGAIN))
    press.register(edit_prompt, Below.filter(F.act == Act.EDIT_PROMPT))
    press.register(card, Below.filter(F.act == Act.RATIO))
    press.register(card, Below.filter(F.act == Act.FRAMELESS))
    press.register(continue_video, Below.filter(F.act == Act.CONTINUE))
    press.register(as_file, Below.filter(F.act == Act.FILE))
    press.register(delete, Below.filter(F.act == Act.DELETE))
    press.register(show_video, ShowVideo.filter())
    press.register(drop_video, DropVideo.filter())
    press.register(forget, Below.filter(F.act == Act.FORGET))
    press.register(fold, Below.filter(F.act.in_(_FOLDS)))
    return router


# --- another video -------------------------------------------------------------------------


async def again(
    query: CallbackQuery,
    callback_data: Below,
    event_update: Update,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    wake: Wake,
    offer: Offer,
    lang: str,
) -> None:
    """Order the same again at the price on the button; open a card if the price has changed."""
    source = await own_task(query, callback_data.task_id, storage, lang)
    if source is None:
        return
    update_id, ratio = event_update.update_id, source.aspect_ratio
    if await storage.callback_actions.running(source.id, ratio=ratio, update_id=update_id):
        await reply.toast(query, texts.results.press_running(lang), alert=True)
        return
    model = _terms(source, offer)
    if model is None:
        await reply.toast(query, texts.pictures.press_off(lang), alert=True)
        return
    same = (model.id, model.price) == (source.model, source.price) and ratio in model.ratios
    draft = await make_draft(
        query, source, event_update, storage, clock, offer, lang, takes_open=same
    )
    if draft is None:
        return
    await show_draft(query, source, draft, bot, storage, offer)
    if same and ratio is not None:
        await _confirm(draft.id, ratio, query, update_id, bot, storage, clock, wake)
    await reply.toast(
        query, texts.results.press_retried(lang) if same else texts.results.press_card(lang)
    )


async def _confirm(
    task_id: int,
    ratio: AspectRatio,
    query: CallbackQuery,
    update_id: int,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    wake: Wake,
) -> None:
    """The card is sent first: a fast worker then knows which message to edit."""
    task = await storage.tasks.confirm(
        task_id,
        user_id=query.from_user.id,
        aspect_ratio=ratio,
        update_id=update_id,
        now=clock(),
    )
    if task is None:
        return  # it was cancelled meanwhile
    wake()
    place = await storage.tasks.queue_position(task.id)
    if task.card_message_id is not None and place is not None:
        await reply.rewrite(
            bot,
            task.chat,
            task.card_message_id,
            texts.statuses.status_queued(task.lang, task, place),
            is_media=task.card_is_media,
            keyboard=keyboards.results.status(task),
        )


async def card(
    query: CallbackQuery,
    callback_data: Below,
    event_update: Update,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
) -> None:
    """Send a new card with the same prompt, for another ratio or without the photo."""
    source = await own_task(query, callback_data.task_id, storage, lang)
    if source is None:
        return
    if _terms(source, offer) is None:
        await reply.toast(query, texts.pictures.press_off(lang), alert=True)
        return
    frameless = callback_data.act is Act.FRAMELESS
    draft = await make_draft(
        query, source, event_update, storage, clock, offer, lang, frameless=frameless
    )
    await reply.toast(query, texts.results.press_card(lang))
    if draft is not None:
        await show_draft(query, source, draft, bot, storage, offer)


async def edit_prompt(
    query: CallbackQuery,
    callback_data: Below,
    event_update: Update,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
) -> None:
    """Make a draft that waits for a new prompt; photo and model stay."""
    source = await own_task(query, callback_data.task_id, storage, lang)
    if source is None:
        return
    if _terms(source, offer) is None:
        await reply.toast(query, texts.pictures.press_off(lang), alert=True)
        return
    draft = await make_draft(query, source, event_update, storage, clock, offer, lang, words=False)
    await reply.toast(query, texts.results.press_edit_prompt(lang))
    if draft is not None and draft.prompt is None and draft.state is TaskState.DRAFT:
        text, keyboard = (
            texts.cards.new_words(lang, source),
            keyboards.results.words_wanted(draft, source),
        )
        await reply.say(reply.below(query, source.chat), text, keyboard)


async def continue_video(
    query: CallbackQuery,
    callback_data: Below,
    event_update: Update,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    bot: Bot,
    lang: str,
) -> None:
    """Make a draft whose first frame is the last frame, the next part of a film; it waits for a
    prompt."""
    source = await own_task(query, callback_data.task_id, storage, lang)
    if source is None:
        return
    if source.kind is TaskKind.PICTURE:
        await reply.toast(query, texts.statuses.press_expired(lang), alert=True)
        return
    if not offer.photos_on:
        await reply.toast(query, texts.results.press_photos_off(lang), alert=True)
        return
    user_id, now = source.user_id, clock()
    place = reply.pressed_in(query, source.chat)
    made = await storage.callback_actions.made(event_update.update_id)
    if made is None and await storage.callback_actions.continued(
        source.id, user_id=user_id, chat=place, now=now
    ):
        raise CardOpened
    await reply.toast(query, texts.results.press_continue(lang))
    if made is not None:
        return
    message = reply.below(query, source.chat)
    video = await _video(bot, message, source, lang)
    if video is None:
        return
    with tempfile.TemporaryFile() as file:
        await asyncio.to_thread(file.write, video)
        try:
            picture = await video_reader.last_frame(file)
        except video_reader.NotAVideo:
            await reply.say(message, texts.results.video_gone(lang))
            return
    shown = await reply.picture(
        message, BufferedInputFile(picture, "frame.jpg"), texts.cards.last_frame(lang, source)
    )
    if not shown.photo:
        await reply.say(message, texts.results.video_gone(lang))
        return
    largest = max(shown.photo, key=lambda size: size.width * size.height)
    try:
        await make_draft(
            query, source, event_update, storage, clock, offer, lang, words=False,
            frame=Frame(file_id=largest.file_id, kind="photo"),
            frame_message_id=shown.message_id, film=FilmPlace.AFTER,
        )  # fmt: skip
    except CardOpened:  # by a press that another process handled meanwhile
        await reply.take_away(bot, place, shown.message_id)
        raise


# --- the video itself ----------------------------------------------------------------------


async def as_file(
    query: CallbackQuery, callback_data: Below, bot: Bot, storage: Storage, lang: str
) -> None:
    """Send the video as a document, which keeps every bit and can be saved; uploaded once."""
    source = await own_task(query, callback_data.task_id, storage, lang)
    if source is None:
        return
    await reply.toast(query, texts.results.press_file(lang))
    message = reply.below(query, source.chat)
    known = await storage.callback_actions.document(source.id)
    if known is None and source.video_is_document:
        known = source.video_file_id
    if known is not None and await reply.document(message, known):
        return
    video = await _video(bot, message, source, lang)
    if video is None:
        return
    drawn = source.kind is TaskKind.PICTURE
    name = f"picture-{source.id}.jpg" if drawn else f"video-{source.id}.mp4"
    if sent := await reply.document(message, BufferedInputFile(video, name)):
        await storage.callback_actions.keep_document(source.id, sent)


async def fold(
    query: CallbackQuery,
    callback_data: Below,
    bot: Bot,
    storage: Storage,
    offer: Offer,
    lang: str,
) -> None:
    """Show all buttons below a video, or only the first ones."""
    source = await own_task(query, callback_data.task_id, storage, lang)
    if source is None or query.message is None:
        return
    await reply.toast(query)
    act = callback_data.act
    keyboard = keyboards.results.result(
        source,
        forget=act in (Act.MORE_KEPT, Act.LESS_KEPT),
        is_open=act in (Act.MORE, Act.MORE_KEPT),
        draws=offer.image_model is not None and offer.photos_on,
    )
    await reply.change_buttons(
        bot, reply.pressed_in(query, source.video_chat), query.message.message_id, keyboard
    )


async def delete(
    query: CallbackQuery, callback_data: Below, bot: Bot, storage: Storage, lang: str
) -> None:
    """Delete the message; the order stays in the history."""
    source = await own_task(query, callback_data.task_id, storage, lang)
    if source is not None:
        await _told(query, lang, gone=await _delete_pressed(query, bot))


async def show_video(
    query: CallbackQuery, callback_data: ShowVideo, bot: Bot, storage: Storage, lang: str
) -> None:
    """Let the buttons below an album refer to the chosen video."""
    source = await own_task(query, callback_data.task_id, storage, lang)
    if source is not None:
        await reply.toast(query)
        await point_at(query, source, of_album(source, callback_data.steps), bot)


async def drop_video(
    query: CallbackQuery, callback_data: DropVideo, bot: Bot, storage: Storage, lang: str
) -> None:
    """Remove the video from its album; the buttons then refer to the other videos."""
    source = await own_task(query, callback_data.task_id, storage, lang)
    if source is None:
        return
    gone = await _delete(bot, source.video_chat.chat_id, source.video_message_id)
    await _told(query, lang, gone=gone)
    if not gone:
        return
    album = of_album(source, callback_data.steps)
    for left in (others := [one for one in album if one != source.id]):
        other = await storage.tasks.get(left)
        if other is not None and other.user_id == source.user_id:
            await point_at(query, other, others, bot)
            return
    await _delete_pressed(query, bot)


async def forget(
    query: CallbackQuery, callback_data: Below, bot: Bot, storage: Storage, lang: str
) -> None:
    """Delete the message, and the order with everything stored about it."""
    user_id = query.from_user.id
    if not await storage.privacy.erase_task(callback_data.task_id, user_id=user_id):
        known = await storage.tasks.get(callback_data.task_id)
        if known is not None:
            speak_of(known)
            foreign = known.user_id != user_id
            words = (
                texts.statuses.press_foreign(lang)
                if foreign
                else texts.results.press_not_over(lang)
            )
            await reply.toast(query, words, alert=True)
            return
    await reply.toast(query, texts.results.press_forgotten(lang))
    await _delete_pressed(query, bot)


# --- shared --------------------------------------------------------------------------------


def _terms(source: Task, offer: Offer) -> Model | None:
    """Return the current price of the same model, or of the default when it is gone; None: it is a
    picture, and no pictures are made now."""
    model = CATALOG.get(source.model)
    if source.kind is TaskKind.PICTURE and (offer.image_model is None or model is None):
        return offer.image_model
    return model or offer.model


async def make_draft(
    query: CallbackQuery,
    source: Task,
    update: Update,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
    *,
    words: bool = True,
    frameless: bool = False,
    frame: Frame | None = None,
    frame_message_id: int | None = None,
    film: FilmPlace | None = None,
    takes_open: bool = False,
) -> Task | None:
    assert query.message
    chat, message_id = reply.pressed_in(query, source.chat), query.message.message_id
    model = _terms(source, offer)
    if model is None:
        return None
    return await storage.callback_actions.draft_from(
        source.id,
        user_id=query.from_user.id,
        update_id=update.update_id,
        lang=lang,
        model=model.id,
        price=model.price,
        now=clock(),
        words=words,
        frameless=frameless,
        frame=frame,
        frame_message_id=frame_message_id,
        pressed=None if chat == source.chat else (chat, message_id),
        film=film,
        takes_open=takes_open,
    )


async def show_draft(
    query: CallbackQuery, source: Task, draft: Task, bot: Bot, storage: Storage, offer: Offer
) -> None:
    """Show the card of the draft below the pressed message."""
    message = reply.below(query, source.chat)
    ratio = source.aspect_ratio
    await send_card(message, draft, bot=bot, storage=storage, offer=offer, ratio=ratio)


async def _video(bot: Bot, message: Message, task: Task, lang: str) -> bytes | None:
    """Download the video from Telegram; if Telegram does not have it, answer and return None."""
    if task.video_file_id is None:
        await reply.say(message, texts.results.video_gone(lang))
        return None
    try:
        return await fetch_file(bot, task.video_file_id, limit=READ_LIMIT)
    except TelegramTooLarge:
        await reply.say(message, texts.results.video_too_big(lang))
    except TelegramRejected:
        await reply.say(message, texts.results.video_gone(lang))
    return None


async def point_at(query: CallbackQuery, task: Task, videos: list[int], bot: Bot) -> None:
    assert query.message
    await reply.rewrite(
        bot,
        reply.pressed_in(query, task.video_chat),
        query.message.message_id,
        texts.results.album(task.lang, videos.index(task.id) + 1, len(videos)),
        is_media=False,
        keyboard=keyboards.results.album(task, videos),
    )


async def _told(query: CallbackQuery, lang: str, *, gone: bool) -> None:
    words = texts.results.press_deleted(lang) if gone else texts.results.press_by_hand(lang)
    await reply.toast(query, words, alert=not gone)


async def _delete_pressed(query: CallbackQuery, bot: Bot) -> bool:
    assert query.message
    return await _delete(bot, query.message.chat.id, query.message.message_id)


async def _delete(bot: Bot, chat_id: int, message_id: int | None) -> bool:
    """Delete the message; return False if Telegram allows only the person to delete it."""
    if message_id is None:
        return True
    try:
        await bot(DeleteMessage(chat_id=chat_id, message_id=message_id))
    except TelegramRejected as exc:
        return "not found" in str(exc)
    return True
