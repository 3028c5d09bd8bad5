"""One press is one order, regardless of who presses and how often."""

from __future__ import annotations

import asyncio

import pytest

from bot import texts
from bot.core.errors import TelegramLater, TelegramUnauthorized
from bot.core.task import Task, TaskState
from storage import IncomingUpdate
from tests.support.handler_harness import HandlerHarness, Person


async def drafted(harness: HandlerHarness, person: Person) -> int:
    """A draft with its card; the card's number."""
    await harness.feed(**person.text("A cat"))
    return harness.telegram.last_id


async def test_a_press_orders_wakes_the_worker_and_turns_the_card_into_the_status(
    harness: HandlerHarness, ann: Person
) -> None:
    card = await drafted(harness, ann)
    number = await harness.feed(**ann.press("r|1|9:16"))
    task = harness.task()
    assert (task["state"], task["aspect_ratio"]) == ("queued", "9:16")
    assert task["confirmed_by"] == number
    assert len(harness.woken) == 1
    assert harness.telegram.toasts == ["Accepted! Your video will arrive here."]
    [edit] = harness.telegram.edits
    assert edit.name == "editMessageText"
    assert int(edit.params["message_id"]) == card
    assert "you are next" in edit.text
    assert "9:16" in edit.text
    assert edit.buttons == [[("Cancel", "x|1")]]


async def test_the_status_below_a_photo_is_its_caption(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.photo(caption="It waves"))
    await harness.feed(**ann.press("r|1|9:16"))
    [edit] = harness.telegram.edits
    assert edit.name == "editMessageCaption"
    assert "you are next" in edit.text


async def test_the_second_in_the_queue_sees_the_position(
    harness: HandlerHarness, ann: Person, boris: Person
) -> None:
    await drafted(harness, ann)
    await harness.feed(**ann.press("r|1|1:1"))
    harness.clock.pass_(1)
    await drafted(harness, boris)
    await harness.feed(**boris.press("r|2|1:1"))
    assert "место в очереди: 2" in harness.telegram.edits[1].text


async def test_a_double_tap_orders_once_and_is_answered(
    harness: HandlerHarness, ann: Person
) -> None:
    await drafted(harness, ann)
    await asyncio.gather(*(harness.feed(**ann.press("r|1|1:1")) for _ in range(5)))
    assert harness.states() == ["queued"]
    assert harness.rows("SELECT count(*) FROM task_events WHERE state = 'queued'") == [(1,)]
    assert len(harness.woken) == 1
    assert sorted(harness.telegram.toasts) == sorted(
        ["Accepted! Your video will arrive here."]
        + 4 * [texts.statuses.press_done("en", TaskState.QUEUED)]
    )


async def test_a_second_press_on_another_ratio_changes_nothing(
    harness: HandlerHarness, ann: Person
) -> None:
    await drafted(harness, ann)
    await harness.feed(**ann.press("r|1|1:1"))
    await harness.feed(**ann.press("r|1|9:16"))
    assert harness.task()["aspect_ratio"] == "1:1"


async def test_the_same_press_again_after_a_crash_counts_as_accepted(
    harness: HandlerHarness, ann: Person
) -> None:
    await drafted(harness, ann)
    event = ann.press("r|1|1:1")
    harness.telegram.refuse("editMessageText", 500, "Internal Server Error")
    with pytest.raises(TelegramLater):
        await harness.feed(**event)
    assert harness.states() == ["queued"]
    assert harness.telegram.edits == []
    await harness.again(harness.last_update, **event)
    assert harness.telegram.toasts == 2 * ["Accepted! Your video will arrive here."]
    assert len(harness.telegram.edits) == 1
    assert harness.rows("SELECT count(*) FROM tasks") == [(1,)]


