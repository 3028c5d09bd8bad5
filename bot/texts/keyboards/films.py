"""Keyboards of a film: the whole of it, its parts, and what can be done with one part."""

from __future__ import annotations

from aiogram.enums import ButtonStyle
from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup

from bot import texts
from bot.core.task import Task
from bot.texts.callback_data import Act, Below, FilmAct, OfFilm
from bot.texts.keyboards import parts

NUMBERS = 8
"""Buttons in one row that a phone shows whole (Bot API)."""


def of_part(task: Task) -> list[InlineKeyboardButton]:
    """Return the buttons of the film below one of its parts; the first part alone has none."""
    if task.film_id is None or (task.film_place or 0) < 2:
        return []
    return [_whole(task.lang, task.film_id), _parts(task.lang, task.film_id)]


def film(lang: str, film_id: int, last: Task) -> InlineKeyboardMarkup:
    """Return the buttons below a whole film; Continue adds a part after the `last` one."""
    go_on = parts.button(
        texts.results.button_continue(lang), Below(act=Act.CONTINUE, task_id=last.id)
    )
    return parts.rows([go_on, _parts(lang, film_id)])


def parts_only(lang: str, film_id: int) -> InlineKeyboardMarkup:
    """Return the button that shows the parts."""
    return parts.rows([_parts(lang, film_id)])


def list_of_parts(lang: str, film_id: int, tasks: tuple[Task, ...]) -> InlineKeyboardMarkup:
    """Return a number for each part, and the whole film when there is more than one."""
    numbers = [
        parts.button(str(number), OfFilm(act=FilmAct.PART, film_id=film_id, task_id=task.id))
        for number, task in enumerate(tasks, 1)
    ]
    rows = [numbers[start : start + NUMBERS] for start in range(0, len(numbers), NUMBERS)]
    return parts.rows([_whole(lang, film_id)] if len(tasks) > 1 else [], *rows)


def part(lang: str, film_id: int, task: Task, versions: tuple[int, ...]) -> InlineKeyboardMarkup:
    """Return what can be done with this part; `versions` of it are chosen in turn."""

    def button(act: FilmAct, text: str, style: ButtonStyle | None = None) -> InlineKeyboardButton:
        return parts.button(text, OfFilm(act=act, film_id=film_id, task_id=task.id), style)

    number = versions.index(task.id) + 1
    return parts.rows(
        [
            button(FilmAct.AGAIN, texts.films.button_again(lang)),
            button(FilmAct.REPLACE, texts.results.button_edit_prompt(lang)),
        ],
        [button(FilmAct.VERSION, texts.films.button_version(lang, number, len(versions)))]
        if len(versions) > 1
        else [],
        [button(FilmAct.TAKE_OUT, texts.films.button_take_out(lang), ButtonStyle.DANGER)],
        [_parts(lang, film_id), _whole(lang, film_id)],
    )


def _whole(lang: str, film_id: int) -> InlineKeyboardButton:
    data = OfFilm(act=FilmAct.WHOLE, film_id=film_id)
    return parts.button(texts.films.button_whole(lang), data)


def _parts(lang: str, film_id: int) -> InlineKeyboardButton:
    data = OfFilm(act=FilmAct.PARTS, film_id=film_id)
    return parts.button(texts.films.button_parts(lang), data)
