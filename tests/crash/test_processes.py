"""The campaigns' own tools: starts and ends of processes are reported, even when a wait is
aborted."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from tests.support.launcher import Launcher


async def test_process_exits_are_reported_after_an_aborted_start(
    launcher: Launcher, tmp_path: Path
) -> None:
    environment = {"HTTP_PORT": "0", "PATH": os.environ["PATH"]}  # too little to live on
    async with asyncio.timeout(60):
        async with asyncio.TaskGroup() as group:
            given_up = group.create_task(
                launcher.start(environment, tmp_path, tmp_path / "given-up.log")
            )
            await asyncio.sleep(0)  # the order is out
            given_up.cancel()
        life = await launcher.start(environment, tmp_path, tmp_path / "life.log")
        assert await life.ended == 2
    assert "BOT_TOKEN" in life.lines
