"""One press is one order, whoever presses and however often."""

from __future__ import annotations

import asyncio

import pytest

from bot import texts
from bot.errors import TelegramLater, TelegramUnauthorized
from bot.task import Task, TaskState
from storage import IncomingUpdate
from tests.handlers.conftest import Person, World


async def drafted(world: World, person: Person) -> int:
    """A draft with its card; the card's number."""
    await world.feed(**person.text("A cat"))
    return world.telegram.last_id


async def test_a_press_orders_wakes_the_worker_and_turns_the_card_into_the_status(
    world: World, ann: Person
) -> None:
    card = await drafted(world, ann)
    number = await world.feed(**ann.press("r|1|9:16"))
    task = world.task()
    assert (task["state"], task["aspect_ratio"]) == ("queued", "9:16")
    assert task["confirmed_by"] == number
    assert len(world.woken) == 1
    assert world.telegram.toasts == ["Accepted! Your video comes here."]
    [edit] = world.telegram.edits
    assert edit.name == "editMessageText"
    assert int(edit.params["message_id"]) == card
    assert "you are next" in edit.text
    assert "9:16" in edit.text
    assert edit.buttons == [[("Cancel", "x|1")]]


async def test_the_status_below_a_photo_is_its_caption(world: World, ann: Person) -> None:
    await world.feed(**ann.photo(caption="It waves"))
    await world.feed(**ann.press("r|1|9:16"))
    [edit] = world.telegram.edits
    assert edit.name == "editMessageCaption"
    assert "you are next" in edit.text


async def test_the_second_in_the_queue_is_told_so(
    world: World, ann: Person, boris: Person
) -> None:
    await drafted(world, ann)
    await world.feed(**ann.press("r|1|1:1"))
    world.clock.pass_(1)
    await drafted(world, boris)
    await world.feed(**boris.press("r|2|1:1"))
    assert "место в очереди: 2" in world.telegram.edits[1].text


async def test_a_double_tap_orders_once_and_is_told(world: World, ann: Person) -> None:
    await drafted(world, ann)
    await asyncio.gather(*(world.feed(**ann.press("r|1|1:1")) for _ in range(5)))
    assert world.states() == ["queued"]
    assert world.rows("SELECT count(*) FROM task_events WHERE state = 'queued'") == [(1,)]
    assert len(world.woken) == 1
    assert sorted(world.telegram.toasts) == sorted(
        ["Accepted! Your video comes here."] + 4 * [texts.press_done("en", TaskState.QUEUED)]
    )


async def test_a_second_press_on_another_shape_changes_nothing(world: World, ann: Person) -> None:
    await drafted(world, ann)
    await world.feed(**ann.press("r|1|1:1"))
    await world.feed(**ann.press("r|1|9:16"))
    assert world.task()["aspect_ratio"] == "1:1"


async def test_the_same_press_again_after_a_crash_counts_as_accepted(
    world: World, ann: Person
) -> None:
    await drafted(world, ann)
    event = ann.press("r|1|1:1")
    world.telegram.refuse("editMessageText", 500, "Internal Server Error")
    with pytest.raises(TelegramLater):
        await world.feed(**event)
    assert world.states() == ["queued"]
    assert world.telegram.edits == []
    await world.again(world.last_update, **event)
    assert world.telegram.toasts == 2 * ["Accepted! Your video comes here."]
    assert len(world.telegram.edits) == 1
    assert world.rows("SELECT count(*) FROM tasks") == [(1,)]


async def test_a_strangers_press_does_nothing_and_is_told(
    world: World, ann: Person, boris: Person
) -> None:
    card = await drafted(world, ann)
    for data in ("r|1|1:1", "x|1", "u|1", "d|1"):
        await world.feed(**boris.press(data, card))
    assert world.states() == ["draft"]
    assert world.telegram.toasts == 4 * [texts.press_foreign("ru")]
    assert world.telegram.edits == []
    assert world.woken == []


async def test_a_button_of_a_task_that_is_not_there_is_told(world: World, ann: Person) -> None:
    for data in ("r|99|1:1", "x|99", "u|99", "d|99", "r|1|4:3", "l|xx", "old button", "r|x|1:1"):
        await world.feed(**ann.press(data, 5))
    assert world.telegram.toasts == 8 * [texts.press_expired("en")]
    assert world.states() == []


