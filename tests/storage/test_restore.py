"""A restore: never under a living bot, never with old numbers, and nothing left by a kill."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.core.task import TaskState
from storage import Database, leftovers, open_storage, process_presence
from storage.backup import RESTORE_GAP, CopyRefused, backup, copy, restore
from tests.support.factories import NOON, draft, task_in
from tests.support.postgres import PostgresServer

S = TaskState


def silent(what: str, done: int, total: int) -> None:
    assert 0 <= done <= total, what


@asynccontextmanager
async def living_bot(url: str) -> AsyncIterator[None]:
    """Be on the database as a bot is."""
    async with open_storage(url) as storage, process_presence(storage.database, url, NOON):
        yield


async def numbers_of(url: str) -> list[int]:
    async with open_storage(url) as storage:
        return [(await draft(storage)).id for _ in range(2)]


async def test_a_restore_under_a_living_bot_is_refused_and_says_what_to_stop(
    url: str, tmp_path: Path
) -> None:
    file = tmp_path / "kept.backup"
    async with open_storage(url) as storage:
        task = await task_in(storage, S.DELIVERED)
    await backup(url, file, progress=silent)
    async with living_bot(url):
        for replace in (True, False):
            with pytest.raises(CopyRefused, match=r"systemctl stop.*docker compose stop"):
                await restore(file, url, progress=silent, replace=replace)
    async with open_storage(url) as storage:
        assert await storage.tasks.get(task.id) == task
    await restore(file, url, progress=silent, replace=True)


async def test_a_copy_onto_a_living_bot_is_refused(url: str, tmp_path: Path) -> None:
    source = f"sqlite+aiosqlite:///{tmp_path}/source/bot.db"
    async with open_storage(source):
        pass
    async with living_bot(url):
        with pytest.raises(CopyRefused, match="stop"):
            await copy(source, url, progress=silent, replace=True)


async def test_a_session_of_an_earlier_version_counts_and_a_terminal_does_not(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    import asyncpg

    url, file = await postgres.create(), tmp_path / "kept.backup"
    async with open_storage(url):
        pass
    await backup(url, file, progress=silent)
    dsn = url.replace("+asyncpg", "")
    terminal = await asyncpg.connect(dsn, server_settings={"application_name": "psql"})
    await restore(file, url, progress=silent, replace=True)
    earlier = await asyncpg.connect(dsn)
    with pytest.raises(CopyRefused, match="1 connections"):
        await restore(file, url, progress=silent, replace=True)
    await earlier.close()
    await terminal.close()


async def test_numbers_go_on_above_those_that_were_given_after_the_backup(
    url: str, tmp_path: Path
) -> None:
    file = tmp_path / "kept.backup"
    await numbers_of(url)
    await backup(url, file, progress=silent)
    last = max(await numbers_of(url))
    await restore(file, url, progress=silent, replace=True)
    assert min(await numbers_of(url)) == last + 1


async def test_into_an_empty_database_numbers_leave_a_gap(
    url: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    file = tmp_path / "kept.backup"
    last = max(await numbers_of(url))
    await backup(url, file, progress=silent)
    for target in (f"sqlite+aiosqlite:///{tmp_path}/new/bot.db", await postgres.create()):
        await restore(file, target, progress=silent)
        assert min(await numbers_of(target)) == last + RESTORE_GAP + 1


async def test_copies_that_a_kill_left_are_swept_and_living_ones_are_not(
    url: str, tmp_path: Path
) -> None:
    """A real process, killed in the middle of a backup and of a verification."""
    async with open_storage(url) as storage:
        await task_in(storage, S.DELIVERED)
    program = (
        "import asyncio, os, sys, time\n"
        "from pathlib import Path\n"
        "from storage.backup import backup, copy\n"
        "def stop(*_):\n"
        "    print('here', flush=True)\n"
        "    time.sleep(600)\n"
        "folder = Path(sys.argv[2])\n"
        "source = f'sqlite+aiosqlite:///{folder}/made/bot.db'\n"
        "work = backup(sys.argv[1], folder / 'x.backup', progress=stop)\n"
        "if sys.argv[3] == 'copy':\n"
        "    work = copy(source, f'sqlite+aiosqlite:///{folder}/new/bot.db', progress=stop)\n"
        "asyncio.run(work)\n"
    )
    async with open_storage(f"sqlite+aiosqlite:///{tmp_path}/made/bot.db"):
        pass
    for kind, folder in (("backup", tmp_path), ("copy", tmp_path / "made")):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program, url, str(tmp_path), kind),
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdout is not None
        async with asyncio.timeout(60):
            assert await process.stdout.readline() == b"here\n"
        left = [p for p in _files(folder) if leftovers.PART in p.name or ".copy-" in p.name]
        assert left
        assert all(path.stat().st_mode & 0o077 == 0 for path in left)
        assert leftovers.sweep(folder) == 0
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        assert leftovers.sweep(folder) == 1
        assert not [p for p in _files(folder) if leftovers.PART in p.name or ".copy-" in p.name]


async def test_the_next_backup_sweeps_its_folder(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    left = folder / f"monday{leftovers.PART}"
    left.write_bytes(b"everybody's data")
    left.with_name(left.name + "-journal").write_bytes(b"more of it")
    await backup(url, folder / "tuesday.backup", progress=silent)
    assert [path.name for path in _files(folder)] == ["tuesday.backup"]


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_files_are_for_one_user_and_older_ones_become_so(tmp_path: Path) -> None:
    def modes(*paths: Path) -> set[int]:
        return {path.stat().st_mode & 0o777 for path in paths}

    before = os.umask(0o022)
    try:
        folder = tmp_path / "new" / "data"
        file = folder / "bot.db"
        url = f"sqlite+aiosqlite:///{file}"
        async with open_storage(url) as storage:
            await draft(storage)
            assert modes(file, folder / "bot.db-wal", folder / "bot.db-shm") == {0o600}
        assert modes(folder, folder.parent) == {0o700}
        file.chmod(0o644)
        database = await Database.open(url)
        await database.close()
        assert modes(file) == {0o600}
    finally:
        os.umask(before)
