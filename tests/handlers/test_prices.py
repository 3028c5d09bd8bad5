"""Who pays sees prices; a guest of a bot whose operator pays sees what they may still order."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bot.core.access import Access
from bot.core.caps import Cap, Limit, OrderRules
from bot.core.prices import PriceView, Show
from storage import Storage
from tests.support.handler_harness import HandlerHarness, Person

MONEY = re.compile(
    r"₽|money|paid|charged|costs|price|деньг|денег|стоит|оплач|\bцен", re.IGNORECASE
)
ADMINS = frozenset({8})
PRICE = "17\N{NO-BREAK SPACE}₽"


def shown(harness: HandlerHarness, show: Show = "auto", *, sold: bool = False) -> None:
    harness.dispatcher["prices"] = PriceView(show=show, sold=sold, admins=ADMINS)


def capped(harness: HandlerHarness, limit: Limit) -> None:
    """A cap that orders and cards know."""
    rules = OrderRules(caps={Cap.USER_PER_DAY: limit})
    storage = Storage.over(harness.storage.database, rules)
    harness.dispatcher["storage"] = storage
    harness.dispatcher["offer"] = replace(
        harness.dispatcher["offer"], rules=rules, clock=harness.clock
    )


@pytest.fixture
def bot(harness: HandlerHarness) -> HandlerHarness:
    """A bot whose operator, Boris, pays for everybody."""
    harness.dispatcher["access"] = Access(is_open=True, admins=ADMINS)
    harness.clock.pass_(0)
    shown(harness)
    return harness


def said(harness: HandlerHarness) -> str:
    return harness.telegram.sent[-1].text


async def test_a_guest_sees_what_is_left_and_no_price(bot: HandlerHarness, ann: Person) -> None:
    capped(bot, Limit(5))
    await bot.feed(**ann.text("A cat"))
    assert "🎟 5 of 5 left today" in said(bot)
    await bot.feed(**ann.press("r|1|16:9"))
    await bot.feed(**ann.text("A dog"))
    assert "🎟 4 of 5 left today" in said(bot)
    await bot.feed(**ann.text("/start"))
    assert "🎟 4 of 5 left today" in said(bot)
    # A cancelled order is given back.
    await bot.feed(**ann.press("x|1"))
    assert bot.telegram.toasts[-1] == "Cancelled. It does not count against your videos."
    await bot.feed(**ann.text("A fox"))
    assert "🎟 5 of 5 left today" in said(bot)


async def test_without_a_cap_nothing_stands_in_place_of_the_price(
    bot: HandlerHarness, ann: Person
) -> None:
    await bot.feed(**ann.text("A cat"))
    assert "🎟" not in said(bot)
    assert "₽" not in said(bot)


async def test_a_cap_in_roubles_is_told_in_videos(bot: HandlerHarness, ann: Person) -> None:
    capped(bot, Limit(0, 40))
    await bot.feed(**ann.text("A cat"))
    assert "🎟 2 videos left today" in said(bot)
    for task in (1, 2, 3):
        await bot.feed(**ann.text("A dog"))
        await bot.feed(**ann.press(f"r|{task}|16:9"))
    refused = bot.telegram.toasts[-1]
    assert refused.startswith("You have reached today's limit. Press again in")
    assert not MONEY.search(refused)


async def test_no_command_speaks_of_money_to_a_guest(bot: HandlerHarness, ann: Person) -> None:
    for lang in ("en", "ru"):
        ann.user["language_code"] = lang
        for command in ("/start", "/help", "/settings", "/cancel", "/delete_me", "/history"):
            await bot.feed(**ann.text(command))
            assert not MONEY.search(said(bot)), said(bot)


@pytest.mark.parametrize(
    ("show", "sold", "guest", "admin"),
    [
        ("auto", False, False, True),
        ("auto", True, True, True),
        ("always", False, True, True),
        ("never", False, False, False),
    ],
)
async def test_who_sees_the_price_of_a_card(
    bot: HandlerHarness,
    ann: Person,
    boris: Person,
    show: Show,
    sold: bool,
    guest: bool,
    admin: bool,
) -> None:
    shown(bot, show, sold=sold)
    await bot.feed(**ann.text("A cat"))
    assert (PRICE in said(bot)) is guest
    await bot.feed(**ann.text("/start"))
    assert (PRICE in said(bot)) is guest
    await bot.feed(**boris.text("Кот"))
    assert (PRICE in said(bot)) is admin
    await bot.feed(**boris.text("/help"))
    assert (PRICE in said(bot)) is admin
