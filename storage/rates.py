"""Rate limits shared by all processes: one statement on one row, by the database's clock.

It must not know what is sent or the limits.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from storage.engine import Database
from storage.tables import rates


class RateStore:
    """Shared rate limits; they apply only where several processes can run."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def wait(self, name: str, *, each: float, burst: float) -> float:
        """Reserve a turn of the limit `name`; return the seconds until it. Raises
        StorageUnavailable.

        One turn every `each` seconds, with a burst of `burst` seconds. Return 0 for a single
        process, which keeps its limits in memory.
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
            # a turn lost in a power cut does no harm, but a disk sync for every send would be slow
            sa.func.set_config("synchronous_commit", "off", True),
        )
        async with self._database.transaction() as connection:
            wait: float = (await connection.execute(take)).one()[0]
        return max(wait, 0.0)
