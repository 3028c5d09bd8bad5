"""In groups: asked by a command, a mention or an answer; quiet otherwise; the owner's alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.handlers.conftest import BOT, Person, World

GROUP = {"id": -100500, "type": "supergroup", "title": "Films", "is_forum": True}
ANONYMOUS = {"id": 1087968824, "is_bot": True, "first_name": "Group",
             "username": "GroupAnonymousBot"}  # fmt: skip


@pytest.fixture
def member(world: World) -> Person:
    return Person(world, chat=dict(GROUP))


def mention(person: Person, text: str, **content: Any) -> dict[str, Any]:
    name = "@video_bot"
    return person.text(
        f"{name} {text}", entities=[{"type": "mention", "offset": 0, "length": len(name)}],
        **content,
    )  # fmt: skip


def answer_to_the_bot(world: World) -> dict[str, Any]:
    return {"message_id": 900, "date": 0, "chat": GROUP, "from": BOT, "text": "words"}


@pytest.mark.parametrize("what", ["text", "photo", "sticker", "other command", "other mention"])
async def test_what_is_not_said_to_the_bot_is_left_alone(
    world: World, member: Person, what: str
) -> None:
    sticker = {"file_id": "s", "file_unique_id": "s", "type": "regular", "width": 512,
               "height": 512, "is_animated": False, "is_video": False}  # fmt: skip
    event = {
        "text": lambda: member.text("A cat"),
        "photo": lambda: member.photo(caption="A cat"),
        "sticker": lambda: member.message(sticker=sticker),
        "other command": lambda: member.text("/video@other_bot A cat"),
        "other mention": lambda: member.text(
            "@other_bot A cat", entities=[{"type": "mention", "offset": 0, "length": 10}]
        ),
    }[what]()
    await world.feed(**event)
    assert [call for call in world.telegram.calls if call.name != "getMe"] == []
    assert world.rows("SELECT count(*) FROM users") == [(0,)]


@pytest.mark.parametrize("way", ["command", "named command", "mention", "answer", "caption"])
async def test_what_is_said_to_the_bot_is_a_card_in_the_same_topic(
    world: World, member: Person, way: str
) -> None:
    topic = {"message_thread_id": 5, "is_topic_message": True}
    event = {
        "command": lambda: member.text("/video A cat", **topic),
        "named command": lambda: member.text("/video@video_bot A cat", **topic),
        "mention": lambda: mention(member, "A cat", **topic),
        "answer": lambda: member.text("A cat", reply_to_message=answer_to_the_bot(world), **topic),
        "caption": lambda: member.photo(
            caption="/video A cat",
            caption_entities=[{"type": "bot_command", "offset": 0, "length": 6}],
            **topic,
        ),
    }[way]()
    await world.feed(**event)
    [card] = world.telegram.sent
    assert card.text.startswith("A cat\n")
    assert (int(card.params["chat_id"]), int(card.params["message_thread_id"])) == (-100500, 5)
    assert card.reply_to == 1
    task = world.task()
    assert (task["prompt"], task["message_thread_id"]) == ("A cat", 5)
    assert (task["frame_file_id"] is not None) == (way == "caption")


async def test_a_command_that_answers_somebodys_photo_is_about_it(
    world: World, member: Person, boris: Person
) -> None:
    boris.chat = dict(GROUP)
    theirs = boris.photo(1280, 720)["message"]
    await world.feed(**member.text("/video It waves", reply_to_message=theirs))
    task = world.task()
    assert (task["user_id"], task["prompt"], task["frame_file_id"]) == (7, "It waves", "photo-1")


async def test_a_command_without_words_says_how(world: World, member: Person) -> None:
    await world.feed(**member.text("/video"))
    assert "after the command" in world.telegram.sent[0].text
    assert world.states() == []


async def test_two_topics_and_two_people_do_not_mix(
    world: World, member: Person, boris: Person
) -> None:
    boris.chat, boris.last_id = dict(GROUP), 100
    await world.feed(**member.photo(
        caption="/video", message_thread_id=5, is_topic_message=True,
        caption_entities=[{"type": "bot_command", "offset": 0, "length": 6}]))  # fmt: skip
    await world.feed(**member.text("/video A cat"))
    await world.feed(**boris.text("/video A dog", message_thread_id=5, is_topic_message=True))
    assert world.rows("SELECT user_id, prompt FROM tasks ORDER BY id") == [
        (7, None), (7, "A cat"), (8, "A dog"),
    ]  # fmt: skip
    await world.feed(**member.text("/video It waves", message_thread_id=5, is_topic_message=True))
    assert world.task(1)["prompt"] == "It waves"


async def test_a_button_obeys_the_owner_alone(world: World, member: Person, boris: Person) -> None:
    boris.chat = dict(GROUP)
    await world.feed(**member.text("/video A cat"))
    await world.feed(**boris.press("r|1|1:1"))
    assert world.states() == ["draft"]
    await world.feed(**member.press("r|1|1:1"))
    assert world.states() == ["queued"]


@pytest.mark.parametrize("asked", [True, False])
async def test_who_writes_as_the_group_is_told_how_when_they_ask(
    world: World, member: Person, asked: bool
) -> None:
    member.user = dict(ANONYMOUS)
    text = "/video A cat" if asked else "A cat"
    await world.feed(**member.text(text, sender_chat=GROUP))
    assert world.states() == []
    if not asked:
        assert world.telegram.sent == []
        return
    [answer] = world.telegram.sent
    assert "Remain anonymous" in answer.text
    assert "Анонимность" in answer.text


async def test_a_group_that_becomes_a_supergroup_keeps_its_tasks(
    world: World, ann: Person
) -> None:
    ann.chat = {"id": -5, "type": "group", "title": "Films"}
    await world.feed(**ann.text("/video A cat"))
    await world.feed(**ann.press("r|1|1:1"))
    await world.feed(**ann.message(migrate_to_chat_id=-100777))
    task = world.task()
    assert (task["chat_id"], task["message_id"], task["card_message_id"]) == (-100777, 0, None)
    assert len(world.telegram.sent) == 1
