"""What the bot says, shows and answers, and everything that Telegram can say to that.

The promise: what a person wished is granted once whatever becomes of the words about it; a card
and a last word come as soon as Telegram takes them; status lines and toasts delay nothing.
"""

from __future__ import annotations

from typing import Any

import pytest

from bot.sandbox.faults import Fault
from bot.sandbox.telegram.calls import Call
from bot.sandbox.telegram.state import Chat, Json
from bot.task import Charge, Reason
from tests.faults import words
from tests.faults.answers import says
from tests.faults.house import House
from tests.faults.refusals import LATER, REJECTED, TAKEN, UNREACHABLE

DAY = 24 * 3600.0
EVERY: dict[str, Fault] = {
    **{cell: fault for cell, (fault, _) in LATER.items()},
    **TAKEN,
    **UNREACHABLE,
    **REJECTED,
}


def cards(house: House, chat: Chat) -> list[Json]:
    """Messages that offer the shapes."""
    return [m for m in chat.messages.values() if "9:16" in str(m.get("reply_markup"))]


def updates(house: House) -> list[tuple[str, str | None]]:
    """State and error of every update, in their order."""
    return [tuple(row) for row in house.rows("SELECT state, error FROM inbox ORDER BY update_id")]


def _to(call: Call, chat_id: int) -> bool:
    """Whether it was for this chat; a refused call is kept as it came, in text."""
    return str(call.params["chat_id"]) == str(chat_id)


# --- the card --------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", LATER)
async def test_a_card_comes_as_soon_as_telegram_takes_it(house: House, cell: str) -> None:
    fault, wait = LATER[cell]
    house.refuse(fault, on="sendMessage")
    anna, boris = house.person(), house.person("ru", "Борис")
    await anna.send_text("a red fox")
    await house.settle()
    # Whatever keeps one chat waiting, another is served.
    assert cards(house, anna.chat) == []
    await boris.send_text("рыжая лиса")
    await house.until(lambda: cards(house, boris.chat), within=5)
    await house.until(lambda: cards(house, anna.chat), within=wait + 10)
    hers = [call.started for call in house.sent("sendMessage") if _to(call, anna.id)]
    assert wait <= hers[-1] - hers[0] <= wait + 10
    await house.pass_(60)
    assert len(cards(house, anna.chat)) == 1
    assert house.states() == ["draft", "draft"]
    assert [state for state, _ in updates(house)] == ["done", "done"]


@pytest.mark.parametrize("cell", TAKEN)
async def test_a_card_whose_receipt_was_lost_may_come_twice_for_one_draft(
    house: House, cell: str
) -> None:
    house.refuse(TAKEN[cell], on="sendMessage")
    anna = house.person()
    await anna.send_text("a red fox")
    await house.until(lambda: len(cards(house, anna.chat)) == 2, within=60)
    assert house.states() == ["draft"]
    # Both cards carry the same number: pressing both orders one video.
    for card in cards(house, anna.chat):
        await anna.press(card, "9:16")
    await house.ended("delivered")
    assert len(house.asked("create")) == len(house.videos(anna.chat)) == 1


@pytest.mark.parametrize("cell", UNREACHABLE)
async def test_a_chat_that_takes_no_card_is_left_in_peace(house: House, cell: str) -> None:
    house.refuse(UNREACHABLE[cell], on="sendMessage")
    anna = house.person()
    await anna.send_text("a red fox")
    await house.pass_(DAY)
    assert len(house.sent("sendMessage")) == 1
    assert [state for state, _ in updates(house)] == ["done"]
    assert house.asked("create") == []
    await anna.send_text("a blue fox")
    await house.until(lambda: cards(house, anna.chat))


@pytest.mark.parametrize("cell", REJECTED)
async def test_words_that_telegram_never_takes_hold_nobody_up(house: House, cell: str) -> None:
    house.refuse(REJECTED[cell], on="sendMessage")
    anna = house.person()
    await anna.send_text("a red fox")
    await anna.send_text("a blue fox")
    await house.until(lambda: cards(house, anna.chat))
    await house.pass_(3600)
    assert [state for state, _ in updates(house)] == ["set_aside", "done"]
    assert len(house.sent("sendMessage")) == 2


async def test_an_outage_of_hours_loses_no_prompt(house: House) -> None:
    """Updates arrive, answers do not go out: far more tries than a poisoned update gets."""
    house.refuse(LATER["502 HTML"][0].model_copy(update={"times": 0}), on="sendMessage")
    anna = house.person()
    for prompt in ("one", "two", "three"):
        await anna.send_text(prompt)
    await house.pass_(4 * 3600)
    assert len(house.sent("sendMessage")) < 80
    house.telegram.faults.clear()
    await house.until(lambda: len(cards(house, anna.chat)) == 3, within=900)
    await house.pass_(60)
    assert [state for state, _ in updates(house)] == ["done"] * 3
    assert [m["text"].split("\n")[0] for m in cards(house, anna.chat)] == ["one", "two", "three"]


