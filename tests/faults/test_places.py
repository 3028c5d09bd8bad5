"""A group or topic that takes no video, and where the video goes instead.

The promise: one try there; then the person's own chat, with a word why; without such a chat the
video is kept and told at the person's next message anywhere. Nothing is ordered, downloaded or
sent twice.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot import texts
from bot.core.task import Task
from bot.jobs.delivery import KeptVideos
from bot.jobs.retention import Retention
from bot.sandbox.telegram.people import Person
from bot.sandbox.telegram.state import Chat, Json
from tests.faults.answers import says
from tests.faults.refusals import CLOSED
from tests.support.app_harness import AppHarness, OpenAppHarness

DAY = 24 * 3600.0
SEND, ALBUM = "sendVideo", "sendMediaGroup"
WHY = "Telegram does not let me send it to the chat where you ordered it."


def made_once(harness: AppHarness, count: int = 1) -> None:
    assert len(harness.asked("create")) == len(harness.provider.charges) == count
    assert len(harness.asked("download")) == count


async def member(harness: AppHarness, *, started: bool) -> tuple[Person, Chat]:
    """Somebody in a group, who has the bot's own chat too, or not."""
    anna = harness.person()
    if started:
        await anna.send_text("/start")
        await harness.settle()
    return anna, harness.telegram.add_group("Film club", [anna])


def sent_to(harness: AppHarness, chat: Chat, *methods: str) -> int:
    calls = [call for method in methods or (SEND,) for call in harness.sent(method)]
    return sum(str(call.params.get("chat_id")) == str(chat.id) for call in calls)


def button(message: Json, row: int = 0) -> str:
    return str(message["reply_markup"]["inline_keyboard"][row][0]["callback_data"])


@pytest.mark.parametrize("cell", CLOSED)
async def test_a_place_that_takes_no_video_is_tried_once_and_the_person_gets_it(
    harness: AppHarness, cell: str
) -> None:
    anna, group = await member(harness, started=True)
    fault = CLOSED[cell].model_copy(update={"times": 0, "match": {"chat_id": group.id}})
    harness.refuse(fault, on=SEND)
    await harness.order(anna, chat=group)
    await harness.ended("delivered", within=60)
    await harness.pass_(DAY)
    assert (sent_to(harness, group), sent_to(harness, anna.chat)) == (1, 1)
    [video] = harness.videos(anna.chat)
    assert WHY in video["caption"]
    assert "reply_to_message" not in video
    # the group reads where it went
    assert texts.statuses.status_redirected("en").render()[0] in harness.words(group)
    assert harness.task()["video_message_id"] == video["message_id"]
    assert not list((harness.path.parent / "videos").iterdir())
    made_once(harness)


async def test_a_closed_topic_gets_one_upload_and_no_storm(harness: AppHarness) -> None:
    """As seen: six uploads in 14 s, then the general topic."""
    anna = harness.person()
    await anna.send_text("/start")
    forum = harness.telegram.add_group("Club", [anna], topics=["Talk", "Videos"])
    name = harness.telegram.world.bot["username"]
    harness.provider.delay = 90
    await anna.send_text(f"@{name} a red fox", chat=forum, thread=3)
    card = await harness.find(forum, lambda m: "9:16" in str(m.get("reply_markup")))
    await anna.press(card, "9:16")
    await harness.until(lambda: harness.state() == "generating")
    forum.closed_topics = {3}
    before = len(harness.telegram.calls)
    await harness.ended("delivered", within=300)
    calls = [c for c in harness.telegram.calls[before:] if c.status not in (None, 200)]
    refused = [c for c in calls if "TOPIC_CLOSED" in (c.description or "")]
    assert [c.method for c in refused].count(SEND) == 1
    assert [c.method for c in refused].count("sendChatAction") <= 2
    assert len(refused) <= 5
    assert harness.videos(forum) == []
    assert len(harness.videos(anna.chat)) == 1
    made_once(harness)


async def test_without_an_own_chat_it_is_kept_and_told_at_the_next_message(
    harness: AppHarness,
) -> None:
    anna, group = await member(harness, started=False)
    harness.provider.delay = 30
    await harness.order(anna, chat=group)
    group.forbidden = {"text messages", "videos"}
    await harness.ended("undeliverable", within=90)
    await harness.pass_(DAY)
    assert sent_to(harness, group, SEND, "sendMessage") == 3  # the card, and one try of each
    assert sent_to(harness, anna.chat, SEND, "sendMessage") == 2
    assert len(harness.rows("SELECT 1 FROM outbox WHERE waits_for = ?", anna.id)) == 1
    # anywhere: another group, where the words of the order are needed
    other = harness.telegram.add_group("Holiday", [anna])
    await anna.send_text("/help", chat=other)
    told = await harness.find(other, lambda m: "red fox" in m.get("text", ""))
    assert "Your video is ready" in told["text"]
    await harness.settle()
    assert harness.rows("SELECT 1 FROM outbox") == []
    await anna.press(told, button(told))
    await harness.ended("delivered")
    assert len(harness.videos(other)) == 1
    assert not list((harness.path.parent / "videos").iterdir())
    made_once(harness)


