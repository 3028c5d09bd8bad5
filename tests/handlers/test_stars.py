"""Telegram Stars: packages, checkout, payments counted once, refunds."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from bot.core.access import Access
from bot.core.caps import OrderRules
from bot.core.gifts import Gift
from bot.core.stars import Package, StarsPackages, package_of, read_packages
from bot.jobs.refunds import Refunds
from bot.texts.callback_data import BuyPackage, Operate, Operation, RefundPayment
from storage import Entry
from tests.support.handler_harness import NOON, HandlerHarness, Person

SMALL, LARGE = Package(stars=10, roubles=20), Package(stars=50, roubles=100)


@pytest.fixture
def selling(harness: HandlerHarness) -> HandlerHarness:
    harness.dispatcher["stars_packages"] = StarsPackages(packages=(SMALL, LARGE), contact="@owner")
    harness.storage.tasks.terms = OrderRules(sold=True)
    return harness


def checkout(person: Person, package: Package, **changes: Any) -> dict[str, Any]:
    query = {
        "id": "99", "from": person.user, "currency": "XTR", "total_amount": package.stars,
        "invoice_payload": package.payload,
    }  # fmt: skip
    return {"pre_checkout_query": query | changes}


def payment(
    person: Person, package: Package, charge: str = "stx-1", **more: Any
) -> dict[str, Any]:
    return person.message(
        successful_payment={
            "currency": "XTR", "total_amount": package.stars, "invoice_payload": package.payload,
            "telegram_payment_charge_id": charge, "provider_payment_charge_id": charge, **more,
        }
    )  # fmt: skip


def told(harness: HandlerHarness, kind: str) -> list[dict[str, Any]]:
    rows = harness.rows("SELECT params FROM outbox WHERE kind = ? ORDER BY id", kind)
    return [json.loads(params) for (params,) in rows]


# --- what is sold ----------------------------------------------------------------------------


def test_packages_are_read_and_wrong_ones_are_refused() -> None:
    assert read_packages(" 10:20, 50:100 ") == (SMALL, LARGE)
    assert read_packages("") == ()
    assert read_packages("1:1,100000:9999999") == (
        Package(stars=1, roubles=1),
        Package(stars=100_000, roubles=9_999_999),
    )
    for wrong in ("10", "10:", ":5", "0:5", "5:0", "a:b", "10:20,10:30", "100001:1", "1.5:2"):
        with pytest.raises(ValueError, match=r"^should (be|name) .*Stars"):
            read_packages(wrong)
    for wrong in ("1:10000000", "1:2:3"):
        with pytest.raises(ValueError, match=r"^should be pairs of Stars and roubles"):
            read_packages(wrong)
    for package in (SMALL, LARGE):
        assert package_of(package.payload) == package
    for wrong in ("", "credit|1", "credit|0|5", "video|1|1", "credit|1|1|1", "credit|x|1"):
        assert package_of(wrong) is None


async def test_without_packages_nothing_is_sold(harness: HandlerHarness, ann: Person) -> None:
    await harness.feed(**ann.text("/buy"))
    assert "do not know this command" in harness.telegram.sent[0].text
    await harness.feed(**checkout(ann, SMALL))
    [answer] = harness.telegram.named("answerPreCheckoutQuery")
    assert answer.params["ok"] == "false"


async def test_buying_shows_the_balance_and_sends_the_invoice(
    selling: HandlerHarness, ann: Person
) -> None:
    await selling.feed(**ann.text("/buy"))
    assert "Your balance: 0\N{NO-BREAK SPACE}₽" in selling.telegram.sent[0].text
    assert [row[0][1] for row in selling.telegram.sent[0].buttons] == [
        BuyPackage(stars=10, roubles=20).pack(), BuyPackage(stars=50, roubles=100).pack(),
    ]  # fmt: skip
    await selling.feed(**ann.press(BuyPackage(stars=50, roubles=100).pack()))
    [invoice] = selling.telegram.named("sendInvoice")
    assert invoice.params["currency"] == "XTR"
    assert invoice.params["payload"] == LARGE.payload
    assert json.loads(invoice.params["prices"])[0]["amount"] == 50
    assert len(invoice.params["title"]) <= 32
    await selling.feed(**ann.press(BuyPackage(stars=1, roubles=9_000).pack()))
    assert len(selling.telegram.named("sendInvoice")) == 1


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({}, True),
        ({"total_amount": 1}, False),
        ({"currency": "RUB"}, False),
        ({"invoice_payload": "credit|10|99"}, False),
        ({"invoice_payload": "x"}, False),
    ],
)
async def test_the_checkout_accepts_only_packages_on_sale(
    selling: HandlerHarness, ann: Person, changes: dict[str, Any], good: bool
) -> None:
    await selling.feed(**checkout(ann, SMALL, **changes))
    [answer] = selling.telegram.named("answerPreCheckoutQuery")
    assert answer.params["ok"] == str(good).lower()
    assert bool(answer.params.get("error_message")) is not good


async def test_a_stranger_cannot_pay(selling: HandlerHarness, ann: Person) -> None:
    selling.dispatcher["access"] = Access()
    await selling.feed(**checkout(ann, SMALL))
    [answer] = selling.telegram.named("answerPreCheckoutQuery")
    assert answer.params["ok"] == "false"


@pytest.mark.parametrize("is_in", [True, False])
async def test_a_checkout_that_comes_too_late_is_no_error(
    selling: HandlerHarness, ann: Person, is_in: bool
) -> None:
    """Telegram waits ten seconds, and takes one answer."""
    selling.dispatcher["access"] = Access(is_open=is_in)
    words = "Bad Request: query is too old and response timeout expired or query ID is invalid"
    selling.telegram.refuse("answerPreCheckoutQuery", 400, words)
    await selling.feed(**checkout(ann, SMALL))  # raises nothing: no update is set aside
    assert not selling.telegram.refusals


# --- payments --------------------------------------------------------------------------------


async def test_a_payment_is_counted_once_under_redelivery(
    selling: HandlerHarness, ann: Person
) -> None:
    came = payment(ann, LARGE)
    number = await selling.feed(**came)
    await selling.again(number, **came)
    await selling.feed(**payment(ann, LARGE))  # the same charge in another update
    assert await selling.storage.ledger.credit(7) == 100
    assert told(selling, "stars_paid") == [{"stars": 50, "credit": "100"}]
    await selling.feed(**payment(ann, SMALL, "stx-2"))
    assert await selling.storage.ledger.credit(7) == 120


async def test_a_payment_counts_after_stars_are_off_and_the_payer_is_banned(
    selling: HandlerHarness, ann: Person
) -> None:
    selling.dispatcher["stars_packages"] = StarsPackages()
    selling.dispatcher["access"] = Access()
    await selling.storage.access.ban(7, by=1, now=NOON)
    await selling.feed(**payment(ann, LARGE))
    assert await selling.storage.ledger.credit(7) == 100


async def test_an_unknown_payment_is_refunded(selling: HandlerHarness, ann: Person) -> None:
    await selling.feed(**payment(ann, SMALL, invoice_payload="somebody else's"))
    assert await selling.storage.ledger.credit(7) == 0
    assert selling.rows("SELECT payment_id FROM star_refunds") == [("stx-1",)]


async def test_videos_are_paid_from_the_balance(selling: HandlerHarness, ann: Person) -> None:
    await selling.feed(**payment(ann, SMALL))
    for number, prompt in ((1, "A cat"), (2, "A dog")):
        await selling.feed(**ann.text(prompt))
        await selling.feed(**ann.press(f"r|{number}|16:9"))
    assert selling.states() == ["queued", "draft"]
    assert selling.telegram.toasts[-1] == (
        "This video costs 17\N{NO-BREAK SPACE}₽, and you have 3\N{NO-BREAK SPACE}₽."
        " Buy more with /buy, then press again."
    )


async def test_the_returned_price_of_a_failed_video_is_reported(
    selling: HandlerHarness, ann: Person
) -> None:
    await selling.feed(**payment(ann, LARGE))
    await selling.feed(**ann.text("A cat"))
    await selling.feed(**ann.press("r|1|16:9"))
    await fail(selling)
    assert await selling.storage.ledger.credit(7) == 100
    assert told(selling, "credit_back") == [{"price": "17"}]
    await selling.feed(**ann.press("ho|1"))
    assert "You pay nothing" in selling.telegram.sent[-1].text


async def fail(harness: HandlerHarness) -> None:
    """The provider refuses the one task that is due."""
    [lease] = await harness.storage.tasks.claim_due(
        owner="w", now=harness.clock(), lease_for=timedelta(minutes=1), limit=1, slots=None
    )
    failed = lease.to(type(lease.state).FAILED, run_at=harness.clock())
    assert await harness.storage.tasks.save(lease, failed, now=harness.clock())


# --- refunds ---------------------------------------------------------------------------------


async def test_support_refunds_unused_payments_once(selling: HandlerHarness, ann: Person) -> None:
    await selling.feed(**payment(ann, LARGE))
    await selling.feed(**payment(ann, SMALL, "stx-2"))
    await selling.feed(**ann.text("A cat"))
    await selling.feed(**ann.press("r|1|16:9"))  # 103 of 120 are left
    await selling.feed(**ann.text("/paysupport"))
    shown = selling.telegram.sent[-1]
    assert "@owner" in shown.text
    assert len(shown.buttons) == 2
    [large] = [row[0][1] for row in shown.buttons if "50 ⭐" in row[0][0]]
    press = ann.press(large)
    number = await selling.feed(**press)
    await selling.again(number, **press)
    assert [toast.split(".")[0] for toast in selling.telegram.toasts[-2:]] == [
        "Your refund has started"
    ] * 2
    small = RefundPayment(entry=2).pack()
    await selling.feed(**ann.press(small))  # only 3 are left of its 20
    assert "cannot be refunded" in selling.telegram.toasts[-1]
    assert selling.rows("SELECT payment_id FROM star_refunds") == [("stx-1",)]
    assert await selling.storage.ledger.credit(7) == 3


async def test_a_spent_payment_is_not_refunded_for_a_gift_that_came_after_it(
    selling: HandlerHarness, ann: Person
) -> None:
    """A bonus of a referral, or a code kept for later, is no money that was paid."""
    await selling.feed(**payment(ann, SMALL))
    await selling.feed(**ann.text("A cat"))
    await selling.feed(**ann.press("r|1|16:9"))  # 3 of 20 are left
    await selling.storage.gifts.make_promo(
        "WINTER", Gift(roubles=50), uses=9, expires_at=NOON + timedelta(days=1), by=1,
        update_id=900, now=NOON,
    )  # fmt: skip
    await selling.feed(**ann.text("/promo winter"))
    assert await selling.storage.ledger.credit(7) == 53
    await selling.feed(**ann.text("/paysupport"))
    assert selling.telegram.sent[-1].buttons == []
    [(entry,)] = selling.rows("SELECT id FROM ledger WHERE kind = 'purchase'")
    await selling.feed(**ann.press(RefundPayment(entry=entry).pack()))
    assert selling.rows("SELECT count(*) FROM star_refunds") == [(0,)]
    # nor when a later order fails, which was paid with the gift
    await selling.feed(**ann.text("A dog"))
    await selling.feed(**ann.press("r|2|16:9"))
    await selling.storage.tasks.cancel(1, user_id=7, now=NOON)
    assert selling.task(1)["state"] == "cancelled"
    await selling.feed(**ann.text("/paysupport"))
    assert len(selling.telegram.sent[-1].buttons) == 1  # its order was given back: it is unused


async def test_a_payment_is_unused_while_older_gifts_pay(
    selling: HandlerHarness, ann: Person
) -> None:
    await selling.feed(**ann.text("/start"))
    await selling.storage.ledger.grant(7, Decimal(20), by=1, update_id=900, now=NOON)
    await selling.feed(**payment(ann, SMALL))
    await selling.feed(**ann.text("A cat"))
    await selling.feed(**ann.press("r|1|16:9"))  # 23 of 40 are left
    await selling.feed(**ann.text("/paysupport"))
    [[(_, back)]] = selling.telegram.sent[-1].buttons
    await selling.feed(**ann.press(back))
    assert selling.rows("SELECT payment_id FROM star_refunds") == [("stx-1",)]
    assert await selling.storage.ledger.credit(7) == 3


async def test_an_unknown_payment_is_refunded_to_somebody_in_debt(
    selling: HandlerHarness, ann: Person
) -> None:
    await selling.feed(**payment(ann, SMALL))
    await selling.feed(**ann.text("A cat"))
    await selling.feed(**ann.press("r|1|16:9"))
    await selling.storage.stars.refunded("stx-1", now=NOON)  # Telegram took the Stars back
    assert await selling.storage.ledger.credit(7) < 0
    await selling.feed(**payment(ann, SMALL, "stx-2", invoice_payload="somebody else's"))
    assert selling.rows("SELECT payment_id FROM star_refunds WHERE done_at IS NULL") == [
        ("stx-2",)
    ]


async def test_nobody_refunds_another_persons_payment(
    selling: HandlerHarness, ann: Person, boris: Person
) -> None:
    await selling.feed(**payment(ann, LARGE))
    await selling.feed(**boris.press(RefundPayment(entry=1).pack()))
    assert selling.rows("SELECT * FROM star_refunds") == []


async def test_a_refund_that_telegram_made_by_itself_is_entered_once(
    selling: HandlerHarness, ann: Person
) -> None:
    await selling.feed(**payment(ann, LARGE))
    back = {
        "currency": "XTR", "total_amount": 50, "invoice_payload": LARGE.payload,
        "telegram_payment_charge_id": "stx-1",
    }  # fmt: skip
    for _ in range(2):
        await selling.feed(**ann.message(refunded_payment=back))
    assert await selling.storage.ledger.credit(7) == 0
    assert selling.rows("SELECT done_at IS NULL FROM star_refunds") == [(0,)]


async def test_terms_are_for_everybody(selling: HandlerHarness, boris: Person) -> None:
    selling.dispatcher["access"] = Access()
    await selling.feed(**boris.text("/terms"))
    await selling.feed(**boris.text("/paysupport"))
    assert selling.telegram.sent[0].text.startswith("Условия")
    assert "Ваш баланс" in selling.telegram.sent[1].text
    assert "возвращать нечего" in selling.telegram.sent[1].text  # boris paid nothing: no button
    assert selling.telegram.sent[1].buttons == []


async def test_where_no_stars_are_sold_nobody_reads_of_stars(
    harness: HandlerHarness, ann: Person, boris: Person
) -> None:
    for command in ("/terms", "/paysupport"):
        await harness.feed(**boris.text(command))
        said = harness.telegram.sent[-1].text
        assert "Здесь ничего не продаётся" in said
        assert not any(word in said for word in ("звёзд", "баланс", "⭐"))
    await harness.feed(**payment(ann, LARGE))  # they were sold once
    for command, said in (("/terms", "refunded in Stars"), ("/paysupport", "Your balance")):
        await harness.feed(**ann.text(command))
        assert said in harness.telegram.sent[-1].text


# --- the loop that tells Telegram ------------------------------------------------------------


class Turns:
    """So many turns of the loop, then it is cancelled; the clock goes on with each."""

    def __init__(self, harness: HandlerHarness, turns: int, seconds: float) -> None:
        self._world, self._left, self._seconds = harness, turns, seconds

    async def __call__(self, event: asyncio.Event, seconds: float) -> bool:
        self._left -= 1
        self._world.clock.pass_(self._seconds)
        if not self._left:
            raise asyncio.CancelledError
        return False


async def turn(harness: HandlerHarness, turns: int = 1, seconds: float = 300) -> None:
    loop = Refunds(
        harness.bot,
        harness.storage,
        clock=harness.clock,
        owner="w",
        wait=Turns(harness, turns, seconds),
    )
    with pytest.raises(asyncio.CancelledError):
        await loop.run()


async def test_a_payment_for_a_failed_video_is_refunded_exactly_once(
    selling: HandlerHarness, ann: Person
) -> None:
    await selling.feed(**payment(ann, SMALL))
    await selling.feed(**ann.text("A cat"))
    await selling.feed(**ann.press("r|1|16:9"))
    await fail(selling)
    await turn(selling, turns=3)
    [call] = selling.telegram.named("refundStarPayment")
    assert call.params == {"user_id": "7", "telegram_payment_charge_id": "stx-1"}
    assert told(selling, "stars_back") == [{"stars": 10, "failed": True}]
    sums = await selling.storage.ledger.totals(NOON, NOON + timedelta(days=1))
    assert (sums[Entry.PURCHASE].stars, sums[Entry.REFUND].stars) == (10, -10)
    assert await selling.storage.ledger.credit(7) == Decimal(0)


async def test_a_refund_is_repeated_until_telegram_confirms_it(
    selling: HandlerHarness, ann: Person
) -> None:
    await selling.feed(**payment(ann, SMALL))
    await selling.storage.stars.refund("stx-1", now=NOON)
    selling.telegram.refuse("refundStarPayment", 500, "Internal Server Error")
    selling.telegram.refuse("refundStarPayment", 429, "Too Many Requests", retry_after=600)
    # Its first try did arrive, only the answer was lost.
    selling.telegram.refuse("refundStarPayment", 400, "Bad Request: CHARGE_ALREADY_REFUNDED")
    await turn(selling, turns=1)
    assert told(selling, "stars_back") == []
    await turn(selling, turns=8)
    assert not selling.telegram.refusals
    assert selling.telegram.named("refundStarPayment") == []
    assert told(selling, "stars_back") == [{"stars": 10, "failed": False}]


async def test_a_refund_that_telegram_refuses_is_left_to_an_admin_who_asks_again(
    selling: HandlerHarness, ann: Person
) -> None:
    selling.dispatcher["access"] = Access(is_open=True, admins=frozenset({1}))
    admin = Person(selling, user_id=1)
    await selling.feed(**payment(ann, SMALL))
    await selling.storage.stars.refund("stx-1", now=NOON)
    for _ in range(3):
        selling.telegram.refuse("refundStarPayment", 400, "Bad Request: CHARGE_ID_INVALID")
    await turn(selling, turns=20)
    assert not selling.telegram.refusals
    assert selling.telegram.named("refundStarPayment") == []  # nobody asks on and on
    [refused] = await selling.storage.stars.refused()
    assert (refused.user_id, refused.stars) == (7, 10)
    assert "CHARGE_ID_INVALID" in refused.error
    again = Operate(operation=Operation.REFUND_AGAIN, number=refused.entry).pack()
    await selling.feed(**admin.press(again))
    assert await selling.storage.stars.refused() == []
    await turn(selling)
    assert len(selling.telegram.named("refundStarPayment")) == 1
    assert told(selling, "stars_back") == [{"stars": 10, "failed": False}]
    await selling.feed(**admin.press(again))
    assert "already" in selling.telegram.toasts[-1]
    assert selling.rows("SELECT act FROM audit WHERE act LIKE 'refund again'") == [
        ("refund again",)
    ]


@pytest.mark.parametrize("state", ["waiting", "refused"])
async def test_a_refund_that_telegram_reports_ends_the_request(
    selling: HandlerHarness, ann: Person, state: str
) -> None:
    """The answer was lost, or the owner gave the Stars back with another tool."""
    stars = selling.storage.stars
    await selling.feed(**payment(ann, SMALL))
    await stars.refund("stx-1", now=NOON)
    if state == "refused":
        await stars.refund_refused("stx-1", now=NOON, error="BALANCE_TOO_LOW")
        assert len(await stars.refused()) == 1
    back = {
        "currency": "XTR", "total_amount": 10, "invoice_payload": SMALL.payload,
        "telegram_payment_charge_id": "stx-1",
    }  # fmt: skip
    for _ in range(2):
        await selling.feed(**ann.message(refunded_payment=back))
    assert await stars.refused() == []
    await stars.refund_done("stx-1", now=NOON)  # the answer to the loop comes after it
    await turn(selling, turns=3)
    assert selling.telegram.named("refundStarPayment") == []
    assert told(selling, "stars_back") == [{"stars": 10, "failed": False}]
    assert await selling.storage.ledger.credit(7) == 0


async def test_a_refused_refund_that_was_settled_by_hand_is_asked_for_no_more(
    selling: HandlerHarness, ann: Person
) -> None:
    selling.dispatcher["access"] = Access(is_open=True, admins=frozenset({1}))
    await selling.feed(**payment(ann, SMALL))
    await selling.storage.stars.refund("stx-1", now=NOON)
    await selling.storage.stars.refund_refused("stx-1", now=NOON, error="user not found")
    [refused] = await selling.storage.stars.refused()
    settled = Operate(operation=Operation.REFUND_SETTLED, number=refused.entry).pack()
    await selling.feed(**Person(selling, user_id=1).press(settled))
    await turn(selling, turns=5)
    assert selling.telegram.named("refundStarPayment") == []
    assert told(selling, "stars_back") == []
    assert await selling.storage.stars.refused() == []


# --- an admin gives back ---------------------------------------------------------------------


async def test_an_admin_refunds_any_open_payment_with_an_audit_row_in_the_same_commit(
    selling: HandlerHarness, ann: Person
) -> None:
    selling.dispatcher["access"] = Access(is_open=True, admins=frozenset({1}))
    admin = Person(selling, user_id=1)
    await selling.feed(**ann.text("/start"))
    await selling.feed(**payment(ann, SMALL, "stx-1"))
    await selling.feed(**payment(ann, LARGE, "stx-2"))
    await selling.feed(**admin.text("/user 7"))
    refunds = [b for row in selling.telegram.sent[-1].buttons for b in row if "Refund" in b[0]]
    assert [text.split(" of ")[0] for text, _ in refunds] == ["Refund 50 ⭐", "Refund 10 ⭐"]
    await selling.feed(**admin.press(refunds[1][1]))
    await selling.feed(**admin.press(refunds[1][1]))
    assert selling.telegram.toasts[0] == "Done."
    assert "refunded already" in selling.telegram.toasts[1]
    noted = selling.rows("SELECT actor_id, act, subject_id FROM audit")
    assert noted == [(1, "refund", 7)]
    assert selling.rows("SELECT payment_id FROM star_refunds") == [("stx-1",)]
    await selling.feed(**admin.text("/user 7"))
    refunds = [b for row in selling.telegram.sent[-1].buttons for b in row if "Refund" in b[0]]
    assert [text.split(" of ")[0] for text, _ in refunds] == ["Refund 50 ⭐"]


async def test_spent_credit_is_not_refunded(selling: HandlerHarness, ann: Person) -> None:
    selling.dispatcher["access"] = Access(is_open=True, admins=frozenset({1}))
    await selling.feed(**payment(ann, SMALL))
    await selling.feed(**ann.text("A cat"))
    await selling.feed(**ann.press("r|1|16:9"))
    [(entry,)] = selling.rows("SELECT id FROM ledger WHERE kind = 'purchase'")
    await selling.feed(**Person(selling, user_id=1).press(f"op|r|{entry}"))
    assert "spent on videos" in selling.telegram.toasts[-1]
    assert selling.rows("SELECT count(*) FROM star_refunds") == [(0,)]
    assert selling.rows("SELECT count(*) FROM audit") == [(0,)]


async def test_a_payment_that_was_used_in_part_goes_back_once_with_the_rest_of_its_credit(
    selling: HandlerHarness, ann: Person
) -> None:
    selling.dispatcher["access"] = Access(is_open=True, admins=frozenset({1}))
    admin = Person(selling, user_id=1)
    await selling.feed(**payment(ann, LARGE))
    await selling.feed(**ann.text("A cat"))
    await selling.feed(**ann.press("r|1|16:9"))  # 83 of 100 are left
    await selling.feed(**admin.text("/user 7"))
    [(label, data)] = [
        b for row in selling.telegram.sent[-1].buttons for b in row if "Refund" in b[0]
    ]
    assert label.endswith("used in part")
    await asyncio.gather(*(selling.feed(**admin.press(data)) for _ in range(3)))
    assert selling.telegram.toasts.count("Done.") == 1
    assert selling.rows("SELECT credit_kopecks, stars FROM ledger WHERE kind = 'refund'") == [
        (-8300, -50)
    ]
    assert selling.rows("SELECT payment_id FROM star_refunds") == [("stx-1",)]
    assert await selling.storage.ledger.credit(7) == 0
    assert selling.rows("SELECT act FROM audit") == [("refund rest",)]


async def test_an_unused_payment_has_no_rest(selling: HandlerHarness, ann: Person) -> None:
    await selling.feed(**payment(ann, LARGE))
    assert not await selling.storage.stars.refund("stx-1", now=NOON, admin=1, rest=True)
    assert await selling.storage.ledger.credit(7) == 100


async def test_an_admin_gives_credit_once_and_the_person_hears_of_it(
    selling: HandlerHarness, ann: Person
) -> None:
    selling.dispatcher["access"] = Access(is_open=True, admins=frozenset({1}))
    admin = Person(selling, user_id=1)
    await selling.feed(**ann.text("/start"))
    gift = admin.text("/credit 7 100")
    number = await selling.feed(**gift)
    await selling.again(number, **gift)
    assert "now has 100" in selling.telegram.sent[-1].text
    assert await selling.storage.ledger.credit(7) == 100
    assert told(selling, "credit_given") == [{"roubles": "100", "credit": "100"}]
    assert selling.rows("SELECT actor_id, act, subject_id FROM audit") == [(1, "grant credit", 7)]
    for wrong in ("/credit", "/credit 7", "/credit 7 0", "/credit 7 100001", "/credit 7 -5"):
        await selling.feed(**admin.text(wrong))
        assert "/credit 123456 100" in selling.telegram.sent[-1].text
    await selling.feed(**admin.text("/credit 999 5"))
    assert "Nothing was found" in selling.telegram.sent[-1].text
    await selling.feed(**ann.text("/credit 7 5"))
    assert await selling.storage.ledger.credit(7) == 100