async def test_what_was_said_while_the_group_moved_is_answered_where_it_is_now(
    house: House,
) -> None:
    anna = house.person()
    group = house.telegram.add_group("Film club", [anna], supergroup=False)
    name = house.telegram.world.bot["username"]
    await anna.send_text(f"@{name} a red fox", chat=group)
    moved = house.telegram.migrate(group)
    await house.until(lambda: cards(house, moved), within=10)
    await house.pass_(600)
    assert len(cards(house, moved)) == 1
    assert "set_aside" not in [state for state, _ in updates(house)]
    await anna.press(cards(house, moved)[0], "9:16")
    await house.until(lambda: house.videos(moved))
    assert len(house.asked("create")) == 1


async def test_what_was_pressed_while_the_group_moved_is_granted_once(house: House) -> None:
    anna = house.person()
    group = house.telegram.add_group("Film club", [anna], supergroup=False)
    card = await house.card(anna, chat=group)
    await anna.press(card, "9:16")
    moved = house.telegram.migrate(group)
    await house.until(lambda: house.videos(moved))
    assert len(house.asked("create")) == 1
    assert "set_aside" not in [state for state, _ in updates(house)]


# --- the press -----------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", EVERY)
async def test_a_press_that_cannot_be_answered_is_granted_all_the_same(
    house: House, cell: str
) -> None:
    anna = house.person()
    card = await house.card(anna)
    house.refuse(EVERY[cell], on="answerCallbackQuery")
    await anna.press(card, "9:16")
    await house.ended("delivered", within=30)
    await anna.send_text("a blue fox")
    await house.until(lambda: cards(house, anna.chat), within=60)
    assert len(house.asked("create")) == len(house.videos(anna.chat)) == 1


@pytest.mark.parametrize("cell", EVERY)
async def test_a_status_that_cannot_be_shown_delays_no_video(house: House, cell: str) -> None:
    anna = house.person()
    house.provider.delay = 60
    card = await house.card(anna)
    house.refuse(EVERY[cell].model_copy(update={"times": 2}), on="editMessageText")
    await anna.press(card, "9:16")
    await house.ended("delivered", within=90)
    await anna.send_text("a blue fox")
    await house.until(lambda: cards(house, anna.chat), within=11_000)
    assert len(house.asked("create")) == len(house.videos(anna.chat)) == 1


async def test_presses_wait_out_no_flood_of_hours(house: House) -> None:
    """Nobody looks at the answer then, and the chat's next words would wait as well."""
    anna = house.person()
    card = await house.card(anna)
    house.refuse(LATER["429 for 10 000 s"][0], on="editMessageText")
    await anna.press(card, "Cancel")
    await house.until(lambda: house.states() == ["cancelled"])
    await anna.send_text("a blue fox")
    await house.until(lambda: len(house.states()) == 2, within=60)


# --- the last word -------------------------------------------------------------------------------

FAILED = words.failed("ru", Reason.UNSAFE_PROMPT, Charge.NONE)


async def _order_that_fails(house: House, fault: Fault) -> Any:
    house.spoil(says(1002), on="create")
    boris = house.person("ru")
    card = await house.card(boris)
    house.refuse(fault, on="sendMessage")
    await boris.press(card, "9:16")
    await house.until(lambda: house.state() == "failed")
    return boris


@pytest.mark.parametrize("cell", LATER)
async def test_the_last_word_comes_as_soon_as_telegram_takes_it(house: House, cell: str) -> None:
    fault, wait = LATER[cell]
    boris = await _order_that_fails(house, fault)
    await house.ended("failed", within=11_000)
    assert house.words(boris.chat).count(FAILED) == 1
    *_, first, last = house.sent("sendMessage")
    assert wait <= last.started - first.started <= wait + 60
    assert len(house.asked("create")) == 1


@pytest.mark.parametrize("cell", TAKEN)
async def test_a_last_word_whose_receipt_was_lost_comes_twice(house: House, cell: str) -> None:
    boris = await _order_that_fails(house, TAKEN[cell])
    await house.ended("failed")
    assert house.words(boris.chat).count(FAILED) == 2


@pytest.mark.parametrize("cell", [*UNREACHABLE, *REJECTED])
async def test_a_last_word_that_nobody_takes_is_said_no_more(house: House, cell: str) -> None:
    boris = await _order_that_fails(house, EVERY[cell])
    await house.ended("failed")
    await house.pass_(DAY)
    plain = cell == "can't parse entities"
    assert house.words(boris.chat).count(FAILED) == (1 if plain else 0)
    assert len(house.sent("sendMessage")) == (3 if plain else 2)
    assert len(house.asked("create")) == 1


async def test_a_last_word_follows_its_group(house: House) -> None:
    house.spoil(says(1002), on="create")
    boris = house.person("ru")
    group = house.telegram.add_group("Клуб", [boris], supergroup=False)
    card = await house.card(boris, chat=group)
    await boris.press(card, "9:16")
    moved = house.telegram.migrate(group)
    await house.ended("failed")
    await house.reads(moved, FAILED, within=60)
    assert house.words(moved).count(FAILED) == 1
