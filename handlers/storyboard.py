"""/film: scenes of a film from an idea or from a person's lines, changed and ordered as a whole.

The scenes are a row, so the card survives restarts. A press names the revision that it was shown
with: a repeat, or a press on an old card, changes nothing more. What happens after the order is
in storage/tasks/chain.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from aiogram import Bot, F, Router
from aiogram.filters import Command, CommandObject
from aiogram.methods import SendChatAction
from aiogram.types import CallbackQuery, InlineKeyboardMarkup, Message, Update
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
    moved,
    read_lines,
    without,
)
from bot.core.task import AspectRatio, Chat, Frame
from bot.texts import keyboards
from bot.texts.callback_data import (
    BoardAct,
    BoardModel,
    OfBoard,
)
from handlers import reply
from handlers.context import Offer, draft_texts, origin, own_ratio
from handlers.filters import addressed, written
from handlers.picture import answered, document, frame_of, photo
from storage import Storage, User


def router() -> Router:
    router = Router(name="storyboard")
    router.message.register(film, Command("film"))
    router.message.register(take_words, written, addressed, answers_board)
    press = router.callback_query
    press.register(cancel, OfBoard.filter(F.act == BoardAct.CANCEL))
    press.register(edit, OfBoard.filter(F.act == BoardAct.EDIT))
    press.register(add, OfBoard.filter(F.act == BoardAct.ADD))
    press.register(change, OfBoard.filter(F.act.in_(_CHANGES)))
    press.register(show, OfBoard.filter())
    press.register(choose, BoardModel.filter())
    return router


_CHANGES = frozenset({BoardAct.UP, BoardAct.DOWN, BoardAct.REMOVE})


# --- from a message ------------------------------------------------------------------------


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
    frame = await _frame(message, bot, offer)  # a bad picture is told before a model is asked
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


async def _frame(message: Message, bot: Bot, offer: Offer) -> Frame | None:
    """Return the photo of the message, or of the one to which it replies."""
    if await photo(message) or await document(message):
        return (await frame_of(message, bot))[0]
    return (await answered(message, bot, offer))[0]


async def _scenes(lines: Sequence[str], offer: Offer) -> list[Scene]:
    """Return scenes that a person wrote, with their prompts as they are sent."""
    said = await asyncio.gather(*(draft_texts(offer, line) for line in lines))
    return [Scene(line, one["prompt"]) for line, one in zip(lines, said, strict=True)]


# --- changing ------------------------------------------------------------------------------


async def show(
    query: CallbackQuery,
    callback_data: OfBoard,
    bot: Bot,
    storage: Storage,
    offer: Offer,
    lang: str,
    person: User,
) -> None:
    """Show the whole film, one scene, or the models."""
    board = await theirs(query, callback_data.board_id, storage, lang)
    if board is None:
        return
    await reply.toast(query)
    if callback_data.act is BoardAct.SCENE and callback_data.scene < len(board.scenes):
        await rewrite(query, board, bot, *_scene(board, callback_data.scene))
        return
    text, keyboard = await card_of(board, storage, offer, own_ratio(person))
    if callback_data.act is BoardAct.MODELS:
        keyboard = keyboards.storyboards.models(board, offer.models)
    await rewrite(query, board, bot, text, keyboard)


async def change(
    query: CallbackQuery,
    callback_data: OfBoard,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
    person: User,
) -> None:
    """Move a scene or remove it."""
    board = await theirs(query, callback_data.board_id, storage, lang)
    if board is None:
        return
    index = callback_data.scene
    if callback_data.act is BoardAct.REMOVE:
        fewest = keyboards.storyboards.fewest(board)
        scenes = without(board.scenes, index, fewest=fewest)
        if scenes == board.scenes and board.revision == callback_data.revision:
            await reply.toast(query, texts.storyboards.press_fewest(lang), alert=True)
            return
    else:
        step = -1 if callback_data.act is BoardAct.UP else 1
        scenes, index = moved(board.scenes, index, step), index + step
    changed = None
    if board.revision == callback_data.revision:
        changed = await storage.storyboards.change(board, scenes=scenes, now=clock())
    now = changed or await storage.storyboards.get(board.id) or board
    await reply.toast(query)
    if changed and callback_data.act is not BoardAct.REMOVE and 0 <= index < len(now.scenes):
        await rewrite(query, now, bot, *_scene(now, index))
        return
    await rewrite(query, now, bot, *await card_of(now, storage, offer, own_ratio(person)))


async def edit(query: CallbackQuery, callback_data: OfBoard, storage: Storage, lang: str) -> None:
    """Ask for other words of a scene."""
    board = await theirs(query, callback_data.board_id, storage, lang)
    if board is not None and callback_data.scene < len(board.scenes):
        await _ask(query, board, callback_data.scene, storage, lang)


async def add(query: CallbackQuery, callback_data: OfBoard, storage: Storage, lang: str) -> None:
    """Ask for the words of one more scene."""
    board = await theirs(query, callback_data.board_id, storage, lang)
    if board is not None and len(board.scenes) < MOST:
        await _ask(query, board, len(board.scenes), storage, lang)


async def _ask(
    query: CallbackQuery, board: Storyboard, index: int, storage: Storage, lang: str
) -> None:
    await reply.toast(query)
    text = texts.storyboards.ask_scene(lang, board.first_place + index)
    asked = await reply.say(reply.below(query, board.chat), text)
    await storage.storyboards.asked(board.id, asked, index)


async def choose(
    query: CallbackQuery,
    callback_data: BoardModel,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
    person: User,
) -> None:
    """Set the model of all parts, with its price."""
    board = await theirs(query, callback_data.board_id, storage, lang)
    if board is None:
        return
    model = next((one for one in offer.models if one.id == callback_data.model), None)
    if model is not None and model.id != board.model:
        board = (
            await storage.storyboards.change(board, model=model.id, price=model.price, now=clock())
            or await storage.storyboards.get(board.id)
            or board
        )
    await reply.toast(query)
    text, _ = await card_of(board, storage, offer, own_ratio(person))
    await rewrite(query, board, bot, text, keyboards.storyboards.models(board, offer.models))


async def cancel(
    query: CallbackQuery,
    callback_data: OfBoard,
    event_update: Update,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    lang: str,
) -> None:
    board = await storage.storyboards.cancel(
        callback_data.board_id,
        user_id=query.from_user.id,
        update_id=event_update.update_id,
        now=clock(),
    )
    if board is None:
        await theirs(query, callback_data.board_id, storage, lang, over=True)
        return
    await reply.toast(query)
    await rewrite(query, board, bot, texts.storyboards.cancelled(lang), None)


# --- what they have in common --------------------------------------------------------------


async def theirs(
    query: CallbackQuery, board_id: int, storage: Storage, lang: str, *, over: bool = False
) -> Storyboard | None:
    """Return the open storyboard of the person who pressed; answer everybody else. `over`: it is
    known that it cannot be used."""
    board = await storage.storyboards.get(board_id)
    if board is not None and board.user_id != query.from_user.id:
        await reply.toast(query, texts.statuses.press_foreign(lang), alert=True)
        return None
    if board is None or not board.is_open or over or query.message is None:
        await reply.toast(query, texts.storyboards.press_over(lang), alert=True)
        return None
    return board


async def card_of(
    board: Storyboard, storage: Storage, offer: Offer, nearest: AspectRatio | None
) -> tuple[Text, InlineKeyboardMarkup]:
    """Return the card with its buttons."""
    asks = board.frame is not None and not await storage.privacy.consented(board.user_id)
    text = texts.storyboards.card(
        board.lang,
        board,
        asks_consent=asks,
        left=await offer.left(storage, board.user_id, board.price),
    )
    return text, keyboards.storyboards.card(board, nearest, offer.models)


def _scene(board: Storyboard, index: int) -> tuple[Text, InlineKeyboardMarkup]:
    text = texts.storyboards.scene(board.lang, board, index)
    return text, keyboards.storyboards.scene(board, index)


async def rewrite(
    query: CallbackQuery,
    board: Storyboard,
    bot: Bot,
    text: Text,
    keyboard: InlineKeyboardMarkup | None,
) -> None:
    """Rewrite the pressed card; without it, send a new one."""
    assert query.message
    chat: Chat = reply.pressed_in(query, board.chat)
    if not await reply.rewrite(
        bot, chat, query.message.message_id, text, is_media=False, keyboard=keyboard
    ):
        await reply.say(reply.below(query, board.chat), text, keyboard)
