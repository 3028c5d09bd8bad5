"""A guest's whole way, also through failures, without a word of money; the admin's with prices."""

from __future__ import annotations

import json

from bot.sandbox.faults import Fault
from bot.sandbox.telegram.people import Person
from tests.support.app_harness import AppHarness, OpenAppHarness
from tests.texts.test_audience import MONEY

REFUSED = Fault(on="create", act="answer", body={"code": 1001, "message": "sensitive"})
BUSY = Fault(on="create", act="answer", body={"code": 5, "message": "no money"}, times=0)
LOST = Fault(on="create", act="reset_after", times=1)


async def ways(harness: AppHarness, person: Person) -> str:
    """Everything that the bot ever said to a person whose orders end in every way."""
    faults = harness.provider.faults
    first = await harness.order(person)
    await harness.ended("delivered", first)
    faults.add(REFUSED)
    await harness.ended("failed", await harness.order(person, "a cat that is refused"))
    held = faults.add(BUSY)
    waits = await harness.order(person, "a cat that waits")
    await harness.pass_(30)
    faults.remove(held)
    await harness.ended("delivered", waits, within=7200)
    faults.add(LOST)
    await harness.ended("unknown", await harness.order(person, "a cat that is lost"))
    said = [
        json.dumps(call.params, ensure_ascii=False)
        for call in harness.telegram.calls
        if str(call.params.get("chat_id")) == str(person.id)
    ]
    assert len(said) > 10
    return "\n".join(said)


async def test_a_guest_hears_of_no_money_whatever_happens(make_harness: OpenAppHarness) -> None:
    async with make_harness(show_prices="auto", cap_user_per_day=9) as harness:
        said = await ways(harness, harness.person())
        assert not MONEY.search(said), MONEY.search(said)
        assert "9 of 9 left today" in said
        assert "It does not count against your videos." in said


async def test_the_admin_sees_what_it_costs(make_harness: OpenAppHarness) -> None:
    async with make_harness(show_prices="auto", admins="5550000101") as harness:
        said = await ways(harness, harness.person())
        assert "Price: 17\N{NO-BREAK SPACE}₽" in said
        assert "No money was taken." in said
