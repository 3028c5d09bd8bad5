"""What people press: which buttons stand below a message, and what is written on them.

What each carries is in bot/texts/callback_data.py. It must not know what a press does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from aiogram.enums import ButtonStyle
from aiogram.filters.callback_data import CallbackData
from aiogram.types import CopyTextButton, InlineKeyboardButton, InlineKeyboardMarkup
from aiogram.utils.formatting import sizeof

from bot import texts
from bot.core.alerts import AlertKind, Params
from bot.core.catalog import CATALOG, Model
from bot.core.notices import Notice, NoticeKind
from bot.core.stars import Package
from bot.core.task import AspectRatio, Reason, Task, TaskState
from bot.texts.callback_data import (
    Act,
    AskAccess,
    Below,
    BuyPackage,
    CancelTask,
    Choose,
    DecideAccess,
    DeleteMe,
    DropVideo,
    Improve,
    OpenOrder,
    Operate,
    Operation,
    Options,
    PickRatio,
    Redeliver,
    RefundPayment,
    RetryUnknown,
    SetLanguage,
    SetModel,
    SetRatio,
    Several,
    ShowExample,
    ShowVideo,
    TakeExample,
    TurnPage,
    Wording,
)
from bot.texts.i18n import LANGUAGES

VARIANTS = (1, 2, 3)


@dataclass(frozen=True, kw_only=True)
class CardOptions:
    """What a card offers beside its shapes."""

    models: tuple[Model, ...] = ()
    improves: bool = False  # there is a chat model
    is_open: bool = False  # the options are shown


def card(
    task: Task, nearest: AspectRatio | None = None, card_options: CardOptions | None = None
) -> InlineKeyboardMarkup:
    """Ratios in one row, the `nearest` to the photo first and marked; a photo without words has
    nothing but Cancel. One tap on a ratio is the order, whatever else is shown.
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
        return _rows([_cancel(task)])
    return _rows(
        picks, *(_option_rows(task, model, card_options) if card_options else []), [_cancel(task)]
    )


def _option_rows(
    task: Task, model: Model | None, card_options: CardOptions
) -> list[list[InlineKeyboardButton]]:
    lang = task.lang
    if card_options.is_open:
        variants = [
            _button(
                f"×{count}",
                Several(task_id=task.id, count=count),
                ButtonStyle.SUCCESS if count == task.variants else None,
            )
            for count in VARIANTS
        ]
        return [
            *choices(
                lang, model, card_options.models, lambda one: Choose(task_id=task.id, model=one.id)
            ),
            variants,
            [_button(texts.cards.button_done(lang), Options(task_id=task.id, shown=False))],
        ]
    options = _button(
        texts.cards.button_options(lang, model, task.variants),
        Options(task_id=task.id, shown=True),
    )
    row = [options]
    if card_options.improves:
        row.append(_button(texts.cards.button_improve(lang), Improve(task_id=task.id)))
    rows = [row]
    if task.original and task.rewritten:
        own = task.prompt != task.original
        text = texts.cards.button_as_written(lang) if own else texts.cards.button_rewritten(lang)
        rows.append([_button(text, Wording(task_id=task.id, own=own))])
    return rows


def choices(
    lang: str,
    chosen: Model | None,
    models: Sequence[Model],
    carrying: Callable[[Model], CallbackData],
) -> list[list[InlineKeyboardButton]]:
    """Kinds, qualities and lengths, a row each, the chosen ones marked; a row of one is left out.

    A press changes one thing and keeps the others as near as the catalog allows.
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
            buttons.append(_button(shown(best), carrying(best), style))
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


def settings(
    lang: str, model: Model, ratio: AspectRatio | None, models: Sequence[Model]
) -> InlineKeyboardMarkup:
    """A person's defaults: a press chooses, on the chosen shape it takes the choice back."""
    ratios = [
        _button(
            one.value,
            SetRatio(ratio="-" if one is ratio else one.value),
            ButtonStyle.SUCCESS if one is ratio else None,
        )
        for one in AspectRatio
    ]
    return _rows(
        *choices(lang, model, models, lambda one: SetModel(model=one.id)),
        ratios,
        *languages(lang).inline_keyboard,
    )


