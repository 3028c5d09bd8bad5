"""Notice that the `-wal` file of a SQLite database was deleted while nothing ran.

After a kill that file alone holds the last commits. Without it the database looks whole, and is
older than what the bot has done since: a queued order would be made and paid a second time. So
the file's header says INCOMPLETE, and the first commit after every checkpoint, which is in the
`-wal`, changes that to COMPLETE. Any program that opens the database with its `-wal` finds the
latter. SQLite's own checkpoints are off meanwhile. It must not know the tables.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from bot.core.errors import StorageUnusable
from bot.runtime.private_files import make_file
from storage.address import real_file

logger = logging.getLogger(__name__)

LIMIT_BYTES = 4_000_000
"""The size of the `-wal` after which it is copied into the database, as by SQLite itself."""

# In PRAGMA application_id, which SQLite leaves to programs; below them 16 bits count checkpoints.
_INCOMPLETE, _COMPLETE, _COUNTS = 0x56420000, 0x56430000, 0xFFFF

WHOLE = sa.text("PRAGMA application_id = 0")
"""Makes a database complete, within a transaction: all its rows were written anew."""


class _Connection(Protocol):
    """The part of storage.engine.Connection that is used here."""

    async def scalar(self, statement: sa.TextClause) -> object: ...
    async def outside(self, statement: str) -> None: ...
    async def execute(self, statement: sa.TextClause) -> object: ...
    async def commit(self) -> None: ...
    async def rollback(self) -> None: ...


class WalGuard:
    """The checkpoints of one SQLite file, by the one connection of this process."""

    def __init__(self, file: Path, busy_timeout: float) -> None:
        self._file = file
        real = real_file(file)
        self._wal = Path(f"{real}-wal")
        # Names the checkpoint under way: a kill within it leaves INCOMPLETE, and loses nothing.
        self._under_way = Path(f"{real}-checkpoint")
        self._busy_timeout = busy_timeout
        self._count = 0
        self._limit = 0

    async def check(self, connection: _Connection) -> None:
        """Raise StorageUnusable when the database is older than its last commit."""
        mark = await connection.scalar(sa.text("PRAGMA application_id"))
        assert isinstance(mark, int)
        self._count = mark & _COUNTS
        if mark != _INCOMPLETE | self._count:
            return
        with suppress(OSError):
            if self._under_way.read_text() == str(self._count):
                return
        raise StorageUnusable(
            f"{self._file}: its last changes are missing: the bot was killed, and since then "
            f"{self._wal.name}, which held them, was deleted or exchanged. Put that file back; "
            "without it run `bot restore --replace` with the latest backup, or `bot recover` to "
            "go on with what is there"
        )

    def is_due(self) -> bool:
        """Whether to call `checkpoint` after this commit."""
        try:
            return self._wal.stat().st_size >= self._limit
        except OSError:
            return False

    async def checkpoint(self, connection: _Connection) -> None:
        """Copy the `-wal` into the database, between two transactions; try later when that fails.

        A reader, such as a backup, may prevent it.
        """
        count = self._count = (self._count + 1) & _COUNTS
        try:
            await connection.outside("PRAGMA wal_autocheckpoint = 0")
            make_file(self._under_way)
            self._under_way.write_text(str(count))
            await connection.execute(sa.text(f"PRAGMA application_id = {_INCOMPLETE | count}"))
            await connection.commit()
            await connection.outside("PRAGMA busy_timeout = 0")
            await connection.outside("PRAGMA wal_checkpoint(TRUNCATE)")
            await connection.execute(sa.text(f"PRAGMA application_id = {_COMPLETE | count}"))
            await connection.commit()
            self._under_way.unlink(missing_ok=True)
        except (DBAPIError, OSError) as exc:
            logger.warning("%s: no checkpoint now: %s", self._file, type(exc).__name__)
        with suppress(DBAPIError):
            await connection.rollback()
            await connection.outside(f"PRAGMA busy_timeout = {int(self._busy_timeout * 1000)}")
        self._limit = LIMIT_BYTES
        with suppress(OSError):
            self._limit += self._wal.stat().st_size
