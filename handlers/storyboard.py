"""/film: scenes of a film from an idea or from a person's lines, shown on a card.

The scenes are a row, so the card survives restarts. Its buttons are in
handlers/storyboard_buttons.py, the order of the whole in handlers/film_order.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from aiogram import Bot, Router
from aiogram.filters import Command, CommandObject
from aiogram.methods import SendChatAction
from aiogram.types import InlineKeyboardMarkup, Message
from aiogram.utils.formatting import Text

from bot import texts
from bot.core.alerts import Switch
from bot.core.clock import Clock
from bot.core.errors import TelegramError
from bot.core.prompt import clean_prompt
from bot.core.storyboard import (
    FEWEST,
    MOST,
    Scene,
    Storyboard,
    is_idea,
    read_lines,
)
from bot.core.task import AspectRatio, Frame
from bot.texts import keyboards
from handlers import reply
from handlers.context import Offer, draft_texts, origin, own_ratio
from handlers.filters import addressed, written
from handlers.picture import answered, frame_of, photo, sent_as_file
from storage import Storage, User


def router() -> Router:
    router = Router(name="storyboard")
    router.message.register(film, Command("film"))
    router.message.register(take_words, written, addressed, answers_board)
    return router


async def film(
    message: Message,
    command: CommandObject,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
    person: User,
) -> None:
    """Show a card of the scenes: the person's lines, or those that a chat model proposes."""
    if not offer.photos_on or await storage.alerts.is_held(Switch.PHOTOS):
        await reply.say(message, texts.storyboards.photos_off(lang))
        return
    board = await storage.storyboards.of_message(reply.place(message), message.message_id)
    if board is None:
        wanted = await _wanted(message, command, bot, offer, lang)
        if wanted is None:
            return
        scenes, frame = wanted
        board = await storage.storyboards.create(
            **origin(message, offer, lang, clock(), person), scenes=scenes, frame=frame
        )
    await _show_new(message, board, storage, offer, lang, person)


async def edited_film(
    message: Message,
    command: CommandObject,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
    person: User,
) -> None:
    """Make the scenes of an edited message anew; what was ordered or cancelled stays."""
    board = await storage.storyboards.of_message(reply.place(message), message.message_id)
    if board is None:
        # Perhaps the first version was refused, and this one is correct.
        await film(message, command, bot, storage, clock, offer, lang, person)
        return
    if board.user_id != person.user_id or not board.is_open:
        return
    wanted = await _wanted(message, command, bot, offer, lang)
    if wanted is None:
        return
    scenes, frame = wanted
    changed = await storage.storyboards.edited(board, scenes=scenes, frame=frame, now=clock())
    if changed is not None:  # otherwise a button was faster
        await _show_new(message, changed, storage, offer, lang, person)
        await take_away_card(board, bot)


async def _wanted(
    message: Message, command: CommandObject, bot: Bot, offer: Offer, lang: str
) -> tuple[Sequence[Scene], Frame | None] | None:
    """Return the scenes and the first frame that a command asks for, without scenes if the person
    has to write them; answer one that asks for no film, and return None."""
    said = (command.args or "").strip()
    if not said:
        tells = offer.storyteller is not None
        await reply.say(message, texts.storyboards.usage(lang, tells=tells))
        return None
    told: list[Scene] | None = []
    if not is_idea(said):
        told = await _scenes(read_lines(said), offer)
        if not FEWEST <= len(told) <= MOST:
            await reply.say(message, texts.storyboards.wrong_number(lang, len(told)))
            return None
    frame = await _frame(message, bot, offer)  # a bad picture is reported before a model is asked
    idea = clean_prompt(said) if is_idea(said) else ""
    if idea and offer.storyteller is not None:
        chat = reply.place(message)
        with suppress(TelegramError):
            await bot(
                SendChatAction(
                    chat_id=chat.chat_id,
                    action="typing",
                    message_thread_id=chat.message_thread_id,
                    business_connection_id=chat.business_connection_id,
                )
            )
        told = await offer.storyteller.tell(idea, lang)
    return told or (), frame


