"""Messages, edits and answers of the bot, with every possible answer of Telegram.

The promise: an action takes effect once whatever happens to its answer; a card and a final notice
arrive as soon as Telegram accepts them; status messages and toasts delay nothing.
"""

from __future__ import annotations

from typing import Any

import pytest

from bot.core.task import Charge, Reason
from bot.sandbox.faults import Fault
from bot.sandbox.telegram.calls import Call
from bot.sandbox.telegram.state import Chat, Json
from tests.faults import words
from tests.faults.answers import says
from tests.faults.refusals import LATER, REJECTED, TAKEN, UNREACHABLE
from tests.support.app_harness import AppHarness

DAY = 24 * 3600.0
EVERY: dict[str, Fault] = {
    **{cell: fault for cell, (fault, _) in LATER.items()},
    **TAKEN,
    **UNREACHABLE,
    **REJECTED,
}


def cards(harness: AppHarness, chat: Chat) -> list[Json]:
    """Messages that offer the shapes."""
    return [m for m in chat.messages.values() if "9:16" in str(m.get("reply_markup"))]


def updates(harness: AppHarness) -> list[tuple[str, str | None]]:
    """State and error of every update, in their order."""
    return [
        tuple(row) for row in harness.rows("SELECT state, error FROM inbox ORDER BY update_id")
    ]


def _to(call: Call, chat_id: int) -> bool:
    """Whether it was for this chat; a refused call is kept as it came, in text."""
    return str(call.params["chat_id"]) == str(chat_id)


# --- the card --------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", LATER)
async def test_a_card_is_sent_as_soon_as_telegram_accepts_it(
    harness: AppHarness, cell: str
) -> None:
    fault, wait = LATER[cell]
    harness.refuse(fault, on="sendMessage")
    anna, boris = harness.person(), harness.person("ru", "Борис")
    await anna.send_text("a red fox")
    await harness.settle()
    # Whatever keeps one chat waiting, another is served.
    assert cards(harness, anna.chat) == []
    await boris.send_text("рыжая лиса")
    await harness.until(lambda: cards(harness, boris.chat), within=5)
    await harness.until(lambda: cards(harness, anna.chat), within=wait + 10)
    hers = [call.started for call in harness.sent("sendMessage") if _to(call, anna.id)]
    assert wait <= hers[-1] - hers[0] <= wait + 10
    await harness.pass_(60)
    assert len(cards(harness, anna.chat)) == 1
    assert harness.states() == ["draft", "draft"]
    assert [state for state, _ in updates(harness)] == ["done", "done"]


@pytest.mark.parametrize("cell", TAKEN)
async def test_a_card_whose_answer_was_lost_may_be_sent_twice_for_one_draft(
    harness: AppHarness, cell: str
) -> None:
    harness.refuse(TAKEN[cell], on="sendMessage")
    anna = harness.person()
    await anna.send_text("a red fox")
    await harness.until(lambda: len(cards(harness, anna.chat)) == 2, within=60)
    assert harness.states() == ["draft"]
    # Both cards carry the same number: pressing both orders one video.
    for card in cards(harness, anna.chat):
        await anna.press(card, "9:16")
    await harness.ended("delivered")
    assert len(harness.asked("create")) == len(harness.videos(anna.chat)) == 1


@pytest.mark.parametrize("cell", UNREACHABLE)
async def test_a_closed_chat_gets_no_more_cards(harness: AppHarness, cell: str) -> None:
    harness.refuse(UNREACHABLE[cell], on="sendMessage")
    anna = harness.person()
    await anna.send_text("a red fox")
    await harness.pass_(DAY)
    assert len(harness.sent("sendMessage")) == 1
    assert [state for state, _ in updates(harness)] == ["done"]
    assert harness.asked("create") == []
    await anna.send_text("a blue fox")
    await harness.until(lambda: cards(harness, anna.chat))


@pytest.mark.parametrize("cell", REJECTED)
async def test_a_card_that_telegram_always_rejects_delays_nobody(
    harness: AppHarness, cell: str
) -> None:
    harness.refuse(REJECTED[cell], on="sendMessage")
    anna = harness.person()
    await anna.send_text("a red fox")
    await anna.send_text("a blue fox")
    await harness.until(lambda: cards(harness, anna.chat))
    await harness.pass_(3600)
    assert [state for state, _ in updates(harness)] == ["set_aside", "done"]
    assert len(harness.sent("sendMessage")) == 2


async def test_an_outage_of_hours_loses_no_prompt(harness: AppHarness) -> None:
    """Updates arrive, answers do not go out: far more tries than a poisoned update gets."""
    harness.refuse(LATER["502 HTML"][0].model_copy(update={"times": 0}), on="sendMessage")
    anna = harness.person()
    for prompt in ("one", "two", "three"):
        await anna.send_text(prompt)
    await harness.pass_(4 * 3600)
    assert len(harness.sent("sendMessage")) < 80
    harness.telegram.faults.clear()
    await harness.until(lambda: len(cards(harness, anna.chat)) == 3, within=900)
    await harness.pass_(60)
    assert [state for state, _ in updates(harness)] == ["done"] * 3
    answered = [m["reply_to_message"]["text"] for m in cards(harness, anna.chat)]
    assert answered == ["one", "two", "three"]


