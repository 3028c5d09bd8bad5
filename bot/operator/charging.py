"""Whether the balance of this account is known to move when an order is accepted, which is what
SETTLE_BY_BALANCE needs (decision 0030).

`bot check --order` sees it and writes a report; a start takes that over into the database, where
every process finds it. The module must not know how the check works.
"""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import datetime
from pathlib import Path

from bot.core.balance import ACCEPTANCE
from bot.core.errors import StorageUnavailable
from storage import Charging, Storage

logger = logging.getLogger(__name__)

REPORT = "order-check.json"
"""The report of `bot check --order`, in the folder of the database."""


async def take_over(storage: Storage, folder: Path, account: str, *, wanted: bool) -> None:
    """Take over the report of an order check of this account.

    `wanted`: orders are to be settled by the balance; then one line says why they are not.
    """
    try:
        found = await asyncio.to_thread(read_report, folder / REPORT)
        if found is not None and found.account == account:
            await storage.account.learn_charging(found)
        if wanted and (why := why_not(await storage.account.charging(), account)):
            logger.warning("SETTLE_BY_BALANCE is not acted on: %s", why)
    except StorageUnavailable as exc:
        logger.warning("the report of the order check is not taken over: %s", exc)


def why_not(seen: Charging | None, account: str) -> str:
    """Return why orders of this account cannot be settled by its balance; empty if they can."""
    if seen is None:
        return "no order was checked; run `bot check --order`, then restart"
    if seen.account != account:
        return "another key or address was checked; run `bot check --order`, then restart"
    if seen.charged != ACCEPTANCE:
        return f"`bot check --order` saw that the balance moves at: {seen.charged}"
    return ""


def read_report(path: Path) -> Charging | None:
    """Return what a report says about charging; None if there is none that says it."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        seen_at = datetime.fromisoformat(report["at"])
        charged, account = report["charged"], report["account"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not isinstance(charged, str) or not isinstance(account, str) or seen_at.tzinfo is None:
        return None
    return Charging(charged=charged[:20], account=account, seen_at=seen_at)
