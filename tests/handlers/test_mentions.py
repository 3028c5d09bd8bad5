"""A mention of the bot addresses it, and is removed from the prompt."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.handler_harness import BOT, HandlerHarness, Person

GROUP = {"id": -100500, "type": "supergroup", "title": "Friends"}


def mentioning(text: str) -> dict[str, Any]:
    """A text with an entity for every @name, as Telegram counts it (UTF-16 units)."""
    marks, at = [], 0
    for word in text.split(" "):
        size = len(word.encode("utf-16-le")) // 2
        if word.startswith("@"):
            marks.append({"type": "mention", "offset": at, "length": size})
        at += size + 1
    return {"text": text, "entities": marks}


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("@video_bots saw what @video_bot can do", "@video_bots saw what can do"),
        ("🦊🦊 @Video_Bot a fox", "🦊🦊 a fox"),
        ("a fox @video_bot", "a fox"),
        ("@friend and a fox @VIDEO_BOT", "@friend and a fox"),
    ],
)
@pytest.mark.parametrize("where", ["group", "private"])
async def test_only_the_name_of_the_bot_is_taken_out(
    harness: HandlerHarness, ann: Person, where: str, text: str, prompt: str
) -> None:
    person = Person(harness, chat=GROUP) if where == "group" else ann
    await harness.feed(**person.message(**mentioning(text)))
    assert harness.task()["prompt"] == prompt


async def test_a_caption_loses_only_the_name_of_the_bot(
    harness: HandlerHarness, ann: Person
) -> None:
    member, said = Person(harness, chat=GROUP), mentioning("@video_bots, 🦊 @video_bot runs")
    said["entities"] = [mark for mark in said["entities"] if mark["length"] == len("@video_bot")]
    event = member.photo(caption=said["text"], caption_entities=said["entities"])
    await harness.feed(**event)
    assert harness.task()["prompt"] == "@video_bots, 🦊 runs"


@pytest.mark.parametrize("kind", ["text", "photo"])
async def test_a_forwarded_post_that_mentions_the_bot_is_no_prompt(
    harness: HandlerHarness, kind: str
) -> None:
    member, said = Person(harness, chat=GROUP), mentioning("Try @video_bot today")
    origin = {"type": "hidden_user", "date": 0, "sender_user_name": "Somebody"}
    event = member.message(**said, forward_origin=origin)
    if kind == "photo":
        marks = {"caption": said["text"], "caption_entities": said["entities"]}
        event = member.photo(**marks, forward_origin=origin)
    await harness.feed(**event)
    assert harness.telegram.sent == []
    assert harness.states() == []


@pytest.mark.parametrize("kind", ["mention", "text_mention", "command of another bot"])
async def test_a_reply_to_the_bot_that_speaks_to_others_is_no_prompt(
    harness: HandlerHarness, kind: str
) -> None:
    member = Person(harness, chat=GROUP)
    answered = {"message_id": 900, "date": 0, "chat": GROUP, "from": BOT, "text": "words"}
    if kind == "command of another bot":
        mark = {"type": "bot_command", "offset": 0, "length": len("/new@other_bot")}
        words: dict[str, Any] = {"caption": "/new@other_bot x", "caption_entities": [mark]}
        await harness.feed(**member.photo(**words, reply_to_message=answered))
    else:
        mark = {"type": kind, "offset": 0, "length": len("@friend")}
        if kind == "text_mention":
            mark["user"] = {"id": 9, "is_bot": False, "first_name": "@friend"}
        words = {"text": "@friend look at this", "entities": [mark]}
        await harness.feed(**member.message(**words, reply_to_message=answered))
    assert harness.telegram.sent == []
    assert harness.states() == []


async def test_a_reply_to_the_bot_that_mentions_somebody_later_is_a_prompt(
    harness: HandlerHarness,
) -> None:
    answered = {"message_id": 900, "date": 0, "chat": GROUP, "from": BOT, "text": "words"}
    said = mentioning("a fox in a cap of @friend")
    await harness.feed(**Person(harness, chat=GROUP).message(**said, reply_to_message=answered))
    assert harness.task()["prompt"] == "a fox in a cap of @friend"


async def test_a_forwarded_prompt_in_private_is_one(harness: HandlerHarness, ann: Person) -> None:
    origin = {"type": "hidden_user", "date": 0, "sender_user_name": "Somebody"}
    await harness.feed(**ann.text("a red fox", forward_origin=origin))
    assert harness.task()["prompt"] == "a red fox"


async def test_ones_own_video_by_inline_mode_is_not_answered(
    harness: HandlerHarness, ann: Person
) -> None:
    file = {"file_id": "v", "file_unique_id": "v", "width": 1, "height": 1, "duration": 5}
    await harness.feed(**ann.message(video=file, via_bot=BOT))
    assert harness.telegram.sent == []
    other = BOT | {"id": 43, "username": "gif"}
    await harness.feed(**ann.message(video=file, via_bot=other))
    [answer] = harness.telegram.sent
    assert "a message of this kind" in answer.text
