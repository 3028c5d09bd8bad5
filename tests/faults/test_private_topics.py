"""A topic of a private chat is deleted or refused: messages go to the chat without a topic."""

from __future__ import annotations

from bot.sandbox.telegram.people import Person
from bot.sandbox.telegram.state import Json
from tests.support.app_harness import AppHarness

TOPIC = 50


def with_topic(harness: AppHarness) -> Person:
    anna = harness.person()
    anna.chat.topics = {TOPIC: "Foxes"}
    return anna


def is_card(message: Json) -> bool:
    return "9:16" in str(message.get("reply_markup"))


async def test_a_topic_that_telegram_refuses_gets_its_answers_in_the_chat(
    harness: AppHarness,
) -> None:
    """telegram-bot-api #847: for days, people wrote in topics that refused every answer."""
    anna = with_topic(harness)
    anna.chat.topics.clear()
    await anna.send_text("/help", thread=TOPIC)
    await anna.send_text("a red fox", thread=TOPIC)
    card = await harness.find(anna.chat, is_card)
    assert "message_thread_id" not in card
    await anna.press(card, "9:16")
    await harness.ended("delivered")
    [video] = harness.videos(anna.chat)
    assert "message_thread_id" not in video
    assert len(harness.asked("create")) == 1


async def test_a_topic_deleted_after_the_order_loses_no_video(harness: AppHarness) -> None:
    anna = with_topic(harness)
    harness.provider.delay = 60
    await anna.send_text("a red fox", thread=TOPIC)
    card = await harness.find(anna.chat, is_card)
    assert card["message_thread_id"] == TOPIC
    await anna.press(card, "9:16")
    await harness.until(lambda: harness.state() == "generating")
    anna.chat.topics.clear()
    await harness.ended("delivered")
    [video] = harness.videos(anna.chat)
    # It is the chat of the order, so the video needs no explanation.
    assert not harness.rows("SELECT 1 FROM tasks WHERE redirected")
    assert video["reply_to_message"]["text"] == "a red fox"


async def test_a_topic_that_exists_keeps_its_answers(harness: AppHarness) -> None:
    anna = with_topic(harness)
    await anna.send_text("a red fox", thread=TOPIC)
    await anna.press(await harness.find(anna.chat, is_card), "9:16")
    await harness.ended("delivered")
    [video] = harness.videos(anna.chat)
    assert video["message_thread_id"] == TOPIC
    assert not [call for call in harness.telegram.calls if call.status == 400]
