"""A finished video on its way into the chat, and everything that Telegram can answer.

The promise: a failed send never fails a video, never orders it again and never downloads it again;
a person who has blocked the bot costs no retries and keeps the video.
"""

from __future__ import annotations

from typing import Any

import pytest

from bot.core.task import Reason
from bot.jobs import delivery
from bot.sandbox.faults import Fault
from bot.sandbox.telegram.people import Person
from tests.faults import words
from tests.faults.answers import refusal
from tests.faults.refusals import LATER, REJECTED, TAKEN, UNREACHABLE
from tests.support.app_harness import AppHarness

DAY = 24 * 3600.0
SEND = "sendVideo"


def made_once(harness: AppHarness) -> None:
    assert len(harness.asked("create")) == len(harness.provider.charges) == 1
    assert len(harness.asked("download")) == 1


async def ordered(harness: AppHarness, fault: Fault, *, times: int = 1) -> Person:
    harness.refuse(fault.model_copy(update={"times": times}), on=SEND)
    anna = harness.person()
    await harness.order(anna)
    return anna


@pytest.mark.parametrize("cell", LATER)
async def test_a_video_that_cannot_be_sent_now_is_sent_later(
    harness: AppHarness, cell: str
) -> None:
    fault, wait = LATER[cell]
    anna = await ordered(harness, fault)
    await harness.ended("delivered", within=12_000)
    first, second = harness.sent(SEND)
    assert wait <= second.started - first.started <= wait + 60
    assert len(harness.videos(anna.chat)) == 1
    made_once(harness)
    assert not list((harness.path.parent / "videos").iterdir())


@pytest.mark.parametrize("cell", TAKEN)
async def test_a_video_whose_answer_was_lost_is_sent_again(harness: AppHarness, cell: str) -> None:
    anna = await ordered(harness, TAKEN[cell])
    await harness.ended("delivered", within=60)
    assert len(harness.sent(SEND)) == len(harness.videos(anna.chat)) == 2
    made_once(harness)


@pytest.mark.parametrize("cell", UNREACHABLE)
async def test_a_closed_chat_costs_no_retries_and_the_video_is_kept(
    harness: AppHarness, cell: str
) -> None:
    anna = await ordered(harness, UNREACHABLE[cell], times=0)
    await harness.ended("undeliverable", within=60)
    assert harness.task()["reason"] == Reason.CHAT_UNREACHABLE
    await harness.pass_(DAY)
    assert len(harness.sent(SEND)) == 1
    assert [path.name for path in (harness.path.parent / "videos").iterdir()] == ["1.mp4"]
    # The chat takes messages again: the button brings the very file that was kept.
    harness.telegram.faults.clear()
    said = words.undeliverable("en", Reason.CHAT_UNREACHABLE)
    told = await harness.find(anna.chat, lambda m: m.get("text") == said)
    await anna.press(told, told["reply_markup"]["inline_keyboard"][0][0]["callback_data"])
    await harness.ended("delivered")
    assert len(harness.videos(anna.chat)) == 1
    made_once(harness)
    assert not list((harness.path.parent / "videos").iterdir())


async def test_a_person_who_blocked_the_bot_can_have_the_video_after_unblocking(
    harness: AppHarness,
) -> None:
    anna = harness.person()
    await harness.order(anna)
    await harness.until(lambda: harness.state() == "generating")
    await anna.block_bot()
    await harness.ended("undeliverable", within=60)
    calls = len(harness.telegram.calls)
    await harness.pass_(DAY)
    later = [call.method for call in harness.telegram.calls[calls:]]
    assert not [method for method in later if method.startswith(("send", "edit"))]
    await anna.unblock_bot()
    assert await harness.storage.tasks.redeliver(1, user_id=anna.id, now=harness.time())
    await harness.ended("delivered")
    assert len(harness.videos(anna.chat)) == 1
    made_once(harness)


