"""Rich messages in updates, and in Telegram's answers to messages that reply to them."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from aiogram import Bot
from pydantic import SecretStr

from bot.sandbox.telegram.state import Json
from bot.telegram.client import connect
from bot.telegram.parsing import parse
from bot.telegram.rate_limits import RateLimiter
from bot.telegram.rich_messages import loads
from tests.faults.test_telegram_updates import message
from tests.faults.test_telegram_words import cards
from tests.support.app_harness import AppHarness

BOT = Bot("42:TEST")
LEVELS = 3
"""The number of nested formats: each more would make a failure twenty times slower."""


def nested(levels: int, words: str = "a red fox") -> Json:
    text: Any = words
    for _ in range(levels):
        text = {"type": "bold", "text": ["", text]}
    block: Json = {"type": "paragraph", "text": text}
    for _ in range(3):
        block = {"type": "blockquote", "blocks": [block]}
    return {"blocks": [block]}


def rich(person: Any, levels: int) -> Json:
    said = message(person, 10, "") | {"rich_message": nested(levels)}
    del said["text"]
    return said


async def test_formats_inside_each_other_do_not_stop_the_bot(harness: AppHarness) -> None:
    anna, boris = harness.person(), harness.person("ru", "Борис")
    anna.chat.started = True
    harness.telegram.inject({"message": rich(anna, LEVELS)})
    await harness.card(boris, "рыжая лиса")
    await harness.until(lambda: len(cards(harness, anna.chat)) == 1, within=10)
    assert ("a red fox",) in harness.rows("SELECT prompt FROM tasks")


@pytest.mark.parametrize("place", ["reply_to_message", "pinned_message"])
def test_a_rich_message_inside_another_message_has_plain_words(place: str) -> None:
    person = SimpleNamespace(id=7, user={"id": 7, "is_bot": False, "first_name": "Ann"})
    inner = {place: rich(person, LEVELS)}
    update = parse({"update_id": 1, "message": message(person, 11, "a fox") | inner}, BOT)
    assert update.message is not None
    [block] = getattr(update.message, place).rich_message.blocks
    assert block.text == "a red fox"


def test_an_answer_of_telegram_has_plain_words() -> None:
    answer = {"ok": True, "result": {"reply_to_message": {"rich_message": nested(LEVELS)}}}
    read = loads(json.dumps(answer))["result"]["reply_to_message"]["rich_message"]
    assert read == {"blocks": [{"type": "paragraph", "text": "a red fox"}]}
    assert loads('{"result": [1]}') == {"result": [1]}


async def test_every_answer_is_read_so() -> None:
    bot = connect(SecretStr("42:TEST"), "http://127.0.0.1:9", RateLimiter())
    assert bot.session.json_loads is loads
    await bot.session.close()
