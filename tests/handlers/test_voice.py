"""Speech becomes a draft on the usual card; a failure is told and changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.media.test_video_reader import mp4
from tests.support.handler_harness import HandlerHarness, Person


class FakeEar:
    """Hears the same in every sound."""

    def __init__(self, said: str | None) -> None:
        self.said = said
        self.heard: list[tuple[bytes, str]] = []

    async def hear(self, sound: bytes, extension: str) -> str | None:
        self.heard.append((sound, extension))
        return self.said


def hears(harness: HandlerHarness, said: str | None, host: str = "ear.example") -> FakeEar:
    ear = FakeEar(said)
    harness.dispatcher["offer"] = replace(
        harness.dispatcher["offer"], transcriber=ear, transcriber_host=host
    )
    return ear


def voice(person: Person, *, seconds: int = 4, size: int = 9, **more: Any) -> dict[str, Any]:
    person.harness.telegram.contents.setdefault("spoken", b"OggS opus")
    file = {"file_id": "spoken", "file_unique_id": "v", "duration": seconds, "file_size": size}
    return person.message(voice=file, **more)


def note(person: Person, content: bytes) -> dict[str, Any]:
    person.harness.telegram.contents["note"] = content
    file = {
        "file_id": "note", "file_unique_id": "n", "duration": 5, "length": 240,
        "file_size": len(content),
    }  # fmt: skip
    return person.message(video_note=file)


async def test_a_bot_that_cannot_hear_says_what_it_said_before(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**voice(ann))
    [answer] = harness.telegram.sent
    assert "I cannot make a video from a message of this kind." in answer.text
    assert harness.states() == []


async def test_speech_becomes_a_card_to_edit_and_orders_nothing(
    harness: HandlerHarness, ann: Person
) -> None:
    ear = hears(harness, " A ginger cat runs --seed 4\n")
    spoken = voice(ann)
    number = await harness.feed(**spoken)
    [card] = harness.telegram.sent
    assert card.text.startswith("A ginger cat runs\n")
    assert "This is what I heard" in card.text
    assert card.reply_to == 1
    assert ear.heard == [(b"OggS opus", "ogg")]
    assert harness.states() == ["draft"]

    await harness.again(number, **spoken)  # after a crash
    assert len(ear.heard) == 1
    assert len(harness.telegram.sent) == 1

    reply = {"message_id": card.message_id, "date": 0, "chat": ann.chat,
             "from": {"id": 42, "is_bot": True, "first_name": "Video"}}  # fmt: skip
    await harness.feed(**ann.text("A red cat runs", reply_to_message=reply))
    assert harness.task()["prompt"] == "A red cat runs"
    assert harness.states() == ["draft"]


async def test_only_the_sound_of_a_video_note_is_heard(
    harness: HandlerHarness, ann: Person, tmp_path: Path
) -> None:
    ear = hears(harness, "A cat")
    content = mp4(tmp_path, sound=True)
    await harness.feed(**note(ann, content))
    [(sound, extension)] = ear.heard
    assert extension == "m4a"
    assert len(sound) < len(content)
    assert harness.task()["prompt"] == "A cat"

    await harness.feed(**note(ann, mp4(tmp_path)))
    assert "no words" in harness.telegram.sent[-1].text
    assert len(ear.heard) == 1


async def test_a_waiting_photo_gets_the_words_that_were_said(
    harness: HandlerHarness, ann: Person
) -> None:
    hears(harness, None)
    await harness.feed(**ann.photo())
    await harness.feed(**voice(ann))
    assert "at the moment" in harness.telegram.sent[-1].text
    assert "Nothing was ordered" in harness.telegram.sent[-1].text
    assert harness.task()["prompt"] is None  # it still waits

    hears(harness, "It waves")
    await harness.feed(**voice(ann))
    assert harness.states() == ["draft"]
    assert harness.task()["prompt"] == "It waves"
    assert harness.telegram.sent[-1].name == "sendPhoto"


@pytest.mark.parametrize(
    ("given", "said", "told"),
    [
        ({"seconds": 61}, "x", "61 s; the limit is 60 s"),
        ({}, "Субтитры сделал DimaTorzok", "no words"),
        ({}, "Thanks for watching!", "no words"),
        ({"size": 20_000_001}, "x", "too big"),
        ({}, "", "I heard no words"),
        ({}, "…", "I heard no words"),
        ({}, "word " * 400, "too long: 1999 characters"),
    ],
)
async def test_what_cannot_become_a_prompt_is_refused_in_words(
    harness: HandlerHarness, ann: Person, given: dict[str, int], said: str, told: str
) -> None:
    ear = hears(harness, said)
    await harness.feed(**voice(ann, **given))
    [answer] = harness.telegram.sent
    assert told in answer.text
    assert harness.states() == []
    assert len(ear.heard) == (0 if given else 1)


async def test_a_file_that_is_larger_than_telegram_said_is_not_read(
    harness: HandlerHarness, ann: Person
) -> None:
    ear = hears(harness, "x")
    harness.telegram.contents["spoken"] = bytes(20_000_001)
    await harness.feed(**voice(ann))
    assert "too big" in harness.telegram.sent[-1].text
    harness.telegram.refuse("getFile", 400, "Bad Request: wrong file_id")
    await harness.feed(**voice(ann))
    assert "download" in harness.telegram.sent[-1].text
    assert ear.heard == []


async def test_in_a_group_only_speech_to_the_bot_is_heard(harness: HandlerHarness) -> None:
    ear = hears(harness, "A cat")
    group = {"id": -5, "type": "group", "title": "Friends"}
    ann = Person(harness, chat=group)
    await harness.feed(**voice(ann))
    assert ear.heard == []
    assert harness.telegram.sent == []
    mine = {"message_id": 900, "date": 0, "chat": group, "text": "card",
            "from": {"id": 42, "is_bot": True, "first_name": "Video"}}  # fmt: skip
    await harness.feed(**voice(ann, reply_to_message=mine))
    assert len(ear.heard) == 1
    assert harness.states() == ["draft"]


async def test_privacy_and_help_say_who_hears(harness: HandlerHarness, boris: Person) -> None:
    await harness.feed(**boris.text("/privacy"))
    assert "Голос" not in harness.telegram.sent[-1].text
    await harness.feed(**boris.text("/help"))
    assert "голосом" not in harness.telegram.sent[-1].text
    hears(harness, "x")
    await harness.feed(**boris.text("/privacy"))
    assert "уходит на ear.example" in harness.telegram.sent[-1].text
    await harness.feed(**boris.text("/help"))
    assert "Можно и голосом" in harness.telegram.sent[-1].text
    hears(harness, "x", host="")
    await harness.feed(**boris.text("/privacy"))
    assert "прямо здесь" in harness.telegram.sent[-1].text
