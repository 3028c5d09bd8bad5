"""A film ordered as a whole: the press that orders it, stopping it, and continuing after a stop.

What happens when a part ends is in storage/tasks/chain.py, in the commit that ends it.
"""

from __future__ import annotations

from aiogram import Bot, Router
from aiogram.types import CallbackQuery, Update

from bot import texts
from bot.core.catalog import CATALOG
from bot.core.clock import Clock
from bot.core.task import TaskState
from bot.texts.callback_data import GoOnFilm, OrderFilm, StopFilm
from handlers import reply
from handlers.card import cancelled, start_status
from handlers.context import Offer, Wake
from handlers.ownership import own_task, why_not
from handlers.storyboard import card_of, send_card
from handlers.storyboard_buttons import rewrite, theirs
from storage import Rest, Storage


def router() -> Router:
    router = Router(name="film_order")
    press = router.callback_query
    press.register(order, OrderFilm.filter())
    press.register(stop, StopFilm.filter())
    press.register(go_on, GoOnFilm.filter())
    return router


async def order(
    query: CallbackQuery,
    callback_data: OrderFilm,
    event_update: Update,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    wake: Wake,
    offer: Offer,
    lang: str,
) -> None:
    """Order all parts with one press; the card becomes the status message of the film."""
    user_id, board = query.from_user.id, await storage.storyboards.get(callback_data.board_id)
    if board is None or board.user_id != user_id or query.message is None:
        await theirs(query, callback_data.board_id, storage, lang, over=True)
        return
    if board.is_open and board.revision != callback_data.revision:
        await reply.toast(query, texts.storyboards.press_changed(lang), alert=True)
        await rewrite(
            query, board, bot, *await card_of(board, storage, offer, callback_data.ratio)
        )
        return
    parts = await storage.storyboards.order(
        board,
        user_id=user_id,
        aspect_ratio=callback_data.ratio,
        update_id=event_update.update_id,
        now=clock(),
        # an id of the group is another message in the supergroup that it became
        card_message_id=query.message.message_id
        if query.message.chat.id == board.chat.chat_id
        else None,
    )
    if parts is None:
        words = (
            texts.storyboards.press_under_way(lang)
            if board.film_id is not None
            else texts.storyboards.press_over(lang)
        )
        await reply.toast(query, words, alert=True)
        return
    answer = texts.storyboards.ordered(lang, len(parts))
    await start_status(query, parts[0], answer, bot, storage, wake)


async def stop(
    query: CallbackQuery,
    callback_data: StopFilm,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    lang: str,
) -> None:
    """Order no more parts; the one that is being made still arrives."""
    task = await storage.tasks.get(callback_data.task_id)
    if task is None or task.user_id != query.from_user.id or task.storyboard_id is None:
        await reply.toast(query, why_not(task, query.from_user.id, lang), alert=True)
        return
    stopped = await storage.storyboards.stop(task.id, user_id=task.user_id, now=clock())
    if not stopped:
        await reply.toast(query, texts.storyboards.press_nothing_to_stop(lang), alert=True)
        return
    await reply.toast(query, texts.storyboards.press_stopped(lang))
    words, keyboard = await cancelled(task, storage)
    for one in await storage.storyboards.parts(task.storyboard_id):
        begun = one.state is TaskState.CANCELLED and one.confirmed_at is not None
        if begun and one.card_message_id is not None:
            await reply.rewrite(
                bot, one.chat, one.card_message_id, words, is_media=False, keyboard=keyboard
            )
            return
    await reply.say(reply.below(query, task.chat), words, keyboard)


async def go_on(
    query: CallbackQuery,
    callback_data: GoOnFilm,
    event_update: Update,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
) -> None:
    """Show a card of the parts that are missing; nothing is ordered by this press."""
    task = await own_task(query, callback_data.task_id, storage, lang)
    if task is None:
        return
    model = CATALOG.get(task.model, offer.model)
    board = await storage.storyboards.continued(
        task.id,
        user_id=task.user_id,
        update_id=event_update.update_id,
        lang=lang,
        model=model.id,
        price=model.price,
        now=clock(),
    )
    if isinstance(board, Rest):
        await reply.toast(query, _RESTS[board](lang), alert=True)
        return
    await reply.toast(query, texts.results.press_card(lang))
    await send_card(reply.below(query, task.chat), board, storage, offer, task.aspect_ratio)


_RESTS = {
    Rest.COMPLETE: texts.storyboards.press_complete,
    Rest.UNDER_WAY: texts.storyboards.press_under_way,
    Rest.KEPT: texts.storyboards.press_get_it_first,
    Rest.GONE: texts.storyboards.press_part_gone,
}
