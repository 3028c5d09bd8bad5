"""Keyboards below a video, a failure, a status line and an order of the history."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal

from aiogram.enums import ButtonStyle
from aiogram.types import CopyTextButton, InlineKeyboardButton, InlineKeyboardMarkup
from aiogram.utils.formatting import sizeof

from bot import texts
from bot.core.catalog import CATALOG
from bot.core.task import Reason, Task, TaskKind, TaskState
from bot.texts.callback_data import (
    Act,
    Below,
    ChangePhoto,
    DrawPicture,
    DropVideo,
    OpenFilm,
    OpenOrder,
    Redeliver,
    RetryUnknown,
    ShowVideo,
    TurnFound,
    TurnPage,
    UsePicture,
)
from bot.texts.keyboards import films, parts, storyboards


def status(task: Task) -> InlineKeyboardMarkup | None:
    """Return the Cancel button while cancelling is free; later parts of a film can be stopped."""
    if task.state is TaskState.QUEUED:
        return parts.rows([parts.cancel(task)])
    return parts.rows([storyboards.stop(task)]) if task.parts_after else None


def unknown(task_id: int, lang: str, price: Decimal) -> InlineKeyboardMarkup:
    """Return the button to order again although the first order may have been paid."""
    return parts.rows(
        [parts.button(texts.results.button_retry(lang, price), RetryUnknown(task_id=task_id))]
    )


def undeliverable(task_id: int, lang: str) -> InlineKeyboardMarkup:
    """Return the button to get a kept video."""
    return parts.rows(
        [
            parts.button(
                texts.results.button_redeliver(lang),
                Redeliver(task_id=task_id),
                ButtonStyle.PRIMARY,
            )
        ]
    )


COPY_LIMIT = 256
"""The largest text that a button can copy, in UTF-16 units (Bot API: CopyTextButton)."""

_REFUSED = frozenset({Reason.SENSITIVE_CONTENT, Reason.UNSAFE_PROMPT, Reason.INVALID_INPUT})

_FRAME_LOST = frozenset(
    {Reason.FRAME_UNAVAILABLE, Reason.FRAME_UNUSABLE, Reason.FRAMES_OFF, Reason.FRAME_UNFETCHED}
)


def result(
    task: Task, *, forget: bool = False, is_open: bool = False, draws: bool = False
) -> InlineKeyboardMarkup:
    """Return the buttons below a video: two rows, and the rest when they `is_open`; with `forget`
    (in the history) Delete is permanent; `draws`: an image model can make a picture of the words.
    """
    if task.kind is TaskKind.PICTURE:
        return _picture(task, forget=forget)
    if is_open:
        act = Act.LESS_KEPT if forget else Act.LESS
    else:
        act = Act.MORE_KEPT if forget else Act.MORE
    return parts.rows(
        *_first_rows(task, below(act, task.id, task.lang)),
        *(_other_rows(task, draws=draws) if is_open else []),
        [below(Act.FORGET if forget else Act.DELETE, task.id, task.lang)] if is_open else [],
    )


def _picture(task: Task, *, forget: bool, use: bool = True) -> InlineKeyboardMarkup:
    """Return the buttons below a picture; without `use`, numbers above them open its card."""
    there = task.video_file_id is not None or task.state is TaskState.RENDERED
    lang, model = task.lang, CATALOG.get(task.model)
    start = parts.button(
        texts.pictures.button_use(lang), UsePicture(task_id=task.id), ButtonStyle.PRIMARY
    )
    change = parts.button(texts.pictures.button_change(lang), ChangePhoto(task_id=task.id))
    ratio = below(Act.RATIO, task.id, lang)
    return parts.rows(
        [start] if there and use else [],
        [_again(task.id, lang, task.price), below(Act.EDIT_PROMPT, task.id, lang)],
        [ratio, change] if there and model is not None and model.takes_image else [ratio],
        [*([below(Act.FILE, task.id, lang)] if there else []), *copy(task)],
        [below(Act.FORGET if forget else Act.DELETE, task.id, lang)],
    )


def _has_video(task: Task) -> bool:
    return task.video_file_id is not None or task.state is TaskState.RENDERED


def _first_rows(
    task: Task, more: InlineKeyboardButton | None = None
) -> list[list[InlineKeyboardButton]]:
    """Return what is wanted most; a part of a film leads to the whole of it."""
    edit = parts.button(
        texts.results.button_edit(task.lang), Below(act=Act.EDIT_PROMPT, task_id=task.id)
    )
    go_on = [below(Act.CONTINUE, task.id, task.lang)] if _has_video(task) else []
    return [
        [_again(task.id, task.lang, task.price), edit],
        [*go_on, *([more] if more else [])],
        films.of_part(task) if _has_video(task) else [],
    ]


def _other_rows(task: Task, *, draws: bool = False) -> list[list[InlineKeyboardButton]]:
    """Return what ⋯ shows, without Delete; further buttons of a result belong here."""
    file = [below(Act.FILE, task.id, task.lang)] if _has_video(task) else []
    draw = parts.button(texts.pictures.button_draw(task.lang), DrawPicture(task_id=task.id))
    return [
        [below(Act.RATIO, task.id, task.lang), *file],
        [draw] if draws and task.prompt else [],
        copy(task),
    ]


def album(task: Task, videos: Sequence[int]) -> InlineKeyboardMarkup:
    """Return the buttons below an album: a number for each video, and the buttons of this one."""
    steps = ".".join(str(task_id - (task.order or task.id)) for task_id in videos)
    drawn = task.kind is TaskKind.PICTURE
    numbers = [
        parts.button(
            f"🎬 {number}" if drawn else str(number),
            (UsePicture if drawn else ShowVideo)(task_id=task_id, steps=steps),
            ButtonStyle.PRIMARY if task_id == task.id else None,
        )
        for number, task_id in enumerate(videos, 1)
    ]
    drop = DropVideo(task_id=task.id, steps=steps)
    delete = parts.button(texts.results.BUTTONS[Act.DELETE](task.lang), drop)
    several = len(numbers) > 1
    if drawn:
        under = _picture(task, forget=False, use=not several).inline_keyboard[:-1]
    else:
        under = [*_first_rows(task), *_other_rows(task)]
    return parts.rows(numbers if several else [], *under, [delete])


def copy(task: Task) -> list[InlineKeyboardButton]:
    """Return the button that copies the prompt, if the prompt is short enough for a button."""
    if not task.own_words or sizeof(task.own_words) > COPY_LIMIT:
        return []
    words = CopyTextButton(text=task.own_words)
    return [InlineKeyboardButton(text=texts.results.button_copy(task.lang), copy_text=words)]


def failed(
    task_id: int, lang: str, reason: Reason, price: Decimal | None = None
) -> InlineKeyboardMarkup:
    """Return the buttons that help after this failure: another prompt, no photo, or the same
    again.
    """
    if reason in _REFUSED:
        return parts.rows([below(Act.EDIT_PROMPT, task_id, lang)])
    if reason in _FRAME_LOST:
        return parts.rows([below(Act.FRAMELESS, task_id, lang)])
    return parts.rows([_again(task_id, lang, price), below(Act.EDIT_PROMPT, task_id, lang)])


def words_wanted(draft: Task, source: Task) -> InlineKeyboardMarkup:
    """Return the buttons below the request for a new prompt, with a button to copy the old one."""
    return parts.rows(copy(source), [parts.cancel(draft)])


def history(
    orders: Sequence[Task],
    user_id: int,
    page: int,
    pages: int,
    *,
    films: Collection[int] = (),
    words: str = "",
) -> InlineKeyboardMarkup | None:
    """Return a number for each order, and the arrows to other pages; `page` counts from 0.

    `films`: orders that represent a whole film; `words`: of the search.
    """
    numbers = [
        parts.button(
            str(number),
            OpenFilm(film_id=task.film_id)
            if task.film_id is not None and task.id in films
            else OpenOrder(task_id=task.id),
        )
        for number, task in enumerate(orders, 1)
    ]
    turns = [
        parts.button(
            sign,
            TurnFound(user_id=user_id, page=page + step, words=words)
            if words
            else TurnPage(user_id=user_id, page=page + step),
        )
        for sign, step in (("‹", -1), ("›", 1))
        if 0 <= page + step < pages
    ]
    return parts.rows(numbers, turns) if numbers else None


def order(task: Task) -> InlineKeyboardMarkup | None:
    """Return the buttons below an order of the history without a video."""
    match task.state:
        case TaskState.QUEUED:
            return status(task)
        case TaskState.UNKNOWN:
            return unknown(task.id, task.lang, task.price)
        case TaskState.UNDELIVERABLE:
            rows = undeliverable(task.id, task.lang).inline_keyboard
        case TaskState.FAILED:
            reason = task.reason or Reason.PROVIDER_FAILED
            rows = failed(task.id, task.lang, reason, task.price).inline_keyboard
        case TaskState.CANCELLED | TaskState.DELIVERED:
            rows = [[_again(task.id, task.lang, task.price)]]
        case _:
            return None
    keyboard = storyboards.after_end(parts.rows(*rows), task)
    rows = keyboard.inline_keyboard if keyboard else []
    return parts.rows(*rows, [below(Act.FORGET, task.id, task.lang)])


def _again(task_id: int, lang: str, price: Decimal | None) -> InlineKeyboardButton:
    """Return a button that orders at once and shows the price; without a price it opens a card."""
    data = Below(act=Act.AGAIN, task_id=task_id)
    return parts.button(texts.results.button_again(lang, price), data)


def below(act: Act, task_id: int, lang: str) -> InlineKeyboardButton:
    return parts.button(texts.results.BUTTONS[act.value](lang), Below(act=act, task_id=task_id))
