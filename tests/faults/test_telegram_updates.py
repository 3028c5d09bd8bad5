"""Incoming updates, whatever getUpdates answers and whatever they look like.

The promise: what Telegram delivered takes effect once, in order, and nothing that one chat sends,
and no bad update, stops another.
"""

from __future__ import annotations

from typing import Any

import pytest

from bot.core.errors import TelegramUnauthorized
from bot.sandbox.faults import Fault
from bot.sandbox.telegram.errors import OTHER_POLLER, WEBHOOK_ACTIVE
from bot.sandbox.telegram.state import Json
from tests.faults.answers import HTML, broken, http, refusal
from tests.faults.test_telegram_words import cards, updates
from tests.support.app_harness import AppHarness, OpenAppHarness

READ = "getUpdates"
PASSING: dict[str, tuple[Fault, float]] = {
    "429 for 3 s": (refusal(429, "Too Many Requests: retry after 3", retry_after=3), 3),
    "429 for 10 000 s": (refusal(429, "Too Many Requests", retry_after=10_000), 3600),
    "500 without a description": (refusal(500, None), 1),
    "502 HTML": (http(502), 1),
    "504": (http(504, None), 1),
    "the page of a censor": (http(200, "<html>Доступ ограничен</html>".encode("cp1251")), 1),
    "a redirect": (http(301, None, Location="https://elsewhere.test/"), 1),
    "400 without a description": (refusal(400, None), 1),
    "429 without a description": (refusal(429, None), 30),
    "429 for a negative time": (refusal(429, "Too Many Requests", retry_after=-5), 1),
    "403": (refusal(403, "Forbidden: bot was blocked by the user"), 1),
    "400": (refusal(400, "Bad Request: chat not found"), 1),
    "group migrated": (refusal(400, "Bad Request: migrated", migrate_to_chat_id=-100500), 1),
    "413": (refusal(413, "Request Entity Too Large"), 1),
    "409, another poller": (refusal(409, f"Conflict: {OTHER_POLLER}"), 1),
    "409, a webhook": (refusal(409, f"Conflict: {WEBHOOK_ACTIVE}"), 1),
    "reset before": (broken("reset_before"), 1),
    "reset after": (broken("reset_after"), 1),
    "half of the answer": (broken("truncate"), 1),
    "silence, then a reset": (broken("hang_after", delay=0.2), 1),
    "200 HTML": (http(200, HTML), 1),
    "malformed JSON": (http(200, b'{"ok": true, "resu'), 1),
    "an object instead of a list": (http(200, {"ok": True, "result": {}}), 1),
    "null": (http(200, {"ok": True, "result": None}), 1),
    "a list of nonsense": (http(200, {"ok": True, "result": [None, 7, {"update_id": "x"}]}), 1),
}
"""The fault, and the least seconds until the next poll."""


@pytest.mark.parametrize("cell", PASSING)
async def test_bad_answers_neither_lose_nor_repeat_updates(harness: AppHarness, cell: str) -> None:
    fault, wait = PASSING[cell]
    anna = harness.person()
    await harness.card(anna, "first")
    harness.refuse(fault.model_copy(update={"times": 2 if wait < 100 else 1}), on=READ)
    # The question that waits brings this one; the next question meets the fault.
    await anna.send_text("second")
    await harness.settle()
    begun = harness.time.elapsed
    await anna.send_text("third")
    await harness.until(lambda: len(cards(harness, anna.chat)) == 3, within=wait + 60)
    said = [m["reply_to_message"]["text"] for m in cards(harness, anna.chat)]
    assert said == ["first", "second", "third"]
    assert harness.time.elapsed - begun >= wait
    await harness.pass_(60)
    assert len(harness.states()) == 3
    assert [state for state, _ in updates(harness)] == ["done"] * 3


@pytest.mark.parametrize(
    "fault", [refusal(401, "Unauthorized"), refusal(404, "Not Found")], ids=["401", "404"]
)
async def test_a_token_that_is_refused_ends_the_program(
    make_harness: OpenAppHarness, fault: Fault
) -> None:
    async with make_harness() as harness:
        harness.refuse(fault, on=READ)
        await harness.person().send_text("a red fox")
        with pytest.raises(TelegramUnauthorized) as caught:
            await harness.pass_(60)
        assert harness.telegram.token not in str(caught.value)


def message(person: Any, number: int, text: str) -> Json:
    chat = {"id": person.id, "type": "private", "first_name": "Anna"}
    return {"message_id": number, "date": 0, "chat": chat, "from": person.user, "text": text}


UNPARSABLE: dict[str, Json] = {
    "a message without anything": {"message": {}},
    "a message that is a list": {"message": []},
    "a message of another age": {"message": {"message_id": "x", "date": "yesterday"}},
    "a number that is none": {"message": {"message_id": 1, "date": 0, "chat": {"id": "five"}}},
    "NUL in a text": {"message": {"text": "\0", "chat": {"id": 5}}},
    "an event that nobody knows": {"telepathy": {"chat": {"id": 5}}},
    "nothing": {},
}