async def test_a_group_without_videos_says_so_and_the_button_brings_it(
    harness: AppHarness,
) -> None:
    """Text is allowed: the group reads it, and pressing again after /start brings the video."""
    anna, group = await member(harness, started=False)
    group.forbidden = {"videos"}
    await harness.order(anna, chat=group)
    await harness.ended("undeliverable", within=60)
    told = await harness.find(group, lambda m: "our private chat" in m.get("text", ""))
    await anna.send_text("/start")
    await harness.settle()
    await anna.press(told, button(told))
    await harness.ended("delivered", within=60)
    assert len(harness.videos(anna.chat)) == 1
    assert (sent_to(harness, group), sent_to(harness, anna.chat)) == (2, 2)
    made_once(harness)


@pytest.mark.parametrize("lang", ["en", "ru"])
async def test_a_failure_that_the_group_does_not_take_is_told_to_the_person(
    harness: AppHarness, lang: str
) -> None:
    anna = harness.person(lang)
    await anna.send_text("/start")
    group = harness.telegram.add_group("Film club", [anna])
    harness.spoil(says(1002), on="create")
    card = await harness.card(anna, chat=group)
    group.forbidden = {"text messages"}
    await anna.press(card, "9:16")
    await harness.ended("failed")
    await harness.pass_(DAY)
    [said] = [m for m in anna.messages if "a red fox" in m.get("text", "")]
    about = {"en": "in another chat", "ru": "в другом чате"}[lang]
    assert about in said["text"]
    assert sent_to(harness, group, "sendMessage") == 2


async def test_variants_go_to_the_person_as_one_album(harness: AppHarness) -> None:
    anna, group = await member(harness, started=True)
    card = await harness.card(anna, chat=group)
    assert await harness.storage.tasks.choose(1, user_id=anna.id, variants=2)
    group.forbidden = {"videos"}
    await anna.press(card, "9:16")
    await harness.until(lambda: set(harness.states()) == {"delivered"}, within=120)
    await harness.until(lambda: not harness.rows("SELECT 1 FROM outbox"))
    await harness.settle()
    assert sent_to(harness, group, SEND, ALBUM) == sent_to(harness, anna.chat, ALBUM) == 1
    album = harness.videos(anna.chat)
    assert len({m["media_group_id"] for m in album}) == 1
    assert WHY in album[0]["caption"]
    # the buttons are below the album, and work there
    below = await harness.find(anna.chat, lambda m: "v|" in str(m.get("reply_markup")))
    await anna.press(below, "🗑 Delete")
    await harness.until(lambda: len(harness.videos(anna.chat)) == 1)
    made_once(harness, 2)


async def test_again_below_a_redirected_video_orders_into_the_persons_chat(
    harness: AppHarness,
) -> None:
    anna, group = await member(harness, started=True)
    group.forbidden = {"videos"}
    await harness.order(anna, chat=group)
    await harness.ended("delivered")
    [video] = harness.videos(anna.chat)
    await anna.press(video, button(video))
    await harness.ended("delivered", 2)
    assert len(harness.videos(anna.chat)) == 2
    assert sent_to(harness, group) == 1
    assert harness.task(2)["chat_id"] == anna.id
    assert WHY not in harness.videos(anna.chat)[1]["caption"]


async def test_slow_mode_is_waited_out(harness: AppHarness) -> None:
    anna, group = await member(harness, started=True)
    card = await harness.card(anna, chat=group)
    group.slow_mode = 300
    await anna.press(card, "9:16")
    await harness.ended("delivered", within=600)
    first, second = harness.sent(SEND)
    assert 270 <= second.started - first.started <= 330
    assert len(harness.videos(group)) == 1
    assert harness.videos(anna.chat) == []
    made_once(harness)


async def test_a_kill_between_the_try_and_the_persons_chat_loses_and_doubles_nothing(
    make_harness: OpenAppHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the process wrote is enough for the one that takes the task after its lease."""
    async with make_harness(lease=timedelta(seconds=30)) as harness:
        anna, group = await member(harness, started=True)
        group.forbidden = {"videos"}
        steps = harness.parts.worker._steps
        take, killed = steps.take, list[int]()

        async def die_after_the_commit(task: Task) -> Task | None:
            after: Task | None = await take(task)
            if after is not None and after.redirected and not killed:
                killed.append(after.id)
                raise asyncio.CancelledError
            return after

        monkeypatch.setattr(steps, "take", die_after_the_commit)
        await harness.order(anna, chat=group)
        await harness.until(lambda: killed, within=30)
        await harness.settle()
        assert (harness.state(), harness.task()["redirected"]) == ("rendered", True)
        assert harness.videos(anna.chat) == []
        await harness.ended("delivered", within=300)
        await harness.pass_(120)
        assert (sent_to(harness, group), sent_to(harness, anna.chat)) == (1, 1)
        assert len(harness.videos(anna.chat)) == 1
        made_once(harness)


async def test_notices_for_nobody_are_forgotten_after_a_month(harness: AppHarness) -> None:
    anna, group = await member(harness, started=False)
    harness.provider.delay = 30
    await harness.order(anna, chat=group)
    group.forbidden = {"text messages", "videos"}
    await harness.ended("undeliverable", within=90)
    retention = Retention(
        harness.storage,
        KeptVideos(harness.path.parent / "videos"),
        clock=lambda: harness.time() + timedelta(days=29),
        orders=None,
        drafts=None,
    )
    await retention.once()
    assert len(harness.rows("SELECT 1 FROM outbox")) == 1
    await harness.pass_(2 * DAY)
    await retention.once()
    assert harness.rows("SELECT 1 FROM outbox") == []
