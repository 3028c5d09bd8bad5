"""Every way in which polling for a paid video can go wrong.

The promise: polling is free and is repeated, a paid video is given up slowly and with a notice,
and it is ordered once whatever the answers are.
"""

from __future__ import annotations

from typing import Any

import pytest

from bot.core.task import Charge, Reason
from bot.sandbox.faults import Fault
from bot.sandbox.gptunnel.records import Mode
from tests.faults import words
from tests.faults.answers import LOST, SLOW, broken, http, says
from tests.support.app_harness import AppHarness, OpenAppHarness

DAY = 24 * 3600.0
DEADLINE = 900.0


def job(**answer: Any) -> Fault:
    """The provider's answer about any job."""
    return http(200, {"code": 0, "status": "running", "url": None} | answer)


# --- what passes -----------------------------------------------------------------------------

PASSING: dict[str, Fault] = {
    **{f"lost: {cell}": fault for cell, (fault, _) in LOST.items()},
    "401": http(401),
    "402": http(402),
    "403": http(403),
    "404 HTML": http(404),
    "429": http(429),
    "429 Retry-After": http(429, Retry_After="40"),
    "code 1": says(1),
    "code 2": says(2),
    "code 4": says(4),
    "code 5": says(5),
    "code 6": says(6),
    "code 99": says(99, 404),
    "code 500": says(500, 500),
    "code 4242": says(4242),
    "422": http(422, {}),
    "a status nobody knows": job(status="dreaming"),
    "no status": job(status=None),
    "done without a link": job(status="done"),
    "done with a link that is none": job(status="done", url=["x"]),
    "the answer about another job": job(id="f" * 24, status="failed"),
}


@pytest.mark.parametrize("cell", PASSING)
async def test_one_or_two_bad_answers_are_polled_again(harness: AppHarness, cell: str) -> None:
    harness.spoil(PASSING[cell].model_copy(update={"times": 2}), on="result")
    anna = harness.person()
    await harness.order(anna)
    await harness.ended("delivered", within=300)
    assert len(harness.asked("result")) == 3
    assert len(harness.asked("create")) == len(harness.provider.charges) == 1
    assert len(harness.videos(anna.chat)) == 1


async def test_retry_after_is_honoured_when_asking(harness: AppHarness) -> None:
    harness.spoil(http(429, Retry_After="200"), on="result")
    await harness.order(harness.person())
    await harness.ended("delivered")
    first, second = harness.asked("result")
    assert 200 <= second.at - first.at <= 203


@pytest.mark.parametrize("cell", SLOW)
async def test_an_unanswered_poll_is_repeated(make_harness: OpenAppHarness, cell: str) -> None:
    async with make_harness(provider_seconds=0.5) as harness:
        harness.spoil(SLOW[cell][0], on="result")
        anna = harness.person()
        await harness.order(anna)
        await harness.ended("delivered", within=300)
        assert len(harness.asked("result")) == 2
        assert len(harness.provider.charges) == 1


async def test_a_long_outage_takes_few_polls(harness: AppHarness) -> None:
    """Ten minutes without a provider, and the video that was ready meanwhile comes."""
    harness.spoil(http(502).model_copy(update={"times": 0}), on="result")
    anna = harness.person()
    await harness.order(anna)
    await harness.pass_(600)
    assert harness.states() == ["generating"]
    assert 5 <= len(harness.asked("result")) <= 25
    harness.provider.faults.clear()
    await harness.ended("delivered", within=70)
    assert len(harness.asked("create")) == 1


# --- what ends it ------------------------------------------------------------------------------

ENDING: dict[str, tuple[Fault, Reason, int]] = {
    "failed with code 0": (job(status="failed"), Reason.PROVIDER_FAILED, 1),
    "error": (job(status="error"), Reason.PROVIDER_FAILED, 1),
    "cancelled": (job(status="cancelled"), Reason.PROVIDER_FAILED, 1),
    "canceled": (job(status="canceled"), Reason.PROVIDER_FAILED, 1),
    "failed with code 4242": (job(code=4242, status="failed"), Reason.PROVIDER_REFUSED, 1),
    "code 3": (says(3), Reason.INVALID_INPUT, 1),
    "code 7": (says(7), Reason.MODEL_GONE, 1),
    "code 1001": (says(1001), Reason.SENSITIVE_CONTENT, 1),
    "code 1001 with a status": (job(code=1001, status="failed"), Reason.SENSITIVE_CONTENT, 1),
    "code 1001 at HTTP 400": (says(1001, 400), Reason.SENSITIVE_CONTENT, 1),
    "code 1002": (says(1002), Reason.UNSAFE_PROMPT, 1),
    "code 4, again and again": (says(4), Reason.PROVIDER_FORGOT, 3),
    "422, again and again": (http(422, {}), Reason.INVALID_INPUT, 3),
    "done without a link, again and again": (job(status="done"), Reason.NO_RESULT, 3),
}
"""The fault, the reason, and how often it is asked before it is believed."""


