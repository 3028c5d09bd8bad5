"""Alerts to the operator while the program runs, and the effects of their buttons."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.sandbox.gptunnel.records import Mode
from bot.sandbox.telegram.people import Person
from tests.e2e.conftest import QUICK, creates, has_button, is_video, jobs, order, words
from tests.support.media_files import clip, learnt
from tests.support.process_harness import KEY, ProcessHarness, open_process_harness, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def harness(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ProcessHarness]:
    folder: Path = tmp_path_factory.mktemp("operator")
    async with open_process_harness(folder, delay=QUICK, renderer=clip) as opened:
        await learnt(opened.database_url, QUICK)
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def admin(harness: ProcessHarness) -> Person:
    """The admin, with whose user ID the bot is started."""
    olga = harness.telegram.add_person("Olga", language_code="en")
    await harness.start(settings={"ADMINS": str(olga.id)})
    await olga.send_text("/start")
    return olga


async def hears(admin: Person, text: str) -> dict[str, object]:
    return await admin.expect(lambda m: text in words(m), within=60)


async def test_a_refused_key_is_reported_once_and_try_now_ends_the_hold(
    harness: ProcessHarness, admin: Person
) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    harness.provider.api_key = "another"
    await order(anna, "a cat behind a locked door")
    alert = await hears(admin, "GPTunnel refuses the key")
    harness.provider.api_key = KEY
    await admin.press(alert, "🔄 Try now")
    await anna.expect(is_video, within=60)
    await hears(admin, "GPTunnel accepts the key again")
    told = [m for m in admin.chat.messages.values() if "refuses the key" in words(m)]
    assert len(told) <= 1
    assert len(jobs(harness, "a cat behind a locked door")) == 1


async def test_an_overloaded_provider_holds_the_queue_until_it_recovers(
    harness: ProcessHarness, admin: Person
) -> None:
    people = [harness.telegram.add_person(f"P{n}", language_code="en") for n in range(4)]
    harness.provider.mode = Mode.OVERLOADED
    for number, person in enumerate(people):
        await order(person, f"scene {number} of many")
    await hears(admin, "GPTunnel is overloaded")
    harness.provider.mode = Mode.WELL
    for person in people:
        await person.expect(is_video, within=60)
    await hears(admin, "the queue continues")
    for number in range(len(people)):
        assert len(jobs(harness, f"scene {number} of many")) == 1


async def test_a_held_queue_sends_nothing_until_it_is_released(
    harness: ProcessHarness, admin: Person
) -> None:
    boris = harness.telegram.add_person("Boris", language_code="en")
    await admin.send_text("/admin")
    panel = await admin.expect(has_button("⏸ Let the queue wait"), within=60)
    await admin.press(panel, "⏸ Let the queue wait")
    await until(lambda: has_button("▶️ Resume the queue")(admin.chat.messages[panel["message_id"]]))
    await order(boris, "a ship that waits")
    await order(boris, "a second ship")
    assert creates(harness, "a ship that waits") == []
    panel = admin.chat.messages[panel["message_id"]]
    await admin.press(panel, "▶️ Resume the queue")
    await boris.expect(is_video, within=60)
    assert len(creates(harness, "a ship that waits")) == 1