async def test_a_message_during_a_group_migration_is_answered_in_the_supergroup(
    harness: AppHarness,
) -> None:
    anna = harness.person()
    group = harness.telegram.add_group("Film club", [anna], supergroup=False)
    name = harness.telegram.world.bot["username"]
    await anna.send_text(f"@{name} a red fox", chat=group)
    moved = harness.telegram.migrate(group)
    await harness.until(lambda: cards(harness, moved), within=10)
    await harness.pass_(600)
    assert len(cards(harness, moved)) == 1
    assert "set_aside" not in [state for state, _ in updates(harness)]
    await anna.press(cards(harness, moved)[0], "9:16")
    await harness.until(lambda: harness.videos(moved))
    assert len(harness.asked("create")) == 1


async def test_a_press_during_a_group_migration_takes_effect_once(harness: AppHarness) -> None:
    anna = harness.person()
    group = harness.telegram.add_group("Film club", [anna], supergroup=False)
    card = await harness.card(anna, chat=group)
    await anna.press(card, "9:16")
    moved = harness.telegram.migrate(group)
    await harness.until(lambda: harness.videos(moved))
    assert len(harness.asked("create")) == 1
    assert "set_aside" not in [state for state, _ in updates(harness)]


# --- the press -----------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", EVERY)
async def test_a_press_that_cannot_be_answered_still_takes_effect(
    harness: AppHarness, cell: str
) -> None:
    anna = harness.person()
    card = await harness.card(anna)
    harness.refuse(EVERY[cell], on="answerCallbackQuery")
    await anna.press(card, "9:16")
    await harness.ended("delivered", within=30)
    await anna.send_text("a blue fox")
    await harness.until(lambda: cards(harness, anna.chat), within=60)
    assert len(harness.asked("create")) == len(harness.videos(anna.chat)) == 1


@pytest.mark.parametrize("cell", EVERY)
async def test_a_status_that_cannot_be_shown_delays_no_video(
    harness: AppHarness, cell: str
) -> None:
    anna = harness.person()
    harness.provider.delay = 60
    card = await harness.card(anna)
    harness.refuse(EVERY[cell].model_copy(update={"times": 2}), on="editMessageText")
    await anna.press(card, "9:16")
    await harness.ended("delivered", within=90)
    await anna.send_text("a blue fox")
    await harness.until(lambda: cards(harness, anna.chat), within=11_000)
    assert len(harness.asked("create")) == len(harness.videos(anna.chat)) == 1


async def test_presses_do_not_wait_for_hours_of_flood_control(harness: AppHarness) -> None:
    """Nobody looks at the answer then, and the chat's next words would wait as well."""
    anna = harness.person()
    card = await harness.card(anna)
    harness.refuse(LATER["429 for 10 000 s"][0], on="editMessageText")
    await anna.press(card, "Cancel")
    await harness.until(lambda: harness.states() == ["cancelled"])
    await anna.send_text("a blue fox")
    await harness.until(lambda: len(harness.states()) == 2, within=60)


# --- final notices -------------------------------------------------------------------------------

FAILED = words.failed("ru", Reason.UNSAFE_PROMPT, Charge.NONE)


async def _order_that_fails(harness: AppHarness, fault: Fault) -> Any:
    harness.spoil(says(1002), on="create")
    boris = harness.person("ru")
    card = await harness.card(boris)
    harness.refuse(fault, on="sendMessage")
    await boris.press(card, "9:16")
    await harness.until(lambda: harness.state() == "failed")
    return boris


@pytest.mark.parametrize("cell", LATER)
async def test_a_final_notice_is_sent_as_soon_as_telegram_accepts_it(
    harness: AppHarness, cell: str
) -> None:
    fault, wait = LATER[cell]
    boris = await _order_that_fails(harness, fault)
    await harness.ended("failed", within=11_000)
    assert harness.words(boris.chat).count(FAILED) == 1
    *_, first, last = harness.sent("sendMessage")
    assert wait <= last.started - first.started <= wait + 60
    assert len(harness.asked("create")) == 1


@pytest.mark.parametrize("cell", TAKEN)
async def test_a_final_notice_whose_answer_was_lost_is_sent_twice(
    harness: AppHarness, cell: str
) -> None:
    boris = await _order_that_fails(harness, TAKEN[cell])
    await harness.ended("failed")
    assert harness.words(boris.chat).count(FAILED) == 2


@pytest.mark.parametrize("cell", [*UNREACHABLE, *REJECTED])
async def test_a_final_notice_for_a_closed_chat_is_dropped(harness: AppHarness, cell: str) -> None:
    boris = await _order_that_fails(harness, EVERY[cell])
    await harness.ended("failed")
    await harness.pass_(DAY)
    plain = cell == "can't parse entities"
    assert harness.words(boris.chat).count(FAILED) == (1 if plain else 0)
    assert len(harness.sent("sendMessage")) == (3 if plain else 2)
    assert len(harness.asked("create")) == 1


async def test_a_final_notice_follows_its_group(harness: AppHarness) -> None:
    harness.spoil(says(1002), on="create")
    boris = harness.person("ru")
    group = harness.telegram.add_group("Клуб", [boris], supergroup=False)
    card = await harness.card(boris, chat=group)
    await boris.press(card, "9:16")
    moved = harness.telegram.migrate(group)
    await harness.ended("failed")
    await harness.reads(moved, FAILED, within=60)
    assert harness.words(moved).count(FAILED) == 1
