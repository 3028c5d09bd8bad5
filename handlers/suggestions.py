"""Suggestions for a photo that came without words: asked for, chosen, or replaced by own words.

Nothing waits for a suggestion: the message that asks for words is there first, and is edited when
the model has answered. A choice opens the usual card.
"""

from __future__ import annotations

import asyncio

from aiogram import Bot, Router
from aiogram.types import CallbackQuery, Update

from bot import texts
from bot.core.clock import Clock
from bot.core.errors import InputError, TelegramError
from bot.core.suggestions import Suggestion
from bot.core.task import Task, TaskState
from bot.media import frames
from bot.telegram.first_frame import fetch_frame
from bot.texts import keyboards
from bot.texts.callback_data import AskIdeas, OwnWords, TakeIdea
from handlers import reply
from handlers.card import send_card
from handlers.context import Offer
from handlers.ownership import why_not
from storage import Storage

SECONDS = 20.0
"""To fetch a photo from Telegram and look at it: other messages of the chat wait meanwhile."""


def router() -> Router:
    router = Router(name="suggestions")
    router.callback_query.register(ask, AskIdeas.filter())
    router.callback_query.register(take, TakeIdea.filter())
    router.callback_query.register(own, OwnWords.filter())
    return router


async def suggest_at_once(
    task: Task, message_id: int, *, bot: Bot, storage: Storage, offer: Offer
) -> None:
    """Put suggestions on the message that asks for words, if the person agreed to that before.

    Without a usable answer the message stays as it is.
    """
    if offer.viewer is None or not await storage.privacy.consented(task.user_id):
        return
    if found := await _look(task, bot, storage, offer):
        await _show(task, message_id, found, bot)


async def ask(
    query: CallbackQuery,
    callback_data: AskIdeas,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
) -> None:
    """The press is the person's consent; it is recorded before the photo is sent."""
    task = await storage.tasks.get(callback_data.task_id)
    if (
        task is None
        or task.user_id != query.from_user.id
        or task.state is not TaskState.DRAFT
        or task.prompt is not None
    ):
        await reply.toast(query, _why_not(task, query.from_user.id, lang), alert=True)
        return
    if offer.viewer is None or query.message is None:
        await reply.toast(query, texts.suggestions.press_off(lang), alert=True)
        return
    await storage.privacy.consent(task.user_id, clock())
    await reply.toast(query, texts.suggestions.press_looking(lang))
    if found := await _look(task, bot, storage, offer):
        await _show(task, query.message.message_id, found, bot)
        return
    await reply.rewrite(
        bot,
        task.chat,
        query.message.message_id,
        texts.suggestions.none_found(task.lang),
        is_media=False,
        keyboard=keyboards.suggestions.wordless(task),
    )


async def take(
    query: CallbackQuery,
    callback_data: TakeIdea,
    event_update: Update,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
) -> None:
    found = await storage.suggestions.of(callback_data.task_id)
    known = await storage.tasks.get(callback_data.task_id)
    task = None
    if known and not found and known.user_id == query.from_user.id:
        await reply.toast(query, texts.suggestions.press_off(lang), alert=True)
        return
    if known and 0 <= callback_data.number < len(found):
        chosen = found[callback_data.number]
        task = await storage.tasks.take_suggestion(
            known.id,
            user_id=query.from_user.id,
            prompt=chosen.prompt,
            label=None if known.lang == "en" else chosen.label,
            suggested=[words for one in found for words in (one.prompt, one.label)],
        )
    if task is None:
        await reply.toast(query, _why_not(known, query.from_user.id, lang), alert=True)
        return
    await reply.toast(query, "")
    await send_card(
        reply.below(query, task.chat),
        task,
        bot=bot,
        storage=storage,
        offer=offer,
        ends=(event_update.update_id, clock()),
    )


async def own(query: CallbackQuery, lang: str) -> None:
    await reply.toast(query, texts.suggestions.press_own(lang), alert=True)


async def _look(
    task: Task, bot: Bot, storage: Storage, offer: Offer
) -> tuple[Suggestion, ...] | None:
    """Return the stored suggestions for the photo of a draft; None without a usable answer."""
    if task.frame is None or offer.viewer is None:
        return None
    try:
        async with asyncio.timeout(SECONDS):
            content = await fetch_frame(bot, task.frame, limit=frames.MAX_BYTES)
            found = await offer.viewer.suggest(await frames.make_glance(content), task.lang)
    except (TelegramError, InputError, TimeoutError):
        return None  # today's words are there; the order will look at the photo again
    if not found or not await storage.suggestions.keep(task.id, found):
        return None
    return found


async def _show(task: Task, message_id: int, found: tuple[Suggestion, ...], bot: Bot) -> None:
    await reply.rewrite(
        bot,
        task.chat,
        message_id,
        texts.suggestions.found(task.lang, is_album=task.media_group_id is not None),
        is_media=False,
        keyboard=keyboards.suggestions.ideas(task, found),
    )


def _why_not(task: Task | None, user_id: int, lang: str) -> str:
    """Tell why a press changed nothing: a draft that has its own words by now is no mistake."""
    if task and task.user_id == user_id and task.state is TaskState.DRAFT:
        return texts.statuses.press_expired(lang)
    return why_not(task, user_id, lang)
