"""An order whose answer was lost is settled by the balance, or shown with it, in the whole bot."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from bot import texts
from bot.core.balance import ACCEPTANCE
from bot.provider.account import account_mark
from bot.sandbox.faults import Fault
from storage import Charging
from tests.support.app_harness import PRICE, AppHarness, OpenAppHarness
from tests.support.process_harness import KEY

ADMIN = 900_001
BEFORE = Fault(on="create", act="reset_before")
AFTER = Fault(on="create", act="reset_after")


async def checked(harness: AppHarness, charged: str = ACCEPTANCE) -> None:
    """`bot check --order` saw when the balance of this account moves."""
    account = account_mark(harness.provider.base_url, KEY)
    seen = Charging(charged=charged, account=account, seen_at=harness.time())
    assert await harness.storage.account.learn_charging(seen)


def verdicts(harness: AppHarness) -> list[Any]:
    return [verdict for (verdict,) in harness.rows("SELECT verdict FROM balance_trails")]


def said(lang: str, text: Any) -> str:
    return str(text.render()[0])


@pytest.mark.parametrize("lang", ["en", "ru"])
async def test_an_order_that_was_not_accepted_goes_back_to_the_queue_by_itself(
    make_harness: OpenAppHarness, lang: str
) -> None:
    async with make_harness(settle_by_balance=True) as harness:
        await checked(harness)
        harness.spoil(BEFORE)
        person = harness.person(lang)
        await harness.order(person)
        await harness.until(lambda: harness.state() == "unknown")
        await harness.until(lambda: harness.state() == "delivered")
        await harness.settle()
        assert said(lang, texts.failures.back_in_queue(lang)) in harness.words(person.chat)
        assert len(harness.videos(person.chat)) == 1
        assert len(harness.provider.charges) == 1
        assert verdicts(harness) == ["not_accepted"]


@pytest.mark.parametrize("lang", ["en", "ru"])
async def test_an_order_that_was_charged_waits_for_the_id_that_an_admin_is_asked_for(
    make_harness: OpenAppHarness, lang: str
) -> None:
    async with make_harness(settle_by_balance=True, admins=f"{ADMIN}") as harness:
        await checked(harness)
        harness.spoil(AFTER)
        person, admin = harness.person(lang), harness.telegram.add_person("A", id=ADMIN)
        await admin.send_text("/start")
        await harness.order(person)
        await harness.until(lambda: verdicts(harness) == ["charged"])
        await harness.parts.alert_monitor.look()
        await harness.ended("unknown")
        assert said(lang, texts.failures.charged(lang, Decimal(PRICE))) in harness.words(
            person.chat
        )
        alerts = [words for words in harness.words(admin.chat) if "🚨" in words]
        assert ["17.00\N{NO-BREAK SPACE}₽ less, which is this order's price" in one
                for one in alerts if "its ID is not known" in one] == [True]  # fmt: skip
        assert len(harness.provider.charges) == 1
        [job] = harness.provider.tasks
        await admin.send_text(f"/settle 1 {job}")
        await harness.ended("delivered")
        assert len(harness.provider.charges) == 1
        assert harness.rows("SELECT kind FROM ledger WHERE task_id = 1 ORDER BY id") == [
            ("reservation",), ("charge",)
        ]  # fmt: skip


async def test_a_balance_that_moves_late_settles_nothing(make_harness: OpenAppHarness) -> None:
    """The order was accepted, and the balance says nothing of it for an hour."""
    async with make_harness(settle_by_balance=True) as harness:
        harness.provider.charge_delay = 3600.0
        await checked(harness, "later")
        harness.spoil(AFTER)
        await harness.order(harness.person())
        await harness.until(lambda: verdicts(harness) == ["person"])
        await harness.pass_(600)
        assert harness.state() == "unknown"
        assert len(harness.provider.charges) == 1


@pytest.mark.parametrize(("fault", "words"), [(BEFORE, "no change"), (AFTER, "17.00")])
async def test_without_the_setting_a_person_decides_and_sees_the_trail(
    make_harness: OpenAppHarness, fault: Fault, words: str
) -> None:
    async with make_harness(admins=f"{ADMIN}") as harness:
        await checked(harness)
        harness.spoil(fault)
        person, admin = harness.person(), harness.telegram.add_person("A", id=ADMIN)
        await admin.send_text("/start")
        await harness.order(person)
        await harness.until(lambda: verdicts(harness) == ["person"])
        await harness.parts.alert_monitor.look()
        await harness.ended("unknown")

        def of(what: str) -> list[str]:
            return [w for w in harness.words(admin.chat) if what in w and "💰" in w]

        [alert] = of("Nobody knows")
        assert words in alert
        await admin.send_text("/order 1")
        await harness.until(lambda: of("Order 1: unknown"))
        await admin.send_text("/settle 1")
        await harness.until(lambda: of("Settling an order"))
        assert all(words in one for one in of("Settling an order") + of("Order 1: unknown"))


async def test_an_order_of_the_same_minute_makes_it_a_persons_matter(
    make_harness: OpenAppHarness,
) -> None:
    """It is accepted just before the lost one, after the last reading."""
    async with make_harness(settle_by_balance=True) as harness:
        await checked(harness)
        await harness.order(harness.person(name="B"))
        await harness.until(lambda: harness.state(1) == "delivered", within=50)
        harness.spoil(AFTER)
        await harness.order(harness.person())
        await harness.until(lambda: verdicts(harness) == ["person"])
        assert harness.state(2) == "unknown"


async def test_money_paid_in_meanwhile_makes_it_a_persons_matter(
    make_harness: OpenAppHarness,
) -> None:
    async with make_harness(settle_by_balance=True) as harness:
        await checked(harness)
        harness.spoil(BEFORE)
        await harness.order(harness.person())
        await harness.until(lambda: harness.state() == "unknown")
        harness.provider.balance += 500
        await harness.until(lambda: verdicts(harness) == ["person"])
        assert harness.state() == "unknown"


async def test_several_processes_settle_each_order_once(make_harness: OpenAppHarness) -> None:
    async with make_harness(workers=3, at_once=3, settle_by_balance=True) as harness:
        await checked(harness)
        for number in range(4):
            await harness.order(harness.person(name=f"P{number}"))
        harness.spoil(Fault(on="create", act="reset_before", times=1))
        harness.start_workers()
        await harness.until(lambda: set(harness.states()) <= {"delivered", "unknown"})
        await harness.pass_(300)
        states = harness.states()
        assert states.count("delivered") == len(harness.provider.charges)
        assert len(states) == 4
        assert states.count("unknown") == verdicts(harness).count("person")


async def test_a_readable_balance_costs_no_call_for_each_order(harness: AppHarness) -> None:
    for number in range(6):
        await harness.order(harness.person(name=f"P{number}"))
    await harness.until(lambda: set(harness.states()) == {"delivered"}, within=50)
    assert len(harness.asked("balance")) == 1


async def test_without_a_balance_orders_go_out_all_the_same(harness: AppHarness) -> None:
    harness.spoil(Fault(on="balance", act="answer", status=502, times=0))
    await harness.order(harness.person())
    await harness.ended("delivered")
    harness.spoil(BEFORE)
    await harness.order(harness.person())
    await harness.order(harness.person())
    await harness.until(lambda: harness.state(3) == "delivered")
    assert (harness.state(2), verdicts(harness)) == ("unknown", ["person"])
