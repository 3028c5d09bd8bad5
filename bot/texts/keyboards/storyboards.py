"""Keyboards of a film that is ordered as a whole: its card, one scene, its models."""

from __future__ import annotations

from collections.abc import Sequence

from aiogram.enums import ButtonStyle
from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup

from bot import texts
from bot.core.catalog import CATALOG, Model
from bot.core.storyboard import FEWEST, MOST, Storyboard
from bot.core.task import AspectRatio, Task, TaskState
from bot.texts.callback_data import (
    BoardAct,
    BoardModel,
    GoOnFilm,
    OfBoard,
    OrderFilm,
    StopFilm,
)
from bot.texts.keyboards import cards, parts


def card(
    board: Storyboard, nearest: AspectRatio | None = None, models: Sequence[Model] = ()
) -> InlineKeyboardMarkup:
    """Return the ratios, which order all parts, a number for each scene, and what can be added."""
    model = CATALOG.get(board.model)
    ratios = list(model.ratios) if model else list(AspectRatio)
    if nearest in ratios:
        ratios.remove(nearest)
        ratios.insert(0, nearest)
    picks = [
        parts.button(
            ratio.value,
            OrderFilm(board_id=board.id, revision=board.revision, ratio=ratio),
            ButtonStyle.PRIMARY if ratio is nearest else None,
        )
        for ratio in ratios
    ]
    numbers = [
        _of(board, BoardAct.SCENE, str(board.first_place + index), index)
        for index in range(len(board.scenes))
    ]
    options = []
    if models:
        options.append(
            _of(board, BoardAct.MODELS, texts.cards.button_options(board.lang, model, 1))
        )
    if len(board.scenes) < MOST:
        options.append(_of(board, BoardAct.ADD, texts.storyboards.button_add(board.lang)))
    return parts.rows(picks, numbers, options, [_cancel(board)])


def scene(board: Storyboard, index: int) -> InlineKeyboardMarkup:
    """Return what can be done with one scene."""
    lang, last = board.lang, len(board.scenes) - 1
    moves = [_of(board, BoardAct.UP, "⬆️", index)] if index > 0 else []
    if index < last:
        moves.append(_of(board, BoardAct.DOWN, "⬇️", index))
    removable = len(board.scenes) > fewest(board)
    return parts.rows(
        [_of(board, BoardAct.EDIT, texts.storyboards.button_edit(lang), index), *moves],
        [
            _of(
                board, BoardAct.REMOVE, texts.storyboards.button_remove(lang), index,
                ButtonStyle.DANGER,
            )
        ]
        if removable
        else [],
        [_of(board, BoardAct.CARD, texts.storyboards.button_all(lang))],
    )  # fmt: skip


def fewest(board: Storyboard) -> int:
    """Return how many scenes must be left: a film that is continued needs at least one more."""
    return 1 if board.film_id is not None else FEWEST


def models(board: Storyboard, offered: Sequence[Model]) -> InlineKeyboardMarkup:
    """Return the models on offer, the chosen one marked."""
    rows = cards.choices(
        board.lang,
        CATALOG.get(board.model),
        offered,
        lambda one: BoardModel(board_id=board.id, model=one.id),
    )
    return parts.rows(*rows, [_of(board, BoardAct.CARD, texts.cards.button_done(board.lang))])


def asking(board: Storyboard) -> InlineKeyboardMarkup:
    """Return the button below a request for scenes that were never there."""
    return parts.rows([_cancel(board)])


def stop(task: Task) -> InlineKeyboardButton:
    """Return the button that orders no more parts."""
    return parts.button(texts.storyboards.button_stop(task.lang), StopFilm(task_id=task.id))


def go_on(task_id: int, lang: str) -> InlineKeyboardButton:
    """Return the button that shows the missing parts of a film."""
    return parts.button(texts.storyboards.button_go_on(lang), GoOnFilm(task_id=task_id))


def after_end(
    keyboard: InlineKeyboardMarkup | None, task: Task | None
) -> InlineKeyboardMarkup | None:
    """Return the buttons of a part of a film that stopped, with the way on in front.

    What failed is changed on the card of the rest, not beside the film.
    """
    if task is None or task.storyboard_id is None:
        return keyboard
    if task.state is TaskState.DELIVERED and not task.parts_after:
        return keyboard
    kept = keyboard.inline_keyboard if keyboard and task.state in _ASKS else []
    return parts.rows([go_on(task.id, task.lang)], *kept)


_ASKS = frozenset({TaskState.UNKNOWN, TaskState.UNDELIVERABLE, TaskState.DELIVERED})


def _of(
    board: Storyboard, act: BoardAct, text: str, scene: int = 0, style: ButtonStyle | None = None
) -> InlineKeyboardButton:
    data = OfBoard(act=act, board_id=board.id, revision=board.revision, scene=scene)
    return parts.button(text, data, style)


def _cancel(board: Storyboard) -> InlineKeyboardButton:
    return _of(board, BoardAct.CANCEL, texts.statuses.button_cancel(board.lang))
