"""The start of a new bot prints one link, and each process knows the admins."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiogram import Bot

from bot.core.access import Access, Admins
from bot.operator.claim import AdminList, offer
from bot.runtime import logs
from storage import ClaimResult, Storage, open_storage
from tests.support.databases import with_tables
from tests.support.handler_harness import FakeTelegram

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LINK = re.compile(r"https://t\.me/video_bot\?start=(claim-[\w-]{22})(?![\w-])")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with open_storage(with_tables(tmp_path / "bot.db")) as opened:
        yield opened


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The log as it is written to a file."""
    root, out = logging.getLogger(), io.StringIO()
    before, level = root.handlers[:], root.level
    logs.set_up(logging.DEBUG, [], out)
    yield out
    root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture
def telegram() -> FakeTelegram:
    return FakeTelegram()


async def started(
    storage: Storage, telegram: FakeTelegram, *, is_usable: bool = False
) -> io.StringIO:
    terminal, slept = Terminal(), []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) > 5:
            raise AssertionError("it waits for ever")

    await offer(
        Bot("42:TEST", session=telegram), storage, is_usable=is_usable, clock=lambda: NOON,
        sleep=sleep, terminal=terminal,
    )  # fmt: skip
    return terminal


async def test_a_new_bot_prints_one_link_to_the_log_and_the_terminal(
    storage: Storage, telegram: FakeTelegram, log: io.StringIO
) -> None:
    terminal = await started(storage, telegram)
    [code] = LINK.findall(log.getvalue())
    assert LINK.findall(terminal.getvalue()) == [code]
    [line] = [json.loads(one) for one in log.getvalue().splitlines() if "t.me" in one]
    assert line["level"] == "warning"
    assert "within 15 minutes" in line["message"]
    assert await storage.admins.claim(code, user_id=7, now=NOON) is ClaimResult.CLAIMED


async def test_the_code_is_in_no_other_line(
    storage: Storage, telegram: FakeTelegram, log: io.StringIO
) -> None:
    await started(storage, telegram)
    [code] = LINK.findall(log.getvalue())
    logging.getLogger("canary").error("somebody sent /start %s", code)
    try:
        raise ValueError(code)
    except ValueError:
        logging.getLogger("canary").exception("a traceback")
    assert log.getvalue().count(code) == 1
    assert log.getvalue().count("claim-***") == 2
    assert code not in logs.Secrets([])(f"an event for Sentry: {code}")


async def test_a_start_that_waits_for_telegram_prints_it_later(
    storage: Storage, telegram: FakeTelegram, log: io.StringIO
) -> None:
    telegram.refuse("getMe", 502, "Bad Gateway")
    telegram.refuse("getMe", 502, "Bad Gateway")
    await started(storage, telegram)
    assert len(LINK.findall(log.getvalue())) == 1


async def test_a_bot_that_somebody_may_use_prints_none(
    storage: Storage, telegram: FakeTelegram, log: io.StringIO
) -> None:
    code = await storage.admins.offer_claim(NOON)
    assert code is not None
    await started(storage, telegram, is_usable=True)  # ADMINS was set since
    assert await storage.admins.claim(code, user_id=8, now=NOON) is ClaimResult.OVER
    await storage.access.allow(8, by=1, now=NOON)
    await started(storage, telegram)
    assert "t.me" not in log.getvalue()
    assert "the bot has no admin: set ADMINS" in log.getvalue()


async def test_a_claimed_bot_prints_none_at_its_next_start(
    storage: Storage, telegram: FakeTelegram, log: io.StringIO
) -> None:
    await started(storage, telegram)
    [code] = LINK.findall(log.getvalue())
    await storage.admins.claim(code, user_id=7, now=NOON)
    await started(storage, telegram)
    assert len(LINK.findall(log.getvalue())) == 1
    assert "no admin:" not in log.getvalue()


async def test_each_process_learns_of_an_admin_by_the_event(storage: Storage) -> None:
    admins = Admins({1})
    access = Access(admins=admins)
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    known = AdminList(storage, admins, sleep=sleep)
    running = asyncio.ensure_future(known.run())  # noqa: TID251 - cancelled below
    code = await storage.admins.offer_claim(NOON)
    assert code is not None
    await storage.admins.claim(code, user_id=7, now=NOON)
    assert not access.is_admin(7)
    known.changed()
    async with asyncio.timeout(10):
        while not access.is_admin(7):  # noqa: ASYNC110 - the rows are read in a thread
            await asyncio.sleep(0)
    assert set(admins) == {1, 7}
    await storage.admins.remove(7, by=1, now=NOON)
    await known.read()
    assert set(admins) == {1}
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_only_an_admin_of_the_settings_outranks_one_who_claimed() -> None:
    admins = Admins({1, 2})
    admins.learn({7})
    access = Access(admins=admins)
    assert access.outranks(1, 7)
    assert not access.outranks(7, 1)
    assert not access.outranks(1, 2)
    assert not access.outranks(7, 7)
