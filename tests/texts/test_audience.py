"""Nothing that a guest reads speaks of money, and everything that a payer reads still does."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from bot import texts
from bot.core.caps import Cap, Limit
from bot.core.catalog import CATALOG
from bot.core.gifts import Gift
from bot.core.prices import Left
from bot.core.schedule import PRIOR
from bot.core.task import Charge, Frame, Reason, TaskState
from bot.texts import keyboards
from bot.texts.audience import reader
from bot.texts.i18n import LANGUAGES
from tests.texts.test_storyboards import board
from tests.texts.test_texts import said, task

MONEY = re.compile(
    r"₽|💳|money|\bpaid|charged|\bcosts?\b|\bprice|for free|деньг|денег|стоит|оплач|\bцен[аеуы]"
    r"|бесплатн|списан",
    re.IGNORECASE,
)
MODEL = CATALOG["seedance-1-lite-480P-5s"]


def everything(lang: str) -> Iterator[str]:
    """What people who order may read."""
    for reason in Reason:
        for charge in Charge:
            yield said(texts.failures.failure(lang, reason, charge))
        yield said(texts.failures.undeliverable(lang, reason))
    yield said(texts.failures.unknown(lang, Decimal(17)))
    for state in TaskState:
        one = task(lang, state=state)
        yield texts.statuses.press_done(lang, state)
        yield said(texts.history.order(lang, one))
        yield said(texts.statuses.status_queued(lang, one))
        yield said(texts.statuses.status_waiting(lang, one))
        yield said(texts.statuses.status_waiting(lang, one, busy=True))
        yield said(texts.statuses.status_away(lang, one))
        yield said(texts.statuses.status_no_address(lang, one))
        yield said(texts.statuses.status_sending(lang, one))
        yield said(texts.statuses.status_generating(lang, one, elapsed=5, distribution=PRIOR))
        yield said(texts.results.caption(one))
        for markup in (keyboards.results.result(one), keyboards.results.order(one)):
            for row in markup.inline_keyboard if markup else []:
                yield from (button.text for button in row)
        yield said(texts.cards.card(lang, one))
        yield said(texts.cards.new_words(lang, one))
        yield said(texts.cards.last_frame(lang, one))
    yield from of_films(lang)
    for cap in Cap:
        for limit in (Limit(3), Limit(0, 100), Limit(3, 100)):
            yield texts.payments.limit_reached(lang, cap, limit, 90)
    for photos_on in (True, False):
        for translates in (True, False):
            for answer in (texts.commands.start, texts.commands.help):
                yield said(answer(lang, MODEL, photos_on=photos_on, translates=translates))
    yield said(texts.commands.settings(lang, MODEL, None))
    yield from (words for _, words in texts.commands.commands(lang))
    yield texts.commands.description(lang)
    yield texts.payments.intake_held(lang)
    for gift in (Gift(videos=3), Gift(roubles=100)):
        yield said(texts.gifts.redeemed(lang, gift, 3, Decimal(100), sold=True))
        yield said(texts.gifts.friends(lang, "https://t.me/x", gift, 2))
        yield said(texts.gifts.friend_noted(lang, gift))
        for why in ("admin", "welcome", "friend", "back"):
            params = {"why": why, "videos": gift.videos, "roubles": gift.roubles, "have": 2}
            yield said(texts.gifts.notice(lang, params))
    for why in ("already", "expired", "used_up", "unknown"):
        yield said(texts.gifts.promo_refused(lang, why, 2, Decimal(100)))
    for why in ("own", "not_new", "unknown"):
        yield said(texts.gifts.friend_refused(lang, why))
    yield said(texts.gifts.promo_usage(lang))
    yield said(texts.gifts.allowance(lang, 3, 2, 5))
    simple: list[Callable[..., object]] = [
        texts.statuses.held, texts.statuses.overdue, texts.statuses.cancelled,
        texts.statuses.too_late_to_cancel, texts.statuses.nothing_to_cancel,
        texts.results.video_gone, texts.results.video_too_big, texts.privacy.delete_me,
    ]  # fmt: skip
    yield from (said(speak(lang)) for speak in simple)  # type: ignore[arg-type]
    for subject in (texts.statuses, texts.results, texts.cards, texts.storyboards):
        for name, press in inspect.getmembers(subject, inspect.isfunction):
            if name.startswith("press_") and name != "press_done":
                yield said(press(lang))


def of_films(lang: str) -> Iterator[str]:
    """What is read of films that are ordered as a whole."""
    film = board(lang)
    frames = (None, Frame(file_id="f", kind="photo"), Frame(file_id="f", kind="video"))
    for frame in frames:
        one = replace(film, frame=frame, first_place=2)
        yield said(texts.storyboards.card(lang, one, asks_consent=True, left=Left(3, 5)))
    yield said(texts.storyboards.scene(lang, film, 0))
    yield said(texts.storyboards.cancelled(lang))
    for failed in (True, False):
        yield said(texts.storyboards.ask_scenes(lang, failed=failed))
        yield said(texts.storyboards.usage(lang, tells=failed))
    yield said(texts.storyboards.photos_off(lang))
    for count in (1, 2, 7):
        yield said(texts.storyboards.wrong_number(lang, count))
        yield texts.storyboards.ordered(lang, count)
    for state in TaskState:
        parts = [
            replace(
                task(lang, state=state if place == 2 else TaskState.CANCELLED),
                film_id=1, film_place=place, film_last=3, storyboard_id=1,
            )
            for place in (2, 3)
        ]  # fmt: skip
        yield said(texts.storyboards.stopped_by_person(lang, parts))
        for part in parts:
            stopped = texts.storyboards.stopped(lang, part)
            yield said(stopped) if stopped is not None else ""


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_guest_reads_nothing_of_money(lang: str) -> None:
    with reader(pays=False):
        spoken = [text for text in everything(lang) if MONEY.search(text)]
    assert spoken == []
    assert sum(bool(MONEY.search(text)) for text in everything(lang)) > 40


def test_the_reader_is_forgotten_afterwards() -> None:
    with reader(pays=False):
        assert "₽" not in said(texts.cards.card("en", task()))
        with reader(pays=True):
            assert "₽" in said(texts.cards.card("en", task()))
        assert "₽" not in said(texts.cards.card("en", task()))
    assert "₽" in said(texts.cards.card("en", task()))
