"""A bot with nothing to do asks its database for nothing, and still sees what becomes due."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bot import app
from bot.core.notices import Notice, NoticeKind
from bot.core.task import Chat
from bot.operator import alert_monitor
from bot.runtime import idle
from bot.sandbox.telegram.people import Person
from storage.outbox import insert_notices
from storage.tables import outbox
from tests.support.app_harness import AppHarness
from tests.support.factories import MINUTE

LOOKS = idle.LOOK_SECONDS

PER_MINUTE = 4
MINUTES = 10


@contextmanager
def said() -> Iterator[list[str]]:
    """Record the statements of all engines of this process."""
    heard: list[str] = []

    def hear(*args: object) -> None:
        heard.append(str(args[2]))

    sa.event.listen(sa.Engine, "before_cursor_execute", hear)
    try:
        yield heard
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", hear)


class Tidying:
    """Give the job that deletes old data (bot/app.py) a `run` method, as other jobs have."""

    def __init__(self, harness: AppHarness) -> None:
        self._harness = harness

    async def run(self) -> None:
        await app._tidy(self._harness.storage, self._harness.time, self._harness.time.sleep)


class CheckedHere:
    def __init__(self, harness: AppHarness) -> None:
        self._monitor = harness.parts.alert_monitor

    async def run(self) -> None:
        await self._monitor.run_here()


def notice_to(person: Person) -> Notice:
    chat = Chat(chat_id=person.chat.id)
    return Notice(kind=NoticeKind.ACCESS_GRANTED, chat=chat, lang="en", params={})


def run_all(harness: AppHarness) -> None:
    """Run what a process runs beside the parts of the harness."""
    parts = harness.parts
    parts.health.mark("updates")  # its long poll takes real time
    harness.run(
        parts.alert_monitor, CheckedHere(harness), parts.broadcaster, parts.buttons, parts.refunds,
        parts.waiting, parts.retention, Tidying(harness), harness.storage.cluster,
    )  # fmt: skip


async def idle_for(harness: AppHarness, seconds: float) -> Person:
    """Let somebody get a card; then let the whole bot be idle for so long. Return the person."""
    run_all(harness)
    anna = harness.person()
    await harness.card(anna)
    await harness.pass_(seconds)
    return anna


async def test_an_idle_bot_says_next_to_nothing_to_its_database(harness: AppHarness) -> None:
    run_all(harness)
    await harness.pass_(60)
    with said() as statements:
        await harness.pass_(MINUTES * 60)
    assert statements, "nothing was counted"
    assert len(statements) <= PER_MINUTE * MINUTES, statements


async def test_neither_does_one_after_its_work(harness: AppHarness) -> None:
    run_all(harness)
    anna = harness.person()
    await harness.order(anna)
    await harness.until(lambda: harness.states() == ["delivered"])
    await harness.pass_(600)
    with said() as statements:
        await harness.pass_(MINUTES * 60)
    assert len(statements) <= PER_MINUTE * MINUTES, statements


async def test_an_idle_bot_acts_at_once_on_what_is_written(harness: AppHarness) -> None:
    anna = await idle_for(harness, 3600 + 7)
    before = harness.time.elapsed
    said_before = harness.words(anna.chat)
    await harness.storage.outbox.add([notice_to(anna)], now=harness.time())
    await harness.until(lambda: harness.words(anna.chat) != said_before)
    assert harness.time.elapsed - before < 0.1


async def test_what_was_put_off_is_done_when_it_is_due(harness: AppHarness) -> None:
    anna = await idle_for(harness, 3600)
    due = harness.time() + timedelta(minutes=7, seconds=11)
    said_before = harness.words(anna.chat)
    await harness.storage.outbox.add([notice_to(anna)], now=due)
    await harness.until(lambda: harness.words(anna.chat) != said_before)
    assert timedelta(0) <= harness.time() - due < timedelta(seconds=0.5)


@pytest.mark.parametrize("jump", [-7200.0, 7200.0])
async def test_a_jump_of_the_clock_does_not_make_it_sleep(
    harness: AppHarness, jump: float
) -> None:
    run_all(harness)
    anna = harness.person()
    await harness.pass_(95)
    harness.time.skew += jump
    before = harness.time.elapsed
    await harness.order(anna)
    await harness.until(lambda: harness.states() == ["delivered"])
    assert harness.time.elapsed - before < 60


async def test_leases_of_a_dead_process_are_taken_over_when_they_end(harness: AppHarness) -> None:
    anna = await idle_for(harness, 600)
    now = harness.time()
    async with harness.storage.database.transaction() as connection:
        connection.make_nothing_due()  # as if another process wrote it without a report
        await insert_notices(connection, [notice_to(anna)], now)
        await connection.execute(
            sa.update(outbox).values(lease_owner="dead", lease_until=now + MINUTE)
        )
    said_before = harness.words(anna.chat)
    await harness.until(lambda: harness.words(anna.chat) != said_before)
    assert timedelta(0) <= harness.time() - (now + MINUTE) < timedelta(seconds=1)


async def test_the_alert_monitor_hears_of_a_write_and_retries_a_failed_look(
    harness: AppHarness,
) -> None:
    run_all(harness)
    await harness.pass_(600)
    before = harness.time.elapsed
    await harness.storage.breaker.open(harness.time())
    harness.database.fails = lambda: True
    await harness.pass_(2 * alert_monitor.LOOK_SECONDS)
    harness.database.fails = lambda: False
    opened = "SELECT 1 FROM alerts WHERE key = 'provider_away'"
    assert not harness.rows(opened)
    await harness.until(lambda: harness.rows(opened), within=60)
    assert harness.time.elapsed - before <= 3 * alert_monitor.LOOK_SECONDS