def begin(lang: str) -> InlineKeyboardMarkup:
    """Below the first words of all: something to start from."""
    return _rows([_button(texts.cards.button_examples(lang), ShowExample(index=0))])


def example(lang: str, index: int, count: int) -> InlineKeyboardMarkup:
    """Below a ready scene: take it, or see another one."""
    turns = [
        _button("‹", ShowExample(index=(index - 1) % count)),
        _button("›", ShowExample(index=(index + 1) % count)),
    ]
    return _rows(
        [_button(texts.cards.button_take(lang), TakeExample(index=index), ButtonStyle.PRIMARY)],
        turns if count > 1 else [],
    )


def status(task: Task) -> InlineKeyboardMarkup | None:
    """Cancel, for as long as it is free."""
    return _rows([_cancel(task)]) if task.state is TaskState.QUEUED else None


def unknown(task_id: int, lang: str, price: Decimal) -> InlineKeyboardMarkup:
    """To try again knowingly."""
    return _rows([_button(texts.results.button_retry(lang, price), RetryUnknown(task_id=task_id))])


def undeliverable(task_id: int, lang: str) -> InlineKeyboardMarkup:
    """To get a video that was kept."""
    return _rows(
        [
            _button(
                texts.results.button_redeliver(lang),
                Redeliver(task_id=task_id),
                ButtonStyle.PRIMARY,
            )
        ]
    )


def ask_access(lang: str) -> InlineKeyboardMarkup:
    """Below the words to a stranger."""
    return _rows([_button(texts.access.button_ask(lang), AskAccess(), ButtonStyle.PRIMARY)])


def decide_access(user_id: int, lang: str) -> InlineKeyboardMarkup:
    """Below somebody's request, for an admin."""
    return _rows(
        [
            _button(
                texts.access.button_allow(lang),
                DecideAccess(user_id=user_id, allow=True),
                ButtonStyle.SUCCESS,
            ),
            _button(
                texts.access.button_deny(lang),
                DecideAccess(user_id=user_id, allow=False),
                ButtonStyle.DANGER,
            ),
        ]
    )


def packages(lang: str, on_sale: Sequence[Package]) -> InlineKeyboardMarkup:
    """What can be bought."""
    return _rows(
        *(
            [
                _button(
                    texts.payments.button_package(lang, package),
                    BuyPackage(stars=package.stars, roubles=package.roubles),
                )
            ]
            for package in on_sale
        )
    )


def refunds(lang: str, payments: Sequence[tuple[int, int, datetime]]) -> InlineKeyboardMarkup:
    """Entry, Stars and time of each payment that can be given back."""
    return _rows(
        *(
            [_button(texts.payments.button_refund(lang, stars, at), RefundPayment(entry=entry))]
            for entry, stars, at in payments
        )
    )


def notice(notice: Notice, task: Task | None = None) -> InlineKeyboardMarkup | None:
    """What goes below the words of a notice; `task`: the one that it is about, as it is now."""
    if notice.kind is NoticeKind.ACCESS_ASKED:
        return decide_access(int(notice.params["user_id"] or 0), notice.lang)
    if notice.kind is NoticeKind.ALERT:
        return alert(notice.lang, notice.params)
    if notice.kind is NoticeKind.DRAINED:
        return operations(notice.lang, [Operation.RELEASE_INTAKE])
    if notice.task_id is None:
        return None
    if notice.kind is NoticeKind.ALBUM and task is not None:
        return album(task, [int(one) for one in str(notice.params["videos"]).split(".")])
    if notice.kind is NoticeKind.UNKNOWN:
        return unknown(notice.task_id, notice.lang, Decimal(str(notice.params["price"])))
    if notice.kind is NoticeKind.UNDELIVERABLE:
        return undeliverable(notice.task_id, notice.lang)
    if notice.kind is NoticeKind.FAILED:
        price = notice.params.get("price")
        return failed(
            notice.task_id,
            notice.lang,
            Reason(str(notice.params["reason"])),
            Decimal(str(price)) if price else None,
        )
    if notice.kind is NoticeKind.VIDEO_LINK:
        acts = (Act.RATIO, Act.REWORD)
        return _rows([_below(act, notice.task_id, notice.lang) for act in acts])
    return None