@pytest.mark.parametrize("cell", UNPARSABLE)
async def test_an_update_that_cannot_be_parsed_stops_no_other(
    harness: AppHarness, cell: str
) -> None:
    anna = harness.person()
    await harness.card(anna, "first")
    bad = harness.telegram.inject(UNPARSABLE[cell])
    await anna.send_text("second")
    await harness.until(lambda: len(cards(harness, anna.chat)) == 2, within=10)
    await harness.pass_(60)
    found = dict(harness.rows("SELECT update_id, state FROM inbox"))
    assert found.pop(bad["update_id"]) == "set_aside"
    assert set(found.values()) == {"done"}
    # Its text stays for the operator, and Telegram has forgotten it.
    assert harness.rows("SELECT count(*) FROM inbox WHERE payload LIKE '{%'") == [(1,)]
    assert not harness.telegram.world.pending


ORIGINS: dict[str, Json] = {
    "a hidden sender without a name": {"type": "hidden_user", "date": 0},
    "a kind of origin that nobody knows": {"type": "moon", "date": 0},
}
QUOTED: dict[str, Json] = {
    **{name: {"forward_origin": origin} for name, origin in ORIGINS.items()},
    "another chat's message": {"external_reply": {"origin": {"type": "moon", "date": 0}}},
    "an answer to a message without a date": {"reply_to_message": {"message_id": 3}},
    "a quote without a place": {"quote": {"text": "fox"}},
    "a formatting without a length": {"entities": [{"type": "bold", "offset": 0}] * 2},
    "several at once": {
        "forward_origin": ORIGINS["a hidden sender without a name"],
        "via_bot": {"id": 1},
        "entities": [{"type": "bold", "offset": 0}],
    },
}


@pytest.mark.parametrize("cell", QUOTED)
async def test_a_part_that_cannot_be_parsed_hides_no_prompt(
    harness: AppHarness, cell: str
) -> None:
    anna = harness.person()
    anna.chat.started = True
    harness.telegram.inject({"message": message(anna, 10, "a red fox") | QUOTED[cell]})
    await harness.until(lambda: len(cards(harness, anna.chat)) == 1, within=10)
    assert harness.rows("SELECT prompt FROM tasks") == [("a red fox",)]


async def test_a_part_that_cannot_be_parsed_stops_no_button(harness: AppHarness) -> None:
    anna = harness.person()
    card = await harness.card(anna)
    [row] = card["reply_markup"]["inline_keyboard"][:1]
    said = card["reply_to_message"] | {"forward_origin": {"type": "hidden_user", "date": 0}}
    press = {
        "id": "77",
        "from": anna.user,
        "chat_instance": "1",
        "data": next(one["callback_data"] for one in row if "9:16" in one["text"]),
        "message": card | {"reply_to_message": said},
    }
    harness.telegram.inject({"callback_query": press})
    await harness.ended("delivered")


@pytest.mark.parametrize("field", ["from", "message_thread_id", "successful_payment"])
async def test_what_a_handler_needs_is_not_left_out(harness: AppHarness, field: str) -> None:
    anna = harness.person()
    bad = harness.telegram.inject({"message": message(anna, 10, "a red fox") | {field: {}}})
    await harness.pass_(60)
    assert harness.rows("SELECT update_id, state FROM inbox") == [(bad["update_id"], "set_aside")]


async def test_the_same_update_three_times_takes_effect_once(harness: AppHarness) -> None:
    anna = harness.person()
    card = await harness.card(anna)
    await anna.press(card, "9:16")
    said, pressed = (u["update_id"] for u in harness.telegram.world.updates)
    for update_id in (said, pressed, said, pressed):
        harness.telegram.redeliver(update_id)
    await harness.ended("delivered")
    for update_id in (said, pressed, said, pressed):
        harness.telegram.redeliver(update_id)
    await harness.pass_(60)
    assert harness.states() == ["delivered"]
    assert len(harness.asked("create")) == len(harness.videos(anna.chat)) == 1
    assert len(harness.sent("sendMessage")) == 1
    assert len(updates(harness)) == 2


async def test_the_same_update_twice_in_one_answer_takes_effect_once(harness: AppHarness) -> None:
    anna = harness.person()
    twice = {"update_id": 900_000_001, "message": message(anna, 1, "a red fox")}
    harness.refuse(http(200, {"ok": True, "result": [twice, twice]}), on=READ)
    anna.chat.started = True
    await anna.send_text("a blue fox")
    await harness.until(lambda: len(cards(harness, anna.chat)) >= 1, within=60)
    await harness.pass_(60)
    assert sorted(row[0] for row in harness.rows("SELECT prompt FROM tasks")) == ["a red fox"]


async def test_updates_out_of_order_take_effect_in_the_order_of_their_numbers(
    harness: AppHarness,
) -> None:
    anna, boris = harness.person(), harness.person("ru", "Борис")
    for person in (anna, boris):
        person.chat.started = True
    page = [
        {"update_id": 900_000_003, "message": message(anna, 12, "/cancel")},
        {"update_id": 900_000_001, "message": message(anna, 10, "a red fox")},
        {"update_id": 900_000_002, "message": message(boris, 11, "рыжая лиса")},
    ]
    harness.refuse(http(200, {"ok": True, "result": page}), on=READ)
    await anna.send_text("this one goes lost in the pretend answer")
    await harness.until(lambda: len(updates(harness)) >= 3, within=60)
    await harness.pass_(60)
    rows = harness.rows("SELECT prompt, state FROM tasks WHERE source_message_id IN (10, 11)")
    assert sorted(rows) == [("a red fox", "cancelled"), ("рыжая лиса", "draft")]
