"""Texts and buttons of suggestions for a photo, in both languages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from aiogram.utils.formatting import Text

from bot import texts
from bot.core.chat_models import ChatModel
from bot.core.suggestions import Suggestion
from bot.core.task import Chat, Task, TaskState
from bot.texts import keyboards

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def said(text: Text | str) -> str:
    return text if isinstance(text, str) else text.render()[0]


@pytest.mark.parametrize("is_album", [True, False])
@pytest.mark.parametrize(
    ("say", "russian"),
    [
        (
            lambda lang, is_album: texts.suggestions.frame_kept(
                lang, is_album=is_album, asks_consent=True
            ),
            "уменьшенная копия фото уйдёт",
        ),
        (lambda lang, is_album: texts.suggestions.found(lang, is_album=is_album), "Выберите"),
        (lambda lang, is_album: texts.suggestions.none_found(lang), "Ничего не заказано"),
        (lambda lang, is_album: texts.suggestions.press_looking(lang), "Смотрю"),
        (lambda lang, is_album: texts.suggestions.press_off(lang), "больше нет"),
        (lambda lang, is_album: texts.suggestions.press_own(lang), "ответом"),
    ],
)
def test_each_step_has_words_in_both_languages(
    say: Callable[[str, bool], Text | str], russian: str, *, is_album: bool
) -> None:
    assert russian in said(say("ru", is_album))
    english = said(say("en", is_album))
    assert english.isascii() or not any("а" <= char <= "я" for char in english)
    if isinstance(say("ru", is_album), str):
        assert len(said(say("ru", is_album))) <= 200  # Bot API: answerCallbackQuery


def test_consent_is_asked_for_only_where_it_is_missing() -> None:
    known = texts.suggestions.frame_kept("en", is_album=False, asks_consent=False)
    assert "agree" not in said(known)


def test_the_buttons_are_the_suggestions_and_own_words() -> None:
    task = Task(
        id=7, user_id=2, chat=Chat(chat_id=3), message_id=4, lang="ru", model="m",
        price=Decimal(17), state=TaskState.DRAFT, run_at=NOON, created_at=NOON,
    )  # fmt: skip
    found = [Suggestion("Идёт снег", "It snows"), Suggestion("Дует ветер", "Wind")]
    assert [
        [(button.text, button.callback_data) for button in row]
        for row in keyboards.suggestions.ideas(task, found).inline_keyboard
    ] == [
        [("Идёт снег", "it|7|0")],
        [("Дует ветер", "it|7|1")],
        [("✍️ Написать своё", "io|7")],
        [("Отменить", "x|7")],
    ]


def test_privacy_says_when_a_photo_goes_out_before_an_order() -> None:
    assert "before you order" in said(texts.privacy.privacy("en", ideas=True))
    assert "ещё до заказа" in said(texts.privacy.privacy("ru", ideas=True))
    assert "ideas" not in said(texts.privacy.privacy("en"))


def test_one_look_costs_its_picture_too() -> None:
    read, written = Decimal("0.12"), Decimal("0.48")
    assert ChatModel("gpt-4o-mini", read, written).picture_price == Decimal("0.48396")
    assert ChatModel("gpt-4o-mini").picture_price is None
