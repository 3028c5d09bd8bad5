"""Every way in which a create can go wrong, from the press to the last notice.

The promise: an order that was certainly not accepted is repeated automatically, one that may have
been accepted never is; people who wait or get nothing are told why, and whether it cost money.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from bot.core.task import Charge, Reason
from bot.sandbox.faults import Fault
from bot.sandbox.gptunnel.records import Mode
from bot.sandbox.telegram.people import Person
from tests.faults import words
from tests.faults.answers import HTML, LOST, SLOW, broken, http, says
from tests.support.app_harness import AppHarness, OpenAppHarness

DAY = 24 * 3600.0
LANGUAGES = itertools.cycle(["en", "ru"])


def people(harness: AppHarness) -> dict[str, Person]:
    return {"en": harness.person("en", "Anna"), "ru": harness.person("ru", "Борис")}


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
    "301 to https": http(301, None, Location="https://provider.test/v1/media/create"),
    "308 to https": http(308, None, Location="https://provider.test/v1/media/create"),
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
async def test_a_busy_provider_is_asked_again_later(
    harness: AppHarness, cell: str, lang: str
) -> None:
    fault, wait = BUSY[cell]
    harness.spoil(fault, on="create")
    person = harness.person(lang)
    await harness.order(person)
    await harness.until(lambda: harness.state() == "queued" and harness.asked("create"))
    await harness.reads(person.chat, words.waiting(harness, lang, busy=True), within=wait)
    assert len(harness.asked("create")) == 1
    await harness.ended("delivered", within=12_000)
    first, second = harness.asked("create")
    assert wait <= second.at - first.at <= wait + 2
    assert len(harness.provider.charges) == len(harness.videos(person.chat)) == 1


@pytest.mark.parametrize(("cell", "lang"), list(zip(HELD, LANGUAGES, strict=False)))
async def test_the_queue_waits_for_the_operator(harness: AppHarness, cell: str, lang: str) -> None:
    """Two attempts meet the fault; then it ends, and nobody has to order again."""
    harness.spoil(HELD[cell].model_copy(update={"times": 2}), on="create")
    person, other = harness.person(lang), harness.person("en", "Olga")
    await harness.order(person)
    await harness.reads(person.chat, words.waiting(harness, lang, busy=False), within=15)
    await harness.order(other)
    await harness.ended("delivered", 1)
    await harness.ended("delivered", 2)
    creates = [call.at - harness.asked("create")[0].at for call in harness.asked("create")]
    # One order alone tries the provider while the others wait.
    assert len(creates) == 4
    assert 15 <= creates[1] <= 17
    assert 45 <= creates[2] <= 48
    assert len(harness.provider.charges) == 2


async def test_each_new_attempt_keeps_the_reason_why_the_queue_waits(harness: AppHarness) -> None:
    anna = harness.person("ru")
    harness.provider.mode = Mode.NO_BALANCE
    await harness.order(anna)
    await harness.reads(anna.chat, words.waiting(harness, "ru", busy=False))
    await harness.pass_(300)
    assert len(harness.asked("create")) > 2
    shown = [str(call.params["text"]) for call in harness.sent("editMessageText")]
    assert words.waiting(harness, "ru", busy=True) not in shown


async def test_a_provider_that_is_not_there_is_tried_again(make_harness: OpenAppHarness) -> None:
    async with make_harness(provider_starts=False) as harness:
        anna = harness.person()
        await harness.order(anna)
        await harness.reads(anna.chat, words.waiting(harness, "en", busy=True))
        await harness.pass_(60)
        assert harness.states() == ["queued"]
        await harness.provider.start(port=int(harness.provider.origin.rpartition(":")[2]))
        await harness.ended("delivered")
        assert len(harness.asked("create")) == len(harness.provider.charges) == 1


@pytest.mark.parametrize(
    "fault", [http(429, Retry_After="20000"), http(401)], ids=["busy", "held"]
)
async def test_an_order_not_accepted_for_a_day_is_given_up_free_of_charge(
    harness: AppHarness, fault: Fault
) -> None:
    harness.spoil(fault.model_copy(update={"times": 0}), on="create")
    boris = harness.person("ru")
    await harness.order(boris)
    await harness.until(lambda: harness.task()["attempts"])
    if fault.status == 401:
        harness.time.skew += DAY - 60  # its tries are 300 s apart: as well tried, and slowly
    await harness.ended("failed", within=DAY + 20_000)
    said = words.failed("ru", Reason.PROVIDER_UNAVAILABLE, Charge.NONE)
    assert said in harness.words(boris.chat)
    assert 2 <= len(harness.asked("create")) <= 6
    assert harness.provider.charges == []


async def test_a_waiting_order_can_be_cancelled(harness: AppHarness) -> None:
    harness.spoil(says(5).model_copy(update={"times": 0}), on="create")
    anna = harness.person()
    await harness.order(anna)
    said = words.waiting(harness, "en", busy=False)
    status = await harness.find(anna.chat, lambda m: m.get("text") == said)
    await harness.settle()  # the try that falls into this moment is over
    await anna.press(status, "Cancel")
    await harness.ended("cancelled")
    tries = len(harness.asked("create"))
    await harness.pass_(3600)
    assert len(harness.asked("create")) == tries


# --- accepted or not, unknown ------------------------------------------------------------------


async def _is_unknown(harness: AppHarness, lang: str, fault: Fault, taken: bool) -> None:
    """One order is lost and never repeated; the next one waits until the provider answers."""
    harness.spoil(fault.model_copy(update={"times": 1}), on="create")
    person, other = harness.person(lang), harness.person("en", "Olga")
    await harness.order(person)
    await harness.ended("unknown", 1)
    assert words.unknown(lang) in harness.words(person.chat)
    assert harness.task()["reason"] == Reason.ANSWER_LOST
    assert len(harness.provider.charges) == (1 if taken else 0)
    await harness.order(other)
    await harness.ended("delivered", 2)
    await harness.pass_(2 * 3600)
    assert len(harness.asked("create")) == 2
    assert harness.states() == ["unknown", "delivered"]


@pytest.mark.parametrize("lang", ["en", "ru"])
@pytest.mark.parametrize("cell", LOST)
async def test_a_lost_answer_is_reported_and_never_repeated(
    harness: AppHarness, cell: str, lang: str
) -> None:
    await _is_unknown(harness, lang, *LOST[cell])


@pytest.mark.parametrize("cell", SLOW)
async def test_an_answer_that_does_not_come_in_time_is_lost(
    make_harness: OpenAppHarness, cell: str
) -> None:
    async with make_harness(provider_seconds=0.5) as harness:
        await _is_unknown(harness, "ru", *SLOW[cell])


async def test_the_person_can_order_again_after_a_lost_answer(harness: AppHarness) -> None:
    harness.spoil(broken("reset_after"), on="create")
    boris = harness.person("ru")
    await harness.order(boris)
    said = words.unknown("ru")
    told = await harness.find(boris.chat, lambda m: m.get("text") == said)
    button = told["reply_markup"]["inline_keyboard"][0][0]["callback_data"]
    await boris.press(told, button)
    await boris.press(told, button, old=True)
    await harness.ended("delivered", 2)
    assert harness.states() == ["unknown", "delivered"]
    assert len(harness.asked("create")) == len(harness.provider.charges) == 2
    assert len(harness.videos(boris.chat)) == 1


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
    harness: AppHarness, cell: str
) -> None:
    fault, reason = REFUSED[cell]
    harness.spoil(fault.model_copy(update={"times": 2}), on="create")
    for task_id, (lang, person) in enumerate(people(harness).items(), 1):
        await harness.order(person)
        await harness.ended("failed", task_id)
        assert words.failed(lang, reason, Charge.NONE) in harness.words(person.chat)
        strikes = harness.rows("SELECT strikes FROM users WHERE user_id = ?", person.id)
        assert strikes == [
            (1 if reason in (Reason.SENSITIVE_CONTENT, Reason.UNSAFE_PROMPT) else 0,)
        ]
    await harness.pass_(3600)
    assert len(harness.asked("create")) == 2
    assert harness.provider.charges == []


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
async def test_an_answer_with_an_id_is_an_order_and_is_polled(
    harness: AppHarness, cell: str
) -> None:
    harness.spoil(ODD[cell], on="create")
    anna = harness.person()
    await harness.order(anna)
    await harness.until(lambda: harness.asked("result"))
    assert harness.asked("result")[0].body == {"task_id": "f" * 24}
    assert harness.task()["provider_id"] == "f" * 24
    assert len(harness.asked("create")) == 1


async def test_a_create_that_is_done_at_once_is_delivered_without_a_poll(
    harness: AppHarness,
) -> None:
    anna = harness.person()
    await harness.order(anna, "a fox, instant-test")
    await harness.ended("delivered")
    assert len(harness.asked("create")) == len(harness.asked("download")) == 1
    assert harness.asked("result") == []


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
    harness: AppHarness, answer: dict[str, Any], reason: Reason
) -> None:
    harness.spoil(taken(**answer), on="create")
    boris = harness.person("ru")
    await harness.order(boris)
    await harness.ended("failed")
    assert words.failed("ru", reason, Charge.UNKNOWN) in harness.words(boris.chat)
    assert harness.asked("result") == []
    await harness.pass_(3600)
    assert len(harness.asked("create")) == 1


async def test_a_slow_answer_is_not_a_lost_answer(harness: AppHarness) -> None:
    harness.spoil(broken("slow", delay=0.3), on="create")
    anna = harness.person()
    await harness.order(anna)
    await harness.ended("delivered")
    assert len(harness.asked("create")) == 1
