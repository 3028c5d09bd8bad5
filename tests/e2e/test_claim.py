"""A new bot as a process: claimed with the link of its log, and its admin outlives a restart."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.e2e.conftest import QUICK, is_video, order, words
from tests.support.media_files import clip, learnt
from tests.support.process_harness import KEY, ProcessHarness, open_process_harness, until

LINK = re.compile(r"https://t\.me/sandbox_video_bot\?start=(claim-[\w-]+)")
NEW = {"ACCESS": "closed", "ADMINS": ""}


@pytest_asyncio.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ProcessHarness]:
    async with open_process_harness(tmp_path, delay=QUICK, renderer=clip) as opened:
        await learnt(opened.database_url, QUICK)
        yield opened


async def test_the_link_of_the_log_makes_an_admin_who_stays_one(harness: ProcessHarness) -> None:
    bot = await harness.start(settings=NEW)
    anna = harness.telegram.add_person("Anna", language_code="en")
    await until(lambda: LINK.search(bot.lines))
    [code] = LINK.findall(bot.lines)
    await anna.send_text(f"/start {code}")
    await anna.expect(lambda m: "You are the admin of this bot now." in words(m), within=60)
    await order(anna, "a cat that is claimed")
    await anna.expect(is_video, within=60)
    assert bot.lines.count(code) == 1
    assert await bot.stop() == 0

    again = await harness.start(settings=NEW)
    harness.provider.api_key = "another"
    await order(anna, "a cat behind a locked door")
    await anna.expect(lambda m: "GPTunnel refuses the key" in words(m), within=60)
    harness.provider.api_key = KEY
    assert "claim-" not in again.lines
    assert await again.stop() == 0