async def test_a_strangers_press_does_nothing_and_is_answered(
    harness: HandlerHarness, ann: Person, boris: Person
) -> None:
    card = await drafted(harness, ann)
    for data in ("r|1|1:1", "x|1", "u|1", "d|1"):
        await harness.feed(**boris.press(data, card))
    assert harness.states() == ["draft"]
    assert harness.telegram.toasts == 4 * [texts.statuses.press_foreign("ru")]
    assert harness.telegram.edits == []
    assert harness.woken == []


async def test_a_button_of_a_missing_task_is_answered(
    harness: HandlerHarness, ann: Person
) -> None:
    for data in ("r|99|1:1", "x|99", "u|99", "d|99", "r|1|4:3", "l|xx", "old button", "r|x|1:1"):
        await harness.feed(**ann.press(data, 5))
    assert harness.telegram.toasts == 8 * [texts.statuses.press_expired("en")]
    assert harness.states() == []


async def test_a_press_too_old_to_be_answered_still_orders(
    harness: HandlerHarness, ann: Person
) -> None:
    await drafted(harness, ann)
    harness.telegram.refuse("answerCallbackQuery", 400, "Bad Request: query is too old")
    await harness.feed(**ann.press("r|1|1:1"))
    assert harness.states() == ["queued"]
    assert len(harness.telegram.edits) == 1


@pytest.mark.parametrize(
    "description",
    ["Bad Request: message is not modified", "Bad Request: message to edit not found"],
)
async def test_a_card_that_cannot_be_edited_is_ignored(
    harness: HandlerHarness, ann: Person, description: str
) -> None:
    await drafted(harness, ann)
    harness.telegram.refuse("editMessageText", 400, description)
    await harness.feed(**ann.press("r|1|1:1"))
    assert harness.states() == ["queued"]


async def test_the_message_that_was_pressed_becomes_the_status(
    harness: HandlerHarness, ann: Person
) -> None:
    await drafted(harness, ann)
    await harness.feed(**ann.press("r|1|1:1", 77))
    assert harness.task()["card_message_id"] == 77
    assert int(harness.telegram.edits[0].params["message_id"]) == 77


async def test_a_status_already_shown_by_the_worker_is_not_edited(
    harness: HandlerHarness, ann: Person
) -> None:
    await drafted(harness, ann)
    harness.dispatcher["wake"] = lambda: harness.rows("UPDATE tasks SET state = 'generating'")
    await harness.feed(**ann.press("r|1|1:1"))
    assert harness.telegram.edits == []


async def test_a_press_whose_order_was_leased_by_the_own_worker_may_be_handled_again(
    harness: HandlerHarness, ann: Person
) -> None:
    """That it is done is written when somebody writes anyway."""
    await drafted(harness, ann)
    harness.claim_on_commit.free = True
    event = ann.press("r|1|1:1", 77)
    number = await harness.feed(**event)
    [taken] = harness.claim_on_commit.taken
    assert (taken.state, taken.card_message_id) == (TaskState.QUEUED, 77)
    assert harness.task()["lease_owner"] == "here"
    assert harness.telegram.toasts == ["Accepted! Your video will arrive here."]
    assert harness.storage.inbox.ended == {number}
    harness.storage.inbox.ended.clear()
    await harness.again(number, **event)  # the program was killed before that was noted
    assert harness.telegram.toasts == 2 * ["Accepted! Your video will arrive here."]
    assert harness.telegram.edits == []  # the worker shows its status
    assert harness.claim_on_commit.taken == [taken]
    assert harness.storage.inbox.ended == {number}


async def test_a_press_is_marked_done_only_after_its_answer(
    harness: HandlerHarness, ann: Person
) -> None:
    await drafted(harness, ann)
    harness.claim_on_commit.free = True
    harness.telegram.refuse("answerCallbackQuery", 401, "Unauthorized")
    with pytest.raises(TelegramUnauthorized):
        await harness.feed(**ann.press("r|1|1:1"))
    assert harness.states() == ["queued"]
    assert harness.storage.inbox.ended == set()