COPY_LIMIT = 256
"""UTF-16 units that a button can copy (Bot API: CopyTextButton)."""

_REFUSED = frozenset({Reason.SENSITIVE_CONTENT, Reason.UNSAFE_PROMPT, Reason.INVALID_INPUT})
_FRAME_LOST = frozenset({Reason.FRAME_UNAVAILABLE, Reason.FRAME_UNUSABLE, Reason.FRAMES_OFF})


def result(task: Task, *, forget: bool = False) -> InlineKeyboardMarkup:
    """Below a video; `forget`: one that came from the history, where Delete is for good."""
    has_video = task.video_file_id is not None or task.state is TaskState.RENDERED
    return _rows(
        [_again(task.id, task.lang, task.price), _below(Act.REWORD, task.id, task.lang)],
        [_below(Act.RATIO, task.id, task.lang), _below(Act.CONTINUE, task.id, task.lang)]
        if has_video
        else [_below(Act.RATIO, task.id, task.lang)],
        [*([_below(Act.FILE, task.id, task.lang)] if has_video else []), *copy(task)],
        [_below(Act.FORGET if forget else Act.DELETE, task.id, task.lang)],
    )


def album(task: Task, videos: Sequence[int]) -> InlineKeyboardMarkup:
    """Below an album: a number for each of its videos, and the buttons of this one."""
    steps = ".".join(str(task_id - (task.order or task.id)) for task_id in videos)
    numbers = [
        _button(
            str(number),
            ShowVideo(task_id=task_id, steps=steps),
            ButtonStyle.PRIMARY if task_id == task.id else None,
        )
        for number, task_id in enumerate(videos, 1)
    ]
    drop = DropVideo(task_id=task.id, steps=steps)
    delete = _button(texts.results.BUTTONS[Act.DELETE](task.lang), drop)
    return _rows(numbers if len(numbers) > 1 else [], *result(task).inline_keyboard[:-1], [delete])


def copy(task: Task) -> list[InlineKeyboardButton]:
    """The prompt into the clipboard, when a button can hold it."""
    if not task.prompt or sizeof(task.prompt) > COPY_LIMIT:
        return []
    words = CopyTextButton(text=task.prompt)
    return [InlineKeyboardButton(text=texts.results.button_copy(task.lang), copy_text=words)]


def failed(
    task_id: int, lang: str, reason: Reason, price: Decimal | None = None
) -> InlineKeyboardMarkup:
    """What helps after this end: other words, no photo, or the same once more."""
    if reason in _REFUSED:
        return _rows([_below(Act.REWORD, task_id, lang)])
    if reason in _FRAME_LOST:
        return _rows([_below(Act.FRAMELESS, task_id, lang)])
    return _rows([_again(task_id, lang, price), _below(Act.REWORD, task_id, lang)])


def words_wanted(draft: Task, source: Task) -> InlineKeyboardMarkup:
    """Below the question for new words: the old ones, to start from."""
    return _rows(copy(source), [_cancel(draft)])


def history(
    orders: Sequence[Task], user_id: int, page: int, pages: int
) -> InlineKeyboardMarkup | None:
    """A number for each order, and the ways to the other pages; `page` from 0."""
    numbers = [
        InlineKeyboardButton(text=str(number), callback_data=OpenOrder(task_id=task.id).pack())
        for number, task in enumerate(orders, 1)
    ]
    turns = [
        InlineKeyboardButton(
            text=sign, callback_data=TurnPage(user_id=user_id, page=page + step).pack()
        )
        for sign, step in (("‹", -1), ("›", 1))
        if 0 <= page + step < pages
    ]
    return _rows(numbers, turns) if numbers else None


def order(task: Task) -> InlineKeyboardMarkup | None:
    """Below an order of the history that has no video."""
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
    return _rows(*rows, [_below(Act.FORGET, task.id, task.lang)])


