"""The machine's own faults: a full disk, a locked database, a clock that jumps.

The promise: no part of the program ends because of them, nothing is charged that is not recorded,
and the work continues by itself when the fault ends.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest

from bot.runtime import idle
from bot.sandbox.gptunnel.records import Mode
from tests.faults import words
from tests.faults.answers import http, says
from tests.faults.refusals import LATER
from tests.faults.test_telegram_words import cards, updates
from tests.support.app_harness import AppHarness, OpenAppHarness

LOOKS = idle.LOOK_SECONDS

HOURS_2 = 7200.0

# --- the database does not write ---------------------------------------------------------------


@asynccontextmanager
async def broken_disk(harness: AppHarness) -> AsyncIterator[None]:
    """Every transaction fails, as with SQLITE_IOERR and SQLITE_FULL."""
    harness.database.fails = lambda: True
    try:
        yield
    finally:
        harness.database.fails = lambda: False


@asynccontextmanager
async def locked(harness: AppHarness) -> AsyncIterator[None]:
    """Another process writes, and does not end."""
    other = sqlite3.connect(harness.path, isolation_level=None, check_same_thread=False)
    with closing(other):
        # In a thread: BEGIN waits for an open transaction, which needs this loop to end.
        await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


FAULTS = {"disk": broken_disk, "lock": locked}


@pytest.fixture(params=FAULTS)
def fault(request: pytest.FixtureRequest) -> object:
    return FAULTS[request.param]


def one_of_each(harness: AppHarness) -> None:
    assert len(harness.asked("create")) == len(harness.provider.charges) == 1
    assert harness.states() == ["delivered"]


async def test_a_prompt_during_the_fault_is_answered_after_it(
    make_harness: OpenAppHarness, fault: object
) -> None:
    async with make_harness(busy_timeout=0.02) as harness:
        anna = harness.person()
        async with fault(harness):  # type: ignore[operator]
            await anna.send_text("a red fox")
            await harness.pass_(10)
            assert cards(harness, anna.chat) == []
            # Telegram keeps updates that were not committed.
            assert len(harness.telegram.world.pending) == 1
        await harness.until(lambda: cards(harness, anna.chat), within=60)
        await harness.pass_(400)
        assert len(cards(harness, anna.chat)) == 1
        assert [state for state, _ in updates(harness)] == ["done"]


async def test_a_press_during_the_fault_takes_effect_once_after_it(
    make_harness: OpenAppHarness, fault: object
) -> None:
    async with make_harness(busy_timeout=0.02) as harness:
        anna = harness.person()
        card = await harness.card(anna)
        async with fault(harness):  # type: ignore[operator]
            await anna.press(card, "9:16")
            await harness.pass_(10)
            assert harness.asked("create") == []
        await harness.ended("delivered", within=60)
        one_of_each(harness)
        assert len(harness.videos(anna.chat)) == 1


@pytest.mark.parametrize("seconds", [10, 45])
async def test_a_video_made_during_the_fault_is_delivered_after_it(
    make_harness: OpenAppHarness, fault: object, seconds: float
) -> None:
    """Longer than its lease as well: the worker must not take its own task from itself."""
    async with make_harness(busy_timeout=0.02, lease=None) as harness:
        harness.provider.delay = 30
        anna = harness.person()
        await harness.order(anna)
        await harness.until(lambda: harness.state() == "generating")
        async with fault(harness):  # type: ignore[operator]
            await harness.pass_(seconds)
        await harness.ended("delivered", within=400)
        one_of_each(harness)
        assert len(harness.videos(anna.chat)) == 1


@pytest.mark.parametrize("seconds", [10, 45])
async def test_an_answer_during_the_fault_is_saved_after_it(
    make_harness: OpenAppHarness, seconds: float
) -> None:
    """The id is money: it is held until it can be written, and nobody is told 'unknown'."""
    async with make_harness(lease=None) as harness:
        anna = harness.person()
        card = await harness.card(anna)
        harness.database.fails = lambda: bool(harness.asked("create"))
        await anna.press(card, "9:16")
        await harness.until(lambda: harness.asked("create"))
        await harness.pass_(seconds)
        assert harness.states() == ["submitting"]
        harness.database.fails = lambda: False
        await harness.ended("delivered", within=400)
        one_of_each(harness)
        assert words.unknown("en") not in harness.words(anna.chat)
        assert len(harness.videos(anna.chat)) == 1


@pytest.mark.parametrize("answer", [http(429), says(5), says(1001), http(502)])
@pytest.mark.parametrize("seconds", [5, 45])
async def test_a_refusal_during_the_fault_charges_nothing_twice(
    make_harness: OpenAppHarness, answer: object, seconds: float
) -> None:
    async with make_harness(lease=None) as harness:
        harness.spoil(answer, on="create")
        anna = harness.person()
        card = await harness.card(anna)
        harness.database.fails = lambda: bool(harness.asked("create"))
        await anna.press(card, "9:16")
        await harness.until(lambda: harness.asked("create"))
        await harness.pass_(seconds)
        harness.database.fails = lambda: False
        await harness.until(lambda: harness.state() in ("delivered", "unknown"), within=400)
        await harness.pass_(400)
        # In any case: one charge for one video, or none for none.
        assert len(harness.provider.charges) == len(harness.videos(anna.chat)) <= 1
        assert len(harness.asked("create")) <= 2


@pytest.mark.parametrize("seconds", [5, 45])
async def test_a_video_sent_during_the_fault_is_not_sent_again(
    make_harness: OpenAppHarness, seconds: float
) -> None:
    async with make_harness(lease=None) as harness:
        anna = harness.person()
        card = await harness.card(anna)
        harness.database.fails = lambda: bool(harness.sent("sendVideo"))
        await anna.press(card, "9:16")
        await harness.until(lambda: harness.videos(anna.chat))
        await harness.pass_(seconds)
        harness.database.fails = lambda: False
        await harness.ended("delivered", within=400)
        await harness.pass_(400)
        one_of_each(harness)
        assert len(harness.videos(anna.chat)) == 1


async def test_a_database_that_may_not_grow_loses_nothing(harness: AppHarness) -> None:
    """A real 'database or disk is full', between an order and its video."""
    anna = harness.person()
    await harness.order(anna)
    async with harness.database._connection() as connection:
        await connection.outside("PRAGMA max_page_count = 1")  # no page more than there are
    for number in range(30):
        await anna.send_text(f"{number} " + "a long prompt " * 50)
    await harness.pass_(30)
    assert len(cards(harness, anna.chat)) < 30
    async with harness.database._connection() as connection:
        await connection.outside("PRAGMA max_page_count = 1073741823")
    await harness.until(lambda: len(cards(harness, anna.chat)) >= 30, within=900)
    await harness.until(lambda: harness.state() == "delivered")
    assert len(harness.asked("create")) == len(harness.videos(anna.chat)) == 1
    assert harness.rows("PRAGMA integrity_check") == [("ok",)]


async def test_a_disk_without_room_for_the_video_keeps_it_at_the_provider(
    harness: AppHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    anna = harness.person()
    harness.refuse(LATER["500"][0], on="sendVideo")
    kept = harness.parts.kept
    monkeypatch.setattr(kept, "put", full)
    await harness.order(anna)
    await harness.ended("delivered", within=60)
    assert len(harness.asked("download")) == 2
    one_of_each(harness)


async def test_a_blocked_chat_is_reported_even_when_the_disk_is_full(
    harness: AppHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    anna = harness.person()
    monkeypatch.setattr(harness.parts.kept, "put", full)
    await harness.order(anna)
    await harness.until(lambda: harness.state() == "generating")
    await anna.block_bot()
    await harness.ended("undeliverable", within=60)
    assert len(harness.sent("sendVideo")) == 1


# --- the clock jumps -----------------------------------------------------------------------------


@pytest.mark.parametrize("jump", [HOURS_2, -HOURS_2], ids=["on", "back"])
@pytest.mark.parametrize("when", ["draft", "generating", "rendered", "held"])
async def test_an_order_survives_a_clock_jump(
    make_harness: OpenAppHarness, jump: float, when: str
) -> None:
    async with make_harness(lease=None) as harness:
        anna = harness.person()
        card = await harness.card(anna)
        if when == "draft":
            harness.time.skew += jump
        if when == "rendered":
            harness.refuse(LATER["429 for 3 s"][0], on="sendVideo")
        if when == "held":
            harness.spoil(says(5), on="create")
        harness.provider.delay = 30
        await anna.press(card, "9:16")
        if when == "held":
            await harness.until(lambda: harness.asked("create") and harness.state() == "queued")
            harness.time.skew += jump
        elif when != "draft":
            await harness.until(lambda: harness.state() == when)
            await harness.settle()  # the next step has begun
            harness.time.skew += jump
        await harness.ended("delivered", within=400)
        assert len(harness.provider.charges) == len(harness.videos(anna.chat)) == 1
        assert len(harness.asked("create")) == (2 if when == "held" else 1)
        assert len(harness.asked("result")) < 40


@pytest.mark.parametrize("jump", [HOURS_2, -HOURS_2], ids=["on", "back"])
async def test_new_orders_do_not_wait_after_a_clock_jump(
    make_harness: OpenAppHarness, jump: float
) -> None:
    """Also when the queue was held for a moment before the jump."""
    async with make_harness(lease=None) as harness:
        anna, boris = harness.person(), harness.person("ru", "Борис")
        harness.spoil(says(5), on="create")
        await harness.order(anna)
        await harness.until(lambda: harness.asked("create") and harness.state() == "queued")
        harness.time.skew += jump
        await harness.order(boris)
        await harness.ended("delivered", 2, within=400)
        assert len(harness.videos(boris.chat)) == 1


async def test_an_overdue_video_is_polled_rarely_after_a_jump_back(
    harness: AppHarness,
) -> None:
    harness.provider.mode = Mode.HANGS
    await harness.order(harness.person())
    await harness.until(lambda: harness.state() == "generating")
    harness.time.skew -= HOURS_2
    await harness.pass_(600)
    assert 5 <= len(harness.asked("result")) <= 250
    assert harness.states() == ["generating"]
