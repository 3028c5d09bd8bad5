"""The buttons of a film: the whole of it, its parts, and one part.

Joining is done by the worker's process; here the film is only requested. What costs money shows a
card first.
"""

from __future__ import annotations

from aiogram import Bot, F, Router
from aiogram.types import CallbackQuery, InlineKeyboardMarkup, Message, Update
from aiogram.utils.formatting import Text

from bot import texts
from bot.core.clock import Clock
from bot.core.errors import TelegramUnreachable
from bot.core.task import FilmPlace, Frame, Task, TaskState
from bot.texts import keyboards
from bot.texts.callback_data import FilmAct, OfFilm
from handlers import reply
from handlers.context import Offer, Wake
from handlers.ownership import own_film
from handlers.result import make_draft, show_draft
from storage import Film, Storage


def router() -> Router:
    router = Router(name="film")
    press = router.callback_query
    press.register(whole, OfFilm.filter(F.act == FilmAct.WHOLE))
    press.register(show_parts, OfFilm.filter(F.act == FilmAct.PARTS))
    press.register(show_part, OfFilm.filter(F.act == FilmAct.PART))
    press.register(again, OfFilm.filter(F.act == FilmAct.AGAIN))
    press.register(replace, OfFilm.filter(F.act == FilmAct.REPLACE))
    press.register(next_version, OfFilm.filter(F.act == FilmAct.VERSION))
    press.register(take_out, OfFilm.filter(F.act == FilmAct.TAKE_OUT))
    return router


# --- the whole film ------------------------------------------------------------------------


async def whole(
    query: CallbackQuery,
    callback_data: OfFilm,
    storage: Storage,
    clock: Clock,
    wake: Wake,
    lang: str,
) -> None:
    """Send the film that Telegram has; otherwise request that it is joined."""
    film = await own_film(query, callback_data.film_id, storage, lang)
    if film is None or query.message is None:
        return
    if len(film.parts) < 2:
        await reply.toast(query, texts.films.press_one_part(lang), alert=True)
        return
    place = film.parts[-1].chat
    message = reply.below(query, place)
    is_refused = False
    try:
        if film.file_id is not None and await reply.video(
            message,
            film.file_id,
            texts.films.caption(lang, film.parts),
            keyboards.films.film(lang, film.id, film.parts[-1]),
        ):
            await reply.toast(query)
            return
    except TelegramUnreachable:
        is_refused = True  # whoever joins films sends it to the person's own chat
    wanted = await storage.films.want(
        film.id,
        user_id=film.user_id,
        chat=reply.pressed_in(query, place),
        lang=lang,
        reply_to=query.message.message_id,
        now=clock(),
    )
    wake()
    if is_refused:
        await reply.toast(query, texts.films.press_elsewhere(lang), alert=True)
        return
    await reply.toast(
        query, texts.films.press_joining(lang) if wanted else texts.films.press_being_joined(lang)
    )


# --- its parts -----------------------------------------------------------------------------


async def show_parts(
    query: CallbackQuery, callback_data: OfFilm, bot: Bot, storage: Storage, lang: str
) -> None:
    film = await own_film(query, callback_data.film_id, storage, lang)
    if film is not None:
        await reply.toast(query)
        await _list(query, film, bot, lang)


async def show_part(
    query: CallbackQuery, callback_data: OfFilm, bot: Bot, storage: Storage, lang: str
) -> None:
    film, number = await _part(query, callback_data, storage, lang)
    if film is not None:
        await reply.toast(query)
        await _one(query, film, number, bot, lang)


async def next_version(
    query: CallbackQuery,
    callback_data: OfFilm,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    lang: str,
) -> None:
    """Show the next version of the part in the film."""
    film, number = await _part(query, callback_data, storage, lang)
    if film is None:
        return
    versions, shown = film.versions[number], film.parts[number].id
    if shown == callback_data.task_id:  # a repeat of the press chooses nothing more
        shown = versions[(versions.index(shown) + 1) % len(versions)]
        await storage.films.choose(film.id, shown, user_id=film.user_id, now=clock())
        film = await storage.films.get(film.id) or film
    await reply.toast(query)
    await _one(query, film, number, bot, lang)