def delete_me(user_id: int, lang: str) -> InlineKeyboardMarkup:
    """The second tap; in a group nobody else's counts."""
    return _rows(
        [
            _button(
                texts.privacy.button_delete_me(lang),
                DeleteMe(user_id=user_id, sure=1),
                ButtonStyle.DANGER,
            )
        ],
        [_button(texts.privacy.button_keep_me(lang), DeleteMe(user_id=user_id, sure=0))],
    )


def _again(task_id: int, lang: str, price: Decimal | None) -> InlineKeyboardButton:
    """Orders at once, so it names the price; without one, a card does."""
    data = Below(act=Act.AGAIN, task_id=task_id)
    return _button(texts.results.button_again(lang, price), data)


def _below(act: Act, task_id: int, lang: str) -> InlineKeyboardButton:
    return _button(texts.results.BUTTONS[act.value](lang), Below(act=act, task_id=task_id))


def languages(chosen: str | None = None) -> InlineKeyboardMarkup:
    """Each in its own name."""
    return _rows(
        [
            _button(
                texts.commands.LANGUAGE_NAMES[lang],
                SetLanguage(lang=lang),
                ButtonStyle.SUCCESS if lang == chosen else None,
            )
            for lang in LANGUAGES
        ]
    )


def _cancel(task: Task) -> InlineKeyboardButton:
    return _button(texts.statuses.button_cancel(task.lang), CancelTask(task_id=task.id))


def _button(
    text: str, data: CallbackData, style: ButtonStyle | None = None
) -> InlineKeyboardButton:
    return InlineKeyboardButton(text=text, callback_data=data.pack(), style=style)


def _rows(*rows: list[InlineKeyboardButton]) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup(inline_keyboard=[row for row in rows if row])


# --- those who run the bot --------------------------------------------------------------------


_O = Operation
_BELOW_ALERTS: dict[AlertKind, tuple[Operation, ...]] = {
    AlertKind.LOW_BALANCE: (_O.HOLD_INTAKE, _O.TODAY),
    AlertKind.NO_BALANCE: (_O.TRY_NOW, _O.HOLD_INTAKE),
    AlertKind.KEY_REFUSED: (_O.TRY_NOW, _O.HOLD_INTAKE),
    AlertKind.WRONG_ADDRESS: (_O.TRY_NOW, _O.HOLD_INTAKE),
    AlertKind.MODEL_GONE: (_O.HOLD_INTAKE, _O.TODAY),
    AlertKind.OVERLOADED: (_O.TRY_NOW, _O.TODAY),
    AlertKind.UNDELIVERABLE: (_O.REDELIVER, _O.LOOK),
    AlertKind.UNKNOWN: (_O.NOT_CHARGED, _O.CHARGED, _O.LOOK),
    AlertKind.SET_ASIDE: (_O.HANDLE, _O.UPDATE),
    AlertKind.NO_UPDATES: (_O.TODAY,),
    AlertKind.OTHER_POLLER: (_O.TODAY,),
    AlertKind.DISK_LOW: (_O.HOLD_INTAKE, _O.TODAY),
}


def alert(lang: str, params: Params) -> InlineKeyboardMarkup:
    """What can be done about it, at once."""
    number = int(params.get("task") or params.get("update") or 0)
    return _rows(
        *([operation(lang, one, number)] for one in _BELOW_ALERTS[AlertKind(str(params["alert"]))])
    )


def operation(lang: str, one: Operation, number: int = 0) -> InlineKeyboardButton:
    """One of an admin's buttons."""
    text = texts.admin.button(lang, one.name.lower())
    return _button(text, Operate(operation=one, number=number))


def refund_payment(lang: str, entry: int, stars: int, at: datetime) -> InlineKeyboardButton:
    """An admin's way to give a payment back."""
    data = Operate(operation=Operation.REFUND, number=entry)
    return _button(texts.payments.button_refund(lang, stars, at), data)


def operations(lang: str, *rows: Sequence[Operation], number: int = 0) -> InlineKeyboardMarkup:
    """Rows of an admin's buttons about the same thing."""
    return _rows(*([operation(lang, one, number) for one in row] for row in rows))
