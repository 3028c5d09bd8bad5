"""The buttons below notices: order again after an unknown result, and send the kept video."""

from __future__ import annotations

import pytest

from bot import texts
from bot.core.task import TaskState
from tests.support.handler_harness import HandlerHarness, Person


async def ended(harness: HandlerHarness, person: Person, state: str) -> None:
    await harness.feed(**person.text("A cat"))
    await harness.feed(**person.press("r|1|9:16"))
    harness.rows("UPDATE tasks SET state = ?", state)
    harness.telegram.calls.clear()
    harness.woken.clear()


async def test_an_unknown_order_is_ordered_again_in_the_same_message(
    harness: HandlerHarness, ann: Person
) -> None:
    await ended(harness, ann, "unknown")
    await harness.feed(**ann.press("u|1", 55))
    assert harness.states() == ["unknown", "queued"]
    second = harness.task(2)
    assert (second["prompt"], second["aspect_ratio"], second["retry_of"]) == ("A cat", "9:16", 1)
    assert second["card_message_id"] == 55
    assert harness.telegram.toasts == ["Ordered again. Your video will arrive here."]
    assert int(harness.telegram.edits[0].params["message_id"]) == 55
    assert harness.telegram.edits[0].buttons == [[("Cancel", "x|2")]]
    assert len(harness.woken) == 1


async def test_a_second_press_orders_nothing_more(harness: HandlerHarness, ann: Person) -> None:
    await ended(harness, ann, "unknown")
    await harness.feed(**ann.press("u|1", 55))
    await harness.feed(**ann.press("u|1", 55))
    assert harness.states() == ["unknown", "queued"]
    assert harness.telegram.toasts[1] == texts.statuses.press_done("en", TaskState.QUEUED)


async def test_the_same_press_again_after_a_crash_orders_nothing_more(
    harness: HandlerHarness, ann: Person
) -> None:
    await ended(harness, ann, "unknown")
    event = ann.press("u|1", 55)
    number = await harness.feed(**event)
    await harness.again(number, **event)
    assert harness.states() == ["unknown", "queued"]
    assert harness.telegram.toasts == 2 * [texts.results.press_retried("en")]


async def test_an_order_whose_answer_came_after_all_is_not_repeated(
    harness: HandlerHarness, ann: Person
) -> None:
    await ended(harness, ann, "generating")
    await harness.feed(**ann.press("u|1", 55))
    assert harness.states() == ["generating"]
    assert harness.telegram.toasts == [texts.statuses.press_done("en", TaskState.GENERATING)]


async def test_a_kept_video_is_sent_again(harness: HandlerHarness, ann: Person) -> None:
    await ended(harness, ann, "undeliverable")
    await harness.feed(**ann.press("d|1", 55))
    assert harness.states() == ["rendered"]
    assert harness.telegram.toasts == ["Sending it…"]
    assert "Sending it" in harness.telegram.edits[0].text
    assert harness.task()["card_message_id"] == 55
    assert len(harness.woken) == 1


@pytest.mark.parametrize("state", ["delivered", "failed"])
async def test_a_video_that_is_not_kept_is_not_sent(
    harness: HandlerHarness, ann: Person, state: str
) -> None:
    await ended(harness, ann, state)
    await harness.feed(**ann.press("d|1", 55))
    assert harness.states() == [state]
    assert harness.telegram.toasts == [texts.statuses.press_done("en", TaskState(state))]
    assert harness.woken == []
