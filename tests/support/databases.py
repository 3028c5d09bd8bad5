"""An SQLite file with its tables, as a copy of one that is migrated once for each test process."""

from __future__ import annotations

import asyncio
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from storage import open_storage


def with_tables(path: Path) -> str:
    """Create an empty database of this version; return its address in the form of DATABASE_URL."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(_migrated())
    path.chmod(0o600)
    return f"sqlite+aiosqlite:///{path}"


@cache
def _migrated() -> bytes:
    """Migrate an empty file; twenty migrations take a tenth of a second of CPU."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as other:
        file = Path(folder) / "bot.db"
        # In a thread: a test may ask within its event loop.
        other.submit(asyncio.run, _make(f"sqlite+aiosqlite:///{file}")).result()
        return file.read_bytes()


async def _make(url: str) -> None:
    async with open_storage(url):
        pass
