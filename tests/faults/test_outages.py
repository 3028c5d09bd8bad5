"""An outage of the provider leaves at most one order in doubt, and the others are delivered."""

from __future__ import annotations

import pytest

from bot.sandbox.faults import Fault
from tests.support.app_harness import AppHarness

PAGE = "<html><body>Bad gateway</body></html>"
ORDERS = 6
OUTAGES = {
    "502": Fault(on="create", act="answer", status=502, body=PAGE, times=0),
    "503 without a time": Fault(on="create", act="answer", status=503, body=PAGE, times=0),
    "504 after it was taken": Fault(
        on="create", act="answer_after", status=504, body=PAGE, times=0
    ),
    "reset": Fault(on="create", act="reset_after", times=0),
}


async def orders(harness: AppHarness, count: int = ORDERS) -> None:
    for number in range(count):
        await harness.order(harness.person(name=f"P{number}"))


@pytest.mark.parametrize("seconds", [1.0, 25.0, 600.0])
@pytest.mark.parametrize("cell", OUTAGES)
async def test_an_outage_leaves_at_most_one_order_in_doubt(
    harness: AppHarness, cell: str, seconds: float
) -> None:
    key = harness.provider.faults.add(OUTAGES[cell])
    await orders(harness)
    await harness.pass_(seconds)
    harness.provider.faults.remove(key)
    doubts = harness.states().count("unknown")
    assert doubts <= 1
    for task_id in range(1, ORDERS + 1):
        if harness.state(task_id) != "unknown":
            await harness.ended("delivered", task_id)
    assert harness.states().count("delivered") == ORDERS - doubts
    accepted = doubts if cell.startswith(("504", "reset")) else 0
    assert len(harness.provider.charges) == ORDERS - doubts + accepted


async def test_an_unstable_connection_leaves_one_order_in_doubt(
    harness: AppHarness,
) -> None:
    faults, away = harness.provider.faults, OUTAGES["502"]
    key = faults.add(away)
    await orders(harness)
    for _ in range(20):
        await harness.pass_(3)
        faults.remove(key)
        await harness.pass_(3)
        key = faults.add(away)
    faults.remove(key)
    assert harness.states().count("unknown") <= 1
    for task_id in range(1, ORDERS + 1):
        if harness.state(task_id) != "unknown":
            await harness.ended("delivered", task_id)


async def test_people_read_that_their_order_is_kept_and_can_cancel(harness: AppHarness) -> None:
    key = harness.provider.faults.add(OUTAGES["502"])
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
    key = harness.provider.faults.add(OUTAGES["502"])
    await orders(harness)
    await harness.pass_(30)
    harness.provider.faults.remove(key)
    await harness.until(lambda: harness.states().count("delivered") == ORDERS - 1)
    creates = [call for call in harness.asked("create") if "code 0" in call.outcome]
    assert creates[0].ended is not None
    assert creates[1].at >= creates[0].ended
    assert harness.rows("SELECT * FROM provider_breaker") == []
