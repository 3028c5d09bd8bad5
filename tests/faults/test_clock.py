"""The clock of the machine is set back or forward by an hour, or the machine is suspended.

No order waits for an hour, and nothing is ordered, sent or charged twice.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from bot.core.notices import Notice, NoticeKind
from bot.core.task import Chat
from bot.runtime import idle
from storage.outbox import insert_notices
from storage.tables import outbox, tasks
from tests.faults.answers import broken
from tests.faults.refusals import LATER
from tests.support.app_harness import AppHarness, OpenAppHarness

LOOKS = idle.LOOK_SECONDS
HOUR = 3600.0
SOON = 400.0
"""The longest time in seconds that an order may take after the clock was set."""


@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["on", "back"])
async def test_a_video_in_the_making_does_not_notice(harness: AppHarness, jump: float) -> None:
    anna = harness.person()
    harness.provider.delay = 120
    await harness.order(anna)
    await harness.until(lambda: harness.state() == "generating")
    await harness.settle()  # the polls have begun
    harness.time.skew += jump
    edits = len(harness.sent("editMessageText"))
    await harness.pass_(60)
    shown = [call.params["text"] for call in harness.sent("editMessageText")[edits:]]
    assert any("elapsed" in text for text in shown), "the status stood still"
    assert not any("min" in text.split("Usually")[0] for text in shown if "elapsed" in text), shown
    await harness.ended("delivered", within=SOON)
    assert not any("longer than" in words for words in harness.words(anna.chat))
    assert len(harness.provider.charges) == len(harness.videos(anna.chat)) == 1
    [(learned,)] = harness.rows("SELECT high_seconds FROM durations")
    assert 60 < learned < 300, "an hour that did not pass was learned"


async def test_the_first_order_after_an_outage_waits_no_hour_for_its_probe(
    make_harness: OpenAppHarness,
) -> None:
    async with make_harness(lease=None) as harness:
        anna, boris = harness.person(), harness.person("ru", "Борис")
        harness.spoil(broken("reset_after"), on="create")
        await harness.order(anna)
        await harness.ended("unknown")
        await harness.order(boris)
        harness.time.skew -= HOUR
        await harness.ended("delivered", 2, within=SOON)
        assert len(harness.videos(boris.chat)) == 1


async def test_a_message_that_was_put_off_is_sent(harness: AppHarness) -> None:
    anna = harness.person()
    await harness.card(anna)
    wanted = Notice(
        kind=NoticeKind.ACCESS_GRANTED, chat=Chat(chat_id=anna.chat.id), lang="en", params={}
    )
    before = harness.words(anna.chat)
    await harness.storage.outbox.add([wanted], now=harness.time() + timedelta(seconds=90))
    harness.time.skew -= HOUR
    await harness.until(lambda: harness.words(anna.chat) != before, within=120)


async def test_the_lease_of_a_dead_process_ends(harness: AppHarness) -> None:
    anna = harness.person()
    await harness.card(anna)
    wanted = Notice(
        kind=NoticeKind.ACCESS_GRANTED, chat=Chat(chat_id=anna.chat.id), lang="en", params={}
    )
    now, before = harness.time(), harness.words(anna.chat)
    async with harness.storage.database.transaction() as connection:
        await insert_notices(connection, [wanted], now)
        await connection.execute(
            sa.update(outbox).values(lease_owner="dead", lease_until=now + timedelta(seconds=60))
        )
    harness.time.skew -= HOUR
    await harness.until(lambda: harness.words(anna.chat) != before, within=120)


async def test_orders_are_done_once_by_two_processes(make_harness: OpenAppHarness) -> None:
    async with make_harness(workers=2, at_once=3, lease=timedelta(seconds=30)) as harness:
        people = [harness.person() for _ in range(4)]
        harness.start_workers()
        harness.provider.delay = 60
        for person in people:
            await harness.order(person)
        await harness.until(lambda: "generating" in harness.states())
        harness.time.skew -= HOUR
        await harness.pass_(20)
        harness.time.skew += 2 * HOUR
        await harness.until(lambda: set(harness.states()) == {"delivered"}, within=2 * SOON)
        assert [len(harness.videos(person.chat)) for person in people] == [1] * 4
        assert len(harness.provider.charges) == len(harness.asked("create")) == 4


async def test_a_clock_set_back_while_the_bot_was_off_is_noticed_at_the_start(
    harness: AppHarness,
) -> None:
    """An upload is refused; the bot is stopped, the clock corrected, and the bot started."""
    anna = harness.person()
    harness.refuse(LATER["429 for 3 s"][0], on="sendVideo")
    await harness.order(anna)
    await harness.until(lambda: harness.state() == "rendered")
    watch = harness.parts.clock_watch
    [running] = [one for one in harness.running if one.get_name() == "ClockWatch"]
    running.cancel()
    await harness.settle()
    async with harness.storage.database.transaction() as connection:
        later = harness.time() + timedelta(minutes=10)
        await connection.execute(sa.update(tasks).values(run_at=later))
    harness.time.skew -= HOUR
    harness.run(watch)
    await harness.ended("delivered", within=HOUR / 2)
    assert len(harness.videos(anna.chat)) == 1


async def test_a_set_back_is_corrected_once_however_often_the_bot_starts(
    harness: AppHarness,
) -> None:
    harness.provider.delay = 2 * HOUR
    await harness.order(harness.person())
    await harness.until(lambda: harness.state() == "generating")
    await harness.settle()
    deadline = "SELECT deadline_at FROM tasks"
    before = harness.rows(deadline)
    harness.time.skew -= HOUR
    await harness.pass_(60)
    corrected = harness.rows(deadline)
    assert corrected != before
    for _ in range(2):
        [running] = [one for one in harness.running if one.get_name() == "ClockWatch"]
        harness.running.remove(running)
        running.cancel()
        harness.run(harness.parts.clock_watch)
        await harness.pass_(60)
    assert harness.rows(deadline) == corrected


async def test_alerts_begin_and_end_although_the_clock_went_back(harness: AppHarness) -> None:
    harness.run(harness.parts.alert_monitor)
    opened = "SELECT 1 FROM alerts WHERE key = 'provider_away' AND closed_at IS NULL"
    await harness.pass_(60)
    harness.time.skew -= HOUR
    await harness.storage.breaker.open(harness.time())
    await harness.until(lambda: harness.rows(opened), within=60)
    await harness.order(harness.person())  # the one that goes first
    await harness.until(lambda: not harness.rows(opened), within=SOON)
