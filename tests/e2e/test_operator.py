"""Access, caps and Stars through the real program: also when it is killed around a payment."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from bot.sandbox.faults import Fault
from bot.sandbox.telegram.people import Person
from tests.e2e.conftest import Json, card_for, creates, order, until_written, words
from tests.e2e.given import clip, learnt
from tests.stand import Stand, open_stand, until

ADMIN = 5_550_009_001


@pytest_asyncio.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    async with open_stand(tmp_path, delay=0.2, renderer=clip) as opened:
        await learnt(opened.database_url, 0.2)
        yield opened


async def told(person: Person, text: str) -> Json:
    return await person.expect(lambda m: m["from"]["is_bot"] and text in words(m), within=20)


async def test_a_stranger_asks_the_admin_allows_and_the_video_is_ordered(stand: Stand) -> None:
    await stand.start(settings={"ACCESS": "closed", "ADMINS": str(ADMIN)})
    admin = stand.telegram.add_person("Olga", id=ADMIN)
    await admin.send_text("/start")
    anna = stand.telegram.add_person("Anna")
    asked = await anna.send_text("a closed door opens")
    await anna.press(await told(anna, "not open to everybody"), "Ask for access")
    await admin.press(await told(admin, "Somebody asks to use the bot"), "Let in")
    await told(anna, "You may use this bot now.")
    assert creates(stand, asked["text"]) == []
    await order(anna, "a closed door opens again")
    await until(lambda: creates(stand, "a closed door opens again"))


async def test_an_order_over_the_cap_is_not_sent_to_the_provider(stand: Stand) -> None:
    await stand.start(settings={"CAP_USER_PER_DAY": "1"})
    anna = stand.telegram.add_person("Anna")
    await order(anna, "the first of the day")
    await until(lambda: creates(stand, "the first of the day"))
    card = await card_for(anna, await anna.send_text("the second of the day"))
    answer = await anna.answer_to(await anna.press(card, "16:9"))
    assert "That is all for today" in answer["text"]
    assert answer["show_alert"]
    assert creates(stand, "the second of the day") == []


async def buy(person: Person, package: str) -> Json:
    await person.send_text("/buy")
    await person.press(await told(person, "Your balance: "), package)
    invoice = await person.expect(lambda m: "invoice" in m)
    return await person.pay(invoice)


@pytest.mark.parametrize("killed_at", ["payment", "refund"])
async def test_stars_are_counted_and_given_back_once_although_the_bot_is_killed(
    stand: Stand, killed_at: str
) -> None:
    settings = {"STARS_PACKAGES": "10:20,50:100"}
    bot = await stand.start(settings=settings)
    anna = stand.telegram.add_person("Anna")
    paid = await buy(anna, "⭐ 10 → 20\N{NO-BREAK SPACE}₽")
    if killed_at == "payment":
        bot.kill()
        await bot.wait()
        bot = await stand.start(settings=settings)
    await told(anna, "10 Stars have arrived")
    updates = stand.telegram.world.updates
    [number] = [u["update_id"] for u in updates if u.get("message") == paid]
    stand.telegram.world.repeat(number)
    if killed_at == "refund":  # Telegram does it, and the bot dies before it hears of it
        stand.telegram.faults.add(Fault(on="refundStarPayment", act="hang_after"))
    await order(anna, "a nsfw-test scene")
    if killed_at == "refund":
        await until(lambda: stand.telegram.calls_of("refundStarPayment"))
        await until(lambda: all(p.refunded for p in stand.telegram.world.till.payments.values()))
        bot.kill()
        await bot.wait()
        await forget_leases(stand)
        await stand.start(settings=settings)
    await told(anna, "10 Stars are on their way back")
    [payment] = stand.telegram.world.till.payments.values()
    assert payment.refunded
    done = [call for call in stand.telegram.calls_of("refundStarPayment") if call.ok]
    assert len(done) == 1
    rows = await until_written(stand, "SELECT kind, stars, credit_kopecks FROM ledger ORDER BY id")
    assert rows == [
        ("purchase", 10, 2000),
        ("reservation", 0, -1700),
        ("return", 0, 1700),
        ("refund", -10, -2000),
    ]
    assert len([m for m in anna.chat.messages.values() if "have arrived" in words(m)]) == 1


async def forget_leases(stand: Stand) -> None:
    """As if the killed one's leases had run out."""

    def write() -> None:
        with closing(sqlite3.connect(stand.database_url.partition(":///")[2])) as database:
            database.execute("UPDATE star_refunds SET lease_until = NULL, lease_owner = NULL")
            database.commit()

    await asyncio.to_thread(write)