async def test_a_press_too_old_to_be_answered_still_orders(world: World, ann: Person) -> None:
    await drafted(world, ann)
    world.telegram.refuse("answerCallbackQuery", 400, "Bad Request: query is too old")
    await world.feed(**ann.press("r|1|1:1"))
    assert world.states() == ["queued"]
    assert len(world.telegram.edits) == 1


@pytest.mark.parametrize(
    "description",
    ["Bad Request: message is not modified", "Bad Request: message to edit not found"],
)
async def test_a_card_that_cannot_be_edited_is_no_trouble(
    world: World, ann: Person, description: str
) -> None:
    await drafted(world, ann)
    world.telegram.refuse("editMessageText", 400, description)
    await world.feed(**ann.press("r|1|1:1"))
    assert world.states() == ["queued"]


async def test_the_message_that_was_pressed_becomes_the_status(world: World, ann: Person) -> None:
    await drafted(world, ann)
    await world.feed(**ann.press("r|1|1:1", 77))
    assert world.task()["card_message_id"] == 77
    assert int(world.telegram.edits[0].params["message_id"]) == 77


async def test_a_status_that_the_worker_shows_already_is_left_alone(
    world: World, ann: Person
) -> None:
    await drafted(world, ann)
    world.dispatcher["wake"] = lambda: world.rows("UPDATE tasks SET state = 'generating'")
    await world.feed(**ann.press("r|1|1:1"))
    assert world.telegram.edits == []


async def test_a_press_whose_order_the_own_worker_took_may_be_handled_again(
    world: World, ann: Person
) -> None:
    """That it is done is written when somebody writes anyway."""
    await drafted(world, ann)
    world.hands.free = True
    event = ann.press("r|1|1:1", 77)
    number = await world.feed(**event)
    [taken] = world.hands.taken
    assert (taken.state, taken.card_message_id) == (TaskState.QUEUED, 77)
    assert world.task()["lease_owner"] == "here"
    assert world.telegram.toasts == ["Accepted! Your video comes here."]
    assert world.storage.inbox.ended == {number}
    world.storage.inbox.ended.clear()
    await world.again(number, **event)  # the program was killed before that was noted
    assert world.telegram.toasts == 2 * ["Accepted! Your video comes here."]
    first, second = world.telegram.edits
    assert first.params == second.params
    assert world.hands.taken == [taken]
    assert world.storage.inbox.ended == {number}


async def test_a_press_is_not_over_before_it_was_answered(world: World, ann: Person) -> None:
    await drafted(world, ann)
    world.hands.free = True
    world.telegram.refuse("answerCallbackQuery", 401, "Unauthorized")
    with pytest.raises(TelegramUnauthorized):
        await world.feed(**ann.press("r|1|1:1"))
    assert world.states() == ["queued"]
    assert world.storage.inbox.ended == set()


async def test_a_press_whose_order_waits_is_over_when_its_status_was_shown(
    world: World, ann: Person
) -> None:
    await drafted(world, ann)
    await world.feed(**ann.press("r|1|1:1"))
    assert len(world.telegram.edits) == 1
    assert world.storage.inbox.ended == set()


async def test_a_prompt_is_over_with_the_note_of_its_card(world: World, ann: Person) -> None:
    update = IncomingUpdate(update_id=1, chat_key="7", payload="{}")
    await world.storage.inbox.add([update], now=world.clock())
    world.telegram.refuse("sendMessage", 500, "Internal Server Error")
    event = ann.text("A cat")
    with pytest.raises(TelegramLater):
        await world.feed(**event)
    assert world.rows("SELECT state FROM inbox") == [("pending",)]
    await world.again(1, **event)
    assert world.rows("SELECT state FROM inbox") == [("done",)]
    assert world.task()["card_message_id"] == world.telegram.last_id


# --- cancelling ----------------------------------------------------------------------------


