"""The bot is blocked, removed from a group, or added to one."""

from __future__ import annotations

from typing import Any

import pytest

from bot.core.access import Access
from bot.core.caps import OrderRules
from bot.core.errors import TelegramMoved
from tests.handlers.test_storyboard import card, pressed
from tests.support.handler_harness import BOT, NOON, HandlerHarness, Person

GROUP = {"id": -100500, "type": "supergroup", "title": "Films"}


@pytest.fixture
def member(harness: HandlerHarness) -> Person:
    return Person(harness, chat=dict(GROUP))


def status(person: Person, new: str, old: str = "member") -> dict[str, Any]:
    def of_bot(status: str) -> dict[str, Any]:
        until = {"until_date": 0} if status == "kicked" else {}
        return {"status": status, "user": BOT, **until}

    change = {
        "chat": person.chat, "from": person.user, "date": int(NOON.timestamp()),
        "old_chat_member": of_bot(old), "new_chat_member": of_bot(new),
    }  # fmt: skip
    return {"my_chat_member": change}


async def order(harness: HandlerHarness, person: Person) -> int:
    await harness.feed(**person.text("/video A cat" if person.chat["id"] < 0 else "A cat"))
    number = len(harness.states())
    await harness.feed(**person.press(f"r|{number}|9:16"))
    assert harness.states()[-1] == "queued"
    return number


def notices(harness: HandlerHarness) -> list[tuple[Any, ...]]:
    return harness.rows("SELECT task_id, kind, chat_id FROM outbox ORDER BY id")


# --- lost ------------------------------------------------------------------------------------


async def test_what_waits_for_somebody_who_blocks_the_bot_is_cancelled_and_costs_nothing(
    harness: HandlerHarness, ann: Person, boris: Person, member: Person
) -> None:
    mine, other = await order(harness, ann), await order(harness, boris)
    in_group, making = await order(harness, member), await order(harness, ann)
    harness.rows("UPDATE tasks SET state = 'submitting' WHERE id = ?", making)
    await harness.feed(**ann.text("A draft"))
    event = status(ann, "kicked")
    number = await harness.feed(**event)
    await harness.again(number, **event)
    assert harness.states() == ["cancelled", "queued", "queued", "submitting", "draft"]
    assert notices(harness) == [(mine, "failed", 7)]
    back = harness.rows("SELECT task_id, kopecks FROM ledger WHERE kind = 'return'")
    assert back == [(mine, 1700)]
    assert (other, in_group) == (2, 3)


async def test_what_was_paid_goes_back(harness: HandlerHarness, ann: Person) -> None:
    harness.storage.tasks.terms = OrderRules(sold=True)
    await harness.feed(**ann.text("/start"))
    await harness.storage.ledger.grant(7, 100, by=1, update_id=999, now=NOON)  # type: ignore[arg-type]
    await order(harness, ann)
    assert await harness.storage.ledger.credit(7) < 100
    await harness.feed(**status(ann, "kicked"))
    assert await harness.storage.ledger.credit(7) == 100
    [(params,)] = harness.rows("SELECT params FROM outbox WHERE kind = 'failed'")
    assert '"charge": "returned"' in params


async def test_an_order_of_several_and_a_film_are_cancelled_as_a_whole(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.text("A cat"))
    await harness.feed(**ann.press("n|1|2"))
    await harness.feed(**ann.press("r|1|9:16"))
    shown = await card(harness, ann)
    await harness.feed(**ann.press(pressed(shown, "9:16")))
    shown = await card(harness, ann)
    await harness.feed(**ann.press(pressed(shown, "9:16")))
    harness.rows("UPDATE tasks SET state = 'generating' WHERE id = 6")  # the first of a film
    await harness.feed(**status(ann, "kicked"))
    assert harness.states() == ["cancelled"] * 5 + ["generating"] + ["cancelled"] * 2
    assert [task for task, _, _ in notices(harness)] == [1, 3, 7]


