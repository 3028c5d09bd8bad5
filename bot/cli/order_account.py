"""The rows that an order check writes: that it spends money, and when the balance moved.

Only into a database of this version; without one the report is enough, which the next start takes
over (bot/operator/charging.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime

from bot.core.errors import StorageError
from storage import AccountStore, Charging, Database
from storage.address import sqlite_file
from storage.migrate import HEAD, version


async def disturb(url: str, now: datetime) -> None:
    """Keep the bot from settling an order by the balance that the check changes."""
    with suppress(StorageError):
        async with _account(url) as store:
            if store is not None:
                await store.disturb(now)


async def learn(url: str, seen: Charging) -> None:
    """Let a bot that runs know what was seen."""
    with suppress(StorageError):
        async with _account(url) as store:
            if store is not None:
                await store.learn_charging(seen)


@asynccontextmanager
async def _account(url: str) -> AsyncIterator[AccountStore | None]:
    file = sqlite_file(url)
    if file is not None and not await asyncio.to_thread(file.exists):
        yield None
        return
    database = await Database.open(url)
    try:
        async with database.transaction() as connection:
            found = await connection.run_sync(version)
        yield AccountStore(database) if found == HEAD else None
    finally:
        await database.close()
