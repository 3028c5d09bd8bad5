"""Keyboards of a photo that waits for words: ask for suggestions, choose one, write."""

from __future__ import annotations

from collections.abc import Sequence

from aiogram.types import InlineKeyboardMarkup

from bot import texts
from bot.core.suggestions import Suggestion
from bot.core.task import Task
from bot.texts.callback_data import AskIdeas, OwnWords, TakeIdea
from bot.texts.keyboards import parts


def wordless(task: Task) -> InlineKeyboardMarkup:
    """Return the button that asks for suggestions, and Cancel."""
    return parts.rows(
        [parts.button(texts.suggestions.button_ideas(task.lang), AskIdeas(task_id=task.id))],
        [parts.cancel(task)],
    )


def ideas(task: Task, found: Sequence[Suggestion]) -> InlineKeyboardMarkup:
    """Return a row for each suggestion; a press opens the card and orders nothing."""
    return parts.rows(
        *(
            [parts.button(one.label, TakeIdea(task_id=task.id, number=number))]
            for number, one in enumerate(found)
        ),
        [parts.button(texts.suggestions.button_own(task.lang), OwnWords(task_id=task.id))],
        [parts.cancel(task)],
    )
