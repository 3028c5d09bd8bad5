"""A whole film that its group does not take: it goes where a single video goes.

The promise: the person's own chat, with a word why; without such a chat they read at their next
message that it could not be sent. No part is ordered twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from bot.sandbox.telegram.people import Person
from bot.sandbox.telegram.state import Chat, Json
from storage.tables import films as films_table
from tests.faults.refusals import CLOSED
from tests.faults.test_films import PARTS, WHOLE
from tests.support.app_harness import AppHarness, OpenAppHarness, _buttons

WHY = "Telegram does not let me send it to the chat where you ordered it."
HOUR = 3600.0


@pytest.fixture
async def harness(make_harness: OpenAppHarness) -> AsyncIterator[AppHarness]:
    async with make_harness(read_videos=True) as harness:
        yield harness


def films(harness: AppHarness, chat: Chat) -> list[Json]:
    return [m for m in harness.videos(chat) if "Film of" in str(m.get("caption"))]


async def film_in_group(harness: AppHarness, *, started: bool) -> tuple[Person, Chat]:
    """Somebody with the parts of a film in a group, and with an own chat with the bot or not."""
    anna = harness.person()
    group = harness.telegram.add_group("Film club", [anna])
    if started:
        await anna.send_text("/start")
    name = harness.telegram.world.bot["username"]
    await anna.send_text(f"/film@{name}\na keeper wakes\nhe sails away", chat=group)
    card = await harness.find(group, lambda m: "9:16" in _buttons(m))
    await anna.press(card, "9:16")
    await harness.ended("delivered", 2)
    await harness.until(lambda: films(harness, group))
    await harness.settle()
    return anna, group


async def forget_joined(harness: AppHarness) -> None:
    """Telegram has the film no more: it has to be joined again."""
    async with harness.storage.database.transaction() as connection:
        await connection.execute(sa.update(films_table).values(file_id=None, joined=None))


@pytest.mark.parametrize("is_joined", [True, False])
@pytest.mark.parametrize("cell", ["kicked", "CHAT_SEND_VIDEOS_FORBIDDEN"])
async def test_a_film_that_a_group_refuses_goes_to_the_persons_own_chat(
    harness: AppHarness, cell: str, is_joined: bool
) -> None:
    anna, group = await film_in_group(harness, started=True)
    if not is_joined:
        await forget_joined(harness)
    fault = CLOSED[cell].model_copy(update={"times": 0, "match": {"chat_id": group.id}})
    harness.refuse(fault, "sendVideo")
    last = [m for m in harness.videos(group) if m not in films(harness, group)][-1]
    await anna.press(last, WHOLE)
    await harness.until(lambda: films(harness, anna.chat), within=60)
    await harness.pass_(HOUR)
    [film] = films(harness, anna.chat)
    assert WHY in film["caption"]
    assert "reply_to_message" not in film
    assert not harness.rows("SELECT 1 FROM films WHERE run_at IS NOT NULL")
    assert len(harness.asked("create")) == 2
    # asked for there, it comes without that word
    await anna.press(film, PARTS)
    shown = await harness.find(anna.chat, lambda m: WHOLE in _buttons(m))
    await anna.press(shown, WHOLE)
    await harness.until(lambda: len(films(harness, anna.chat)) == 2, within=60)
    assert WHY not in films(harness, anna.chat)[-1]["caption"]


async def test_without_an_own_chat_the_person_is_told_at_their_next_message(
    harness: AppHarness,
) -> None:
    anna, group = await film_in_group(harness, started=False)
    await forget_joined(harness)
    last = [m for m in harness.videos(group) if m not in films(harness, group)][-1]
    group.forbidden = {"text messages", "videos"}
    await anna.press(last, WHOLE)
    await harness.pass_(HOUR)
    assert not harness.rows("SELECT 1 FROM films WHERE run_at IS NOT NULL")
    assert len(harness.rows("SELECT 1 FROM outbox WHERE waits_for = ?", anna.id)) == 1
    other = harness.telegram.add_group("Holiday", [anna])
    await anna.send_text("/help", chat=other)
    told = await harness.find(other, lambda m: "could not be sent" in str(m.get("text")))
    assert "The parts are all there." in told["text"]
    await anna.press(told, PARTS)
    shown = await harness.find(other, lambda m: WHOLE in _buttons(m))
    await anna.press(shown, WHOLE)
    await harness.until(lambda: films(harness, other), within=60)
    assert len(harness.asked("create")) == 2
