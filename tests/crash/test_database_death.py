"""The database's own death: short forms of `make database-death`."""

from __future__ import annotations

from pathlib import Path

from tests.crash import database_death
from tests.crash.processes import Launcher
from tests.support.replication import running_pair


async def test_postgres_is_killed_restarted_and_replaced_under_four_processes(
    launcher: Launcher, tmp_path: Path
) -> None:
    async with running_pair(synchronous=True) as pair:
        report = await database_death.run(
            database_death.plan(1, orders=12), ("restart", "promote"), launcher, tmp_path, pair
        )
    assert report.violations == []
    assert report.deaths == ["restart", "promote"]
    assert report.campaign.numbers.videos >= 6