async def test_a_press_whose_order_waits_is_marked_done_with_its_status(
    harness: HandlerHarness, ann: Person
) -> None:
    await drafted(harness, ann)
    await harness.feed(**ann.press("r|1|1:1"))
    assert len(harness.telegram.edits) == 1
    assert harness.storage.inbox.ended == set()


async def test_a_prompt_is_marked_done_with_the_record_of_its_card(
    harness: HandlerHarness, ann: Person
) -> None:
    update = IncomingUpdate(update_id=1, chat_key="7", payload="{}")
    await harness.storage.inbox.add([update], now=harness.clock())
    harness.telegram.refuse("sendMessage", 500, "Internal Server Error")
    event = ann.text("A cat")
    with pytest.raises(TelegramLater):
        await harness.feed(**event)
    assert harness.rows("SELECT state FROM inbox") == [("pending",)]
    await harness.again(1, **event)
    assert harness.rows("SELECT state FROM inbox") == [("done",)]
    assert harness.task()["card_message_id"] == harness.telegram.last_id


# --- cancelling ----------------------------------------------------------------------------


@pytest.mark.parametrize("ordered", [False, True])
async def test_cancel_is_free_before_anything_was_submitted(
    harness: HandlerHarness, ann: Person, ordered: bool
) -> None:
    card = await drafted(harness, ann)
    if ordered:
        await harness.feed(**ann.press("r|1|1:1"))
    await harness.feed(**ann.press("x|1"))
    assert harness.states() == ["cancelled"]
    assert harness.telegram.toasts[-1] == "Cancelled. No money was taken."
    edit = harness.telegram.edits[-1]
    assert int(edit.params["message_id"]) == card
    assert "No money was taken" in edit.text
    assert edit.buttons == []


async def test_cancelling_twice_says_cancelled_twice(harness: HandlerHarness, ann: Person) -> None:
    await drafted(harness, ann)
    event = ann.press("x|1")
    number = await harness.feed(**event)
    await harness.again(number, **event)
    assert harness.telegram.toasts == 2 * ["Cancelled. No money was taken."]
    assert harness.rows("SELECT count(*) FROM task_events WHERE state = 'cancelled'") == [(1,)]


async def test_a_cancelled_card_cannot_be_ordered(harness: HandlerHarness, ann: Person) -> None:
    await drafted(harness, ann)
    await harness.feed(**ann.press("x|1"))
    await harness.feed(**ann.press("r|1|1:1"))
    assert harness.states() == ["cancelled"]
    assert harness.telegram.toasts[-1] == texts.statuses.press_done("en", TaskState.CANCELLED)


@pytest.mark.parametrize("state", ["submitting", "generating"])
async def test_cancel_after_submit_says_that_the_money_is_spent(
    harness: HandlerHarness, ann: Person, state: str
) -> None:
    await drafted(harness, ann)
    harness.rows("UPDATE tasks SET state = ?", state)
    await harness.feed(**ann.press("x|1"))
    assert harness.states() == [state]
    assert harness.telegram.toasts == [texts.statuses.press_too_late("en")]
    assert harness.telegram.edits == []


async def test_cancel_after_the_first_was_submitted_cancels_the_others_of_the_order(
    harness: HandlerHarness, ann: Person
) -> None:
    """The press came too late for one; the others must not be made and paid for."""
    await drafted(harness, ann)
    harness.rows("UPDATE tasks SET variants = 3")
    await harness.feed(**ann.press("r|1|9:16"))
    harness.rows("UPDATE tasks SET state = 'submitting' WHERE id = 1")
    edits = len(harness.telegram.edits)
    await harness.feed(**ann.press("x|1"))
    assert harness.states() == ["submitting", "cancelled", "cancelled"]
    assert harness.telegram.toasts[-1] == (
        "Cancelled. No money was taken.\n"
        "🎬 The video that is already being made will still arrive."
    )
    assert len(harness.telegram.edits) == edits, "the message goes on with the first"
    await harness.feed(**ann.press("x|1"))
    assert harness.telegram.toasts[-1] == texts.statuses.press_too_late("en")


