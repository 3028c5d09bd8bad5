"""A finished video on its way into the chat, and everything that Telegram can say to it.

The promise: a failed send never fails a video, never orders it again and never fetches it again;
a person who has blocked the bot costs no retries and keeps the video.
"""

from __future__ import annotations

from typing import Any

import pytest

from bot.sandbox.faults import Fault
from bot.sandbox.telegram.people import Person
from bot.task import Reason
from tests.faults import words
from tests.faults.house import House
from tests.faults.refusals import LATER, REJECTED, TAKEN, UNREACHABLE

DAY = 24 * 3600.0
SEND = "sendVideo"


def made_once(house: House) -> None:
    assert len(house.asked("create")) == len(house.provider.charges) == 1
    assert len(house.asked("download")) == 1


async def ordered(house: House, fault: Fault, *, times: int = 1) -> Person:
    house.refuse(fault.model_copy(update={"times": times}), on=SEND)
    anna = house.person()
    await house.order(anna)
    return anna


@pytest.mark.parametrize("cell", LATER)
async def test_a_video_that_cannot_be_sent_now_is_sent_later(house: House, cell: str) -> None:
    fault, wait = LATER[cell]
    anna = await ordered(house, fault)
    await house.ended("delivered", within=12_000)
    first, second = house.sent(SEND)
    assert wait <= second.started - first.started <= wait + 60
    assert len(house.videos(anna.chat)) == 1
    made_once(house)
    assert not list((house.path.parent / "videos").iterdir())


@pytest.mark.parametrize("cell", TAKEN)
async def test_a_video_whose_receipt_was_lost_comes_twice_rather_than_not_at_all(
    house: House, cell: str
) -> None:
    anna = await ordered(house, TAKEN[cell])
    await house.ended("delivered", within=60)
    assert len(house.sent(SEND)) == len(house.videos(anna.chat)) == 2
    made_once(house)


@pytest.mark.parametrize("cell", UNREACHABLE)
async def test_a_chat_that_takes_nothing_costs_no_retries_and_the_video_is_kept(
    house: House, cell: str
) -> None:
    anna = await ordered(house, UNREACHABLE[cell], times=0)
    await house.ended("undeliverable", within=60)
    assert house.task()["reason"] == Reason.CHAT_UNREACHABLE
    await house.pass_(DAY)
    assert len(house.sent(SEND)) == 1
    assert [path.name for path in (house.path.parent / "videos").iterdir()] == ["1.mp4"]
    # The chat takes messages again: the button brings the very file that was kept.
    house.telegram.faults.clear()
    said = words.undeliverable("en", Reason.CHAT_UNREACHABLE)
    told = await house.find(anna.chat, lambda m: m.get("text") == said)
    await anna.press(told, told["reply_markup"]["inline_keyboard"][0][0]["callback_data"])
    await house.ended("delivered")
    assert len(house.videos(anna.chat)) == 1
    made_once(house)
    assert not list((house.path.parent / "videos").iterdir())


async def test_a_person_who_blocked_the_bot_can_have_the_video_after_unblocking(
    house: House,
) -> None:
    anna = house.person()
    await house.order(anna)
    await anna.block_bot()
    await house.ended("undeliverable", within=60)
    calls = len(house.telegram.calls)
    await house.pass_(DAY)
    later = [call.method for call in house.telegram.calls[calls:]]
    assert not [method for method in later if method.startswith(("send", "edit"))]
    await anna.unblock_bot()
    assert await house.storage.tasks.redeliver(1, user_id=anna.id, now=house.time())
    await house.ended("delivered")
    assert len(house.videos(anna.chat)) == 1
    made_once(house)


@pytest.mark.parametrize("cell", [c for c in REJECTED if "parse" not in c and c != "413"])
async def test_a_rejected_video_is_tried_again_and_at_last_given_as_a_link(
    house: House, cell: str
) -> None:
    anna = await ordered(house, REJECTED[cell], times=2)
    await house.ended("delivered", within=60)
    assert len(house.sent(SEND)) == 3
    assert len(house.videos(anna.chat)) == 1
    made_once(house)


@pytest.mark.parametrize("lang", ["en", "ru"])
async def test_a_video_that_telegram_never_takes_is_given_as_a_link(
    house: House, lang: str
) -> None:
    house.refuse(REJECTED["404"].model_copy(update={"times": 0}), on=SEND)
    person = house.person(lang)
    await house.order(person)
    await house.ended("delivered", within=120)
    assert len(house.sent(SEND)) == 5
    assert words.link(lang) in house.words(person.chat)
    made_once(house)


async def test_a_caption_whose_formatting_is_refused_goes_plain(house: House) -> None:
    anna = await ordered(house, REJECTED["can't parse entities"])
    await house.ended("delivered", within=60)
    first, second = house.sent(SEND)
    assert "caption_entities" in first.params
    assert "caption_entities" not in second.params
    assert second.started - first.started < 5
    assert len(house.videos(anna.chat)) == 1
    made_once(house)


async def test_a_video_that_is_too_large_for_telegram_is_given_as_a_link_at_once(
    house: House,
) -> None:
    anna = await ordered(house, REJECTED["413"], times=0)
    await house.ended("delivered", within=60)
    assert len(house.sent(SEND)) == 1
    assert words.link("en") in house.words(anna.chat)
    made_once(house)


async def test_a_video_follows_its_group(house: House) -> None:
    anna = house.person()
    group = house.telegram.add_group("Film club", [anna], supergroup=False)
    await house.order(anna, chat=group)
    moved = house.telegram.migrate(group)
    await house.ended("delivered", within=120)
    assert len(house.videos(moved)) == 1
    assert house.videos(group) == []
    made_once(house)


@pytest.mark.parametrize("cell", LATER)
async def test_what_is_lost_of_the_action_line_delays_nothing(house: House, cell: str) -> None:
    house.refuse(LATER[cell][0], on="sendChatAction")
    anna = house.person()
    await house.order(anna)
    await house.ended("delivered", within=20)
    # "recording video" is shown as well, while the video is made.
    actions = [call.params["action"] for call in house.sent("sendChatAction")]
    assert actions.count("upload_video") == len(house.sent(SEND)) == 1
    made_once(house)


@pytest.mark.parametrize("cell", [*LATER, *UNREACHABLE, *REJECTED])
async def test_a_status_message_that_cannot_be_taken_away_stays(house: House, cell: str) -> None:
    faults: dict[str, Any] = {**{k: v for k, (v, _) in LATER.items()}, **UNREACHABLE, **REJECTED}
    house.refuse(faults[cell], on="deleteMessage")
    anna = house.person()
    await house.order(anna)
    await house.ended("delivered", within=20)
    await house.pass_(60)
    assert len(house.sent("deleteMessage")) == len(house.videos(anna.chat)) == 1
    made_once(house)
