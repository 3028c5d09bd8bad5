"""Variants of one order on their way into the chat: sent together when they finish close together.

The promise: an album never costs a video. No variant waits long for a slow or failed one, and
whatever Telegram answers to the album, every video arrives.
"""

from __future__ import annotations

import pytest

from bot import texts
from bot.jobs.steps.album import WINDOW
from bot.sandbox.gptunnel.records import Mode
from bot.sandbox.telegram.people import Person
from bot.sandbox.telegram.state import Json
from tests.faults.refusals import LATER, REJECTED, TAKEN, UNREACHABLE
from tests.support.app_harness import AppHarness

ALBUM, SINGLE = "sendMediaGroup", "sendVideo"


async def ordered(harness: AppHarness, count: int, prompt: str = "a red fox") -> Person:
    """So many variants of one card, confirmed."""
    anna = harness.person()
    card = await harness.card(anna, prompt)
    assert await harness.storage.tasks.choose(1, user_id=anna.id, variants=count)
    await anna.press(card, "9:16")
    await harness.until(lambda: len(harness.states()) == count and "draft" not in harness.states())
    return anna


async def all_delivered(harness: AppHarness, *, within: float = 3600.0) -> None:
    await harness.until(lambda: set(harness.states()) == {"delivered"}, within=within)
    await harness.until(lambda: not harness.rows("SELECT 1 FROM outbox"), within=within)
    await harness.settle()


def data(message: Json) -> list[str]:
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return [button.get("callback_data", "") for row in rows for button in row]


def the_buttons(harness: AppHarness, anna: Person) -> Json:
    """The one message below the album."""
    [message] = [m for m in anna.messages if any(one.startswith("v|") for one in data(m))]
    return message


def made_once(harness: AppHarness, count: int) -> None:
    assert len(harness.asked("create")) == len(harness.provider.charges) == count
    assert len(harness.asked("download")) == count
    assert not [*(harness.path.parent / "videos").glob("*")]


async def test_variants_that_finish_close_together_are_one_album(
    harness: AppHarness,
) -> None:
    anna = await ordered(harness, 3)
    await all_delivered(harness, within=60)
    assert len(harness.sent(ALBUM)) == 1
    assert harness.sent(SINGLE) == []
    album = harness.videos(anna.chat)
    assert len({message["media_group_id"] for message in album}) == 1
    said = harness.task()["message_id"]
    assert [m["reply_to_message"]["message_id"] for m in album] == 3 * [said]
    # The only caption is shown below the album: the prompt, and the total price.
    first, *others = (str(message.get("caption", "")) for message in album)
    assert first.startswith("a red fox")
    assert "3 × 17\xa0₽ = 51\xa0₽" in first
    assert others == ["", ""]
    kept = harness.rows("SELECT video_message_id, video_file_id FROM tasks ORDER BY id")
    assert kept == [(m["message_id"], m["video"]["file_id"]) for m in album]
    # An album has no buttons of its own; the status message has gone.
    below = the_buttons(harness, anna)
    assert below["reply_to_message"]["message_id"] == album[0]["message_id"]
    assert [m for m in anna.messages if m["from"]["is_bot"]] == [*album, below]
    made_once(harness, 3)


async def test_a_number_below_an_album_shows_the_buttons_of_its_video(harness: AppHarness) -> None:
    anna = await ordered(harness, 2)
    await all_delivered(harness)
    below = the_buttons(harness, anna)
    assert "b|a|1" in data(below)
    await anna.press(below, "2")
    await harness.until(lambda: "b|a|2" in data(the_buttons(harness, anna)))
    below = the_buttons(harness, anna)
    assert {"b|w|2", "b|r|2", "b|f|2", "b|d|2"} <= set(data(below))
    assert "2 of 2" in below["text"]
    # The first leaves the chat, the buttons of the other stay, and with that one they go too.
    first, second = harness.videos(anna.chat)
    await anna.press(below, "1")
    await harness.until(lambda: "b|a|1" in data(the_buttons(harness, anna)))
    await anna.press(the_buttons(harness, anna), "🗑 Delete")
    await harness.until(lambda: harness.videos(anna.chat) == [second])
    await harness.until(lambda: "b|a|2" in data(anna.chat.messages[below["message_id"]]))
    assert first["message_id"] not in anna.chat.messages
    await anna.press(anna.chat.messages[below["message_id"]], "🗑 Delete")
    await harness.until(lambda: below["message_id"] not in anna.chat.messages)
    assert harness.videos(anna.chat) == []
    assert harness.states() == ["delivered", "delivered"]


