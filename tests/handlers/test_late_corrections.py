"""A message that was refused is accepted when the person corrects it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.handler_harness import HandlerHarness, Person

GROUP = {"id": -100500, "type": "supergroup", "title": "Friends"}
TOO_LONG = "a cat " * 150


def edited(event: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"edited_message": event["message"] | {"edit_date": 2} | changes}


def mention(text: str) -> dict[str, Any]:
    name = {"type": "mention", "offset": text.index("@"), "length": len("@video_bot")}
    return {"text": text, "entities": [name]}


def command(text: str) -> dict[str, Any]:
    return {"text": text, "entities": [{"type": "bot_command", "offset": 0, "length": 6}]}


@pytest.fixture
def member(harness: HandlerHarness) -> Person:
    return Person(harness, chat=GROUP)


@pytest.mark.parametrize("kind", ["photo", "file"])
async def test_a_caption_that_was_refused_can_be_shortened(
    harness: HandlerHarness, ann: Person, kind: str
) -> None:
    event = ann.photo(caption=TOO_LONG)
    if kind == "file":
        content = harness.telegram.contents["photo-1"]
        event = ann.document(content, caption=TOO_LONG)
    await harness.feed(**event)
    assert harness.states() == []
    number = await harness.feed(**edited(event, caption="It waves"))
    await harness.again(number, **edited(event, caption="It waves"))
    assert [(task["prompt"]) for task in [harness.task()]] == ["It waves"]
    assert harness.task()["frame_file_id"] in ("photo-1", "doc")
    assert [call.name for call in harness.telegram.sent] == ["sendMessage", "sendPhoto"]


@pytest.mark.parametrize("way", ["mention", "command"])
async def test_a_message_of_a_group_that_names_the_bot_later_is_taken(
    harness: HandlerHarness, member: Person, way: str
) -> None:
    event = member.text("A cat")
    await harness.feed(**event)
    assert harness.telegram.sent == []
    words = mention("A cat @video_bot") if way == "mention" else command("/video A cat")
    number = await harness.feed(**edited(event, **words))
    await harness.again(number, **edited(event, **words))
    [card] = harness.telegram.sent
    assert (card.reply_to, harness.task()["prompt"]) == (event["message"]["message_id"], "A cat")


async def test_a_caption_of_a_group_that_names_the_bot_later_is_taken(
    harness: HandlerHarness, member: Person
) -> None:
    event = member.photo(caption="It waves")
    await harness.feed(**event)
    assert harness.states() == []
    words = mention("It waves @video_bot")
    changes = {"caption": words["text"], "caption_entities": words["entities"]}
    await harness.feed(**edited(event, **changes))
    assert harness.task()["prompt"] == "It waves"
    assert harness.task()["frame_file_id"] == "photo-1"


async def test_a_command_without_words_is_taken_with_them(
    harness: HandlerHarness, member: Person
) -> None:
    event = member.text("/video")
    await harness.feed(**event)
    assert harness.states() == []
    await harness.feed(**edited(event, **command("/video A cat")))
    assert harness.task()["prompt"] == "A cat"
    await harness.feed(**edited(event, **command("/video A dog")))
    assert harness.rows("SELECT prompt FROM tasks") == [("A dog",)]


async def test_an_edited_message_for_others_stays_theirs(
    harness: HandlerHarness, member: Person
) -> None:
    event = member.text("A cat")
    await harness.feed(**event)
    await harness.feed(**edited(event, text="A dog"))
    assert harness.telegram.sent == []
    assert harness.states() == []


async def test_a_caption_that_becomes_a_command_is_no_prompt(
    harness: HandlerHarness, ann: Person
) -> None:
    event = ann.photo(caption="It waves")
    await harness.feed(**event)
    await harness.feed(**edited(event, caption="/settings"))
    assert harness.task()["prompt"] == "It waves"