@pytest.mark.parametrize("ordered", [False, True])
async def test_cancel_is_free_before_anything_was_submitted(
    world: World, ann: Person, ordered: bool
) -> None:
    card = await drafted(world, ann)
    if ordered:
        await world.feed(**ann.press("r|1|1:1"))
    await world.feed(**ann.press("x|1"))
    assert world.states() == ["cancelled"]
    assert world.telegram.toasts[-1] == "Cancelled. No money was taken."
    edit = world.telegram.edits[-1]
    assert int(edit.params["message_id"]) == card
    assert "No money was taken" in edit.text
    assert edit.buttons == []


async def test_cancelling_twice_says_cancelled_twice(world: World, ann: Person) -> None:
    await drafted(world, ann)
    event = ann.press("x|1")
    number = await world.feed(**event)
    await world.again(number, **event)
    assert world.telegram.toasts == 2 * ["Cancelled. No money was taken."]
    assert world.rows("SELECT count(*) FROM task_events WHERE state = 'cancelled'") == [(1,)]


async def test_a_cancelled_card_cannot_be_ordered(world: World, ann: Person) -> None:
    await drafted(world, ann)
    await world.feed(**ann.press("x|1"))
    await world.feed(**ann.press("r|1|1:1"))
    assert world.states() == ["cancelled"]
    assert world.telegram.toasts[-1] == texts.press_done("en", TaskState.CANCELLED)


@pytest.mark.parametrize("state", ["submitting", "generating"])
async def test_cancel_after_submit_says_that_the_money_is_spent(
    world: World, ann: Person, state: str
) -> None:
    await drafted(world, ann)
    world.rows("UPDATE tasks SET state = ?", state)
    await world.feed(**ann.press("x|1"))
    assert world.states() == [state]
    assert world.telegram.toasts == [texts.press_too_late("en")]
    assert world.telegram.edits == []


async def test_cancel_during_a_submit_that_is_refused_cancels(
    world: World, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await drafted(world, ann)
    world.rows("UPDATE tasks SET state = 'submitting'")
    get = world.storage.tasks.get

    async def refused(task_id: int) -> Task | None:
        world.rows("UPDATE tasks SET state = 'queued'")
        return await get(task_id)

    monkeypatch.setattr(world.storage.tasks, "get", refused)
    await world.feed(**ann.press("x|1"))
    assert world.states() == ["cancelled"]
    assert world.telegram.toasts == [texts.press_cancelled("en")]


async def test_cancelling_the_question_for_words_also_takes_the_card_away(
    world: World, ann: Person
) -> None:
    await world.feed(**ann.photo())
    question = world.telegram.last_id
    await world.feed(**ann.text("It waves"))
    card = world.telegram.last_id
    await world.feed(**ann.press("x|1", question))
    assert world.states() == ["cancelled"]
    edited = {(call.name, int(call.params["message_id"])) for call in world.telegram.edits}
    assert edited == {("editMessageText", question), ("editMessageCaption", card)}


@pytest.mark.parametrize("state", sorted(set(TaskState) - {TaskState.DRAFT}))
async def test_an_old_button_says_what_became_of_the_order(
    world: World, ann: Person, state: TaskState
) -> None:
    await drafted(world, ann)
    world.rows("UPDATE tasks SET state = ?", state.value)
    await world.feed(**ann.press("r|1|1:1"))
    assert world.states() == [state.value]
    assert world.telegram.toasts == [texts.press_done("en", state)]
    assert world.woken == []


# --- consent ---------------------------------------------------------------------------------


async def test_the_first_photo_tells_who_gets_it_and_ordering_agrees(
    world: World, ann: Person
) -> None:
    agree = "By choosing a shape you agree"
    await world.feed(**ann.photo(caption="A cat"))
    assert agree in world.telegram.sent[-1].text
    assert world.rows("SELECT count(*) FROM consents") == [(0,)]
    await world.feed(**ann.press("r|1|9:16", photo=[]))
    assert world.states() == ["queued"]
    assert world.rows("SELECT user_id FROM consents") == [(7,)]
    await world.feed(**ann.photo(caption="A dog"))
    assert agree not in world.telegram.sent[-1].text


async def test_words_alone_need_no_consent(world: World, ann: Person) -> None:
    await world.feed(**ann.text("A cat"))
    await world.feed(**ann.press("r|1|9:16"))
    assert "agree" not in world.telegram.sent[-1].text
    assert world.rows("SELECT count(*) FROM consents") == [(0,)]
