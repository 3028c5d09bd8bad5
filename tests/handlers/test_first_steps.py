"""A new bot is claimed from a chat, and its admin is shown what to look at first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core.access import CLAIM_LIFE, CLAIM_TRIES, Access, Admins
from bot.core.caps import Cap, Limit, OrderRules
from handlers.context import Offer
from tests.support.handler_harness import MODEL, NOON, HandlerHarness, Person

FACTS = {
    "💳 Balance": "Enough for 29 videos at 17\N{NO-BREAK SPACE}₽ each.",
    "🖼 Photos": "Photos are on",
    "🧮 Caps": "Everybody who may use the bot can order",
    "🔑 Who may use it": "Who may use it: only admins",
}


@pytest.fixture
def closed(harness: HandlerHarness) -> HandlerHarness:
    """A new bot, which nobody may use yet."""
    harness.dispatcher["access"] = Access(admins=Admins())
    return harness


async def code_of(harness: HandlerHarness) -> str:
    code = await harness.storage.admins.offer_claim(NOON)
    assert code is not None
    return code


async def claimed(harness: HandlerHarness, person: Person) -> None:
    await harness.feed(**person.text(f"/start {await code_of(harness)}"))


def offer(harness: HandlerHarness, **changes: object) -> None:
    harness.dispatcher["offer"] = replace(harness.dispatcher["offer"], **changes)


async def test_whoever_opens_the_link_first_is_the_admin_and_is_greeted(
    closed: HandlerHarness, ann: Person, boris: Person
) -> None:
    code = await code_of(closed)
    await closed.feed(**ann.text(f"/start {code}"))
    [greeting] = closed.telegram.sent
    assert greeting.text.splitlines() == [
        "🎉 You are the admin of this bot now.",
        "✅ Balance: 500\N{NO-BREAK SPACE}₽",
        "✅ Photos: on",
        "▫️ Caps: none",
        "▫️ Who may use it: only admins",
        "",
        "Each button below explains one line. Send me a prompt to make the first video.",
    ]
    assert [text for row in greeting.buttons for text, _ in row] == [*FACTS, "📊 Today"]
    await closed.feed(**boris.text(f"/start {code}"))
    assert "уже есть администратор" in closed.telegram.sent[-1].text
    assert closed.rows("SELECT user_id FROM admins") == [(7,)]
    assert closed.rows("SELECT actor_id, act FROM audit") == [(7, "claim")]


async def test_the_claimed_admin_counts_where_admins_count(
    closed: HandlerHarness, ann: Person, boris: Person
) -> None:
    await claimed(closed, ann)
    await closed.feed(**ann.text("A cat"))  # the gate
    assert closed.states() == ["draft"]
    await closed.feed(**ann.text("/allow 9"))  # the commands
    assert closed.rows("SELECT subject_id FROM permits") == [(9,)]
    await closed.feed(**boris.text("Кот"))  # a stranger can ask, and the admin is told
    await closed.feed(**boris.press("k"))
    told = closed.rows("SELECT chat_id FROM outbox WHERE kind = 'access_asked'")
    assert told == [(7,)]


async def test_the_same_update_again_greets_again_and_changes_nothing(
    closed: HandlerHarness, ann: Person
) -> None:
    opened = ann.text(f"/start {await code_of(closed)}")
    number = await closed.feed(**opened)
    await closed.again(number, **opened)
    assert [call.text.split("\n")[0] for call in closed.telegram.sent] == [
        "🎉 You are the admin of this bot now."
    ] * 2
    assert closed.rows("SELECT count(*) FROM audit") == [(1,)]


async def test_wrong_links_are_counted_and_end_it(
    closed: HandlerHarness, ann: Person, boris: Person
) -> None:
    code = await code_of(closed)
    for _ in range(CLAIM_TRIES):
        await closed.feed(**boris.text("/start claim-AAAAAAAAAAAAAAAAAAAAAA"))
    await closed.feed(**ann.text(f"/start {code}"))
    assert "не ссылка последнего запуска" in closed.telegram.sent[0].text
    assert "This link no longer works" in closed.telegram.sent[-1].text
    assert closed.rows("SELECT * FROM admins") == []


async def test_a_link_that_is_too_old_says_what_to_do(closed: HandlerHarness, ann: Person) -> None:
    code = await code_of(closed)
    closed.clock.pass_(CLAIM_LIFE.total_seconds())
    await closed.feed(**ann.text(f"/start {code}"))
    assert "it prints a new link" in closed.telegram.sent[0].text


async def test_a_bot_with_admins_cannot_be_claimed(closed: HandlerHarness, ann: Person) -> None:
    code = await code_of(closed)
    closed.dispatcher["access"] = Access(admins=Admins({1}))
    await closed.feed(**ann.text(f"/start {code}"))
    assert "already has an admin" in closed.telegram.sent[0].text
    assert closed.rows("SELECT tries FROM claim_code") == [(0,)]


async def test_in_a_group_the_link_claims_nothing(closed: HandlerHarness, ann: Person) -> None:
    group = {"id": -1001, "type": "supergroup", "title": "Club"}
    here = Person(closed, chat=group)
    await closed.feed(**here.text(f"/start {await code_of(closed)}"))
    assert closed.rows("SELECT * FROM admins") == []


async def test_admin_greets_with_the_checklist_for_a_day(
    closed: HandlerHarness, ann: Person
) -> None:
    await claimed(closed, ann)
    await closed.feed(**ann.text("/admin"))
    heads = [call.text.split("\n")[0] for call in closed.telegram.sent]
    assert heads[1:] == ["🚀 First steps", "📊 Today"]
    closed.clock.pass_(timedelta(days=1).total_seconds())
    await closed.feed(**ann.text("/admin"))
    panel = closed.telegram.sent[-1]
    assert len(closed.telegram.sent) == len(heads) + 1
    [[(label, data)]] = panel.buttons[-1:]
    assert label == "🚀 First steps"
    await closed.feed(**ann.press(data))
    assert closed.telegram.sent[-1].text.startswith("🚀 First steps")


async def test_each_line_has_its_button(closed: HandlerHarness, ann: Person) -> None:
    await claimed(closed, ann)
    buttons = dict(button for row in closed.telegram.sent[0].buttons for button in row)
    for label, fact in FACTS.items():
        await closed.feed(**ann.press(buttons[label]))
        assert fact in closed.telegram.sent[-1].text
    invite = dict(button for row in closed.telegram.sent[-1].buttons for button in row)
    number = await closed.feed(**ann.press(invite["🎟 Invite one person"]))
    assert "https://t.me/video_bot?start=in-" in closed.telegram.sent[-1].text
    await closed.again(number, **ann.press(invite["🎟 Invite one person"]))
    assert closed.rows("SELECT uses FROM invites") == [(1,)]


async def test_the_lines_say_what_is_missing(closed: HandlerHarness, ann: Person) -> None:
    await claimed(closed, ann)
    closed.funds = None
    offer(
        closed,
        photos_on=False,
        rules=OrderRules(caps={Cap.USER_PER_DAY: Limit(5), Cap.GLOBAL_PER_DAY: Limit(0, 900)}),
    )
    await closed.storage.access.allow(8, by=7, now=NOON)
    await closed.feed(**ann.press("fs|l"))
    lines = closed.telegram.sent[-1].text.splitlines()
    assert lines[1:5] == [
        "▫️ Balance: not known now",
        "▫️ Photos: off",
        "✅ Caps: set",
        "✅ Who may use it: admins and 1 more",
    ]
    for data, said in (
        ("fs|b", "GPTunnel does not answer now"),
        ("fs|p", "PUBLIC_TUNNEL=cloudflared"),
        ("fs|c", "One person a day: 5 videos"),
        ("fs|c", "All people a day: 900\N{NO-BREAK SPACE}₽"),
    ):
        await closed.feed(**ann.press(data))
        assert said in closed.telegram.sent[-1].text


async def test_an_open_bot_is_open_to_everybody(harness: HandlerHarness, ann: Person) -> None:
    harness.dispatcher["access"] = Access(is_open=True, admins=Admins({7}))
    harness.dispatcher["offer"] = Offer(
        model=MODEL, photos_on=True, tunnel_state=lambda: "cloudflared: open"
    )
    await harness.feed(**ann.press("fs|w"))
    text = harness.telegram.sent[-1].text
    assert "Who may use it: everybody" in text
    assert "ACCESS=open" not in text
    await harness.feed(**ann.press("fs|p"))
    assert "cloudflared: open" in harness.telegram.sent[-1].text


async def test_the_steps_are_for_admins_only(harness: HandlerHarness, ann: Person) -> None:
    await harness.feed(**ann.press("fs|i"))
    assert harness.rows("SELECT * FROM invites") == []
    assert not any("invite" in call.text for call in harness.telegram.sent)


async def test_an_admin_of_the_settings_can_ban_one_who_claimed(
    closed: HandlerHarness, ann: Person, boris: Person
) -> None:
    await claimed(closed, ann)
    admins = Admins({8})
    admins.learn({7})
    closed.dispatcher["access"] = Access(admins=admins)
    await closed.feed(**ann.text("/ban 8"))
    assert "cannot be banned" in closed.telegram.sent[-1].text
    await closed.feed(**boris.text("/ban 7"))
    assert closed.rows("SELECT * FROM admins") == []
    assert set(admins) == {8}
    acts = closed.rows("SELECT actor_id, act, subject_id FROM audit ORDER BY id")
    assert acts == [(7, "claim", 7), (8, "remove admin", 7), (8, "ban", 7)]
    sent = len(closed.telegram.sent)
    await closed.feed(**ann.text("/admin"))
    assert len(closed.telegram.sent) == sent  # banned: no answer
