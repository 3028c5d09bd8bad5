"""People who block the bot while their orders wait: nothing is ordered, and they are told when
they come back.
"""

from __future__ import annotations

from bot.core.alerts import Switch
from tests.support.app_harness import AppHarness

WHY = "The bot was blocked, or removed from the group, before your order was sent."


async def test_an_order_that_waits_is_not_sent_and_the_person_hears_of_it_later(
    harness: AppHarness,
) -> None:
    anna, boris = harness.person(), harness.person()
    await harness.storage.alerts.hold(Switch.SUBMITS, by=0, now=harness.time())
    await harness.order(anna)
    await harness.order(boris)
    await anna.block_bot()
    await harness.until(lambda: harness.state(1) == "cancelled")
    await harness.storage.alerts.release([Switch.SUBMITS], by=0, now=harness.time())
    harness.parts.worker.wake()
    await harness.ended("delivered", 2)
    assert len(harness.provider.charges) == 1
    assert harness.state(1) == "cancelled"

    await anna.unblock_bot()
    await harness.pass_(60)
    assert WHY not in "".join(harness.words(anna.chat))
    await anna.send_text("/help")
    await harness.pass_(10)
    [said] = [words for words in harness.words(anna.chat) if WHY in words]
    assert "No money was taken" in said
