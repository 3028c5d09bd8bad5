"""A tunnel without an address, for as long as it takes.

The promise: photos wait and are not failed, nothing is counted or charged, nobody has to do
anything, and orders without a photo do not wait.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.texts import i18n
from tests.faults.test_telegram_files import photo
from tests.support.app_harness import AppHarness, OpenAppHarness

DAY = 86_400.0


@pytest.fixture
async def harness(make_harness: OpenAppHarness) -> AsyncIterator[AppHarness]:
    """The test itself sets the tunnel's address; no tunnel is opened."""
    async with make_harness(public_url="", public_tunnel="ssh://nokey@host.invalid") as opened:
        yield opened


def waits(lang: str) -> str:
    return i18n.words(lang)("Your photo waits for its connection")


@pytest.mark.parametrize("lang", ["en", "ru"])
async def test_photos_wait_for_more_than_a_day_and_continue_automatically(
    harness: AppHarness, lang: str
) -> None:
    anna = harness.person(lang)
    await anna.send_photo(photo(), "a red fox")
    card = await harness.find(anna.chat, lambda m: "9:16" in str(m.get("reply_markup")))
    await anna.press(card, "9:16")
    await harness.until(lambda: any(waits(lang) in text for text in harness.words(anna.chat)))
    edits = len(harness.sent("editMessageText")) + len(harness.sent("editMessageCaption"))
    await harness.pass_(DAY / 24)
    harness.time.move_to(harness.time.elapsed + 2 * DAY)
    await harness.pass_(60)
    task = harness.task()
    assert (task["state"], task["attempts"], task["submitted_at"]) == ("queued", 0, None)
    assert task["claims"] <= 1
    assert harness.sent("getFile") == []
    assert harness.asked("create") == []
    after = len(harness.sent("editMessageText")) + len(harness.sent("editMessageCaption"))
    assert after - edits <= 1

    harness.parts.address.set(harness.parts.server.local_url, "open")
    await harness.ended("delivered", within=60)
    [create] = harness.asked("create")
    assert create.body["images"][0].startswith(harness.parts.server.local_url)
    assert len(harness.provider.charges) == 1


async def test_orders_without_a_photo_do_not_wait(harness: AppHarness) -> None:
    anna = harness.person()
    await anna.send_photo(photo(), "a red fox")
    card = await harness.find(anna.chat, lambda m: "9:16" in str(m.get("reply_markup")))
    await anna.press(card, "9:16")
    await harness.until(lambda: any(waits("en") in text for text in harness.words(anna.chat)))
    number = await harness.order(harness.person(), "only words")
    await harness.ended("delivered", number, within=120)
    assert harness.states() == ["queued", "delivered"]


async def test_a_photo_that_waits_can_be_cancelled_for_free(harness: AppHarness) -> None:
    anna = harness.person()
    await anna.send_photo(photo(), "a red fox")
    card = await harness.find(anna.chat, lambda m: "9:16" in str(m.get("reply_markup")))
    await anna.press(card, "9:16")
    await harness.until(lambda: any(waits("en") in text for text in harness.words(anna.chat)))
    await anna.send_text("/cancel")
    await harness.until(lambda: harness.states() == ["cancelled"])
    harness.parts.address.set(harness.parts.server.local_url, "open")
    await harness.pass_(120)
    assert harness.asked("create") == []
