"""Whose order or film a button belongs to: the check before a press does anything.

It must not know what the press is for.
"""

from __future__ import annotations

from aiogram.types import CallbackQuery

from bot import texts
from bot.core.task import Task, TaskState
from bot.texts.subject import speak_of
from handlers import reply
from storage import Film, Storage


async def own_task(query: CallbackQuery, task_id: int, storage: Storage, lang: str) -> Task | None:
    """Return the order if it belongs to the person who pressed; otherwise answer the press."""
    task = await storage.tasks.get(task_id)
    if task is None or task.user_id != query.from_user.id or query.message is None:
        await reply.toast(query, why_not(task, query.from_user.id, lang), alert=True)
        return None
    speak_of(task)
    return task


async def own_film(query: CallbackQuery, film_id: int, storage: Storage, lang: str) -> Film | None:
    """Return the film if it belongs to the person who pressed; otherwise answer the press."""
    film = await storage.films.get(film_id)
    if film is not None and film.user_id != query.from_user.id:
        await reply.toast(query, texts.statuses.press_foreign(lang), alert=True)
        return None
    if film is None or query.message is None:
        await reply.toast(query, texts.statuses.press_expired(lang), alert=True)
        return None
    return film


def why_not(task: Task | None, user_id: int, lang: str) -> str:
    """Tell the person why a press changed nothing."""
    speak_of(task)
    if task is None:
        return texts.statuses.press_expired(lang)
    if task.user_id != user_id:
        return texts.statuses.press_foreign(lang)
    if task.state is TaskState.DRAFT:
        return (
            texts.cards.press_wordless(lang)
            if task.prompt is None
            else texts.statuses.press_expired(lang)
        )
    return texts.statuses.press_done(lang, task.state)
