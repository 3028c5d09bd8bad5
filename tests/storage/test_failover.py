"""Two PostgreSQL servers in one address: writes, events, common jobs and commands follow the one
that takes writes; a repeat never acknowledges what a failover would undo."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.core.clock import utc_now
from bot.core.errors import StorageUnavailable
from storage import Storage, backup, open_storage
from storage.engine import Database
from storage.users import User
from tests.support.replication import running_pair


async def soon(done: Callable[[], object], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not done():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.02)


async def see(storage: Storage, number: int) -> None:
    await storage.users.see(number, lang="en", name="x", now=utc_now())


async def persistently(storage: Storage, number: int) -> None:
    """Repeat as a step does; the first try finds its connection broken."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await see(storage, number)
            except StorageUnavailable:
                await asyncio.sleep(0.1)


async def known(storage: Storage, *numbers: int) -> list[bool]:
    found: list[User | None] = [await storage.users.get(number) for number in numbers]
    return [one is not None for one in found]


def quiet(*_: object) -> None:
    """Show no progress."""


async def test_everything_follows_the_promoted_standby(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_pair(synchronous=True) as pair:
        url = await pair.create()
        async with open_storage(url) as storage, open_storage(url) as peer:
            await see(storage, 1)
            heard: list[str] = []
            peer.cluster.subscribe("ordered", lambda: heard.append("ordered"))
            begun: list[str] = []

            async def job() -> None:
                begun.append("here")
                await asyncio.Event().wait()

            clusters = [
                asyncio.create_task(work)  # noqa: TID251 - ended below
                for work in (
                    storage.cluster.run(),
                    peer.cluster.run(),
                    storage.cluster.run_exclusively("chores", job),
                )
            ]
            await soon(lambda: begun)
            await pair.primary.kill()
            with pytest.raises(StorageUnavailable):
                await see(storage, 2)
            with pytest.raises(StorageUnavailable, match="no server takes writes now") as caught:
                await see(storage, 2)
            for words in (pair.primary.place, "is not read-write", "promote a standby"):
                assert words in str(caught.value)
            assert "\n" not in str(caught.value)
            await pair.standby.promote()
            await pair.standby.ask("ALTER SYSTEM SET synchronous_standby_names = ''",
                                   "SELECT pg_reload_conf()")  # fmt: skip
            await persistently(storage, 2)
            await persistently(peer, 1)
            assert await known(peer, 1, 2) == [True, True]
            await soon(lambda: len(begun) == 2)
            heard.clear()
            async with asyncio.timeout(20):
                while not heard:
                    storage.cluster.notify("ordered")
                    await asyncio.sleep(0.1)
            for task in clusters:
                task.cancel()
            await asyncio.gather(*clusters, return_exceptions=True)
            # A former primary that comes back is not used, although it takes writes as well.
            pair.primary.configure("synchronous_standby_names = ''")
            await pair.primary.start()
            caplog.clear()
            async with open_storage(url) as fresh:
                await see(fresh, 3)
            assert f"{pair.primary.place} takes writes besides {pair.standby.place}" in caplog.text
            assert await known(storage, 3) == [True]
            # The commands follow, too; the standby is the server with the newest rows.
            await backup.backup(url, tmp_path / "a.backup", progress=quiet)
            assert (await backup.verify(url, progress=quiet)).rows["users"] == 3
            await pair.standby.kill()
            with pytest.raises(StorageUnavailable):
                await see(storage, 4)
            with pytest.raises(StorageUnavailable, match="is a former primary without the newest"):
                await see(storage, 4)


async def test_a_promotion_without_synchronous_commits_is_an_error_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running_pair(synchronous=False) as pair:
        url = await pair.create()
        async with open_storage(url) as storage:
            await see(storage, 1)
            await pair.fail_over()
            await persistently(storage, 2)
        [said] = [one for one in caplog.records if "was promoted" in one.message]
        assert said.levelno == logging.ERROR
        assert "may be missing" in said.message
        # The other way round nothing is missing: the server of before is a standby of this one.
        await pair.rebuild(synchronous=True)
        caplog.clear()
        async with open_storage(url) as storage:
            await see(storage, 3)
            await pair.fail_over()
            await persistently(storage, 4)
            assert await known(storage, 3, 4) == [True, True]
        [said] = [one for one in caplog.records if "was promoted" in one.message]
        assert said.levelno == logging.WARNING


async def test_a_repeat_that_finds_its_row_waits_for_the_standby_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The commit is there without the standby's answer. Found by a repeat that writes nothing, it
    would be acknowledged, and a failover would undo it."""
    build: Any = sa.create_engine

    def impatient(url: Any, **options: Any) -> Any:
        arguments = {**options["connect_args"], "command_timeout": 1}
        return build(url, **{**options, "connect_args": arguments})

    async with running_pair(synchronous=True) as pair:
        url = await pair.create()
        monkeypatch.setattr(sa, "create_engine", impatient)
        async with open_storage(url) as storage:
            await see(storage, 1)
            await pair.standby.stop()
            with pytest.raises(StorageUnavailable):
                await see(storage, 2)
            with pytest.raises(StorageUnavailable):
                await found(storage.database, 2)
            await pair.standby.start()
            async with asyncio.timeout(20):
                while True:
                    try:
                        assert await found(storage.database, 2)
                        break
                    except StorageUnavailable:
                        await asyncio.sleep(0.1)
            await pair.fail_over()
            await persistently(storage, 3)
            assert await known(storage, 2) == [True]


async def found(database: Database, number: int) -> bool:
    """As a repeated save: it finds its row and writes nothing."""
    async with database.transaction() as connection:
        row = await connection.scalar(
            sa.text("SELECT user_id FROM users WHERE user_id = :number").bindparams(number=number)
        )
    return row is not None
