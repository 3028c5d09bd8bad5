"""Rates that all processes of the bot share: one statement on one row, by the database's clock.

It must not know what is sent, nor what the rates are.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from storage.engine import Database
from storage.tables import rates


class RateStore:
    """Lines that begin in the database, where there is more than one process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def wait(self, name: str, *, each: float, burst: float) -> float:
        """Takes a place in the line `name`: seconds until its turn; StorageUnavailable.

        A place every `each` seconds, and `burst` seconds of them at once. A process that is
        alone has its own memory for that: 0.
        """
        if not self._database.is_shared:
            return 0.0
        now = sa.func.date_part("epoch", sa.func.clock_timestamp())
        line = insert(rates).values(name=name, free_at=now + each)
        take = line.on_conflict_do_update(
            index_elements=["name"],
            set_={"free_at": sa.func.greatest(rates.c.free_at, now) + each},
        ).returning(
            rates.c.free_at - now - burst,
            # a place that a power cut forgets costs nothing; a disk in the way of every send does
            sa.func.set_config("synchronous_commit", "off", True),
        )
        async with self._database.transaction() as connection:
            wait: float = (await connection.execute(take)).one()[0]
        return max(wait, 0.0)
