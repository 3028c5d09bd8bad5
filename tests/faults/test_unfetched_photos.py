"""A photo that the provider cannot fetch: one order is lost at most, then photos are paused.

The promise: orders of words alone continue, people are told why, and nothing more is charged.
"""

from __future__ import annotations

from typing import Any

from bot.core.alerts import Switch
from bot.core.task import Reason
from bot.sandbox.gptunnel.records import Mode
from bot.sandbox.telegram.people import Person
from bot.texts import i18n
from tests.faults.test_telegram_files import photo
from tests.support.app_harness import AppHarness, OpenAppHarness
from tests.support.process_harness import free_port


async def photo_card(harness: AppHarness, person: Person) -> dict[str, Any]:
    await person.send_photo(photo(), "a red fox")
    return await harness.find(person.chat, lambda m: "9:16" in str(m.get("reply_markup")))


async def test_the_first_photo_that_nobody_fetched_stops_photos_and_nothing_else(
    make_harness: OpenAppHarness,
) -> None:
    async with make_harness(public_url=f"http://127.0.0.1:{free_port()}") as harness:
        anna, boris = harness.person(), harness.person("ru", "Boris")
        waiting = await photo_card(harness, boris)
        await anna.press(await photo_card(harness, anna), "9:16")
        await harness.until(lambda: harness.states() == ["draft", "failed"])
        assert harness.task(2)["reason"] == Reason.FRAME_UNFETCHED
        await harness.until(lambda: any("get your photo" in w for w in harness.words(anna.chat)))
        assert (await harness.storage.alerts.held())[Switch.PHOTOS].by == 0

        # A card from before is refused when it is pressed, a new photo when it arrives.
        await boris.press(waiting, "9:16")
        await harness.until(
            lambda: any(
                "Сейчас фото" in str(c.params) for c in harness.sent("answerCallbackQuery")
            )
        )
        await anna.send_photo(photo(), "a blue fox")
        off = i18n.words("en")("Photos cannot be used in this bot at the moment.")
        await harness.until(lambda: any(off in text for text in harness.words(anna.chat)))
        number = await harness.order(harness.person(), "only words")
        await harness.ended("delivered", number, within=120)
        assert harness.states() == ["draft", "failed", "delivered"]
        assert len(harness.provider.charges) == 2


async def test_a_photo_that_was_fetched_is_not_the_reason(harness: AppHarness) -> None:
    harness.provider.mode = Mode.FAILS
    anna = harness.person()
    await anna.press(await photo_card(harness, anna), "9:16")
    await harness.ended("failed", within=600)
    assert harness.task()["reason"] == Reason.PROVIDER_FAILED
    assert await harness.storage.alerts.held() == {}
