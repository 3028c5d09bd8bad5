"""Admins may use the old ID of a group that became a supergroup."""

from __future__ import annotations

import pytest

from bot.core.access import Access, Verdict
from bot.core.caps import Cap
from bot.texts.callback_data import Operate, Operation, SetCap
from tests.support.handler_harness import NOON, HandlerHarness, Person

ADMIN, OLD, NEW, NEWEST = 1, -55, -100_55, -100_66
BECAME = "Its ID was -55 before it became a supergroup."


@pytest.fixture
async def admin(harness: HandlerHarness) -> Person:
    harness.dispatcher["access"] = Access(is_open=True, admins=frozenset({ADMIN}))
    await harness.storage.access.allow(OLD, by=ADMIN, now=NOON, name="Friends")
    await harness.storage.tasks.migrate_chat(OLD, NEW)
    return Person(harness, user_id=ADMIN)


def permits(harness: HandlerHarness) -> list[tuple[int, str]]:
    return harness.rows("SELECT subject_id, verdict FROM permits")


async def test_commands_act_on_the_supergroup_and_say_so(
    harness: HandlerHarness, admin: Person
) -> None:
    await harness.feed(**admin.text(f"/ban {OLD}"))
    assert harness.telegram.sent[-1].text == (
        f"🚫 The group {NEW} may not use the bot any more.\n{BECAME}"
    )
    assert permits(harness) == [(NEW, "banned")]
    await harness.feed(**admin.text(f"/allow {OLD}"))
    assert harness.telegram.sent[-1].text == f"✅ The group {NEW} may use the bot.\n{BECAME}"
    assert permits(harness) == [(NEW, "allowed")]
    await harness.storage.people.set_cap(NEW, Cap.GROUP_PER_DAY, 3, by=ADMIN, now=NOON)
    await harness.feed(**admin.text(f"/user {OLD}"))
    shown = harness.telegram.sent[-1]
    assert f"ID: {NEW}\n{BECAME}\nAccess: let in" in shown.text
    data = [data for row in shown.buttons for _, data in row]
    assert Operate(operation=Operation.BAN, number=NEW).pack() in data
    assert not [one for one in data if str(OLD) in one.split("|")]


async def test_a_group_that_moved_twice_is_the_newest(
    harness: HandlerHarness, admin: Person
) -> None:
    await harness.storage.tasks.migrate_chat(NEW, NEWEST)
    for number in (OLD, NEW):
        await harness.feed(**admin.text(f"/allow {number}"))
        assert f"The group {NEWEST} may use" in harness.telegram.sent[-1].text
    assert permits(harness) == [(NEWEST, "allowed")]


async def test_buttons_from_before_the_move_act_on_the_supergroup(
    harness: HandlerHarness, admin: Person
) -> None:
    await harness.feed(**admin.press(Operate(operation=Operation.BAN, number=OLD).pack()))
    assert permits(harness) == [(NEW, "banned")]
    assert BECAME in harness.telegram.edits[-1].text
    press = SetCap(subject_id=OLD, per_day=True, videos=4).pack()
    await harness.feed(**admin.press(press))
    assert await harness.storage.people.caps(NEW) == {Cap.GROUP_PER_DAY: 4}
    assert harness.rows("SELECT subject_id FROM own_caps") == [(NEW,)]
    assert f"ID: {NEW}" in harness.telegram.edits[-1].text


@pytest.mark.parametrize("subject", [NEW, -77, 7])
async def test_other_ids_are_taken_as_they_are(
    harness: HandlerHarness, admin: Person, subject: int
) -> None:
    await harness.feed(**admin.text(f"/ban {subject}"))
    assert "before it became" not in harness.telegram.sent[-1].text
    known = await harness.storage.people.get(subject)
    assert known is not None
    assert known.verdict is Verdict.BANNED
