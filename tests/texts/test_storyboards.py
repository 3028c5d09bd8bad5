"""Texts of films that are ordered as a whole: they fit, and a model's words stay plain text."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot import texts
from bot.core.notices import ENDS_PART, Notice, NoticeKind
from bot.core.prompt import PROMPT_LIMIT
from bot.core.storyboard import MOST, SCENE_LIMIT, Scene, Storyboard
from bot.core.task import Chat, Frame, TaskState
from bot.texts import keyboards
from bot.texts.i18n import LANGUAGES
from tests.texts.test_texts import PARAMS, task

TEXT_LIMIT = 4096


def board(lang: str = "en", **changes: Any) -> Storyboard:
    made = Storyboard(
        id=1,
        user_id=2,
        chat=Chat(chat_id=3),
        message_id=4,
        lang=lang,
        model="seedance-1-lite-480P-5s",
        price=Decimal(17),
        scenes=(Scene("кот бежит", "a cat runs"), Scene("it jumps", "it jumps")),
    )
    return replace(made, **changes)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("sign", ["a", "я", "🎬"])
@pytest.mark.parametrize("written", [SCENE_LIMIT, PROMPT_LIMIT])
def test_the_longest_film_fits_a_message(lang: str, sign: str, written: int) -> None:
    scenes = (Scene(sign * written, (sign * 9 + " ") * (PROMPT_LIMIT // 10)),) * MOST
    frame = Frame(file_id="f", kind="video")
    film = board(lang, scenes=scenes, frame=frame, first_place=90)
    card = texts.storyboards.card(lang, film, asks_consent=True)
    assert len(card) <= TEXT_LIMIT
    shown = card.render()[0]
    assert all(f"{number}. {sign}" in shown for number in range(90, 90 + MOST))
    assert len(texts.storyboards.scene(lang, film, 2)) <= TEXT_LIMIT


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_models_words_are_no_markup(lang: str) -> None:
    evil = "<b>x</b> <a href='tg://user?id=1'>y</a> *z* [w](http://evil.test)"
    film = board(lang, scenes=(Scene(evil, evil + "!"),) * 2)
    for said in (texts.storyboards.card(lang, film), texts.storyboards.scene(lang, film, 0)):
        text, entities = said.render()
        assert evil in text
        assert {entity.type for entity in entities} <= {"bold", "expandable_blockquote"}


def test_only_parts_of_an_ordered_film_say_that_it_stops() -> None:
    part = replace(
        task(state=TaskState.FAILED), film_id=1, film_place=2, film_last=4, storyboard_id=1
    )
    for kind in ENDS_PART:
        notice = Notice(
            kind=kind, chat=part.chat, lang="en", task_id=part.id, params=PARAMS.get(kind, {})
        )
        said = texts.notices.notice(notice, part).render()[0]
        assert "Your film stops at part 2 of 4." in said
        assert "2 parts were not ordered. Not spent: 34\xa0₽." in said
        assert "1 part before it is made and stays yours." in said
        keyboard = keyboards.notices.notice(notice, part)
        assert keyboard is not None
        assert keyboard.inline_keyboard[0][0].text == "▶️ Go on from here"
        alone = task(state=TaskState.FAILED)
        assert "film" not in texts.notices.notice(notice, alone).render()[0]


def test_a_link_to_the_last_part_stops_nothing() -> None:
    last = replace(
        task(state=TaskState.DELIVERED), film_id=1, film_place=4, film_last=4, storyboard_id=1
    )
    assert texts.storyboards.stopped("en", last) is None
    notice = Notice(
        kind=NoticeKind.VIDEO_LINK, chat=last.chat, lang="en", task_id=1,
        params={"url": "https://videos.test/1.mp4"},
    )  # fmt: skip
    assert "film" not in texts.notices.notice(notice, last).render()[0]
