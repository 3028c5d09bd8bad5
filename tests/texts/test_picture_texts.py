"""Every text about an order of a picture speaks of a picture, in every language."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from bot import texts
from bot.core.caps import Cap, Limit
from bot.core.catalog import CATALOG, Model
from bot.core.notices import Notice, NoticeKind
from bot.core.prices import Left
from bot.core.schedule import PRIOR, DurationDistribution
from bot.core.task import AspectRatio, Charge, Frame, Reason, Task, TaskKind, TaskState
from bot.texts import keyboards
from bot.texts.audience import reader
from bot.texts.i18n import LANGUAGES, PICTURE, words
from bot.texts.subject import about
from tests.texts.test_texts import NOON, catalog, forms, messages, said
from tests.texts.test_texts import task as video

# the allowance of guests, the service's name, and what the picture is for
_ALLOWED = {
    "en": r"your videos|video service|first frame of your video|start a video|a video from",
    "ru": r"ваших видео|ваши видео|видеосервис\w*|начать видео|неё видео|кадром видео"
    r"|за одно видео",
}
_VIDEO = {"en": r"video", "ru": r"видео|ролик"}
_NEUTER = r"\b(оно|оплачено|готово|сохранено)\b"
LEARNT = DurationDistribution(early=2, median=3, late=5, last=9, known=True)


@pytest.fixture(autouse=True)
def model() -> Any:
    CATALOG["seedream-3"] = Model(
        id="seedream-3", title="Seedream 3", price=Decimal(6), kind=TaskKind.PICTURE
    )
    yield
    del CATALOG["seedream-3"]


def picture(lang: str, **changes: Any) -> Task:
    made = video(
        lang, kind=TaskKind.PICTURE, model="seedream-3", price=Decimal(6), state=TaskState.QUEUED,
        aspect_ratio=AspectRatio.TALL, variants=2, confirmed_at=NOON,
    )  # fmt: skip
    return replace(made, **changes)


def everything(lang: str) -> list[str]:
    """All texts of an order from its card to its end."""
    one = picture(lang)
    done = picture(lang, rendered_at=NOON + timedelta(seconds=3), state=TaskState.DELIVERED)
    changed = picture(lang, frame=Frame(file_id="x", kind="photo"))
    S, F, R = texts.statuses, texts.failures, texts.results
    shown: list[Any] = [
        texts.cards.card(lang, one), texts.cards.card(lang, changed, left=Left(2, 3)),
        S.status_queued(lang, one), S.status_queued(lang, one, 1),
        *(S.status_generating(lang, one, elapsed=7, distribution=d) for d in (LEARNT, PRIOR)),
        S.status_sending(lang, one), *(S.status_rest(lang, n) for n in (1, 2, 5)),
        S.status_waiting(lang, one, busy=True), S.status_away(lang, one), S.held(lang),
        S.status_no_address(lang, changed), S.status_redirected(lang), S.overdue(lang),
        S.cancelled(lang, others=True), S.too_late_to_cancel(lang), S.press_accepted(lang),
        S.press_cancelled(lang), S.press_too_late(lang),
        *(S.press_done(lang, state) for state in TaskState),
        R.caption(done, 2), R.caption(replace(done, redirected=True)), R.album(lang, 1, 1),
        R.album(lang, 2, 4), R.video_link(lang, "https://x.test"), R.press_retried(lang),
        R.press_running(lang), R.press_deleted(lang), R.video_too_big(lang), R.video_gone(lang),
        R.button_redeliver(lang),
        *(F.failure(lang, reason, charge) for reason, charge in product(Reason, Charge)),
        F.unknown(lang, Decimal(6)),
        *(
            F.undeliverable(lang, reason, elsewhere=there, in_group=there)
            for reason, there in product(Reason, (True, False))
        ),
        texts.history.order(lang, done),
        texts.payments.credit_too_low(lang, Decimal(6), Decimal(1)),
        texts.payments.credit_back(lang, Decimal(6)), texts.payments.stars_back(lang, 3),
    ]  # fmt: skip
    return [said(text) for text in shown]


@pytest.mark.parametrize("pays", [True, False])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_text_of_a_picture_calls_it_a_video(lang: str, pays: bool) -> None:
    with reader(pays=pays), about(picture(lang)):
        shown = everything(lang)
    assert len(shown) > 100
    for text in shown:
        without = re.sub(_ALLOWED[lang], "", text.lower())
        assert not re.search(_VIDEO[lang], without), text
        assert lang == "en" or not re.search(_NEUTER, without), text


def test_outside_of_its_context_a_video_is_called_a_video() -> None:
    message = "There is no video."
    with about(picture("en")):
        assert words("en")(message) == "There is no picture."
        with about(None):
            assert words("en")(message) == message
        assert words("en")("Cancel") == "Cancel"  # the same for both
    assert words("en")(message) == message


@pytest.mark.parametrize("lang", LANGUAGES)
def test_words_of_a_picture_belong_to_messages_that_exist(lang: str) -> None:
    known = {forms(one.id) for one in messages(lang) if one.context is None}
    of_pictures = [one for one in catalog(lang) if one.id and one.context]
    assert len(of_pictures) > 30
    assert {one.context for one in of_pictures} == {PICTURE}
    assert {forms(one.id) for one in of_pictures} <= known


def test_a_number_of_pictures_has_its_plural_in_russian() -> None:
    with about(picture("ru")):
        said_of = {n: said(texts.statuses.status_rest("ru", n)) for n in (1, 3, 5, 21)}
    assert "Ещё 1 картинка из этого заказа скоро придёт." in said_of[1]
    assert "Ещё 3 картинки из этого заказа скоро придут." in said_of[3]
    assert "Ещё 5 картинок из этого заказа скоро придут." in said_of[5]
    assert "Ещё 21 картинка" in said_of[21]


def test_the_card_of_a_picture_has_its_price_and_no_length() -> None:
    card = said(texts.cards.card("en", picture("en", variants=4, aspect_ratio=None)))
    assert "🖼 Seedream 3 · ×4" in card
    assert "4 × 6\N{NO-BREAK SPACE}₽ = 24\N{NO-BREAK SPACE}₽" in card
    assert "second" not in card
    with reader(pays=False):
        guest = said(texts.cards.card("en", picture("en"), left=Left(2, 3)))
    assert "₽" not in guest
    assert "🎟 Each picture counts as one of your videos." in guest


def test_a_notice_about_a_picture_says_so() -> None:
    one = picture("en")
    notice = Notice(
        kind=NoticeKind.FAILED, chat=one.chat, lang="en", task_id=1,
        params={"reason": Reason.NO_RESULT.value, "charge": Charge.TAKEN.value},
    )  # fmt: skip
    with about(one):
        assert "There is no picture." in said(texts.notices.notice(notice, one))


def test_a_limit_is_told_in_videos_and_fits_a_toast() -> None:
    for lang in LANGUAGES:
        with about(picture(lang)):
            text = texts.payments.limit_reached(lang, Cap.USER_PER_DAY, Limit(videos=3), 60)
        assert len(text) <= 200


@pytest.mark.parametrize("takes_image", [True, False])
def test_the_buttons_below_pictures(takes_image: bool) -> None:
    CATALOG["seedream-3"] = replace(CATALOG["seedream-3"], takes_image=takes_image)
    done = picture("en", id=8, variant_of=7, state=TaskState.DELIVERED, video_file_id="x")

    def data(markup: Any) -> list[list[str | None]]:
        return [[button.callback_data for button in row] for row in markup.inline_keyboard]

    change = ["cp|8"] if takes_image else []
    one = data(keyboards.results.result(done))
    assert one == [["up|8|"], ["b|a|8", "b|w|8"], ["b|r|8", *change], ["b|d|8", None], ["b|x|8"]]
    several = data(keyboards.results.album(done, [7, 8, 9, 10]))
    assert several[0] == ["up|7|0.1.2.3", "up|8|0.1.2.3", "up|9|0.1.2.3", "up|10|0.1.2.3"]
    assert ["up|8|"] not in several
    assert several[-1] == ["vx|8|0.1.2.3"]
    # the others failed: this one has no number
    assert data(keyboards.results.album(done, [8]))[0] == ["up|8|"]
