"""What `bot check --order` saw reaches the bot, and a setting without it is not acted upon."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.cli import order_account
from bot.operator import charging
from storage import Charging, Storage, open_storage
from tests.support.databases import with_tables
from tests.support.factories import MINUTE, NOON

ACCOUNT = "a1b2c3d4e5f6"


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with open_storage(with_tables(tmp_path / "bot.db")) as storage:
        yield storage


def report(folder: Path, **changes: Any) -> None:
    found = {"at": NOON.isoformat(), "charged": "acceptance", "account": ACCOUNT} | changes
    (folder / charging.REPORT).write_text(json.dumps(found))


async def start(storage: Storage, folder: Path, account: str = ACCOUNT) -> None:
    await charging.take_over(storage, folder, account, wanted=True)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]


async def test_a_report_is_taken_over_and_nothing_is_said(
    storage: Storage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    report(tmp_path)
    await start(storage, tmp_path)
    seen = await storage.account.charging()
    assert seen == Charging(charged="acceptance", account=ACCOUNT, seen_at=NOON)
    assert lines(caplog) == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"charged": "later"}, "saw that the balance moves at: later"),
        ({"account": "another"}, "no order was checked"),
        ({"charged": None}, "no order was checked"),
        ({"at": "yesterday"}, "no order was checked"),
        (None, "no order was checked"),
    ],
)
async def test_a_setting_without_evidence_is_said_in_one_line(
    storage: Storage,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    changes: dict[str, Any] | None,
    why: str,
) -> None:
    if changes is not None:
        report(tmp_path, **changes)
    await start(storage, tmp_path)
    [line] = lines(caplog)
    assert line.startswith("SETTLE_BY_BALANCE is not acted on: ")
    assert why in line


async def test_evidence_of_another_account_is_said(
    storage: Storage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    report(tmp_path)
    await start(storage, tmp_path)
    await start(storage, tmp_path, "another")
    [line] = lines(caplog)
    assert "another key or address was checked" in line


async def test_without_the_setting_nothing_is_said(
    storage: Storage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await charging.take_over(storage, tmp_path, ACCOUNT, wanted=False)
    assert lines(caplog) == []


async def test_a_check_beside_a_running_bot_tells_it(storage: Storage, tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/bot.db"
    creates = await storage.account.begin_reading(NOON)
    await order_account.disturb(url, NOON)
    assert creates is not None
    assert not await storage.account.save_reading(Decimal(1), creates, now=NOON)
    seen = Charging(charged="acceptance", account=ACCOUNT, seen_at=NOON + MINUTE)
    await order_account.learn(url, seen)
    assert await storage.account.charging() == seen


async def test_a_check_without_a_database_makes_none(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/none.db"
    await order_account.disturb(url, NOON)
    assert not (tmp_path / "none.db").exists()
