"""A prompt becomes a card."""

from __future__ import annotations

from typing import Any

import pytest

from bot.core.errors import TelegramLater, TelegramUnreachable
from bot.core.prompt import PROMPT_LIMIT
from tests.support.handler_harness import HandlerHarness, Person


async def test_a_text_becomes_a_draft_and_a_card_that_replies_to_it(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.text("A cat --ar 16:9 on\na bicycle"))
    task = harness.task()
    assert task["state"] == "draft"
    assert task["prompt"] == "A cat on a bicycle"
    assert (task["user_id"], task["chat_id"], task["message_id"]) == (7, 7, 1)
    assert (task["model"], task["price_kopecks"]) == ("seedance-1-lite-480P-5s", 1700)
    [card] = harness.telegram.sent
    assert card.name == "sendMessage"
    assert card.text.startswith("A cat on a bicycle\n")
    assert "17\N{NO-BREAK SPACE}₽" in card.text
    assert card.reply_to == 1
    assert card.buttons == [
        [("1:1", "r|1|1:1"), ("16:9", "r|1|16:9"), ("9:16", "r|1|9:16")],
        [("Cancel", "x|1")],
    ]
    assert task["card_message_id"] == card.message_id
    assert task["card_is_media"] == 0


async def test_the_same_update_again_makes_no_second_card(
    harness: HandlerHarness, ann: Person
) -> None:
    event = ann.text("A cat")
    number = await harness.feed(**event)
    await harness.again(number, **event)
    assert len(harness.telegram.sent) == 1
    assert harness.states() == ["draft"]


async def test_a_card_that_could_not_be_sent_is_sent_when_the_update_comes_again(
    harness: HandlerHarness, ann: Person
) -> None:
    harness.telegram.refuse("sendMessage", 429, "Too Many Requests", retry_after=5)
    event = ann.text("A cat")
    with pytest.raises(TelegramLater) as caught:
        await harness.feed(**event)
    assert caught.value.retry_after == 5
    assert harness.task()["card_message_id"] is None
    await harness.again(1, **event)
    assert harness.states() == ["draft"]
    assert harness.task()["card_message_id"] == harness.telegram.last_id


async def test_a_person_who_blocked_the_bot_keeps_the_draft(
    harness: HandlerHarness, ann: Person
) -> None:
    harness.telegram.refuse("sendMessage", 403, "Forbidden: bot was blocked by the user")
    with pytest.raises(TelegramUnreachable):
        await harness.feed(**ann.text("A cat"))
    assert harness.states() == ["draft"]


@pytest.mark.parametrize("text", ["--ar 16:9", "...", "\u200b"])
async def test_a_prompt_without_words_is_refused_with_advice(
    harness: HandlerHarness, ann: Person, text: str
) -> None:
    await harness.feed(**ann.text(text))
    [answer] = harness.telegram.sent
    assert "no words" in answer.text
    assert answer.reply_to == 1
    assert harness.states() == []


async def test_a_prompt_over_the_limit_is_refused_with_both_numbers(
    harness: HandlerHarness, boris: Person
) -> None:
    await harness.feed(**boris.text("я" * (PROMPT_LIMIT + 1)))
    [answer] = harness.telegram.sent
    assert str(PROMPT_LIMIT + 1) in answer.text
    assert str(PROMPT_LIMIT) in answer.text
    assert "Сократите" in answer.text
    assert harness.states() == []


@pytest.mark.parametrize(
    "content",
    [
        {"sticker": {"file_id": "s", "file_unique_id": "s", "type": "regular", "width": 512,
                     "height": 512, "is_animated": False, "is_video": False,
                     "set_name": "Animals"}},
        {"sticker": {"file_id": "s", "file_unique_id": "s", "type": "regular", "width": 512,
                     "height": 512, "is_animated": True, "is_video": False}},
        {"voice": {"file_id": "v", "file_unique_id": "v", "duration": 3}},
        {"video": {"file_id": "v", "file_unique_id": "v", "width": 1, "height": 1, "duration": 3}},
        {"video_note": {"file_id": "v", "file_unique_id": "v", "length": 1, "duration": 3}},
        {"audio": {"file_id": "a", "file_unique_id": "a", "duration": 3}},
        {"location": {"latitude": 1.0, "longitude": 2.0}},
        {"contact": {"phone_number": "1", "first_name": "B"}},
        {"dice": {"emoji": "🎲", "value": 3}},
        {"animation": {"file_id": "a", "file_unique_id": "a", "width": 1, "height": 1,
                       "duration": 3},
         "document": {"file_id": "a", "file_unique_id": "a", "mime_type": "video/mp4"}},
        {"rich_message": {"blocks": []}},
        {"giveaway": {"chats": [], "winners_selection_date": 1, "winner_count": 1}},
        {},  # a part that could not be parsed was left out
        {"hologram": {"of": "a later version of the Bot API"}},
    ],
)  # fmt: skip
async def test_unusable_content_is_answered_with_what_works(
    harness: HandlerHarness, ann: Person, content: dict[str, Any]
) -> None:
    await harness.feed(**ann.message(**content))
    [answer] = harness.telegram.sent
    assert "cannot make a video" in answer.text
    assert "/help" in answer.text
    assert harness.states() == []


@pytest.mark.parametrize(
    "content",
    [
        {"new_chat_title": "x"},
        {"message_auto_delete_timer_changed": {"message_auto_delete_time": 5}},
        {"delete_chat_photo": True},
    ],
)
async def test_service_messages_are_not_answered(
    harness: HandlerHarness, ann: Person, content: dict[str, Any]
) -> None:
    await harness.feed(**ann.message(**content))
    assert harness.telegram.calls == []


async def test_an_unknown_command_is_not_taken_for_a_prompt(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.text("/dance"))
    [answer] = harness.telegram.sent
    assert "/help" in answer.text
    assert harness.states() == []


async def test_a_command_in_russian_letters_is_not_taken_for_a_prompt(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.message(text="/помощь"))  # Telegram marks Latin letters only
    [answer] = harness.telegram.sent
    assert "/help" in answer.text
    await harness.feed(**ann.message(text="/ 24 frames of a storm"))
    assert harness.states() == ["draft"]


async def test_another_bot_is_not_answered(harness: HandlerHarness, ann: Person) -> None:
    ann.user["is_bot"] = True
    await harness.feed(**ann.text("A cat"))
    assert harness.telegram.calls == []
    assert harness.states() == []


async def test_drafts_side_by_side_do_not_mix(harness: HandlerHarness, ann: Person) -> None:
    await harness.feed(**ann.text("A cat"))
    await harness.feed(**ann.text("A dog"))
    cat, dog = harness.telegram.sent
    assert (cat.buttons[1][0][1], dog.buttons[1][0][1]) == ("x|1", "x|2")
    await harness.feed(**ann.press("r|1|1:1", cat.message_id))
    assert harness.states() == ["queued", "draft"]
