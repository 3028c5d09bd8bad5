"""Unfinished copies of the database: named, held while somebody writes them, swept after a kill.

A lock of the kernel shows that a copy is still being written, since it ends with its process.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has other locks
    fcntl = None  # type: ignore[assignment]

PART = ".backup.part"
COPY = ".copy-"
COMPANIONS = ("-wal", "-shm", "-journal")


def part_of(file: Path) -> Path:
    """Return where a backup is written before it is complete."""
    return file.with_name(file.name.removesuffix(".backup") + PART)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep `sweep` of other processes away from a file or folder that exists."""
    handle = os.open(path, os.O_RDONLY)
    try:
        if fcntl:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def drop(part: Path) -> None:
    """Delete a file with those that SQLite keeps beside it."""
    for suffix in (*COMPANIONS, ""):
        part.with_name(part.name + suffix).unlink(missing_ok=True)


def sweep(folder: Path) -> int:
    """Delete what killed processes left in a folder; return how many copies."""
    if fcntl is None or not folder.is_dir():
        return 0
    found = [
        path
        for path in folder.iterdir()
        if path.name.endswith(PART) or (path.name.startswith(COPY) and path.is_dir())
    ]
    return sum(_swept(path) for path in found)


def _swept(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False  # gone meanwhile, or another user's
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            drop(path)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True
