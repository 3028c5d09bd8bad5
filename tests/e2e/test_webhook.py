"""Updates by webhook, and switching between polling and webhook: the program as a process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from bot.sandbox.telegram.people import Person
from tests.e2e.conftest import Json, is_video, order
from tests.support.media_files import clip, learnt
from tests.support.process_harness import ProcessHarness, open_process_harness, until

WEBHOOK = {"UPDATES": "webhook"}


@pytest_asyncio.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ProcessHarness]:
    async with open_process_harness(tmp_path, delay=0.4, renderer=clip) as opened:
        await learnt(opened.database_url, 0.4)
        opened.telegram.api.delivery.retry_delay = 0.05
        yield opened


async def test_a_journey_by_webhook_never_polls(harness: ProcessHarness) -> None:
    bot = await harness.start(settings=WEBHOOK)
    await until(lambda: harness.telegram.world.webhook.url)
    assert harness.telegram.world.webhook.url == f"{bot.http}/telegram"
    assert len(harness.telegram.world.webhook.secret) == 64
    assert harness.telegram.world.webhook.secret not in bot.lines
    anna = harness.telegram.add_person("Anna", language_code="en")
    asked, _ = await order(anna, "a lighthouse")
    video = await anna.expect(is_video, within=60)
    assert video["reply_to_message"]["message_id"] == asked["message_id"]
    assert harness.telegram.calls_of("getUpdates") == []
    assert await bot.stop() == 0
    # It stays set: what comes now is kept by Telegram for the next start.
    assert harness.telegram.world.webhook.url


def said(person: Person) -> list[Json]:
    """Return what the bot wrote; answers to commands quote nothing."""
    return [m for m in person.messages if m["from"]["is_bot"]]


async def test_switching_between_polling_and_webhook_loses_no_update(
    harness: ProcessHarness,
) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    asked = []
    for settings in (WEBHOOK, {"UPDATES": "polling"}, WEBHOOK, {"UPDATES": "polling"}):
        # Sent while no bot runs, whichever way was used before.
        asked.append(await anna.send_text("/help"))
        bot = await harness.start(settings=settings)
        asked.append(await anna.send_text("/help"))
        await until(lambda: len(said(anna)) == len(asked))
        assert await bot.stop() == 0
    assert len(said(anna)) == len(asked) == 8