@pytest.mark.parametrize("cell", ENDING)
async def test_a_failed_video_ends_with_its_reason_and_says_that_the_charge_is_unknown(
    harness: AppHarness, cell: str
) -> None:
    fault, reason, questions = ENDING[cell]
    harness.spoil(fault.model_copy(update={"times": 0}), on="result")
    for task_id, lang in enumerate(("en", "ru"), 1):
        person = harness.person(lang)
        await harness.order(person)
        await harness.ended("failed", task_id, within=120)
        assert words.failed(lang, reason, Charge.UNKNOWN) in harness.words(person.chat)
        assert len(harness.asked("result")) == task_id * questions
    await harness.pass_(3600)
    assert len(harness.asked("result")) == 2 * questions
    assert len(harness.asked("create")) == len(harness.provider.charges) == 2


# --- what never ends ---------------------------------------------------------------------------


async def test_past_the_deadline_people_are_told_and_a_late_video_still_arrives(
    harness: AppHarness,
) -> None:
    harness.provider.mode = Mode.HANGS
    both = [(lang, harness.person(lang)) for lang in ("en", "ru")]
    for task_id, (_, person) in enumerate(both, 1):
        await harness.order(person)
        assert task_id == len(harness.states())
    await harness.pass_(DEADLINE + 30)
    for task_id, (lang, person) in enumerate(both, 1):
        assert harness.words(person.chat).count(words.overdue(lang)) == 1
        accepted, asked = harness.asked("create")[task_id - 1].at, _questions(harness, task_id)
        # The last question before the person is told is asked at the deadline itself.
        assert any(DEADLINE <= at - accepted < DEADLINE + 2 for at in asked)
    before = len(harness.asked("result"))
    await harness.pass_(20 * 3600)
    assert 30 <= len(harness.asked("result")) - before <= 2 * 40
    assert harness.states() == ["generating", "generating"]
    harness.provider.mode = Mode.WELL
    for task_id, (lang, person) in enumerate(both, 1):
        await harness.ended("delivered", task_id, within=3700)
        assert len(harness.videos(person.chat)) == 1
        assert harness.words(person.chat).count(words.overdue(lang)) == 1
    assert len(harness.asked("create")) == 2


@pytest.mark.parametrize(
    "fault",
    [
        job(),
        job(status="dreaming"),
        http(502),
        http(401),
        says(6),
        broken("reset_before"),
    ],
    ids=["running", "a status nobody knows", "502", "401", "code 6", "reset"],
)
async def test_a_video_not_done_a_day_after_its_deadline_is_given_up_with_a_notice(
    harness: AppHarness, fault: Fault
) -> None:
    harness.spoil(fault.model_copy(update={"times": 0}), on="result")
    boris = harness.person("ru")
    await harness.order(boris)
    await harness.until(
        lambda: words.overdue("ru") in harness.words(boris.chat), within=DEADLINE + 90
    )
    await harness.ended("failed", within=DAY + 2 * 3600)
    said = words.failed("ru", Reason.NEVER_FINISHED, Charge.UNKNOWN)
    assert said in harness.words(boris.chat)
    asked = harness.asked("result")
    assert asked[-1].at - asked[0].at >= DAY
    assert len(asked) <= 130
    await harness.pass_(DAY)
    assert len(harness.asked("result")) == len(asked)
    assert len(harness.asked("create")) == 1


def _questions(harness: AppHarness, task_id: int) -> list[float]:
    provider_id = harness.task(task_id)["provider_id"]
    return [c.at for c in harness.asked("result") if c.body == {"task_id": provider_id}]
