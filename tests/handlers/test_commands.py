"""Commands, languages and groups."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.handler_harness import Call, HandlerHarness, Person


@pytest.mark.parametrize(
    ("command", "english", "russian"),
    [
        ("/start", "Hi!", "Привет!"),
        ("/start ref", "Hi!", "Привет!"),
        ("/help", "How it works", "Как это работает"),
        ("/help@video_bot", "How it works", "Как это работает"),
        ("/privacy", "GPTunnel", "GPTunnel"),
    ],
)
async def test_commands_are_answered_in_the_persons_language(
    harness: HandlerHarness, ann: Person, boris: Person, command: str, english: str, russian: str
) -> None:
    await harness.feed(**ann.text(command))
    await harness.feed(**boris.text(command))
    first, second = harness.telegram.sent
    assert english in first.text
    assert russian in second.text
    assert first.text != second.text
    assert first.reply_to is None, "a command in private needs no quote"
    assert harness.states() == []


async def test_a_command_is_quoted_in_a_group_and_its_card_everywhere(
    harness: HandlerHarness, ann: Person
) -> None:
    group = Person(harness, chat={"id": -5, "type": "supergroup", "title": "Friends"})
    await harness.feed(**group.text("/help"))
    assert harness.telegram.sent[-1].reply_to == 1
    await harness.feed(**ann.text("/video a cat"))
    assert harness.telegram.sent[-1].reply_to == 1
    await harness.feed(**ann.text("/video"))
    assert harness.telegram.sent[-1].reply_to is None


async def test_a_chosen_language_wins_over_telegrams(harness: HandlerHarness, ann: Person) -> None:
    await harness.feed(**ann.text("/language"))
    assert harness.telegram.sent[0].buttons == [[("English", "l|en"), ("Русский", "l|ru")]]
    await harness.feed(**ann.press("l|ru"))
    assert harness.telegram.edits[0].text.startswith("🌐 Теперь я говорю по-русски")
    assert harness.rows("SELECT lang, lang_chosen, name FROM users") == [("ru", 1, "Ann")]
    await harness.feed(**ann.text("A cat"))
    assert "Цена" in harness.telegram.sent[-1].text
    assert harness.task()["lang"] == "ru"


async def test_the_menu_follows_the_language_that_was_chosen(
    harness: HandlerHarness, ann: Person
) -> None:
    def menus() -> list[Call]:
        return harness.telegram.named("setMyCommands", "deleteMyCommands")

    await harness.feed(**ann.press("l|en", 900))
    assert menus() == []  # it is Telegram's own
    await harness.feed(**ann.press("l|ru", 900))
    await harness.feed(**ann.press("l|ru", 900))
    [told] = menus()
    assert told.name == "setMyCommands"
    assert json.loads(told.params["scope"]) == {"type": "chat", "chat_id": 7}
    assert "Мои видео" in [one["description"] for one in json.loads(told.params["commands"])]
    harness.telegram.refuse("deleteMyCommands", 429, "Too Many Requests", retry_after=3)
    await harness.feed(**ann.press("l|en", 900))
    assert harness.rows("SELECT lang FROM users") == [("en",)]
    await harness.feed(**ann.press("l|ru", 900))
    await harness.feed(**ann.press("l|en", 900))
    assert [menu.name for menu in menus()[1:]] == ["setMyCommands", "deleteMyCommands"]


async def test_cancel_cancels_the_newest_order_and_edits_its_card(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.text("A cat"))
    await harness.feed(**ann.photo(caption="A dog"))
    card = harness.telegram.last_id
    harness.clock.pass_(5)
    await harness.feed(**ann.text("/cancel"))
    assert harness.states() == ["draft", "cancelled"]
    [edit] = harness.telegram.edits
    assert (edit.name, int(edit.params["message_id"])) == ("editMessageCaption", card)
    # Which one it was, and what is beyond cancelling.
    answer = harness.telegram.sent[-1].text
    assert "A dog" in answer
    assert "No money was taken" in answer
    assert "will still arrive" not in answer
    harness.clock.pass_(5)
    await harness.feed(**ann.text("/cancel"))
    assert harness.states() == ["cancelled", "cancelled"]


@pytest.mark.parametrize("begun", [False, True])
async def test_cancel_cancels_all_videos_of_one_order_that_still_wait(
    harness: HandlerHarness, ann: Person, begun: bool
) -> None:
    """A cancelled video must not arrive and be paid for a minute later."""
    await harness.feed(**ann.text("A cat"))
    card = harness.telegram.last_id
    harness.rows("UPDATE tasks SET variants = 3")
    await harness.feed(**ann.press("r|1|9:16"))
    assert harness.states() == ["queued"] * 3
    if begun:
        harness.rows("UPDATE tasks SET state = 'generating' WHERE id = 1")
    event = ann.text("/cancel")
    number = await harness.feed(**event)
    assert harness.states() == ["generating" if begun else "cancelled", *["cancelled"] * 2]
    assert ("will still arrive" in harness.telegram.sent[-1].text) is begun
    ended = [edit for edit in harness.telegram.edits if edit.text.startswith("✖️")]
    assert [int(edit.params["message_id"]) for edit in ended] == ([] if begun else [card])
    await harness.again(number, **event)
    assert harness.telegram.sent[-1].text == harness.telegram.sent[-2].text


async def test_cancel_says_that_a_generating_video_still_comes(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.text("A cat"))
    harness.rows("UPDATE tasks SET state = 'generating'")
    await harness.feed(**ann.text("A dog"))
    await harness.feed(**ann.text("/cancel"))
    assert harness.states() == ["generating", "cancelled"]
    answer = harness.telegram.sent[-1].text
    assert "A dog" in answer
    assert "will still arrive" in answer


async def test_cancel_names_the_order_in_the_persons_own_words(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.text("A cat"))
    harness.rows("UPDATE tasks SET original = 'Кот', rewritten = prompt")
    await harness.feed(**ann.text("/cancel"))
    assert "Кот" in harness.telegram.sent[-1].text
    assert "A cat" not in harness.telegram.sent[-1].text


async def test_a_new_prompt_that_was_not_written_is_not_the_old_one(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.text("A cat"))
    harness.rows("UPDATE tasks SET original = 'Кот', rewritten = prompt, state = 'failed'")
    await harness.feed(**ann.press("b|w|1", 900))
    assert harness.rows("SELECT prompt, original, rewritten FROM tasks WHERE id = 2") == [
        (None, None, None)
    ]
    await harness.feed(**ann.text("/cancel"))
    assert harness.states() == ["failed", "cancelled"]
    assert "Кот" not in harness.telegram.sent[-1].text


async def test_cancel_again_after_a_crash_cancels_nothing_more(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.text("A cat"))
    await harness.feed(**ann.text("A dog"))
    event = ann.text("/cancel")
    number = await harness.feed(**event)
    await harness.again(number, **event)
    assert harness.states() == ["draft", "cancelled"]
    assert harness.telegram.sent[-1].text == harness.telegram.sent[-2].text


@pytest.mark.parametrize("state", ["submitting", "generating", "rendered"])
async def test_cancel_after_submit_says_that_the_video_still_comes(
    harness: HandlerHarness, ann: Person, state: str
) -> None:
    await harness.feed(**ann.text("A cat"))
    harness.rows("UPDATE tasks SET state = ?", state)
    await harness.feed(**ann.text("/cancel"))
    assert harness.states() == [state]
    assert "The money for it is spent" in harness.telegram.sent[-1].text


async def test_cancel_without_an_order_says_so(
    harness: HandlerHarness, ann: Person, boris: Person
) -> None:
    await harness.feed(**ann.text("A cat"))
    await harness.feed(**boris.text("/cancel"))
    assert harness.states() == ["draft"]
    assert "Отменять нечего" in harness.telegram.sent[-1].text


# --- groups --------------------------------------------------------------------------------

GROUP: dict[str, Any] = {"id": -100, "type": "supergroup", "title": "Friends", "is_forum": True}
IN_TOPIC: dict[str, Any] = {"message_thread_id": 9, "is_topic_message": True}


def mention(text: str, name: str = "@video_bot") -> dict[str, Any]:
    return {
        "text": text,
        "entities": [{"type": "mention", "offset": text.index(name), "length": len(name)}],
    }


@pytest.fixture
def in_group(harness: HandlerHarness) -> Person:
    return Person(harness, chat=GROUP)


async def test_unaddressed_group_messages_are_not_answered(
    harness: HandlerHarness, in_group: Person
) -> None:
    sticker = {"file_id": "s", "file_unique_id": "s", "type": "regular", "width": 512,
               "height": 512, "is_animated": False, "is_video": False}  # fmt: skip
    other = {"message_id": 3, "date": 1, "chat": GROUP, "from": in_group.user, "text": "x"}
    for event in (
        in_group.text("just talking"),
        in_group.photo(caption="my holidays"),
        in_group.document(b"notes", "text/plain"),
        in_group.message(sticker=sticker),
        in_group.text("/dance"),
        in_group.text("/start@other_bot"),
        in_group.message(**mention("hello @video_bott", "@video_bott")),
        in_group.text("an answer", reply_to_message=other),
    ):
        await harness.feed(**event)
    assert [call.name for call in harness.telegram.calls if call.name != "getMe"] == []
    assert harness.states() == []
    assert harness.rows("SELECT count(*) FROM users") == [(0,)]


async def test_a_mention_in_a_topic_is_answered_there(
    harness: HandlerHarness, in_group: Person
) -> None:
    await harness.feed(**in_group.message(**mention("@Video_Bot a cat", "@Video_Bot"), **IN_TOPIC))
    assert harness.task()["prompt"] == "a cat"
    assert harness.task()["message_thread_id"] == 9
    [card] = harness.telegram.sent
    assert (card.params["chat_id"], card.params["message_thread_id"]) == ("-100", "9")


async def test_a_thread_of_replies_is_not_a_topic(
    harness: HandlerHarness, in_group: Person
) -> None:
    await harness.feed(**in_group.message(**mention("@video_bot a cat"), message_thread_id=9))
    assert "message_thread_id" not in harness.telegram.sent[0].params
    assert harness.task()["message_thread_id"] is None


async def test_a_reply_to_the_bot_and_a_photo_with_a_mention_are_for_it(
    harness: HandlerHarness, in_group: Person
) -> None:
    ours = {"message_id": 3, "date": 1, "chat": GROUP, "text": "x",
            "from": {"id": 42, "is_bot": True, "first_name": "V"}}  # fmt: skip
    await harness.feed(**in_group.text("a cat", reply_to_message=ours))
    caption = {"type": "mention", "offset": 6, "length": 10}
    await harness.feed(**in_group.photo(caption="a dog @video_bot", caption_entities=[caption]))
    assert [harness.task(number)["prompt"] for number in (1, 2)] == ["a cat", "a dog"]
    assert [call.name for call in harness.telegram.sent] == ["sendMessage", "sendPhoto"]


async def test_in_a_group_only_the_owner_can_order_or_cancel(
    harness: HandlerHarness, in_group: Person
) -> None:
    await harness.feed(**in_group.message(**mention("@video_bot a cat")))
    stranger = Person(harness, user_id=8, chat=GROUP)
    await harness.feed(**stranger.press("r|1|1:1"))
    await harness.feed(**stranger.press("x|1"))
    assert harness.states() == ["draft"]
    await harness.feed(**in_group.press("r|1|1:1"))
    assert harness.states() == ["queued"]