async def take_out(
    query: CallbackQuery, callback_data: OfFilm, bot: Bot, storage: Storage, lang: str
) -> None:
    """Take the part out; its video stays. A repeat finds it gone and shows what is left."""
    film = await own_film(query, callback_data.film_id, storage, lang)
    if film is None:
        return
    gone = await storage.films.take_out(film.id, callback_data.task_id, user_id=film.user_id)
    words = texts.films.press_taken_out(lang) if gone else texts.films.press_no_part(lang)
    await reply.toast(query, words)
    film = await storage.films.get(film.id)
    if film is not None:
        await _list(query, film, bot, lang)


async def again(
    query: CallbackQuery,
    callback_data: OfFilm,
    event_update: Update,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
) -> None:
    """Show a card for a new version of the part with the same prompt."""
    draft = await _new_version(
        query, callback_data, event_update, storage, clock, offer, lang, words=True
    )
    if draft is not None:
        await show_draft(query, draft[1], draft[0], bot, storage, offer)


async def replace(
    query: CallbackQuery,
    callback_data: OfFilm,
    event_update: Update,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
) -> None:
    """Ask for the prompt of a new version of the part."""
    made = await _new_version(
        query, callback_data, event_update, storage, clock, offer, lang, words=False
    )
    if made is None:
        return
    draft, source = made
    if draft.prompt is None and draft.state is TaskState.DRAFT:
        await reply.say(
            reply.below(query, source.chat),
            texts.cards.new_words(lang, source),
            keyboards.results.words_wanted(draft, source),
        )


async def _new_version(
    query: CallbackQuery,
    data: OfFilm,
    update: Update,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
    *,
    words: bool,
) -> tuple[Task, Task] | None:
    """Return a draft for the same place of the film, and the part that it may replace.

    It starts where the part before it ends now, which may have been replaced meanwhile.
    """
    film, number = await _part(query, data, storage, lang)
    if film is None:
        return None
    source, frame = film.parts[number], None
    if number > 0:
        if not offer.photos_on:
            await reply.toast(query, texts.results.press_photos_off(lang), alert=True)
            return None
        before = film.parts[number - 1].video_file_id
        assert before is not None  # storage.films: parts have videos
        frame = Frame(file_id=before, kind="video")
    draft = await make_draft(
        query, source, update, storage, clock, offer, lang,
        words=words, frame=frame, film=FilmPlace.SAME,
    )  # fmt: skip
    await reply.toast(
        query, texts.results.press_card(lang) if words else texts.results.press_edit_prompt(lang)
    )
    return None if draft is None else (draft, source)


# --- what they have in common --------------------------------------------------------------


async def _part(
    query: CallbackQuery, data: OfFilm, storage: Storage, lang: str
) -> tuple[Film, int] | tuple[None, int]:
    """Return the film and the index of the part that this task is a version of."""
    film = await own_film(query, data.film_id, storage, lang)
    if film is None:
        return None, 0
    for number, versions in enumerate(film.versions):
        if data.task_id in versions:
            return film, number
    await reply.toast(query, texts.films.press_no_part(lang), alert=True)
    return None, 0


async def _list(query: CallbackQuery, film: Film, bot: Bot, lang: str) -> None:
    text = texts.films.parts(lang, film.parts)
    keyboard = keyboards.films.list_of_parts(lang, film.id, film.parts)
    await _in_place(query, text, keyboard, film, bot)


async def _one(query: CallbackQuery, film: Film, number: int, bot: Bot, lang: str) -> None:
    part = film.parts[number]
    text = texts.films.part(lang, part, number + 1, len(film.parts))
    keyboard = keyboards.films.part(lang, film.id, part, film.versions[number])
    await _in_place(query, text, keyboard, film, bot)


async def _in_place(
    query: CallbackQuery, text: Text, keyboard: InlineKeyboardMarkup, film: Film, bot: Bot
) -> None:
    """Rewrite the list below a film; below a video send a new one, since its text stays."""
    assert query.message
    shown = query.message
    if isinstance(shown, Message) and shown.text:
        place = reply.place(shown)
        if await reply.rewrite(
            bot, place, shown.message_id, text, is_media=False, keyboard=keyboard
        ):
            return
    chat = film.parts[-1].chat if film.parts else reply.place(shown)
    await reply.say(reply.below(query, chat), text, keyboard)
