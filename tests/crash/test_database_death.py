"""The database's own death: short forms of `make database-death`."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from pathlib import Path

import pytest

from bot.sandbox.gptunnel.records import Mode
from tests.crash import database_death, full_disk
from tests.crash.actors import Kind, People, Plan
from tests.crash.campaign import beside, drain
from tests.crash.environment import Environment, open_environment
from tests.crash.observer import Observer
from tests.crash.processes import UP, BotRun, Launcher, Wish
from tests.crash.verdict import Disturbances, Verdict
from tests.support import small_disk
from tests.support.process_harness import until
from tests.support.replication import running_pair

pytestmark = pytest.mark.campaign

WISH = Wish(lease_seconds=3.0)


async def test_postgres_is_killed_restarted_and_replaced_under_four_processes(
    launcher: Launcher, tmp_path: Path
) -> None:
    async with running_pair(synchronous=True) as pair:
        report = await database_death.run(
            database_death.plan(1, orders=10), ("restart", "promote"), launcher, tmp_path, pair
        )
    assert report.violations == []
    assert report.deaths == ["restart", "promote"]
    assert report.campaign.numbers.videos >= 5


@pytest.mark.parametrize("way", ["the best here", small_disk.LIMIT])
async def test_a_full_and_a_read_only_disk_lose_nothing(
    way: str, monkeypatch: pytest.MonkeyPatch, record_property: object
) -> None:
    """On a real small file system where this machine lets us mount one; and by a limit."""
    if way == small_disk.LIMIT:
        monkeypatch.setenv(small_disk.WAY, way)
    small_disk.way.cache_clear()
    report = await asyncio.to_thread(full_disk.outside, ["--runs", "3", "--seed", "4"])
    record_property("way", report.way)  # type: ignore[operator]
    sys.stdout.write(f"the disk was made small by: {report.way}\n")
    small_disk.way.cache_clear()
    assert report.violations == []
    assert report.runs == 3
    if way == small_disk.LIMIT:
        assert report.way == way
    else:
        assert report.way == small_disk.LIMIT or report.told_read_only == 1


async def command(environment: Environment, *argv: str) -> tuple[int, str]:
    """Run a command of the bot; return its exit code and what it printed."""
    log = environment.folder / f"{argv[0]}.log"
    life = await environment.launcher.start(
        {"DATABASE_URL": environment.database_url, "PATH": "", "HTTP_PORT": "0"},
        environment.folder, log, argv=argv,
    )  # fmt: skip
    async with asyncio.timeout(60):
        return await asyncio.shield(life.ended), life.lines


async def up(environment: Environment) -> BotRun:
    life = await environment.start(WISH)
    await until(lambda: UP in life.lines or life.ended.done(), 90)
    return life


async def test_a_wal_deleted_after_a_kill_pays_nothing_twice(
    launcher: Launcher, tmp_path: Path
) -> None:
    """An order was sent and charged; the file without its -wal says that it still waits."""
    async with open_environment(tmp_path, launcher) as environment:
        provider = environment.provider
        provider.mode, provider.delay = Mode.OVERLOADED, 600.0
        people = People(environment.telegram, random.Random(1), 2, again=0.0)
        observer = Observer(environment.database_url)
        file = Path(environment.database_url.partition(":///")[2])
        async with beside(people.watch()):
            life = await up(environment)
            await people.order(60, kind=Kind.TEXT, plan=Plan.PRESS)
            await until(lambda: [call for call in provider.calls if call.is_order], 60)
            assert await life.stop(30) == 0
            provider.mode = Mode.WELL
            life = await up(environment)
            await until(lambda: "accepted as" in life.lines, 60)
            await life.kill()
            disturbances = Disturbances(kills=[time.time()])
            file.with_name("bot.db-wal").rename(tmp_path / "away")
            life = await up(environment)
            assert await asyncio.shield(life.ended) == 1
            [line] = [one for one in life.lines.splitlines() if '"critical"' in one]
            for words in (str(file), "bot.db-wal", "Put that file back", "bot recover"):
                assert words in line
            code, said = await command(environment, "recover")
            assert (code, said.splitlines()[0][:9]) == (0, "ok    1 o"), said
            provider.delay = 0.5
            await up(environment)
            await people.order(60, kind=Kind.TEXT, plan=Plan.PRESS)
            assert await drain(environment, observer, environment.start) == []
        verdict = Verdict(environment, people.orders, disturbances)
        assert verdict.violations == []
        assert (verdict.numbers.charges, verdict.numbers.unknown) == (2, 1)


async def test_a_standby_that_was_behind_forgets_orders_and_recover_pays_none_twice(
    launcher: Launcher, tmp_path: Path
) -> None:
    """Asynchronous replication: what is lost by nature is said, and then it is known."""
    async with running_pair(synchronous=False) as pair:
        url = await pair.create()
        async with open_environment(tmp_path, launcher, database_url=url) as environment:
            provider = environment.provider
            provider.mode, provider.delay = Mode.OVERLOADED, 600.0
            people = People(environment.telegram, random.Random(1), 2, again=0.0)
            async with beside(people.watch()):
                life = await up(environment)
                await people.order(60, kind=Kind.TEXT, plan=Plan.PRESS)
                await until(lambda: [call for call in provider.calls if call.is_order], 60)
                await pair.caught_up()
                await pair.standby.stop()  # from here on nothing reaches it
                provider.mode = Mode.WELL
                await until(lambda: "accepted as" in life.lines, 90)
                await pair.primary.kill()
                await pair.standby.start()
                disturbances = Disturbances(kills=[time.time()])
                await life.kill()
                await pair.standby.promote()
                code, said = await command(environment, "recover")
                assert (code, said.splitlines()[0][:9]) == (0, "ok    1 o"), said
                provider.delay = 0.5
                await up(environment)
                await people.order(60, kind=Kind.TEXT, plan=Plan.PRESS)
                assert await drain(environment, Observer(url), environment.start) == []
            verdict = Verdict(environment, people.orders, disturbances)
            assert verdict.violations == []
            assert (verdict.numbers.charges, verdict.numbers.unknown) == (2, 1)
