"""Buttons carry little, say what they do, and fit Telegram's limits."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from aiogram.filters.callback_data import CallbackData
from aiogram.types import InlineKeyboardMarkup

from bot import keyboards, texts
from bot.i18n import LANGUAGES
from bot.keyboards import CancelTask, PickRatio, Redeliver, RetryUnknown, SetLanguage
from bot.notice import Notice, NoticeKind
from bot.task import AspectRatio, Chat, Task, TaskState

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LARGEST_ID = 2**63 - 1


def task(**changes: object) -> Task:
    values: dict[str, object] = {
        "id": 7, "user_id": 2, "chat": Chat(chat_id=3), "message_id": 4, "lang": "en",
        "model": "seedance-1-lite-480P-5s", "price": Decimal(17), "state": TaskState.DRAFT,
        "run_at": NOON, "created_at": NOON, "prompt": "A cat",
    }  # fmt: skip
    return Task(**{**values, **changes})  # type: ignore[arg-type]


def rows(markup: InlineKeyboardMarkup | None) -> list[list[tuple[str, str | None]]]:
    assert markup is not None
    return [[(b.text, b.callback_data) for b in row] for row in markup.inline_keyboard]


def test_a_card_has_the_ratios_in_one_row_and_cancel_below() -> None:
    assert rows(keyboards.card(task())) == [
        [("1:1", "r|7|1:1"), ("16:9", "r|7|16:9"), ("9:16", "r|7|9:16")],
        [("Cancel", "x|7")],
    ]
    assert all(b.style is None for b in keyboards.card(task()).inline_keyboard[0])


def test_the_ratio_nearest_to_the_photo_is_first_and_marked() -> None:
    [ratios, _] = keyboards.card(task(), AspectRatio.TALL).inline_keyboard
    assert [b.text for b in ratios] == ["9:16", "1:1", "16:9"]
    assert [b.style for b in ratios] == ["primary", None, None]


def test_a_photo_without_words_can_only_be_cancelled() -> None:
    assert rows(keyboards.card(task(prompt=None))) == [[("Cancel", "x|7")]]


@pytest.mark.parametrize("state", TaskState)
def test_a_status_can_be_cancelled_only_while_that_is_free(state: TaskState) -> None:
    markup = keyboards.status(task(state=state))
    if state is TaskState.QUEUED:
        assert rows(markup) == [[("Cancel", "x|7")]]
    else:
        assert markup is None


def test_notices_that_need_a_decision_have_their_button() -> None:
    def below(kind: NoticeKind, task_id: int | None = 7) -> InlineKeyboardMarkup | None:
        return keyboards.notice(
            Notice(kind=kind, chat=Chat(chat_id=1), lang="ru", task_id=task_id,
                   params={"price": "6.8"})
        )  # fmt: skip

    assert rows(below(NoticeKind.UNKNOWN)) == [[("Заказать ещё раз · 6,80\xa0₽", "u|7")]]
    assert rows(below(NoticeKind.UNDELIVERABLE)) == [[("Отправить видео", "d|7")]]
    assert below(NoticeKind.UNKNOWN, None) is None
    for kind in set(NoticeKind) - {NoticeKind.UNKNOWN, NoticeKind.UNDELIVERABLE}:
        assert below(kind) is None


def test_languages_are_offered_in_their_own_names() -> None:
    assert rows(keyboards.languages()) == [[("English", "l|en"), ("Русский", "l|ru")]]


def test_whatever_a_button_carries_fits_64_bytes_and_comes_back() -> None:
    carried: list[CallbackData] = [
        *(PickRatio(task_id=LARGEST_ID, ratio=ratio) for ratio in AspectRatio),
        CancelTask(task_id=LARGEST_ID),
        RetryUnknown(task_id=LARGEST_ID),
        Redeliver(task_id=LARGEST_ID),
        *(SetLanguage(lang=lang) for lang in LANGUAGES),
    ]
    kinds = {
        kind
        for _, kind in inspect.getmembers(keyboards, inspect.isclass)
        if issubclass(kind, CallbackData) and kind is not CallbackData
    }
    assert {type(data) for data in carried} == kinds
    assert len({kind.__prefix__ for kind in kinds}) == len(kinds)
    for data in carried:
        packed = data.pack()
        assert len(packed.encode()) <= 64
        assert type(data).unpack(packed) == data


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_words_on_buttons_fit_a_phone(lang: str) -> None:
    for text in (
        texts.button_cancel(lang),
        texts.button_redeliver(lang),
        texts.button_retry(lang, Decimal("1117.60")),
    ):
        assert 0 < len(text) <= 32
