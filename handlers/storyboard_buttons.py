"""Handle the buttons of a film's card: they change the scenes or the model, or cancel the film.

A press names the revision that it was shown with: a repeat, or a press on an old card, changes
nothing more.
"""

from __future__ import annotations

from aiogram import Bot, F, Router
from aiogram.types import CallbackQuery, InlineKeyboardMarkup, Update
from aiogram.utils.formatting import Text

from bot import texts
from bot.core.clock import Clock
from bot.core.storyboard import MOST, Storyboard, moved, without
from bot.core.task import Chat
from bot.texts import keyboards
from bot.texts.callback_data import BoardAct, BoardModel, OfBoard
from handlers import reply
from handlers.context import Offer, own_ratio
from handlers.storyboard import card_of
from storage import Storage, User


def router() -> Router:
    router = Router(name="storyboard buttons")
    press = router.callback_query
    press.register(cancel, OfBoard.filter(F.act == BoardAct.CANCEL))
    press.register(edit, OfBoard.filter(F.act == BoardAct.EDIT))
    press.register(add, OfBoard.filter(F.act == BoardAct.ADD))
    press.register(change, OfBoard.filter(F.act.in_(_CHANGES)))
    press.register(show, OfBoard.filter())
    press.register(choose, BoardModel.filter())
    return router


_CHANGES = frozenset({BoardAct.UP, BoardAct.DOWN, BoardAct.REMOVE})


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