async def test_cancel_during_a_submit_that_is_refused_cancels(
    harness: HandlerHarness, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await drafted(harness, ann)
    harness.rows("UPDATE tasks SET state = 'submitting'")
    get = harness.storage.tasks.get

    async def refused(task_id: int) -> Task | None:
        harness.rows("UPDATE tasks SET state = 'queued'")
        return await get(task_id)

    monkeypatch.setattr(harness.storage.tasks, "get", refused)
    await harness.feed(**ann.press("x|1"))
    assert harness.states() == ["cancelled"]
    assert harness.telegram.toasts == [texts.statuses.press_cancelled("en")]


async def test_cancelling_the_request_for_a_prompt_also_removes_the_card(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.photo())
    question = harness.telegram.last_id
    await harness.feed(**ann.text("It waves"))
    card = harness.telegram.last_id
    await harness.feed(**ann.press("x|1", question))
    assert harness.states() == ["cancelled"]
    edited = {(call.name, int(call.params["message_id"])) for call in harness.telegram.edits}
    assert edited == {("editMessageText", question), ("editMessageCaption", card)}


@pytest.mark.parametrize("state", sorted(set(TaskState) - {TaskState.DRAFT}))
async def test_an_old_button_reports_the_outcome_of_the_order(
    harness: HandlerHarness, ann: Person, state: TaskState
) -> None:
    await drafted(harness, ann)
    harness.rows("UPDATE tasks SET state = ?", state.value)
    await harness.feed(**ann.press("r|1|1:1"))
    assert harness.states() == [state.value]
    assert harness.telegram.toasts == [texts.statuses.press_done("en", state)]
    assert harness.woken == []


# --- consent ---------------------------------------------------------------------------------


async def test_the_first_photo_names_its_recipient_and_ordering_is_consent(
    harness: HandlerHarness, ann: Person
) -> None:
    agree = "By choosing an aspect ratio you agree"
    await harness.feed(**ann.photo(caption="A cat"))
    assert agree in harness.telegram.sent[-1].text
    assert harness.rows("SELECT count(*) FROM consents") == [(0,)]
    await harness.feed(**ann.press("r|1|9:16", photo=[]))
    assert harness.states() == ["queued"]
    assert harness.rows("SELECT user_id FROM consents") == [(7,)]
    await harness.feed(**ann.photo(caption="A dog"))
    assert agree not in harness.telegram.sent[-1].text


async def test_a_prompt_alone_needs_no_consent(harness: HandlerHarness, ann: Person) -> None:
    await harness.feed(**ann.text("A cat"))
    await harness.feed(**ann.press("r|1|9:16"))
    assert "agree" not in harness.telegram.sent[-1].text
    assert harness.rows("SELECT count(*) FROM consents") == [(0,)]


async def test_a_short_prompt_is_read_above_the_card_and_not_repeated(
    harness: HandlerHarness, ann: Person
) -> None:
    asked = ann.text("A cat")
    await harness.feed(**asked)
    [card] = harness.telegram.sent
    assert (card.reply_to, "A cat" in card.text) == (asked["message"]["message_id"], False)
    await harness.feed(**ann.press("o|1|1", text=card.text, reply_to_message=asked["message"]))
    [edit] = harness.telegram.edits
    assert edit.text == card.text
    # Without the message above it, the card says itself what is ordered.
    await harness.feed(**ann.press("o|1|1", text=card.text))
    assert harness.telegram.edits[-1].text.startswith("A cat\n")


@pytest.mark.parametrize("prompt", ["A cat " * 20, "A cat\non a roof"])
async def test_a_prompt_that_does_not_fit_above_the_card_is_repeated(
    harness: HandlerHarness, ann: Person, prompt: str
) -> None:
    await harness.feed(**ann.text(prompt))
    assert harness.telegram.sent[0].text.startswith(" ".join(prompt.split()) + "\n")
