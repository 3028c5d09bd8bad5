"""The buttons below notices: knowingly once more, and the kept video."""

from __future__ import annotations

import pytest

from bot import texts
from bot.task import TaskState
from tests.handlers.conftest import Person, World


async def ended(world: World, person: Person, state: str) -> None:
    await world.feed(**person.text("A cat"))
    await world.feed(**person.press("r|1|9:16"))
    world.rows("UPDATE tasks SET state = ?", state)
    world.telegram.calls.clear()
    world.woken.clear()


async def test_an_unknown_order_is_ordered_once_more_and_told_in_the_same_message(
    world: World, ann: Person
) -> None:
    await ended(world, ann, "unknown")
    await world.feed(**ann.press("u|1", 55))
    assert world.states() == ["unknown", "queued"]
    second = world.task(2)
    assert (second["prompt"], second["aspect_ratio"], second["retry_of"]) == ("A cat", "9:16", 1)
    assert second["card_message_id"] == 55
    assert world.telegram.toasts == ["Ordered once more. Your video comes here."]
    assert int(world.telegram.edits[0].params["message_id"]) == 55
    assert world.telegram.edits[0].buttons == [[("Cancel", "x|2")]]
    assert len(world.woken) == 1


async def test_a_second_press_orders_nothing_more(world: World, ann: Person) -> None:
    await ended(world, ann, "unknown")
    await world.feed(**ann.press("u|1", 55))
    await world.feed(**ann.press("u|1", 55))
    assert world.states() == ["unknown", "queued"]
    assert world.telegram.toasts[1] == texts.press_done("en", TaskState.QUEUED)


async def test_the_same_press_again_after_a_crash_orders_nothing_more(
    world: World, ann: Person
) -> None:
    await ended(world, ann, "unknown")
    event = ann.press("u|1", 55)
    number = await world.feed(**event)
    await world.again(number, **event)
    assert world.states() == ["unknown", "queued"]
    assert world.telegram.toasts == 2 * [texts.press_retried("en")]


async def test_an_order_whose_answer_came_after_all_is_not_repeated(
    world: World, ann: Person
) -> None:
    await ended(world, ann, "generating")
    await world.feed(**ann.press("u|1", 55))
    assert world.states() == ["generating"]
    assert world.telegram.toasts == [texts.press_done("en", TaskState.GENERATING)]


async def test_a_kept_video_is_sent_again(world: World, ann: Person) -> None:
    await ended(world, ann, "undeliverable")
    await world.feed(**ann.press("d|1", 55))
    assert world.states() == ["rendered"]
    assert world.telegram.toasts == ["Sending it…"]
    assert "Sending it" in world.telegram.edits[0].text
    assert world.task()["card_message_id"] == 55
    assert len(world.woken) == 1


@pytest.mark.parametrize("state", ["delivered", "failed"])
async def test_a_video_that_is_not_kept_is_not_sent(world: World, ann: Person, state: str) -> None:
    await ended(world, ann, state)
    await world.feed(**ann.press("d|1", 55))
    assert world.states() == [state]
    assert world.telegram.toasts == [texts.press_done("en", TaskState(state))]
    assert world.woken == []
