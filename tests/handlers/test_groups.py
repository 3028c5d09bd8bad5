"""In groups the bot reacts only to commands, mentions and replies; buttons are the owner's."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.handler_harness import BOT, HandlerHarness, Person

GROUP = {"id": -100500, "type": "supergroup", "title": "Films", "is_forum": True}
ANONYMOUS = {"id": 1087968824, "is_bot": True, "first_name": "Group",
             "username": "GroupAnonymousBot"}  # fmt: skip


@pytest.fixture
def member(harness: HandlerHarness) -> Person:
    return Person(harness, chat=dict(GROUP))


def mention(person: Person, text: str, **content: Any) -> dict[str, Any]:
    name = "@video_bot"
    return person.text(
        f"{name} {text}", entities=[{"type": "mention", "offset": 0, "length": len(name)}],
        **content,
    )  # fmt: skip


def answer_to_the_bot(harness: HandlerHarness) -> dict[str, Any]:
    return {"message_id": 900, "date": 0, "chat": GROUP, "from": BOT, "text": "words"}


@pytest.mark.parametrize("what", ["text", "photo", "sticker", "other command", "other mention"])
async def test_messages_not_addressed_to_the_bot_are_ignored(
    harness: HandlerHarness, member: Person, what: str
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
    await harness.feed(**event)
    assert [call for call in harness.telegram.calls if call.name != "getMe"] == []
    assert harness.rows("SELECT count(*) FROM users") == [(0,)]


@pytest.mark.parametrize("way", ["command", "named command", "mention", "answer", "caption"])
async def test_an_addressed_message_gets_a_card_in_the_same_topic(
    harness: HandlerHarness, member: Person, way: str
) -> None:
    topic = {"message_thread_id": 5, "is_topic_message": True}
    event = {
        "command": lambda: member.text("/video A cat", **topic),
        "named command": lambda: member.text("/video@video_bot A cat", **topic),
        "mention": lambda: mention(member, "A cat", **topic),
        "answer": lambda: member.text(
            "A cat", reply_to_message=answer_to_the_bot(harness), **topic
        ),
        "caption": lambda: member.photo(
            caption="/video A cat",
            caption_entities=[{"type": "bot_command", "offset": 0, "length": 6}],
            **topic,
        ),
    }[way]()
    await harness.feed(**event)
    [card] = harness.telegram.sent
    # An answered message with just these words is read above the card.
    assert card.text.startswith("A cat\n") is (way != "answer")
    assert (int(card.params["chat_id"]), int(card.params["message_thread_id"])) == (-100500, 5)
    assert card.reply_to == 1
    task = harness.task()
    assert (task["prompt"], task["message_thread_id"]) == ("A cat", 5)
    assert (task["frame_file_id"] is not None) == (way == "caption")


async def test_a_command_that_replies_to_a_photo_uses_the_photo(
    harness: HandlerHarness, member: Person, boris: Person
) -> None:
    boris.chat = dict(GROUP)
    theirs = boris.photo(1280, 720)["message"]
    await harness.feed(**member.text("/video It waves", reply_to_message=theirs))
    task = harness.task()
    assert (task["user_id"], task["prompt"], task["frame_file_id"]) == (7, "It waves", "photo-1")


async def test_a_command_without_a_prompt_explains_its_use(
    harness: HandlerHarness, member: Person
) -> None:
    await harness.feed(**member.text("/video"))
    assert "after the command" in harness.telegram.sent[0].text
    assert harness.states() == []


async def test_two_topics_and_two_people_do_not_mix(
    harness: HandlerHarness, member: Person, boris: Person
) -> None:
    boris.chat, boris.last_id = dict(GROUP), 100
    await harness.feed(**member.photo(
        caption="/video", message_thread_id=5, is_topic_message=True,
        caption_entities=[{"type": "bot_command", "offset": 0, "length": 6}]))  # fmt: skip
    await harness.feed(**member.text("/video A cat"))
    await harness.feed(**boris.text("/video A dog", message_thread_id=5, is_topic_message=True))
    assert harness.rows("SELECT user_id, prompt FROM tasks ORDER BY id") == [
        (7, None), (7, "A cat"), (8, "A dog"),
    ]  # fmt: skip
    await harness.feed(
        **member.text("/video It waves", message_thread_id=5, is_topic_message=True)
    )
    assert harness.task(1)["prompt"] == "It waves"


async def test_a_button_works_only_for_the_owner(
    harness: HandlerHarness, member: Person, boris: Person
) -> None:
    boris.chat = dict(GROUP)
    await harness.feed(**member.text("/video A cat"))
    await harness.feed(**boris.press("r|1|1:1"))
    assert harness.states() == ["draft"]
    await harness.feed(**member.press("r|1|1:1"))
    assert harness.states() == ["queued"]


@pytest.mark.parametrize("asked", [True, False])
async def test_an_anonymous_author_is_told_how_to_write_as_themselves(
    harness: HandlerHarness, member: Person, asked: bool
) -> None:
    member.user = dict(ANONYMOUS)
    text = "/video A cat" if asked else "A cat"
    await harness.feed(**member.text(text, sender_chat=GROUP))
    assert harness.states() == []
    if not asked:
        assert harness.telegram.sent == []
        return
    [answer] = harness.telegram.sent
    assert "Remain anonymous" in answer.text
    assert "Анонимность" in answer.text


async def test_a_post_of_the_linked_channel_is_no_order(
    harness: HandlerHarness, member: Person
) -> None:
    """Telegram forwards it into the group as an account that is no bot."""
    member.user = {"id": 777000, "is_bot": False, "first_name": "Telegram"}
    channel = {"id": -100600, "type": "channel", "title": "News"}
    post = {"sender_chat": channel, "is_automatic_forward": True}
    await harness.feed(**member.text("/video A cat", **post))
    await harness.feed(**mention(member, "A cat", **post))
    assert harness.telegram.sent == []
    assert harness.states() == []
    assert harness.rows("SELECT count(*) FROM users") == [(0,)]


async def test_a_group_that_becomes_a_supergroup_keeps_its_tasks(
    harness: HandlerHarness, ann: Person
) -> None:
    ann.chat = {"id": -5, "type": "group", "title": "Films"}
    await harness.feed(**ann.text("/video A cat"))
    await harness.feed(**ann.press("r|1|1:1"))
    await harness.feed(**ann.message(migrate_to_chat_id=-100777))
    task = harness.task()
    assert (task["chat_id"], task["message_id"], task["card_message_id"]) == (-100777, 0, None)
    assert len(harness.telegram.sent) == 1


@pytest.mark.parametrize("prefix", ["r|", "x|", "n|", "fr|"])
async def test_a_button_of_before_the_move_touches_no_message_of_the_supergroup(
    harness: HandlerHarness, ann: Person, prefix: str
) -> None:
    """Messages are numbered anew there: the number of the old one is somebody else's message."""
    ann.chat = {"id": -5, "type": "group", "title": "Films"}
    is_film = prefix == "fr|"
    await harness.feed(**ann.text("/film a keeper wakes\nhe sails" if is_film else "/video A cat"))
    card = harness.telegram.sent[-1]
    shown = [data for row in card.buttons for _, data in row]
    button = next((data for data in shown if data.startswith(prefix)), "n|1|2")
    await harness.feed(**ann.message(migrate_to_chat_id=-100777))
    await harness.feed(**ann.press(button, 2))
    assert harness.states() == {"r|": ["queued"], "x|": ["cancelled"], "n|": ["draft"]}.get(
        prefix, ["queued", "draft"]
    )
    assert set(harness.rows("SELECT card_message_id FROM tasks")) == {(None,)}
    touched = [*harness.telegram.edits, *harness.telegram.named("deleteMessage")]
    assert [call for call in touched if str(call.params["chat_id"]) == "-100777"] == []


@pytest.mark.parametrize("words", ["It waves", ""])
async def test_in_a_group_the_picture_of_an_album_that_addresses_the_bot_is_used(
    harness: HandlerHarness, member: Person, words: str
) -> None:
    """Others of the album are not seen, so the bot cannot know that this one is the second."""
    named = [{"type": "mention", "offset": 0, "length": 10}]
    caption: dict[str, Any] = {
        "caption": f"@video_bot {words}".strip(), "caption_entities": named,
    }  # fmt: skip
    nothing: dict[str, Any] = {}
    for more in (nothing, caption, nothing):
        await harness.feed(**member.photo(media_group_id="g", **more))
    assert harness.task()["frame_message_id"] == 2
    [answer] = harness.telegram.sent
    assert answer.reply_to == 2
    said = "only this picture is used" if words else "only the picture I am replying to is used"
    assert said in answer.text