@pytest.mark.parametrize("how", ["left", "kicked", "refused"])
async def test_a_group_that_removed_the_bot_has_its_orders_cancelled(
    harness: HandlerHarness, member: Person, ann: Person, how: str
) -> None:
    await order(harness, member)
    await order(harness, ann)
    if how == "refused":
        harness.telegram.refuse(
            "getChatMember", 403, "Forbidden: bot was kicked from the supergroup chat"
        )
    else:
        harness.telegram.members[BOT["id"]] = "left"  # type: ignore[index]
    await harness.feed(**status(member, "kicked" if how == "kicked" else "left"))
    assert harness.states() == ["cancelled", "queued"]
    assert notices(harness) == [(1, "failed", 7)]  # to the member's own chat


async def test_a_group_that_has_the_bot_again_keeps_its_orders(
    harness: HandlerHarness, member: Person
) -> None:
    await order(harness, member)
    await harness.feed(**status(member, "left"))
    assert harness.states() == ["queued"]


async def test_a_group_that_became_a_supergroup_keeps_its_orders(
    harness: HandlerHarness, member: Person
) -> None:
    """The update has the old ID of a supergroup; the inbox then handles it for the new ID."""
    await order(harness, member)
    harness.telegram.refuse(
        "getChatMember", 400, "Bad Request: group chat was upgraded to a supergroup chat",
        migrate_to_chat_id=-1002,
    )  # fmt: skip
    with pytest.raises(TelegramMoved):
        await harness.feed(**status(member, "left"))
    assert harness.states() == ["queued"]


@pytest.mark.parametrize("before", ["kicked", "left"])
async def test_somebody_who_comes_back_loses_nothing(
    harness: HandlerHarness, ann: Person, before: str
) -> None:
    await order(harness, ann)
    calls = len(harness.telegram.calls)
    await harness.feed(**status(ann, "member", before))
    assert harness.states() == ["queued"]
    assert len(harness.telegram.calls) == calls


def test_telegram_is_asked_for_these_updates(harness: HandlerHarness) -> None:
    assert "my_chat_member" in harness.dispatcher.resolve_used_update_types()


# --- added -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [{"new_chat_members": [BOT]}, {"group_chat_created": True}], ids=["added", "made"]
)
async def test_a_group_that_adds_the_bot_reads_how_to_order(
    harness: HandlerHarness, member: Person, content: dict[str, Any]
) -> None:
    await harness.feed(**status(member, "member", "left"))
    await harness.feed(**member.message(**content))
    [greeting] = harness.telegram.sent
    assert greeting.params["chat_id"] == str(GROUP["id"])
    assert "write the prompt after /video, or mention me" in greeting.text


async def test_nobody_else_is_greeted(harness: HandlerHarness, member: Person) -> None:
    somebody = {"id": 8, "is_bot": False, "first_name": "Boris"}
    for content in (
        {"new_chat_members": [somebody]},
        {"migrate_from_chat_id": -5},
        {"left_chat_member": BOT},
    ):
        await harness.feed(**member.message(**content))
    anonymous = {"id": 1087968824, "is_bot": True, "first_name": "Group"}
    event = member.message(new_chat_members=[BOT], sender_chat=GROUP)
    event["message"]["from"] = anonymous
    await harness.feed(**event)
    assert harness.telegram.sent == []


async def test_a_closed_bot_tells_the_group_how_to_get_access(
    harness: HandlerHarness, member: Person
) -> None:
    harness.dispatcher["access"] = Access(is_open=False)
    await harness.feed(**member.message(new_chat_members=[BOT]))
    [told] = harness.telegram.sent
    assert "sending /allow here" in told.text
    await harness.storage.access.ban(7, by=1, now=NOON)
    await harness.feed(**member.message(new_chat_members=[BOT]))
    assert len(harness.telegram.sent) == 1
