"""The machine's own faults: a full disk, a locked database, a clock that jumps.

The promise: no part of the program ends for them, nothing is charged that is not written down, and
the work goes on by itself when the fault ends.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest

from bot.sandbox.gptunnel.records import Mode
from tests.faults import words
from tests.faults.answers import http, says
from tests.faults.house import House, OpenHouse
from tests.faults.refusals import LATER
from tests.faults.test_telegram_words import cards, updates

HOURS_2 = 7200.0

# --- the database does not write ---------------------------------------------------------------


@asynccontextmanager
async def broken_disk(house: House) -> AsyncIterator[None]:
    """Every transaction fails, as with SQLITE_IOERR and SQLITE_FULL."""
    house.database.fails = lambda: True
    try:
        yield
    finally:
        house.database.fails = lambda: False


@asynccontextmanager
async def locked(house: House) -> AsyncIterator[None]:
    """Another process writes, and does not end."""
    other = sqlite3.connect(house.path, isolation_level=None, check_same_thread=False)
    with closing(other):
        # It waits for its turn, and the transaction before it for this loop.
        await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


FAULTS = {"disk": broken_disk, "lock": locked}


@pytest.fixture(params=FAULTS)
def fault(request: pytest.FixtureRequest) -> object:
    return FAULTS[request.param]


def one_of_each(house: House) -> None:
    assert len(house.asked("create")) == len(house.provider.charges) == 1
    assert house.states() == ["delivered"]


async def test_words_that_come_meanwhile_are_answered_after(
    a_house: OpenHouse, fault: object
) -> None:
    async with a_house(busy_timeout=0.02) as house:
        anna = house.person()
        async with fault(house):  # type: ignore[operator]
            await anna.send_text("a red fox")
            await house.pass_(10)
            assert cards(house, anna.chat) == []
            # Telegram keeps what was not written down.
            assert len(house.telegram.world.pending) == 1
        await house.until(lambda: cards(house, anna.chat), within=60)
        await house.pass_(400)
        assert len(cards(house, anna.chat)) == 1
        assert [state for state, _ in updates(house)] == ["done"]


async def test_a_press_that_comes_meanwhile_is_granted_once_after(
    a_house: OpenHouse, fault: object
) -> None:
    async with a_house(busy_timeout=0.02) as house:
        anna = house.person()
        card = await house.card(anna)
        async with fault(house):  # type: ignore[operator]
            await anna.press(card, "9:16")
            await house.pass_(10)
            assert house.asked("create") == []
        await house.ended("delivered", within=60)
        one_of_each(house)
        assert len(house.videos(anna.chat)) == 1


@pytest.mark.parametrize("seconds", [10, 45])
async def test_what_is_being_made_meanwhile_is_delivered_after(
    a_house: OpenHouse, fault: object, seconds: float
) -> None:
    """Longer than its lease as well: the worker must not take its own task from itself."""
    async with a_house(busy_timeout=0.02, lease=None) as house:
        house.provider.delay = 30
        anna = house.person()
        await house.order(anna)
        await house.until(lambda: house.state() == "generating")
        async with fault(house):  # type: ignore[operator]
            await house.pass_(seconds)
        await house.ended("delivered", within=400)
        one_of_each(house)
        assert len(house.videos(anna.chat)) == 1


@pytest.mark.parametrize("seconds", [10, 45])
async def test_an_answer_that_comes_meanwhile_is_written_down_after(
    a_house: OpenHouse, seconds: float
) -> None:
    """The id is money: it is held until it can be written, and nobody is told 'unknown'."""
    async with a_house(lease=None) as house:
        anna = house.person()
        card = await house.card(anna)
        house.database.fails = lambda: bool(house.asked("create"))
        await anna.press(card, "9:16")
        await house.until(lambda: house.asked("create"))
        await house.pass_(seconds)
        assert house.states() == ["submitting"]
        house.database.fails = lambda: False
        await house.ended("delivered", within=400)
        one_of_each(house)
        assert words.unknown("en") not in house.words(anna.chat)
        assert len(house.videos(anna.chat)) == 1


@pytest.mark.parametrize("answer", [http(429), says(5), says(1001), http(502)])
@pytest.mark.parametrize("seconds", [5, 45])
async def test_a_refusal_that_comes_meanwhile_charges_nothing_twice(
    a_house: OpenHouse, answer: object, seconds: float
) -> None:
    async with a_house(lease=None) as house:
        house.spoil(answer, on="create")
        anna = house.person()
        card = await house.card(anna)
        house.database.fails = lambda: bool(house.asked("create"))
        await anna.press(card, "9:16")
        await house.until(lambda: house.asked("create"))
        await house.pass_(seconds)
        house.database.fails = lambda: False
        await house.until(lambda: house.state() in ("delivered", "unknown"), within=400)
        await house.pass_(400)
        # Whatever became of it: one charge for one video, or none for none.
        assert len(house.provider.charges) == len(house.videos(anna.chat)) <= 1
        assert len(house.asked("create")) <= 2


@pytest.mark.parametrize("seconds", [5, 45])
async def test_a_video_that_was_sent_meanwhile_is_not_sent_again(
    a_house: OpenHouse, seconds: float
) -> None:
    async with a_house(lease=None) as house:
        anna = house.person()
        card = await house.card(anna)
        house.database.fails = lambda: bool(house.sent("sendVideo"))
        await anna.press(card, "9:16")
        await house.until(lambda: house.videos(anna.chat))
        await house.pass_(seconds)
        house.database.fails = lambda: False
        await house.ended("delivered", within=400)
        await house.pass_(400)
        one_of_each(house)
        assert len(house.videos(anna.chat)) == 1


async def test_a_database_that_may_not_grow_loses_nothing(house: House) -> None:
    """A real 'database or disk is full', between an order and its video."""
    anna = house.person()
    await house.order(anna)
    async with house.database._connection() as connection:
        await connection.outside("PRAGMA max_page_count = 1")  # no page more than there are
    for number in range(30):
        await anna.send_text(f"{number} " + "a long prompt " * 50)
    await house.pass_(30)
    assert len(cards(house, anna.chat)) < 30
    async with house.database._connection() as connection:
        await connection.outside("PRAGMA max_page_count = 1073741823")
    await house.until(lambda: len(cards(house, anna.chat)) >= 30, within=900)
    await house.until(lambda: house.state() == "delivered")
    assert len(house.asked("create")) == len(house.videos(anna.chat)) == 1
    assert house.rows("PRAGMA integrity_check") == [("ok",)]


async def test_a_disk_without_room_for_the_video_keeps_it_at_the_provider(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    anna = house.person()
    house.refuse(LATER["500"][0], on="sendVideo")
    kept = house.parts.kept
    monkeypatch.setattr(kept, "put", full)
    await house.order(anna)
    await house.ended("delivered", within=60)
    assert len(house.asked("download")) == 2
    one_of_each(house)


async def test_a_blocked_chat_is_no_less_blocked_when_the_disk_is_full(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    anna = house.person()
    monkeypatch.setattr(house.parts.kept, "put", full)
    await house.order(anna)
    await anna.block_bot()
    await house.ended("undeliverable", within=60)
    assert len(house.sent("sendVideo")) == 1


# --- the clock jumps -----------------------------------------------------------------------------


@pytest.mark.parametrize("jump", [HOURS_2, -HOURS_2], ids=["on", "back"])
@pytest.mark.parametrize("when", ["draft", "generating", "rendered", "held"])
async def test_an_order_outlives_a_jump_of_the_clock(
    a_house: OpenHouse, jump: float, when: str
) -> None:
    async with a_house(lease=None) as house:
        anna = house.person()
        card = await house.card(anna)
        if when == "draft":
            house.time.skew += jump
        if when == "rendered":
            house.refuse(LATER["429 for 3 s"][0], on="sendVideo")
        if when == "held":
            house.spoil(says(5), on="create")
        house.provider.delay = 30
        await anna.press(card, "9:16")
        if when == "held":
            await house.until(lambda: house.asked("create") and house.state() == "queued")
            house.time.skew += jump
        elif when != "draft":
            await house.until(lambda: house.state() == when)
            house.time.skew += jump
        # What was put off by the wrong clock, or is past its deadline there, takes its time.
        slow = (jump < 0 and when in ("rendered", "held")) or (jump > 0 and when == "generating")
        await house.ended("delivered", within=HOURS_2 + 400 if slow else 400)
        assert len(house.provider.charges) == len(house.videos(anna.chat)) == 1
        assert len(house.asked("create")) == (2 if when == "held" else 1)
        assert len(house.asked("result")) < 40


@pytest.mark.parametrize("jump", [HOURS_2, -HOURS_2], ids=["on", "back"])
async def test_new_orders_do_not_wait_for_the_clock_to_come_back(
    a_house: OpenHouse, jump: float
) -> None:
    """Also when the queue was held for a moment before the jump."""
    async with a_house(lease=None) as house:
        anna, boris = house.person(), house.person("ru", "Борис")
        house.spoil(says(5), on="create")
        await house.order(anna)
        await house.until(lambda: house.asked("create") and house.state() == "queued")
        house.time.skew += jump
        await house.order(boris)
        await house.ended("delivered", 2, within=400)
        assert len(house.videos(boris.chat)) == 1


async def test_a_video_that_never_comes_is_asked_for_calmly_after_a_jump_back(
    house: House,
) -> None:
    house.provider.mode = Mode.HANGS
    await house.order(house.person())
    await house.until(lambda: house.state() == "generating")
    house.time.skew -= HOURS_2
    await house.pass_(600)
    assert 5 <= len(house.asked("result")) <= 250
    assert house.states() == ["generating"]