@pytest.mark.parametrize("cell", [c for c in REJECTED if "parse" not in c and c != "413"])
async def test_a_rejected_video_is_retried_and_finally_sent_as_a_link(
    harness: AppHarness, cell: str
) -> None:
    anna = await ordered(harness, REJECTED[cell], times=2)
    await harness.ended("delivered", within=60)
    assert len(harness.sent(SEND)) == 3
    assert len(harness.videos(anna.chat)) == 1
    made_once(harness)


@pytest.mark.parametrize("lang", ["en", "ru"])
async def test_a_video_that_telegram_always_rejects_is_sent_as_a_link(
    harness: AppHarness, lang: str
) -> None:
    harness.refuse(REJECTED["404"].model_copy(update={"times": 0}), on=SEND)
    person = harness.person(lang)
    await harness.order(person)
    await harness.ended("delivered", within=120)
    assert len(harness.sent(SEND)) == 5
    assert words.link(lang) in harness.words(person.chat)
    made_once(harness)


@pytest.mark.parametrize(
    "said",
    [
        "can't parse entities: byte offset 4",
        "ENTITY_BOUNDS_INVALID",
        "ENTITY_MENTION_USER_INVALID",
        "ENTITIES_TOO_LONG",
    ],
)
async def test_a_caption_with_refused_formatting_is_sent_plain(
    harness: AppHarness, said: str
) -> None:
    anna = await ordered(harness, refusal(400, f"Bad Request: {said}"))
    await harness.ended("delivered", within=60)
    first, second = harness.sent(SEND)
    assert "caption_entities" in first.params
    assert "caption_entities" not in second.params
    assert second.started - first.started < 5
    assert len(harness.videos(anna.chat)) == 1
    made_once(harness)


async def test_a_video_too_large_for_telegram_is_sent_as_a_link_at_once(
    harness: AppHarness,
) -> None:
    anna = await ordered(harness, REJECTED["413"], times=0)
    await harness.ended("delivered", within=60)
    assert len(harness.sent(SEND)) == 1
    assert words.link("en") in harness.words(anna.chat)
    made_once(harness)


async def test_a_video_follows_its_group(harness: AppHarness) -> None:
    anna = harness.person()
    group = harness.telegram.add_group("Film club", [anna], supergroup=False)
    await harness.order(anna, chat=group)
    moved = harness.telegram.migrate(group)
    await harness.ended("delivered", within=120)
    assert len(harness.videos(moved)) == 1
    assert harness.videos(group) == []
    made_once(harness)


@pytest.mark.parametrize("cell", LATER)
async def test_a_failed_chat_action_delays_nothing(
    harness: AppHarness, cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "LONG_UPLOAD", 0)
    harness.refuse(LATER[cell][0], on="sendChatAction")
    anna = harness.person()
    await harness.order(anna)
    await harness.ended("delivered", within=20)
    # "recording video" is shown as well, while the video is made.
    actions = [call.params["action"] for call in harness.sent("sendChatAction")]
    assert actions.count("upload_video") == len(harness.sent(SEND)) == 1
    made_once(harness)


async def test_an_upload_that_takes_no_second_is_not_announced(harness: AppHarness) -> None:
    await harness.order(harness.person())
    await harness.ended("delivered", within=20)
    actions = [call.params["action"] for call in harness.sent("sendChatAction")]
    assert "upload_video" not in actions
    assert len(harness.sent(SEND)) == 1


@pytest.mark.parametrize("cell", [*LATER, *UNREACHABLE, *REJECTED])
async def test_a_status_message_that_cannot_be_deleted_stays(
    harness: AppHarness, cell: str
) -> None:
    faults: dict[str, Any] = {**{k: v for k, (v, _) in LATER.items()}, **UNREACHABLE, **REJECTED}
    harness.refuse(faults[cell], on="deleteMessage")
    anna = harness.person()
    await harness.order(anna)
    await harness.ended("delivered", within=20)
    await harness.pass_(60)
    assert len(harness.sent("deleteMessage")) == len(harness.videos(anna.chat)) == 1
    made_once(harness)