async def _show_new(
    message: Message, board: Storyboard, storage: Storage, offer: Offer, lang: str, person: User
) -> None:
    """Send the card of new scenes; without scenes, ask for them."""
    if board.scenes:
        await send_card(message, board, storage, offer, own_ratio(person))
        return
    text = texts.storyboards.ask_scenes(lang, failed=offer.storyteller is not None)
    asked = await reply.say(message, text, keyboards.storyboards.asking(board), quotes=True)
    await storage.storyboards.asked(board.id, asked, None)


async def answers_board(message: Message, storage: Storage) -> bool | dict[str, Any]:
    """The text replies to the card of a film, or to a request for the words of a scene."""
    replied = message.reply_to_message
    if replied is None or message.from_user is None or message.bot is None:
        return False
    if replied.from_user is None or replied.from_user.id != message.bot.id:
        return False
    board = await storage.storyboards.answered(
        reply.place(message), message.from_user.id, replied.message_id
    )
    return False if board is None else {"board": board}


async def take_words(
    message: Message,
    words: str | None,
    board: Storyboard,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
    person: User,
) -> None:
    """Take one scene that was asked for; otherwise the lines are all scenes of the film."""
    assert message.reply_to_message
    index = board.asked_scene
    answers = message.reply_to_message.message_id == board.asked_message_id
    if answers and index is not None and index <= len(board.scenes):
        [scene] = await _scenes([clean_prompt(words or "")], offer)
        scenes = list(board.scenes)
        scenes[index : index + 1] = [scene]
    else:
        scenes = await _scenes(read_lines(words or ""), offer)
    if not keyboards.storyboards.fewest(board) <= len(scenes) <= MOST:
        await reply.say(message, texts.storyboards.wrong_number(lang, len(scenes)))
        return
    changed = await storage.storyboards.change(board, scenes=scenes, now=clock(), is_answer=True)
    board = changed or await storage.storyboards.get(board.id) or board
    if not board.is_open:
        await reply.say(message, Text(texts.storyboards.press_over(lang)))
        return
    await send_card(message, board, storage, offer, own_ratio(person), bot=bot)


async def send_card(
    message: Message,
    board: Storyboard,
    storage: Storage,
    offer: Offer,
    nearest: AspectRatio | None,
    *,
    bot: Bot | None = None,
) -> None:
    """Send the card below `message`; it takes the place of an earlier one."""
    text, keyboard = await card_of(board, storage, offer, nearest)
    card_id = await reply.say(message, text, keyboard, quotes=True)
    await storage.storyboards.shown(board.id, card_id)
    if bot is not None:
        await take_away_card(board, bot)


async def take_away_card(board: Storyboard, bot: Bot) -> None:
    """Delete the card, and the request for words, best effort."""
    for message_id in (board.card_message_id, board.asked_message_id):
        if message_id is not None:
            await reply.take_away(bot, board.chat, message_id)


async def card_of(
    board: Storyboard, storage: Storage, offer: Offer, nearest: AspectRatio | None
) -> tuple[Text, InlineKeyboardMarkup]:
    """Return the card with its buttons.

    If parts of the film exist already, their ratio is the first: parts with another ratio could
    not be joined to them.
    """
    film = await storage.films.get(board.film_id) if board.film_id is not None else None
    if film is not None and film.parts:
        nearest = film.parts[0].aspect_ratio or nearest
    own = board.frame is not None and board.frame.is_own
    asks = own and not await storage.privacy.consented(board.user_id)
    text = texts.storyboards.card(
        board.lang,
        board,
        asks_consent=asks,
        left=await offer.left(storage, board.user_id, board.price),
    )
    return text, keyboards.storyboards.card(board, nearest, offer.models)


async def _frame(message: Message, bot: Bot, offer: Offer) -> Frame | None:
    """Return the photo of the message, or of the one to which it replies."""
    if await photo(message) or await sent_as_file(message):
        return (await frame_of(message, bot))[0]
    return (await answered(message, bot, offer))[0]


async def _scenes(lines: Sequence[str], offer: Offer) -> list[Scene]:
    """Return scenes that a person wrote, with their prompts as they are sent."""
    said = await asyncio.gather(*(draft_texts(offer, line) for line in lines))
    return [Scene(line, one["prompt"]) for line, one in zip(lines, said, strict=True)]
