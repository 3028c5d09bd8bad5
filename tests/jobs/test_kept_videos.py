"""Kept videos with several hosts: each video is recorded with its host's disk."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from bot.core.task import Task, TaskState
from bot.jobs.delivery import Delivery, KeptVideos
from bot.telegram.messenger import Messenger
from storage import open_storage
from tests.support.databases import with_tables
from tests.support.factories import task_in


@pytest.fixture
async def task(tmp_path: Path) -> AsyncIterator[Task]:
    async with open_storage(with_tables(tmp_path / "bot.db")) as storage:
        yield await task_in(storage, TaskState.RENDERED)


def delivery(kept: KeptVideos, disk: str | None) -> Delivery:
    async def no_link(url: str, file: Any) -> int:
        raise AssertionError(url)

    return Delivery(cast(Messenger, None), no_link, kept, disk=disk)


def test_a_disk_keeps_its_name_and_no_two_have_the_same(tmp_path: Path) -> None:
    here = KeptVideos(tmp_path / "here" / "videos")
    name = here.disk()
    assert name
    assert KeptVideos(tmp_path / "here" / "videos").disk() == here.disk() == name
    assert KeptVideos(tmp_path / "there" / "videos").disk() != name
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["disk"]


async def test_a_kept_video_is_recorded_with_its_disk(task: Task, tmp_path: Path) -> None:
    kept = KeptVideos(tmp_path / "videos")
    assert await delivery(kept, "here").kept_by(task) is None
    kept.put(task.id, io.BytesIO(b"video"))
    assert await delivery(kept, "here").kept_by(task) == "here"


async def test_a_single_process_records_no_disk(task: Task, tmp_path: Path) -> None:
    kept = KeptVideos(tmp_path / "videos")
    kept.put(task.id, io.BytesIO(b"video"))
    assert await delivery(kept, None).kept_by(task) is None
