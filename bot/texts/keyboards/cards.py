"""Keyboards of a card: aspect ratios, models and options, ready examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from aiogram.enums import ButtonStyle
from aiogram.filters.callback_data import CallbackData
from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup

from bot import texts
from bot.core.catalog import CATALOG, Model
from bot.core.task import AspectRatio, Task, TaskKind
from bot.texts.callback_data import (
    ChangePhoto,
    Choose,
    ChooseWording,
    DrawPicture,
    DropRequest,
    Improve,
    Options,
    PickRatio,
    Several,
    ShowExample,
    TakeExample,
)
from bot.texts.keyboards import parts

VARIANTS = {TaskKind.VIDEO: (1, 2, 3), TaskKind.PICTURE: (1, 2, 3, 4)}


@dataclass(frozen=True, kw_only=True)
class CardOptions:
    """The options of a card in addition to aspect ratios."""

    models: tuple[Model, ...] = ()
    improves: bool = False  # a chat model is set
    is_open: bool = False  # the options are open
    image_model: Model | None = None  # what makes first frames


def card(
    task: Task, nearest: AspectRatio | None = None, card_options: CardOptions | None = None
) -> InlineKeyboardMarkup:
    """Return the ratios in one row, the `nearest` to the photo first and marked; a photo without a
    prompt has only Cancel. One tap on a ratio orders, even while options are shown.
    """
    model = CATALOG.get(task.model)
    ratios = list(model.ratios) if model else list(AspectRatio)
    if nearest in ratios:
        ratios.remove(nearest)
        ratios.insert(0, nearest)
    picks = [
        InlineKeyboardButton(
            text=ratio.value,
            callback_data=PickRatio(task_id=task.id, ratio=ratio).pack(),
            style=ButtonStyle.PRIMARY if ratio is nearest else None,
        )
        for ratio in ratios
    ]
    if not task.prompt:
        return parts.rows(_pictures(task, card_options), [parts.cancel(task)])
    if task.kind is TaskKind.PICTURE:
        return parts.rows(picks, _variants(task), _wording(task), [parts.cancel(task)])
    return parts.rows(
        picks,
        *(_option_rows(task, model, card_options) if card_options else []),
        _pictures(task, card_options) if card_options and not card_options.is_open else [],
        [parts.cancel(task)],
    )


def _option_rows(
    task: Task, model: Model | None, card_options: CardOptions
) -> list[list[InlineKeyboardButton]]:
    lang = task.lang
    if card_options.is_open:
        return [
            *choices(
                lang, model, card_options.models, lambda one: Choose(task_id=task.id, model=one.id)
            ),
            _variants(task),
            [parts.button(texts.cards.button_done(lang), Options(task_id=task.id, shown=False))],
        ]
    options = parts.button(
        texts.cards.button_options(lang, model, task.variants),
        Options(task_id=task.id, shown=True),
    )
    row = [options]
    if card_options.improves:
        row.append(parts.button(texts.cards.button_improve(lang), Improve(task_id=task.id)))
    return [row, _wording(task)]


def _wording(task: Task) -> list[InlineKeyboardButton]:
    """Return the button that sends the other version of the prompt, if there are two."""
    if not (task.original and task.rewritten):
        return []
    own, lang = task.prompt != task.original, task.lang
    text = texts.cards.button_as_written(lang) if own else texts.cards.button_rewritten(lang)
    return [parts.button(text, ChooseWording(task_id=task.id, own=own))]


def _variants(task: Task) -> list[InlineKeyboardButton]:
    return [
        parts.button(
            f"×{count}",
            Several(task_id=task.id, count=count),
            ButtonStyle.SUCCESS if count == task.variants else None,
        )
        for count in VARIANTS[task.kind]
    ]


def _pictures(task: Task, card_options: CardOptions | None) -> list[InlineKeyboardButton]:
    """Return the button that makes the first frame, or changes the photo, with an image model."""
    model = card_options.image_model if card_options else None
    if model is None or task.kind is TaskKind.PICTURE:
        return []
    if task.frame is None:
        text, data = texts.pictures.button_draw(task.lang), DrawPicture(task_id=task.id)
        return [parts.button(text, data)] if task.prompt else []
    if not model.takes_image:
        return []
    text = texts.pictures.button_change(task.lang)
    return [parts.button(text, ChangePhoto(task_id=task.id))]


def choices(
    lang: str,
    chosen: Model | None,
    models: Sequence[Model],
    carrying: Callable[[Model], CallbackData],
) -> list[list[InlineKeyboardButton]]:
    """Return a row each for kinds, qualities and lengths, the chosen ones marked; a row with one
    choice is left out.

    A press changes one property and keeps the others as near as the catalog allows.
    """

    def row(name: str, shown: Callable[[Model], str]) -> list[InlineKeyboardButton]:
        values = list(dict.fromkeys(getattr(one, name) for one in models))
        if len(values) < 2:
            return []
        buttons = []
        for value in values:
            like = [one for one in models if getattr(one, name) == value]
            best = min(like, key=lambda one: _unlike(one, chosen))
            marked = chosen is not None and getattr(chosen, name) == value
            style = ButtonStyle.SUCCESS if marked else None
            buttons.append(parts.button(shown(best), carrying(best), style))
        return buttons

    return [
        *([one] for one in row("title", lambda one: one.title)),
        row("quality", lambda one: one.quality),
        row("seconds", lambda one: texts.cards.seconds_short(lang, one)),
    ]


def _unlike(one: Model, other: Model | None) -> tuple[bool, bool, bool, Decimal]:
    if other is None:
        return (False, False, False, one.price)
    return (
        one.title != other.title,
        one.quality != other.quality,
        one.seconds != other.seconds,
        one.price,
    )


def begin(lang: str) -> InlineKeyboardMarkup:
    """Below the first message: buttons to start with."""
    return parts.rows([parts.button(texts.cards.button_examples(lang), ShowExample(index=0))])


def example(
    lang: str, index: int, count: int, *, needs_photo: bool = False, others: int | None = None
) -> InlineKeyboardMarkup:
    """Below a ready scene: use it, or see another one; `others`: the first of the other kind, with
    or without a photo."""
    turns = [
        parts.button("‹", ShowExample(index=(index - 1) % count)),
        parts.button("›", ShowExample(index=(index + 1) % count)),
    ]
    take = texts.templates.button_take if needs_photo else texts.cards.button_take
    return parts.rows(
        [parts.button(take(lang), TakeExample(index=index), ButtonStyle.PRIMARY)],
        turns if count > 1 else [],
        []
        if others is None
        else [
            parts.button(
                texts.templates.button_others(lang, with_photo=not needs_photo),
                ShowExample(index=others),
            )
        ],
    )


def photo_request(lang: str, number: int) -> InlineKeyboardMarkup:
    """The button below the request for a template's photo."""
    return parts.rows(
        [parts.button(texts.templates.button_drop(lang), DropRequest(number=number))]
    )