async def test_only_the_owner_can_press_below_an_album(harness: AppHarness) -> None:
    anna, boris = harness.person(), harness.person(name="Boris")
    group = harness.telegram.add_group("Film club", [anna, boris])
    card = await harness.card(anna, chat=group)
    assert await harness.storage.tasks.choose(1, user_id=anna.id, variants=2)
    await anna.press(card, "9:16")
    await harness.until(lambda: harness.states() == ["delivered", "delivered"])
    below = await harness.find(group, lambda m: any(one.startswith("v|") for one in data(m)))
    for one in ("2", "🗑 Delete"):
        query = await boris.press(below, one)
        await harness.until(lambda asked=query: asked.answer)  # type: ignore[misc]
        assert query.answer is not None
        assert query.answer["show_alert"]
    await harness.settle()
    assert len(harness.videos(group)) == 2
    assert group.messages[below["message_id"]] == below


async def test_a_finished_variant_does_not_wait_for_a_slow_one(harness: AppHarness) -> None:
    anna = await ordered(harness, 2)
    await harness.until(lambda: len(harness.provider.tasks) == 2)
    _, slow = harness.provider.tasks.values()
    slow.ready_at += 120
    await harness.until(lambda: "delivered" in harness.states())
    assert harness.states() == ["delivered", "generating"]
    waits = "SELECT (julianday(ended_at) - julianday(rendered_at)) * 86400 FROM tasks"
    assert harness.rows(waits)[0][0] <= WINDOW.total_seconds() + 1
    await all_delivered(harness)
    assert len(harness.videos(anna.chat)) == len(harness.sent(SINGLE)) == 2
    made_once(harness, 2)


async def test_a_failed_variant_delays_no_other(harness: AppHarness) -> None:
    anna = await ordered(harness, 2)
    await harness.until(lambda: len(harness.provider.tasks) == 2)
    _, failed = harness.provider.tasks.values()
    failed.end = Mode.FAILS
    await harness.until(lambda: "delivered" in harness.states())
    waits = "SELECT (julianday(ended_at) - julianday(rendered_at)) * 86400 FROM tasks"
    assert harness.rows(waits)[0][0] < WINDOW.total_seconds() / 2
    await harness.until(lambda: harness.states() == ["delivered", "failed"])
    await harness.until(lambda: not harness.rows("SELECT 1 FROM outbox"))
    await harness.settle()
    assert texts.statuses.status_rest("en", 1).render()[0] not in harness.words(anna.chat)
    assert len(harness.videos(anna.chat)) == len(harness.sent(SINGLE)) == 1


async def test_a_late_third_variant_follows_the_album_of_the_others(harness: AppHarness) -> None:
    anna = await ordered(harness, 3)
    await harness.until(lambda: len(harness.provider.tasks) == 3)
    *_, slow = harness.provider.tasks.values()
    slow.ready_at += 120
    # The status message shows that one video is missing, and is deleted with it.
    to_come = texts.statuses.status_rest("en", 1).render()[0]
    await harness.reads(anna.chat, to_come)
    assert len(harness.videos(anna.chat)) == 2
    await all_delivered(harness)
    await harness.pass_(5)  # the deletion waits for its turn in the chat
    assert to_come not in harness.words(anna.chat)
    assert (len(harness.sent(ALBUM)), len(harness.sent(SINGLE))) == (1, 1)
    assert len(harness.videos(anna.chat)) == 3
    made_once(harness, 3)


