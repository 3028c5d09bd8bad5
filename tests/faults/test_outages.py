"""An outage of the provider leaves at most one order in doubt for each process, and the others are
delivered. `make outages` lives through all of them (tests/faults/outages.py)."""

from __future__ import annotations

import pytest

from bot.sandbox.faults import Fault
from tests.faults.outages import LENGTHS, ORDERS, OUTAGES, PAGE, broken_promises, live_through
from tests.support.app_harness import AppHarness, OpenAppHarness

CREATES_AWAY = Fault(on="create", act="answer", status=502, body=PAGE, times=0)


async def orders(harness: AppHarness, count: int = ORDERS) -> None:
    for number in range(count):
        await harness.order(harness.person(name=f"P{number}"))


@pytest.mark.parametrize(
    ("name", "length", "processes"),
    [
        ("502", "10 min", 1),
        ("504", "25 s", 1),
        ("reset", "every 3 s", 1),
        ("DNS error", "25 s", 1),
        ("TLS error", "1 s", 1),
        ("502", "every 3 s", 4),
        ("answers in a black hole", "25 s", 4),
    ],
)
async def test_an_outage_leaves_at_most_one_order_in_doubt_for_each_process(
    make_harness: OpenAppHarness, name: str, length: str, processes: int
) -> None:
    workers = processes if processes > 1 else 0
    async with make_harness(workers=workers, at_once=3) as harness:
        outcome = await live_through(harness, OUTAGES[name], LENGTHS[length], processes)
    assert broken_promises(outcome, OUTAGES[name], processes) == []
    if name in ("DNS error", "TLS error"):
        assert outcome.doubts == 0  # nothing was sent
    if name.startswith("answers"):
        assert outcome.doubts == processes  # each had one out


async def test_people_read_that_their_order_is_kept_and_can_cancel(harness: AppHarness) -> None:
    key = harness.provider.faults.add(CREATES_AWAY)
    first, anna = harness.person(name="First"), harness.person()
    await harness.order(first)
    await harness.until(lambda: harness.state(1) == "unknown")
    await harness.order(anna)
    await harness.parts.waiting.once()
    status = await harness.find(
        anna.chat, lambda m: "The video service is not answering" in m.get("text", "")
    )
    assert "no money was taken" in status["text"]
    await anna.press(status, "Cancel")
    await harness.ended("cancelled", 2)
    harness.provider.faults.remove(key)
    assert harness.provider.charges == []


async def test_a_503_with_retry_after_leaves_no_order_in_doubt(
    harness: AppHarness,
) -> None:
    fault = Fault(
        on="create", act="answer", status=503, body=PAGE, headers={"Retry-After": "7"}, times=2
    )
    harness.provider.faults.add(fault)
    await harness.order(harness.person())
    await harness.ended("delivered")
    assert len(harness.provider.charges) == 1


async def test_one_order_goes_first_and_the_rest_follow_when_it_is_accepted(
    harness: AppHarness,
) -> None:
    key = harness.provider.faults.add(CREATES_AWAY)
    await orders(harness)
    await harness.pass_(30)
    harness.provider.faults.remove(key)
    await harness.until(lambda: harness.states().count("delivered") == ORDERS - 1)
    creates = [call for call in harness.asked("create") if "code 0" in call.outcome]
    assert creates[0].ended is not None
    assert creates[1].at >= creates[0].ended
    assert harness.rows("SELECT * FROM provider_breaker") == []
