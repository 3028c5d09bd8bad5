"""Admins see who uses the bot, and decide about each of them with buttons."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from bot.core.access import Access
from bot.core.alerts import Alert, AlertKind, Switch
from bot.core.caps import Cap, Limit, OrderRules
from bot.core.stars import Package, StarsPackages
from bot.texts.callback_data import Operate, Operation, RevokeInvite, SetCap, ShowPeople
from storage import Section
from tests.support.handler_harness import NOON, HandlerHarness, Person

ADMIN, GROUP = 1, -1001


@pytest.fixture
def admin(harness: HandlerHarness) -> Person:
    harness.dispatcher["access"] = Access(is_open=True, admins=frozenset({ADMIN}))
    return Person(harness, user_id=ADMIN)


def in_group(harness: HandlerHarness, user_id: int) -> Person:
    chat = {"id": GROUP, "type": "supergroup", "title": "Friends"}
    return Person(harness, user_id=user_id, chat=chat)


def named(person: Person, username: str) -> Person:
    person.user["username"] = username
    return person


async def order(harness: HandlerHarness, person: Person, number: int) -> str:
    """Order by words; return the answer to the press."""
    await harness.feed(**person.text("/video a cat"))
    await harness.feed(**person.press(f"r|{number}|9:16"))
    return harness.telegram.toasts[-1]


# --- lists ---------------------------------------------------------------------------------


async def test_people_are_listed_by_what_was_decided_and_lead_to_each_of_them(
    harness: HandlerHarness, admin: Person, ann: Person
) -> None:
    await harness.feed(**named(ann, "ann_x").text("/start"))
    for number in (7, *range(100, 110)):
        await harness.storage.access.allow(number, by=ADMIN, now=NOON)
        harness.clock.pass_(1)
    await harness.storage.access.ban(8, by=ADMIN, now=NOON)
    await harness.feed(**in_group(harness, ADMIN).text("/allow"))
    await harness.feed(**admin.text("/people"))
    shown = harness.telegram.sent[-1]
    assert "Let in · page 1 of 2" in shown.text
    labels = [text for row in shown.buttons for text, _ in row]
    assert {"Let in: 11", "Banned: 1", "Groups: 1", "›"} <= set(labels)
    # Half a phone's width is too narrow for the longest name of a section in Russian.
    assert [len(row) for row in shown.buttons if "Banned: 1" in dict(row)] == [1]

    await harness.feed(**admin.press(ShowPeople(section="a", page=1).pack()))
    assert "Ann (@ann_x) · 7" in harness.telegram.edits[-1].text + shown.text
    await harness.feed(**admin.press(ShowPeople(section="g", page=0).pack()))
    assert f"Friends · {GROUP}" in harness.telegram.edits[-1].text
    await harness.feed(**admin.press(ShowPeople(section="b", page=99).pack()))
    edit = harness.telegram.edits[-1]
    assert "· 8" in edit.text
    await harness.feed(**admin.press(edit.buttons[0][0][1]))
    assert "Access: banned" in harness.telegram.sent[-1].text


async def test_invites_are_listed_and_a_revoked_one_lets_nobody_in(
    harness: HandlerHarness, admin: Person
) -> None:
    harness.dispatcher["access"] = Access(admins=frozenset({ADMIN}))
    made = await harness.feed(**admin.text("/invite 5 3"))
    [link] = [w for w in harness.telegram.sent[-1].text.split() if w.startswith("https://")]
    token = link.partition("?start=")[2]
    first, second = Person(harness, user_id=20), Person(harness, user_id=21)
    await harness.feed(**first.text(f"/start {token}"))
    await harness.feed(**admin.text("/invites"))
    shown = harness.telegram.sent[-1]
    assert "1/5 · works for 3 days" in shown.text
    assert token not in shown.text
    [[(_, data)]] = shown.buttons
    assert data == RevokeInvite(number=made).pack()
    await harness.feed(**admin.press(data))
    await harness.feed(**admin.press(data))
    assert [toast[:4] for toast in harness.telegram.toasts] == ["Done", "Noth"]
    assert "There are none" in harness.telegram.edits[-1].text
    await harness.feed(**second.text(f"/start {token}"))
    assert "expired" in harness.telegram.sent[-1].text
    await harness.feed(**first.text("/start"))
    assert "not open to everybody" not in harness.telegram.sent[-1].text
    acts = harness.rows("SELECT act FROM audit ORDER BY id")
    assert acts == [("invite",), ("revoke invite",)]


# --- one of them ---------------------------------------------------------------------------


async def test_a_person_is_let_in_and_found_by_their_name(
    harness: HandlerHarness, admin: Person, ann: Person
) -> None:
    await harness.feed(**named(ann, "Ann_X").text("/start"))
    await harness.feed(**admin.text("/allow @ann_x"))
    assert "ID 7 may use" in harness.telegram.sent[-1].text
    await harness.feed(**admin.text("/user @ANN_X"))
    assert "Ann (@Ann_X)" in harness.telegram.sent[-1].text
    await harness.feed(**admin.text("/ban @nobody_here"))
    assert "I do not know @nobody_here" in harness.telegram.sent[-1].text
    assert harness.rows("SELECT subject_id, verdict FROM permits") == [(7, "allowed")]


async def test_somebody_who_only_asked_is_found_by_their_name(
    harness: HandlerHarness, admin: Person
) -> None:
    await harness.storage.access.ask(
        user_id=30, name="Kim", username="kim", lang="en", admins=[ADMIN], now=NOON
    )
    await harness.feed(**admin.text("/allow @Kim"))
    assert harness.rows("SELECT subject_id, verdict FROM permits") == [(30, "allowed")]


async def test_a_person_is_banned_and_let_in_by_buttons_and_an_admin_is_not(
    harness: HandlerHarness, admin: Person, ann: Person
) -> None:
    await harness.feed(**ann.text("/start"))
    await harness.feed(**admin.text("/user 7"))
    ban, allow, unban = (
        Operate(operation=one, number=7).pack()
        for one in (Operation.BAN, Operation.ALLOW, Operation.UNBAN)
    )
    shown = {data for row in harness.telegram.sent[-1].buttons for _, data in row}
    assert {ban, allow} <= shown
    await harness.feed(**admin.press(ban))
    assert "Access: banned" in harness.telegram.edits[-1].text
    # An older overview with "Let in" does not end the ban.
    await harness.feed(**admin.press(allow))
    assert "banned them meanwhile" in harness.telegram.toasts[-1]
    assert "Access: banned" in harness.telegram.edits[-1].text
    assert unban in {data for row in harness.telegram.edits[-1].buttons for _, data in row}
    await harness.feed(**admin.press(unban))
    assert "Access: let in" in harness.telegram.edits[-1].text
    await harness.feed(**admin.press(Operate(operation=Operation.BAN, number=ADMIN).pack()))
    assert "cannot be banned" in harness.telegram.toasts[-1]
    assert harness.rows("SELECT act FROM audit ORDER BY id") == [("ban",), ("allow",)]


async def test_a_persons_own_cap_replaces_the_settings_in_both_directions(
    harness: HandlerHarness, admin: Person, ann: Person, boris: Person
) -> None:
    caps = {Cap.USER_PER_DAY: Limit(videos=2)}
    harness.storage.tasks.terms = OrderRules(caps=caps)
    await harness.feed(**ann.text("/start"))
    await harness.feed(**admin.text("/user 7"))
    labels = [text for row in harness.telegram.sent[-1].buttons for text, _ in row]
    assert "A day: as for all" in labels
    one = SetCap(subject_id=7, per_day=True, videos=1).pack()
    assert one in {data for row in harness.telegram.sent[-1].buttons for _, data in row}
    await harness.feed(**admin.press(one))
    await harness.feed(**admin.press(one))
    assert [toast[:4] for toast in harness.telegram.toasts] == ["Done", "Noth"]
    assert "A day: 1" in [text for row in harness.telegram.edits[-1].buttons for text, _ in row]
    assert "Accepted" in await order(harness, ann, 1)
    assert "limit (1 video a day)" in await order(harness, ann, 2)
    assert "ринят" in await order(harness, boris, 3)
    for videos, said in ((0, "Accepted"), (-1, "limit (2 videos a day)")):
        await harness.feed(**admin.press(SetCap(subject_id=7, per_day=True, videos=videos).pack()))
        number = len(harness.states()) + 1
        assert said in await order(harness, ann, number)
    assert harness.rows("SELECT count(*) FROM own_caps") == [(0,)]


@pytest.mark.parametrize(("per_day", "said"), [(True, "today's limit"), (False, "at once")])
async def test_a_groups_own_cap_counts_everybody_in_it_and_nobody_outside(
    harness: HandlerHarness, admin: Person, per_day: bool, said: str
) -> None:
    await harness.feed(**in_group(harness, ADMIN).text("/user group"))
    assert f"ID: {GROUP}" in harness.telegram.sent[-1].text
    await harness.feed(**admin.press(SetCap(subject_id=GROUP, per_day=per_day, videos=1).pack()))
    ann, kim = in_group(harness, 7), in_group(harness, 9)
    kim.last_id = 500  # messages of a chat are counted together
    assert "Accepted" in await order(harness, ann, 1)
    refused = await order(harness, kim, 2)
    assert "This group" in refused
    assert said in refused
    assert "Accepted" in await order(harness, Person(harness, user_id=9), 3)
    harness.clock.pass_(86_400)
    if per_day:
        await harness.feed(**kim.press("r|2|9:16"))
        assert "Accepted" in harness.telegram.toasts[-1]


async def test_a_cap_moves_with_its_group(harness: HandlerHarness) -> None:
    store = harness.storage
    await store.people.set_cap(GROUP, Cap.GROUP_PER_DAY, 3, by=ADMIN, now=NOON)
    await store.access.allow(GROUP, by=ADMIN, now=NOON, name="Friends")
    await store.tasks.migrate_chat(GROUP, -1002)
    assert await store.people.caps(-1002) == {Cap.GROUP_PER_DAY: 3}
    found = await store.people.page(Section.GROUPS, limit=9, offset=0)
    assert (-1002, "Friends") in [(one.subject_id, one.name) for one in found]


async def test_a_cap_that_the_new_group_has_already_stays(harness: HandlerHarness) -> None:
    """Messages of the new group may be handled before the one about the move."""
    people = harness.storage.people
    await people.set_cap(-55, Cap.GROUP_PER_DAY, 3, by=1, now=NOON)
    await people.set_cap(-55, Cap.GROUP_AT_ONCE, 1, by=1, now=NOON)
    await people.set_cap(-100_55, Cap.GROUP_PER_DAY, 5, by=1, now=NOON)
    for _ in range(2):
        await harness.storage.tasks.migrate_chat(-55, -100_55)
    assert await people.caps(-100_55) == {Cap.GROUP_PER_DAY: 5, Cap.GROUP_AT_ONCE: 1}
    assert harness.rows("SELECT * FROM own_caps WHERE subject_id = -55") == []


async def test_for_everybody_else_there_is_nothing_of_it(
    harness: HandlerHarness, admin: Person, ann: Person
) -> None:
    for words in ("/people", "/invites", "/user 7", "/credit 7 5"):
        await harness.feed(**ann.text(words))
        assert "do not know this command" in harness.telegram.sent[-1].text
    for data in (
        SetCap(subject_id=7, per_day=True, videos=0).pack(),
        RevokeInvite(number=1).pack(),
        ShowPeople(section="a", page=0).pack(),
        Operate(operation=Operation.ALLOW, number=7).pack(),
    ):
        await harness.feed(**ann.press(data))
    assert harness.telegram.edits == []
    assert harness.rows("SELECT count(*) FROM audit") == [(0,)]


# --- menus and the queue -------------------------------------------------------------------


async def test_an_admins_menu_has_their_commands_in_their_language(
    harness: HandlerHarness, admin: Person, ann: Person
) -> None:
    harness.dispatcher["stars_packages"] = StarsPackages(packages=(Package(stars=1, roubles=2),))
    await harness.feed(**ann.text("/start"))
    assert harness.telegram.named("setMyCommands") == []
    await harness.feed(**admin.text("/start"))
    await harness.feed(**admin.press("l|ru"))
    first, second = harness.telegram.named("setMyCommands")
    for call in (first, second):
        assert json.loads(call.params["scope"])["chat_id"] == ADMIN
        names = [one["command"] for one in json.loads(call.params["commands"])]
        assert {"people", "ledger", "buy", "terms", "start"} <= set(names)
    said = [one["description"] for one in json.loads(second.params["commands"])]
    assert "Кто может пользоваться ботом" in said
    await harness.feed(**admin.press("l|en"))
    assert harness.telegram.named("deleteMyCommands") == []


async def test_nobody_is_next_in_a_queue_that_is_held(
    harness: HandlerHarness, admin: Person, ann: Person
) -> None:
    await order(harness, ann, 1)
    assert "you are next" in harness.telegram.edits[-1].text
    await harness.storage.alerts.hold(Switch.SUBMITS, by=ADMIN, now=NOON)
    await order(harness, ann, 2)
    assert "A problem on our side" in harness.telegram.edits[-1].text
    await harness.storage.alerts.release([Switch.SUBMITS], by=ADMIN, now=NOON)
    later = NOON + timedelta(minutes=1)
    for kind, said in (
        (AlertKind.NO_BALANCE, "A problem on our side"),
        (AlertKind.PROVIDER_AWAY, "is not answering"),
    ):
        await harness.storage.alerts.open(Alert.of(kind), told=[], now=later)
        await order(harness, ann, len(harness.states()) + 1)
        assert said in harness.telegram.edits[-1].text
        await harness.storage.alerts.close(kind.value, told=[], now=later)
