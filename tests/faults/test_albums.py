"""Variants of one order on their way into the chat: together when they are done close together.

The promise: an album never costs a video. Nobody waits long for a slow one or for one that failed,
and whatever Telegram says to the album, every video comes.
"""

from __future__ import annotations

import pytest

from bot import texts
from bot.sandbox.gptunnel.records import Mode
from bot.sandbox.telegram.people import Person
from bot.sandbox.telegram.state import Json
from bot.steps.album import WINDOW
from tests.faults.house import House
from tests.faults.refusals import LATER, REJECTED, TAKEN, UNREACHABLE

ALBUM, SINGLE = "sendMediaGroup", "sendVideo"


async def ordered(house: House, count: int, prompt: str = "a red fox") -> Person:
    """So many variants of one card, confirmed."""
    anna = house.person()
    card = await house.card(anna, prompt)
    assert await house.storage.tasks.choose(1, user_id=anna.id, variants=count)
    await anna.press(card, "9:16")
    await house.until(lambda: len(house.states()) == count and "draft" not in house.states())
    return anna


async def all_delivered(house: House, *, within: float = 3600.0) -> None:
    await house.until(lambda: set(house.states()) == {"delivered"}, within=within)
    await house.until(lambda: not house.rows("SELECT 1 FROM outbox"), within=within)
    await house.settle()


def data(message: Json) -> list[str]:
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return [button.get("callback_data", "") for row in rows for button in row]


def the_buttons(house: House, anna: Person) -> Json:
    """The one message below the album."""
    [message] = [m for m in anna.messages if any(one.startswith("v|") for one in data(m))]
    return message


def made_once(house: House, count: int) -> None:
    assert len(house.asked("create")) == len(house.provider.charges) == count
    assert len(house.asked("download")) == count
    assert not [*(house.path.parent / "videos").glob("*")]


async def test_variants_that_are_done_close_together_come_as_one_album(house: House) -> None:
    anna = await ordered(house, 3)
    await all_delivered(house, within=60)
    assert len(house.sent(ALBUM)) == 1
    assert house.sent(SINGLE) == []
    album = house.videos(anna.chat)
    assert len({message["media_group_id"] for message in album}) == 1
    said = house.task()["message_id"]
    assert [m["reply_to_message"]["message_id"] for m in album] == 3 * [said]
    # Whoever has one caption only shows it below the album: words, and the price of all.
    first, *others = (str(message.get("caption", "")) for message in album)
    assert first.startswith("a red fox")
    assert "3 × 17\xa0₽ = 51\xa0₽" in first
    assert others == ["", ""]
    kept = house.rows("SELECT video_message_id, video_file_id FROM tasks ORDER BY id")
    assert kept == [(m["message_id"], m["video"]["file_id"]) for m in album]
    # An album has no buttons of its own; the status message has gone.
    below = the_buttons(house, anna)
    assert below["reply_to_message"]["message_id"] == album[0]["message_id"]
    assert [m for m in anna.messages if m["from"]["is_bot"]] == [*album, below]
    made_once(house, 3)


async def test_below_an_album_a_number_shows_the_buttons_of_its_video(house: House) -> None:
    anna = await ordered(house, 2)
    await all_delivered(house)
    below = the_buttons(house, anna)
    assert "b|a|1" in data(below)
    await anna.press(below, "2")
    await house.until(lambda: "b|a|2" in data(the_buttons(house, anna)))
    below = the_buttons(house, anna)
    assert {"b|w|2", "b|r|2", "b|f|2", "b|d|2"} <= set(data(below))
    assert "2 of 2" in below["text"]
    # The first leaves the chat, the buttons of the other stay, and with that one they go too.
    first, second = house.videos(anna.chat)
    await anna.press(below, "1")
    await house.until(lambda: "b|a|1" in data(the_buttons(house, anna)))
    await anna.press(the_buttons(house, anna), "🗑 Delete")
    await house.until(lambda: house.videos(anna.chat) == [second])
    await house.until(lambda: "b|a|2" in data(anna.chat.messages[below["message_id"]]))
    assert first["message_id"] not in anna.chat.messages
    await anna.press(anna.chat.messages[below["message_id"]], "🗑 Delete")
    await house.until(lambda: below["message_id"] not in anna.chat.messages)
    assert house.videos(anna.chat) == []
    assert house.states() == ["delivered", "delivered"]


async def test_nobody_else_presses_below_an_album(house: House) -> None:
    anna, boris = house.person(), house.person(name="Boris")
    group = house.telegram.add_group("Film club", [anna, boris])
    card = await house.card(anna, chat=group)
    assert await house.storage.tasks.choose(1, user_id=anna.id, variants=2)
    await anna.press(card, "9:16")
    await house.until(lambda: house.states() == ["delivered", "delivered"])
    below = await house.find(group, lambda m: any(one.startswith("v|") for one in data(m)))
    for one in ("2", "🗑 Delete"):
        query = await boris.press(below, one)
        await house.until(lambda asked=query: asked.answer)  # type: ignore[misc]
        assert query.answer is not None
        assert query.answer["show_alert"]
    await house.settle()
    assert len(house.videos(group)) == 2
    assert group.messages[below["message_id"]] == below


