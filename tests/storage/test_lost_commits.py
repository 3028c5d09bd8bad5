"""`bot recover`: waiting orders become doubtful, and no number is given twice."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bot.cli import commands
from bot.core.clock import utc_now
from bot.core.task import TaskState
from storage import Storage, backup, lost_commits, open_storage
from storage.backup import RESTORE_GAP, CopyRefused
from storage.recovery import process_presence
from tests.support.factories import queued


async def states(storage: Storage, *numbers: int) -> list[TaskState]:
    found = [await storage.tasks.get(number) for number in numbers]
    return [task.state for task in found if task is not None]


async def test_waiting_orders_become_doubtful_and_others_stay(url: str) -> None:
    async with open_storage(url) as storage:
        first, second = await queued(storage), await queued(storage)
        now = utc_now()
        [leased, _] = await storage.tasks.claim_due(
            owner="a", now=now, lease_for=timedelta(seconds=1), limit=2, slots=None
        )
        made = leased.to(TaskState.SUBMITTING, run_at=now, submitted_at=now, deadline_at=now)
        assert await storage.tasks.save(leased, made, now=now)
        accepted = made.to(TaskState.GENERATING, run_at=now, provider_id="x", accepted_at=now)
        assert await storage.tasks.save(made, accepted, now=now)
    assert await lost_commits.recover(url, utc_now()) == 1
    async with open_storage(url) as storage:
        assert await states(storage, first.id, second.id) == [
            TaskState.GENERATING,
            TaskState.SUBMITTING,
        ]
        third = await queued(storage)
        assert third.id > second.id + RESTORE_GAP - 1
    assert (await backup.verify(url, progress=lambda *_: None)).problems == ()
    assert await lost_commits.recover(url, utc_now()) == 1  # the third


async def test_it_is_refused_while_a_bot_runs(url: str) -> None:
    async with open_storage(url) as storage, process_presence(storage.database, url, utc_now()):
        with pytest.raises(CopyRefused, match="stop"):
            await lost_commits.recover(url, utc_now())


async def test_a_restore_says_how_many_orders_would_be_made_again(
    url: str, tmp_path: Path
) -> None:
    async with open_storage(url) as storage:
        await queued(storage)
    await backup.backup(url, tmp_path / "a.backup", progress=lambda *_: None)
    said: list[str] = []
    assert await commands.restore(tmp_path / "a.backup", url, said.append, replace=True)
    [note] = [line for line in said if line.startswith("note")]
    assert "1 order that waited in it" in note
    assert "bot recover" in note
    said.clear()
    assert await commands.recover(url, said.append)
    assert said[0].startswith("ok    1 order that waited")
    said.clear()
    assert await commands.recover(url, said.append)
    assert said[0] == "ok    no order waited, so nothing can be paid for twice"
    assert await commands.restore(tmp_path / "a.backup", url, said.append, replace=True)