@pytest.mark.parametrize("cell", LATER)
async def test_a_postponed_album_is_sent_one_by_one_later(harness: AppHarness, cell: str) -> None:
    fault, wait = LATER[cell]
    harness.refuse(fault, on=ALBUM)
    anna = await ordered(harness, 2)
    await all_delivered(harness, within=12_000)
    [album], singles = harness.sent(ALBUM), harness.sent(SINGLE)
    assert len(singles) == len(harness.videos(anna.chat)) == 2
    assert all(call.started - album.started >= min(wait, 1) for call in singles)
    made_once(harness, 2)


@pytest.mark.parametrize("cell", TAKEN)
async def test_an_album_whose_answer_was_lost_is_sent_again(
    harness: AppHarness, cell: str
) -> None:
    harness.refuse(TAKEN[cell], on=ALBUM)
    anna = await ordered(harness, 2)
    await all_delivered(harness, within=120)
    assert len(harness.videos(anna.chat)) == 4
    made_once(harness, 2)


@pytest.mark.parametrize("cell", [c for c in REJECTED if "parse" not in c])
async def test_a_rejected_album_is_sent_one_by_one_at_once(harness: AppHarness, cell: str) -> None:
    harness.refuse(REJECTED[cell], on=ALBUM)
    anna = await ordered(harness, 2)
    await all_delivered(harness, within=60)
    assert len(harness.sent(SINGLE)) == len(harness.videos(anna.chat)) == 2
    assert harness.rows("SELECT attempts FROM tasks") == [(0,), (0,)]
    made_once(harness, 2)


async def test_a_caption_with_refused_formatting_is_sent_plain(harness: AppHarness) -> None:
    harness.refuse(REJECTED["can't parse entities"], on=ALBUM)
    anna = await ordered(harness, 2)
    await all_delivered(harness, within=60)
    assert len(harness.sent(ALBUM)) == 2
    assert len(harness.videos(anna.chat)) == 2


@pytest.mark.parametrize("cell", UNREACHABLE)
async def test_videos_for_a_closed_chat_are_all_kept(harness: AppHarness, cell: str) -> None:
    harness.refuse(UNREACHABLE[cell], on=ALBUM)
    anna = await ordered(harness, 2)
    await harness.until(lambda: harness.states() == 2 * ["undeliverable"], within=60)
    kept = {path.name for path in (harness.path.parent / "videos").iterdir()}
    assert kept == {"1.mp4", "2.mp4"}
    assert harness.sent(SINGLE) == []
    for task_id in (1, 2):
        assert await harness.storage.tasks.redeliver(task_id, user_id=anna.id, now=harness.time())
    await all_delivered(harness)
    assert len(harness.videos(anna.chat)) == 2
    made_once(harness, 2)


async def test_an_album_follows_its_group(harness: AppHarness) -> None:
    anna = harness.person()
    group = harness.telegram.add_group("Film club", [anna], supergroup=False)
    card = await harness.card(anna, chat=group)
    assert await harness.storage.tasks.choose(1, user_id=anna.id, variants=2)
    await anna.press(card, "9:16")
    await harness.until(lambda: len(harness.states()) == 2)
    moved = harness.telegram.migrate(group)
    await all_delivered(harness, within=120)
    assert len(harness.videos(moved)) == 2
    made_once(harness, 2)


async def test_buttons_that_cannot_be_sent_now_are_sent_later(harness: AppHarness) -> None:
    anna = await ordered(harness, 2)
    harness.refuse(LATER["502 HTML"][0], on="sendMessage")
    await all_delivered(harness)
    assert len(harness.videos(anna.chat)) == 2
    assert the_buttons(harness, anna)
