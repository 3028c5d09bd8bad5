"""Every way in which a create can go wrong, from the press to the last word.

The promise: an order that was surely not taken is repeated by itself, one that may have been taken
never is; whoever waits or gets nothing is told why, and whether it cost money.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from bot.sandbox.faults import Fault
from bot.sandbox.telegram.people import Person
from bot.task import Charge, Reason
from tests.faults import words
from tests.faults.answers import HTML, LOST, SLOW, broken, http, says
from tests.faults.house import House, OpenHouse

DAY = 24 * 3600.0
LANGUAGES = itertools.cycle(["en", "ru"])


def people(house: House) -> dict[str, Person]:
    return {"en": house.person("en", "Anna"), "ru": house.person("ru", "Борис")}


# --- surely not taken ------------------------------------------------------------------------

BUSY: dict[str, tuple[Fault, float]] = {
    "429": (http(429), 3),
    "429 Retry-After": (http(429, Retry_After="17"), 17),
    "429 Retry-After, long": (http(429, Retry_After="10000"), 10_000),
    "429 Retry-After, a date": (http(429, Retry_After="Thu, 01 Jan 2026 13:00:00 GMT"), 3),
    "429 Retry-After, nonsense": (http(429, Retry_After="-5"), 3),
    "429 with code 6": (says(6, 429), 3),
    "code 1": (says(1), 3),
    "code 6": (says(6), 3),
    "code 6 as text": (http(200, {"code": "6"}), 3),
    "code 500": (says(500), 3),
    "code 500 at HTTP 500": (says(500, 500), 3),
}
"""The fault, and the seconds until the next try."""

HELD: dict[str, Fault] = {
    "401": http(401),
    "401 as OpenAI says it": http(401, {"error": {"message": "Incorrect key", "code": "x"}}),
    "402": http(402),
    "403": http(403),
    "404": http(404),
    "405": http(405),
    "code 2": says(2),
    "code 5": says(5),
    "code 99": says(99),
    "code 99 at HTTP 404": says(99, 404),
}


@pytest.mark.parametrize(("cell", "lang"), list(zip(BUSY, LANGUAGES, strict=False)))
async def test_a_busy_provider_is_asked_again_later(house: House, cell: str, lang: str) -> None:
    fault, wait = BUSY[cell]
    house.spoil(fault, on="create")
    person = house.person(lang)
    await house.order(person)
    await house.until(lambda: house.state() == "queued" and house.asked("create"))
    await house.reads(person.chat, words.waiting(house, lang, busy=True), within=wait)
    assert len(house.asked("create")) == 1
    await house.ended("delivered", within=12_000)
    first, second = house.asked("create")
    assert wait <= second.at - first.at <= wait + 2
    assert len(house.provider.charges) == len(house.videos(person.chat)) == 1


@pytest.mark.parametrize(("cell", "lang"), list(zip(HELD, LANGUAGES, strict=False)))
async def test_the_queue_waits_for_the_operator(house: House, cell: str, lang: str) -> None:
    """Two tries meet the fault; then it is mended, and nobody has to order again."""
    house.spoil(HELD[cell].model_copy(update={"times": 2}), on="create")
    person, other = house.person(lang), house.person("en", "Olga")
    await house.order(person)
    await house.reads(person.chat, words.waiting(house, lang, busy=False), within=15)
    await house.order(other)
    await house.ended("delivered", 1)
    await house.ended("delivered", 2)
    creates = [call.at - house.asked("create")[0].at for call in house.asked("create")]
    # One order alone tries the provider while the others wait.
    assert len(creates) == 4
    assert 15 <= creates[1] <= 17
    assert 45 <= creates[2] <= 48
    assert len(house.provider.charges) == 2


async def test_a_provider_that_is_not_there_is_tried_again(a_house: OpenHouse) -> None:
    async with a_house(provider_starts=False) as house:
        anna = house.person()
        await house.order(anna)
        await house.reads(anna.chat, words.waiting(house, "en", busy=True))
        await house.pass_(60)
        assert house.states() == ["queued"]
        await house.provider.start(port=int(house.provider.origin.rpartition(":")[2]))
        await house.ended("delivered")
        assert len(house.asked("create")) == len(house.provider.charges) == 1


@pytest.mark.parametrize(
    "fault", [http(429, Retry_After="20000"), http(401)], ids=["busy", "held"]
)
async def test_an_order_that_nobody_took_for_a_day_is_given_up_free_of_charge(
    house: House, fault: Fault
) -> None:
    house.spoil(fault.model_copy(update={"times": 0}), on="create")
    boris = house.person("ru")
    await house.order(boris)
    await house.until(lambda: house.task()["attempts"])
    if fault.status == 401:
        house.time.skew += DAY - 60  # its tries are 300 s apart: as well tried, and slowly
    await house.ended("failed", within=DAY + 20_000)
    said = words.failed("ru", Reason.PROVIDER_UNAVAILABLE, Charge.NONE)
    assert said in house.words(boris.chat)
    assert 2 <= len(house.asked("create")) <= 6
    assert house.provider.charges == []


async def test_an_order_can_be_taken_back_while_it_waits(house: House) -> None:
    house.spoil(says(5).model_copy(update={"times": 0}), on="create")
    anna = house.person()
    await house.order(anna)
    said = words.waiting(house, "en", busy=False)
    status = await house.find(anna.chat, lambda m: m.get("text") == said)
    await house.settle()  # the try that falls into this moment is over
    await anna.press(status, "Cancel")
    await house.ended("cancelled")
    tries = len(house.asked("create"))
    await house.pass_(3600)
    assert len(house.asked("create")) == tries


# --- taken or not, nobody here knows -----------------------------------------------------------


async def _is_unknown(house: House, fault: Fault, taken: bool) -> None:
    house.spoil(fault.model_copy(update={"times": 2}), on="create")
    both = people(house)
    for task_id, (lang, person) in enumerate(both.items(), 1):
        await house.order(person)
        await house.ended("unknown", task_id)
        assert words.unknown(lang) in house.words(person.chat)
    assert house.task()["reason"] == Reason.ANSWER_LOST
    assert len(house.provider.charges) == (2 if taken else 0)
    await house.pass_(2 * 3600)
    assert len(house.asked("create")) == 2
    assert house.states() == ["unknown", "unknown"]


@pytest.mark.parametrize("cell", LOST)
async def test_a_lost_answer_is_told_and_never_repeated(house: House, cell: str) -> None:
    await _is_unknown(house, *LOST[cell])


@pytest.mark.parametrize("cell", SLOW)
async def test_an_answer_that_does_not_come_in_time_is_lost(a_house: OpenHouse, cell: str) -> None:
    async with a_house(provider_seconds=0.5) as house:
        await _is_unknown(house, *SLOW[cell])


async def test_the_person_orders_a_lost_one_once_more_knowingly(house: House) -> None:
    house.spoil(broken("reset_after"), on="create")
    boris = house.person("ru")
    await house.order(boris)
    said = words.unknown("ru")
    told = await house.find(boris.chat, lambda m: m.get("text") == said)
    button = told["reply_markup"]["inline_keyboard"][0][0]["callback_data"]
    await boris.press(told, button)
    await boris.press(told, button, old=True)
    await house.ended("delivered", 2)
    assert house.states() == ["unknown", "delivered"]
    assert len(house.asked("create")) == len(house.provider.charges) == 2
    assert len(house.videos(boris.chat)) == 1


# --- refused -----------------------------------------------------------------------------------

MODEL = [{"path": "model", "expected": "one of ours", "message": "unknown model"}]
PROMPT = [{"path": ["prompt"], "expected": "string", "message": "too long"}]
REFUSED: dict[str, tuple[Fault, Reason]] = {
    "code 3": (says(3), Reason.INVALID_INPUT),
    "code 3 on the prompt": (says(3, issues=PROMPT), Reason.INVALID_INPUT),
    "code 3 on the model": (says(3, issues=MODEL), Reason.MODEL_GONE),
    "code 3 at HTTP 400": (says(3, 400), Reason.INVALID_INPUT),
    "code 4": (says(4), Reason.PROVIDER_REFUSED),
    "code 7": (says(7), Reason.MODEL_GONE),
    "code 1001": (says(1001), Reason.SENSITIVE_CONTENT),
    "code 1001 at HTTP 500": (says(1001, 500), Reason.SENSITIVE_CONTENT),
    "code 1002": (says(1002), Reason.UNSAFE_PROMPT),
    "code 4242": (says(4242), Reason.PROVIDER_REFUSED),
    "400 HTML": (http(400), Reason.INVALID_INPUT),
    "422 as OpenAI says it": (http(422, {"error": {"message": "no"}}), Reason.INVALID_INPUT),
}


@pytest.mark.parametrize("cell", REFUSED)
async def test_a_refused_order_ends_free_of_charge_with_its_reason(
    house: House, cell: str
) -> None:
    fault, reason = REFUSED[cell]
    house.spoil(fault.model_copy(update={"times": 2}), on="create")
    for task_id, (lang, person) in enumerate(people(house).items(), 1):
        await house.order(person)
        await house.ended("failed", task_id)
        assert words.failed(lang, reason, Charge.NONE) in house.words(person.chat)
        strikes = house.rows("SELECT strikes FROM users WHERE user_id = ?", person.id)
        assert strikes == [
            (1 if reason in (Reason.SENSITIVE_CONTENT, Reason.UNSAFE_PROMPT) else 0,)
        ]
    await house.pass_(3600)
    assert len(house.asked("create")) == 2
    assert house.provider.charges == []


# --- taken, in an unusual way ------------------------------------------------------------------


def taken(**answer: Any) -> Fault:
    """An answer that names a job, whatever else it says; the order itself was accepted."""
    return http(200, {"code": 0, "id": "f" * 24, "status": "idle", "url": None} | answer)


ODD: dict[str, Fault] = {
    "a status nobody knows": taken(status="dreaming"),
    "no status": taken(status=None),
    "a code that says busy": taken(code=6),
    "a code that says no balance": taken(code=5),
    "done without a link": taken(status="done"),
    "HTTP 500 with an id": taken().model_copy(update={"status": 500}),
}


@pytest.mark.parametrize("cell", ODD)
async def test_an_answer_with_an_id_is_an_order_and_is_asked_for(house: House, cell: str) -> None:
    house.spoil(ODD[cell], on="create")
    anna = house.person()
    await house.order(anna)
    await house.until(lambda: house.asked("result"))
    assert house.asked("result")[0].body == {"task_id": "f" * 24}
    assert house.task()["provider_id"] == "f" * 24
    assert len(house.asked("create")) == 1


async def test_a_create_that_is_done_at_once_is_delivered_without_a_question(
    house: House,
) -> None:
    anna = house.person()
    await house.order(anna, "a fox, instant-test")
    await house.ended("delivered")
    assert len(house.asked("create")) == len(house.asked("download")) == 1
    assert house.asked("result") == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"status": "failed"}, Reason.PROVIDER_FAILED),
        ({"status": "error", "message": HTML}, Reason.PROVIDER_FAILED),
        ({"code": 1001}, Reason.SENSITIVE_CONTENT),
        ({"code": 1002, "status": "failed"}, Reason.UNSAFE_PROMPT),
    ],
    ids=["failed", "error", "code 1001", "code 1002"],
)
async def test_a_create_that_has_failed_at_once_ends_and_its_charge_is_unknown(
    house: House, answer: dict[str, Any], reason: Reason
) -> None:
    house.spoil(taken(**answer), on="create")
    boris = house.person("ru")
    await house.order(boris)
    await house.ended("failed")
    assert words.failed("ru", reason, Charge.UNKNOWN) in house.words(boris.chat)
    assert house.asked("result") == []
    await house.pass_(3600)
    assert len(house.asked("create")) == 1


async def test_an_answer_that_takes_its_time_is_no_lost_answer(house: House) -> None:
    house.spoil(broken("slow", delay=0.3), on="create")
    anna = house.person()
    await house.order(anna)
    await house.ended("delivered")
    assert len(house.asked("create")) == 1
