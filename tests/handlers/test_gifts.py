"""Promo codes, gifts of an admin, referral links and a group's allowance, as people use them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core.access import Access
from bot.core.caps import Cap, Limit, OrderRules
from bot.core.gifts import Gift
from bot.core.prices import PriceView
from bot.texts.callback_data import RevokePromo
from tests.support.handler_harness import NOON, HandlerHarness, Person

ADMIN, GROUP = 1, -1001


@pytest.fixture
def admin(harness: HandlerHarness) -> Person:
    harness.dispatcher["access"] = Access(is_open=True, admins=frozenset({ADMIN}))
    return Person(harness, user_id=ADMIN)


def offer(harness: HandlerHarness, **changes: object) -> None:
    harness.dispatcher["offer"] = replace(harness.dispatcher["offer"], **changes)


def in_group(harness: HandlerHarness, user_id: int) -> Person:
    person = Person(
        harness, user_id=user_id, chat={"id": GROUP, "type": "supergroup", "title": "Friends"}
    )
    person.last_id = user_id * 100  # messages of a chat are counted together
    return person


def said(harness: HandlerHarness) -> str:
    return harness.telegram.sent[-1].text


def payload(text: str) -> str:
    [link] = [word for word in text.split() if word.startswith("https://")]
    return link.partition("?start=")[2]


async def order(harness: HandlerHarness, person: Person) -> str:
    """Order by words; return the answer to the press."""
    await harness.feed(**person.text("/video a cat"))
    await harness.feed(**person.press(f"r|{len(harness.states())}|9:16"))
    return harness.telegram.toasts[-1]


# --- promo codes -----------------------------------------------------------------------------


async def test_a_code_is_made_used_by_command_and_link_listed_and_revoked(
    harness: HandlerHarness, admin: Person, ann: Person, boris: Person
) -> None:
    made = await harness.feed(**admin.text("/promo 20 WINTER 3"))
    assert "For 20 people, 3 videos each." in said(harness)
    link = payload(said(harness))
    assert link == "promo-WINTER"
    await harness.again(made, **admin.text("/promo 20 WINTER 3"))
    assert payload(said(harness)) == link, "a repeated update shows the same code"

    await harness.feed(**ann.text("/promo winter"))
    assert "You have got: 3 videos" in said(harness)
    assert "3 gift videos" in said(harness)
    await harness.feed(**ann.text(f"/start {link}"))
    assert "once for each person" in said(harness)
    assert "3 gift videos" in said(harness)
    await harness.feed(**boris.text(f"/start {link}"))
    assert "начислено: 3 видео" in said(harness)
    assert "3 подаренных видео" in said(harness)

    await harness.feed(**admin.text("/promo"))
    assert "1. WINTER · 3 videos · 2/20 · works for 30 days" in said(harness)
    [[(_, data)]] = harness.telegram.sent[-1].buttons
    assert data == RevokePromo(number=made).pack()
    await harness.feed(**admin.press(data))
    await harness.feed(**admin.press(data))
    assert [toast[:4] for toast in harness.telegram.toasts] == ["Done", "Noth"]
    assert "There are none" in harness.telegram.edits[-1].text
    await harness.feed(**Person(harness, user_id=20).text("/promo WINTER"))
    assert "does not work any more" in said(harness)
    acts = harness.rows("SELECT act FROM audit ORDER BY id")
    assert acts == [("promo",), ("revoke promo",)]


async def test_a_wrong_word_after_the_command_is_explained(
    harness: HandlerHarness, admin: Person, ann: Person
) -> None:
    for text, answer in (
        ("/promo", "after the command"), ("/promo 20 WINTER 3", "after the command"),
        ("/promo SUMMER", "no such code"), ("/start promo-x", "no such code"),
        ("/promo ЗИМА", "no such code"),
    ):  # fmt: skip
        await harness.feed(**ann.text(text))
        assert answer in said(harness)
    await harness.feed(**admin.text("/promo 20 WINTER three"))
    assert "for 20 people, 3 videos each" in said(harness)
    await harness.feed(**admin.text("/promo 5 3"))
    assert payload(said(harness)).startswith("promo-")
    for _ in range(2):
        await harness.feed(**admin.text("/promo 1 WINTER 100₽"))
    assert "There is, or was, a code WINTER" in said(harness)
    assert harness.rows("SELECT count(*) FROM promos") == [(2,)]


async def test_a_code_gives_no_access(harness: HandlerHarness, admin: Person, ann: Person) -> None:
    await harness.feed(**admin.text("/promo 20 WINTER 3"))
    harness.dispatcher["access"] = Access(admins=frozenset({ADMIN}))
    for text in ("/start promo-WINTER", "/promo WINTER"):
        await harness.feed(**ann.text(text))
        assert "not open to everybody" in said(harness)
    assert harness.rows("SELECT used FROM promos") == [(0,)]


async def test_a_guest_reads_no_sum_of_a_code_and_a_buyer_does(
    harness: HandlerHarness, admin: Person, ann: Person
) -> None:
    await harness.feed(**admin.text("/promo 20 WINTER 100₽"))
    assert "only while Stars are on sale" in said(harness)
    harness.dispatcher["prices"] = PriceView(show="never")
    await harness.feed(**ann.text("/promo WINTER"))
    assert "a top-up" in said(harness)
    assert "₽" not in said(harness)
    harness.dispatcher["prices"] = PriceView(show="always")
    await harness.feed(**Person(harness, user_id=20).text("/promo WINTER"))
    assert "You have got: 100\N{NO-BREAK SPACE}₽" in said(harness)


async def test_gift_videos_are_shown_to_a_guest_and_go_on_where_the_cap_ends(
    harness: HandlerHarness, admin: Person, ann: Person
) -> None:
    rules = OrderRules(caps={Cap.USER_PER_DAY: Limit(videos=1)})
    harness.storage.tasks.terms = rules
    harness.dispatcher["prices"] = PriceView(show="never")
    offer(harness, rules=rules, clock=harness.clock)
    await harness.feed(**ann.text("/start"))
    await harness.feed(**admin.text("/gift 7 1"))
    assert "ID 7 was given: 1 video" in said(harness)
    assert "Gift videos now: 1" in said(harness)
    await harness.feed(**ann.text("/start"))
    assert "1 of 1 left today · 🎁 1 gift video" in said(harness)
    assert "Accepted" in await order(harness, ann)
    assert "Accepted" in await order(harness, ann)
    assert "today's limit" in await order(harness, ann)


async def test_a_buyers_card_says_that_gift_videos_go_first(
    harness: HandlerHarness, admin: Person, ann: Person
) -> None:
    rules = OrderRules(sold=True)
    harness.storage.tasks.terms = rules
    offer(harness, rules=rules)
    await harness.feed(**ann.text("/start"))
    await harness.feed(**ann.text("a fox"))
    assert "gift videos" not in said(harness)
    await harness.feed(**admin.text("/gift 7 2"))
    await harness.feed(**ann.text("a cat"))
    assert "Your gift videos are used first. You have: 2." in said(harness)
    assert "Accepted" in await order(harness, ann)
    assert "Accepted" in await order(harness, ann)
    assert "/buy" in await order(harness, ann)


async def test_an_admin_gives_by_id_by_name_and_as_a_reply(
    harness: HandlerHarness, admin: Person, ann: Person
) -> None:
    ann.user["username"] = "ann_x"
    await harness.feed(**ann.text("/start"))
    replied = ann.text("hello")["message"]
    await harness.feed(**admin.text("/gift @ann_x 2"))
    await harness.feed(**admin.text("/gift 5", reply_to_message=replied))
    await harness.feed(**admin.text("/gift 7 50₽"))
    assert "Gift videos now: 7, credit: 50" in said(harness)
    for text, answer in (
        ("/gift 999 3", "Nothing"), ("/gift 7", "Nothing"), ("/gift 7 1001", "/gift 123456 3"),
        ("/gift", "/gift 123456 3"),
    ):  # fmt: skip
        await harness.feed(**admin.text(text))
        assert answer in said(harness), text
    await harness.feed(**ann.text("/gift 7 3"))
    assert "do not know this command" in said(harness)
    assert (await harness.storage.gifts.balance(7)).videos == 7


# --- referrals -------------------------------------------------------------------------------


async def test_a_link_is_personal_and_greets_who_opens_it(
    harness: HandlerHarness, ann: Person, boris: Person
) -> None:
    await harness.feed(**ann.text("/friends"))
    assert "do not know this command" in said(harness)
    offer(harness, bonus=Gift(videos=1))
    await harness.feed(**ann.text("/friends"))
    assert "you both get: 1 video" in said(harness)
    assert "within 30 days" in said(harness)
    link = payload(said(harness))
    await harness.feed(**boris.text(f"/start {link}"))
    noted, greeting = harness.telegram.sent[-2:]
    assert "Вас пригласил друг" in noted.text
    assert "видео" in greeting.text
    assert harness.rows("SELECT invited_id, invited_by FROM referrals") == [(8, 7)]
    await harness.feed(**ann.text(f"/start {link}"))
    assert "your own link" in harness.telegram.sent[-2].text
    harness.clock.pass_(timedelta(days=1).total_seconds())
    kim = Person(harness, user_id=9)
    await harness.feed(**kim.text("/start"))
    harness.clock.pass_(7200)
    await harness.feed(**kim.text(f"/start {link}"))
    assert "you have used this bot before" in harness.telegram.sent[-2].text


async def test_a_stranger_who_was_invited_asks_for_access_and_is_remembered(
    harness: HandlerHarness, admin: Person, ann: Person
) -> None:
    offer(harness, bonus=Gift(videos=1))
    await harness.feed(**ann.text("/friends"))
    link = payload(said(harness))
    harness.dispatcher["access"] = Access(admins=frozenset({ADMIN}))
    kim = Person(harness, user_id=9)
    await harness.feed(**kim.text(f"/start {link}"))
    assert "not open to everybody" in said(harness)
    assert harness.rows("SELECT invited_id FROM referrals") == [(9,)]
    await harness.storage.access.ban(10, by=ADMIN, now=NOON)
    seen = len(harness.telegram.sent)
    await harness.feed(**Person(harness, user_id=10).text(f"/start {link}"))
    assert len(harness.telegram.sent) == seen, "who is banned gets no answer"


async def test_the_menu_has_friends_only_with_a_bonus(
    harness: HandlerHarness, admin: Person
) -> None:
    await harness.feed(**admin.text("/start"))
    offer(harness, bonus=Gift(videos=1))
    await harness.feed(**admin.text("/start"))
    without, with_ = harness.telegram.named("setMyCommands")
    assert '"friends"' not in str(without.params["commands"])
    assert '"friends"' in str(with_.params["commands"])


# --- a group's allowance ---------------------------------------------------------------------


async def test_a_groups_own_admin_sets_what_all_of_it_may_order(
    harness: HandlerHarness, admin: Person
) -> None:
    ann, kim = in_group(harness, 7), in_group(harness, 9)
    harness.telegram.members[7] = "administrator"
    await harness.feed(**kim.text("/allowance 5"))
    assert "Only admins of this group" in said(harness)
    await harness.feed(**ann.text("/allowance 1"))
    assert "may order 1 video a day" in said(harness)
    assert "Today: 0 of 1" in said(harness)
    assert "Accepted" in await order(harness, ann)
    assert "what its admins allow it (1 video a day)" in await order(harness, kim)
    await harness.feed(**kim.text("/allowance"))
    assert "Today: 1 of 1" in said(harness)
    await harness.feed(**ann.text("/allowance off"))
    assert "have set no limit" in said(harness)
    assert "Accepted" in await order(harness, kim)
    await harness.feed(**in_group(harness, ADMIN).text("/allowance 2"))
    assert "Today: 2 of 2" in said(harness)


async def test_the_bots_admin_bounds_it_and_sees_it(
    harness: HandlerHarness, admin: Person
) -> None:
    ann = in_group(harness, 7)
    harness.telegram.members[7] = "creator"
    await harness.storage.people.set_cap(GROUP, Cap.GROUP_PER_DAY, 3, by=ADMIN, now=NOON)
    await harness.feed(**ann.text("/allowance 4"))
    assert "at most 3 videos a day" in said(harness)
    await harness.feed(**ann.text("/allowance 2"))
    assert "The bot allows this group 3 a day." in said(harness)
    assert "Today: 0 of 2" in said(harness)
    for wrong in ("0", "-1", "many", "1001"):
        await harness.feed(**ann.text(f"/allowance {wrong}"))
        assert "at most 3" in said(harness)
    await harness.feed(**admin.text(f"/user {GROUP}"))
    assert "Allowance by the group's admins: 2 a day" in said(harness)
    harness.telegram.refuse("getChatMember", 400, "Bad Request: user not found")
    await harness.feed(**ann.text("/allowance 1"))
    assert "Only admins of this group" in said(harness)
    await harness.feed(**Person(harness).text("/allowance 1"))
    assert "/allowance is for groups" in said(harness)
