"""A `-wal` that was deleted after a kill is noticed, and nothing else is mistaken for it."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bot.core.clock import utc_now
from bot.core.errors import StorageUnusable
from storage import open_storage, process_presence, wal_guard
from storage.recovery import only_process

# As a bot that is killed: it commits, and never closes its connection.
KILLED = """
import asyncio, os, signal, sys
from bot.core.clock import utc_now
from storage import open_storage, wal_guard
wal_guard.LIMIT_BYTES = int(sys.argv[3])
async def main():
    async with open_storage(sys.argv[1]) as storage:
        for number in range(1, int(sys.argv[2]) + 1):
            await storage.users.see(number, lang="en", name="x" * 2000, now=utc_now())
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


def killed_after(path: Path, people: int, limit: int = 4_000_000) -> None:
    url = f"sqlite+aiosqlite:///{path}"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, url, str(people), str(limit)], check=False,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL


def wal(path: Path) -> Path:
    return Path(f"{path}-wal")


def size(path: Path) -> int:
    return path.stat().st_size


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def copy_files(folder: Path, target: Path) -> None:
    for file in folder.glob("bot.db*"):
        shutil.copy(file, target)


def remove(path: Path) -> None:
    Path(f"{path}-shm").unlink()


async def people(path: Path) -> int:
    async with open_storage(f"sqlite+aiosqlite:///{path}") as storage:
        found = 0
        while await storage.users.get(found + 1) is not None:
            found += 1
        return found


@pytest.mark.parametrize(("count", "limit"), [(3, 4_000_000), (60, 30_000)])
@pytest.mark.parametrize("also_shm", [False, True])
async def test_a_deleted_wal_is_named_with_what_to_do(
    tmp_path: Path, count: int, limit: int, also_shm: bool
) -> None:
    """Also after checkpoints: then the database has most rows, but not the last ones."""
    path = tmp_path / "bot.db"
    killed_after(path, count, limit)
    wal(path).rename(tmp_path / "away")
    assert size(tmp_path / "away")
    if also_shm:
        remove(path)
    for _ in range(2):
        with pytest.raises(StorageUnusable) as caught:
            await people(path)
        said = str(caught.value)
        assert "\n" not in said
        for words in (str(path), "bot.db-wal", "Put that file back", "bot restore", "bot recover"):
            assert words in said
    (tmp_path / "away").rename(wal(path))
    assert await people(path) == count


async def test_a_killed_bot_continues_whoever_opened_its_file_before(tmp_path: Path) -> None:
    path = tmp_path / "bot.db"
    killed_after(path, 5)
    with closing(sqlite3.connect(path)) as link:  # the last to close it deletes the -wal
        assert link.execute("SELECT count(*) FROM users").fetchone() == (5,)
    assert names(tmp_path) == ["bot.db"]
    assert await people(path) == 5
    assert await people(path) == 5


@pytest.mark.campaign
@pytest.mark.parametrize("step", range(1, 9))
async def test_a_kill_within_a_checkpoint_is_not_mistaken_for_it(
    tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy of the files, as a kill leaves them, at each of its steps."""
    path, copy = tmp_path / "bot.db", tmp_path / "copy"
    copy.mkdir()
    taken: list[int] = []

    def taking(do: Callable[..., object]) -> Callable[..., object]:
        async def act(self: object, *args: object) -> object:
            done = await do(self, *args)  # type: ignore[misc]
            taken.append(len(taken) + 1)
            if taken[-1] == step:
                copy_files(tmp_path, copy)
            return done

        return act

    async with open_storage(f"sqlite+aiosqlite:///{path}") as storage:
        guard = storage.database._wal
        assert guard is not None
        async with storage.database._connection() as connection:
            kind = type(connection)
            for name in ("outside", "execute", "commit"):
                monkeypatch.setattr(kind, name, taking(getattr(kind, name)))
            await guard.checkpoint(connection)
        monkeypatch.undo()
    assert taken[-1] >= 8
    assert await people(copy / "bot.db") == 0


async def test_the_wal_stays_small_and_a_reader_only_delays_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wal_guard, "LIMIT_BYTES", 100_000)
    path = tmp_path / "bot.db"
    killed_after(path, 1, 100_000)

    async def grow() -> int:
        async with open_storage(f"sqlite+aiosqlite:///{path}") as storage:
            largest = 0
            for number in range(60):
                await storage.users.set_lang(1, "ru" if number % 2 else "en")
                largest = max(largest, size(wal(path)))
            return largest

    assert await grow() < 200_000
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM users").fetchone()
        assert await grow() > 200_000
    assert await grow() < 200_000
    assert await people(path) == 1
    assert names(tmp_path) == ["bot.db"]


async def test_a_link_to_the_file_is_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite keeps the `-wal` beside the real file: it is watched there, under both names."""
    monkeypatch.setattr(wal_guard, "LIMIT_BYTES", 30_000)
    real, link = tmp_path / "disk" / "bot.db", tmp_path / "bot.db"
    link.symlink_to(real)  # its folder is made as any other
    url = f"sqlite+aiosqlite:///{link}"
    async with open_storage(url) as storage:
        for number in range(1, 101):
            await storage.users.see(number, lang="en", name="x" * 2000, now=utc_now())
        assert size(wal(real)) < 100_000
        async with process_presence(storage.database, url, utc_now()) as alone:
            assert alone
            with only_process(f"sqlite+aiosqlite:///{real}") as nobody_else:
                assert not nobody_else
    assert names(tmp_path) == ["bot.db", "disk"]


async def test_a_deleted_wal_of_a_link_is_noticed(tmp_path: Path) -> None:
    real, link = tmp_path / "disk" / "bot.db", tmp_path / "bot.db"
    link.symlink_to(real)
    killed_after(link, 60, 30_000)
    wal(real).rename(tmp_path / "away")
    for path in (link, real):
        with pytest.raises(StorageUnusable, match="its last changes are missing"):
            await people(path)
    (tmp_path / "away").rename(wal(real))
    assert await people(real) == 60