async def test_a_finished_one_does_not_wait_for_a_slow_one(house: House) -> None:
    anna = await ordered(house, 2)
    await house.until(lambda: len(house.provider.tasks) == 2)
    _, slow = house.provider.tasks.values()
    slow.ready_at += 120
    await house.until(lambda: "delivered" in house.states())
    assert house.states() == ["delivered", "generating"]
    waits = "SELECT (julianday(ended_at) - julianday(rendered_at)) * 86400 FROM tasks"
    assert house.rows(waits)[0][0] <= WINDOW.total_seconds() + 1
    await all_delivered(house)
    assert len(house.videos(anna.chat)) == len(house.sent(SINGLE)) == 2
    made_once(house, 2)


async def test_one_that_failed_holds_nobody_up(house: House) -> None:
    anna = await ordered(house, 2)
    await house.until(lambda: len(house.provider.tasks) == 2)
    _, failed = house.provider.tasks.values()
    failed.end = Mode.FAILS
    await house.until(lambda: "delivered" in house.states())
    waits = "SELECT (julianday(ended_at) - julianday(rendered_at)) * 86400 FROM tasks"
    assert house.rows(waits)[0][0] < WINDOW.total_seconds() / 2
    await house.until(lambda: house.states() == ["delivered", "failed"])
    await house.until(lambda: not house.rows("SELECT 1 FROM outbox"))
    await house.settle()
    assert texts.status_rest("en", 1).render()[0] not in house.words(anna.chat)
    assert len(house.videos(anna.chat)) == len(house.sent(SINGLE)) == 1


async def test_a_third_one_comes_after_the_album_of_the_others(house: House) -> None:
    anna = await ordered(house, 3)
    await house.until(lambda: len(house.provider.tasks) == 3)
    *_, slow = house.provider.tasks.values()
    slow.ready_at += 120
    # The status message tells of the one that is left, and goes with it.
    to_come = texts.status_rest("en", 1).render()[0]
    await house.reads(anna.chat, to_come)
    assert len(house.videos(anna.chat)) == 2
    await all_delivered(house)
    assert to_come not in house.words(anna.chat)
    assert (len(house.sent(ALBUM)), len(house.sent(SINGLE))) == (1, 1)
    assert len(house.videos(anna.chat)) == 3
    made_once(house, 3)


@pytest.mark.parametrize("cell", LATER)
async def test_an_album_that_cannot_be_sent_now_comes_one_by_one_later(
    house: House, cell: str
) -> None:
    fault, wait = LATER[cell]
    house.refuse(fault, on=ALBUM)
    anna = await ordered(house, 2)
    await all_delivered(house, within=12_000)
    [album], singles = house.sent(ALBUM), house.sent(SINGLE)
    assert len(singles) == len(house.videos(anna.chat)) == 2
    assert all(call.started - album.started >= min(wait, 1) for call in singles)
    made_once(house, 2)


@pytest.mark.parametrize("cell", TAKEN)
async def test_an_album_whose_receipt_was_lost_comes_twice_rather_than_not_at_all(
    house: House, cell: str
) -> None:
    house.refuse(TAKEN[cell], on=ALBUM)
    anna = await ordered(house, 2)
    await all_delivered(house, within=120)
    assert len(house.videos(anna.chat)) == 4
    made_once(house, 2)


@pytest.mark.parametrize("cell", [c for c in REJECTED if "parse" not in c])
async def test_a_rejected_album_comes_one_by_one_at_once(house: House, cell: str) -> None:
    house.refuse(REJECTED[cell], on=ALBUM)
    anna = await ordered(house, 2)
    await all_delivered(house, within=60)
    assert len(house.sent(SINGLE)) == len(house.videos(anna.chat)) == 2
    assert house.rows("SELECT attempts FROM tasks") == [(0,), (0,)]
    made_once(house, 2)


async def test_a_caption_whose_formatting_is_refused_goes_plain(house: House) -> None:
    house.refuse(REJECTED["can't parse entities"], on=ALBUM)
    anna = await ordered(house, 2)
    await all_delivered(house, within=60)
    assert len(house.sent(ALBUM)) == 2
    assert len(house.videos(anna.chat)) == 2


@pytest.mark.parametrize("cell", UNREACHABLE)
async def test_a_chat_that_takes_nothing_keeps_all_of_them(house: House, cell: str) -> None:
    house.refuse(UNREACHABLE[cell], on=ALBUM)
    anna = await ordered(house, 2)
    await house.until(lambda: house.states() == 2 * ["undeliverable"], within=60)
    kept = {path.name for path in (house.path.parent / "videos").iterdir()}
    assert kept == {"1.mp4", "2.mp4"}
    assert house.sent(SINGLE) == []
    for task_id in (1, 2):
        assert await house.storage.tasks.redeliver(task_id, user_id=anna.id, now=house.time())
    await all_delivered(house)
    assert len(house.videos(anna.chat)) == 2
    made_once(house, 2)


async def test_an_album_follows_its_group(house: House) -> None:
    anna = house.person()
    group = house.telegram.add_group("Film club", [anna], supergroup=False)
    card = await house.card(anna, chat=group)
    assert await house.storage.tasks.choose(1, user_id=anna.id, variants=2)
    await anna.press(card, "9:16")
    await house.until(lambda: len(house.states()) == 2)
    moved = house.telegram.migrate(group)
    await all_delivered(house, within=120)
    assert len(house.videos(moved)) == 2
    made_once(house, 2)


async def test_buttons_that_cannot_be_sent_now_are_sent_later(house: House) -> None:
    anna = await ordered(house, 2)
    house.refuse(LATER["502 HTML"][0], on="sendMessage")
    await all_delivered(house)
    assert len(house.videos(anna.chat)) == 2
    assert the_buttons(house, anna)
