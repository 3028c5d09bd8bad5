"""/history, the inline mode and /delete_me: people's own videos and data."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot import texts
from tests.support.handler_harness import HandlerHarness, Person


async def ordered(harness: HandlerHarness, person: Person, number: int) -> None:
    """So many videos, each delivered; then nothing was said yet."""
    for _ in range(number):
        await harness.feed(**person.text(f"Cat {len(harness.states()) + 1}"))
        task_id = len(harness.states())
        await harness.feed(**person.press(f"r|{task_id}|9:16"))
        harness.rows(
            "UPDATE tasks SET state = 'delivered', video_file_id = ? WHERE id = ?",
            f"video-{task_id}",
            task_id,
        )
    harness.telegram.calls.clear()


async def test_history_is_shown_in_pages(harness: HandlerHarness, ann: Person) -> None:
    await ordered(harness, ann, 7)
    await harness.feed(**ann.text("/history"))
    [page] = harness.telegram.sent
    assert "Cat 7" in page.text
    assert "Cat 2" not in page.text
    assert page.buttons == [
        [(str(n), f"ho|{8 - n}") for n in range(1, 6)], [("›", "hp|7|1")],
    ]  # fmt: skip
    await harness.feed(**ann.press("hp|7|1"))
    [turned] = harness.telegram.edits
    assert "Cat 2" in turned.text
    assert turned.buttons[-1] == [("‹", "hp|7|0")]


async def test_an_empty_history_says_what_to_do(harness: HandlerHarness, boris: Person) -> None:
    await harness.feed(**boris.text("/history"))
    [empty] = harness.telegram.sent
    assert "пока нет видео" in empty.text
    assert empty.buttons == []


async def test_a_number_sends_the_video_without_an_upload(
    harness: HandlerHarness, ann: Person
) -> None:
    await ordered(harness, ann, 1)
    await harness.feed(**ann.press("ho|1", 50))
    [video] = harness.telegram.sent
    assert (video.name, video.params["video"]) == ("sendVideo", "video-1")
    assert video.files == {}
    assert video.text.startswith("Cat 1")
    assert video.buttons[-1] == [("🗑 Delete for good", "b|z|1")]
    assert harness.states() == ["delivered"]


async def test_a_video_that_telegram_lost_can_be_made_again(
    harness: HandlerHarness, ann: Person
) -> None:
    await ordered(harness, ann, 1)
    harness.telegram.refuse("sendVideo", 400, "Bad Request: wrong file identifier")
    await harness.feed(**ann.press("ho|1", 50))
    [words] = harness.telegram.sent
    assert "no longer has" in words.text
    assert words.buttons[0][0][1] == "b|a|1"


@pytest.mark.parametrize(
    ("state", "says", "button"),
    [
        ("failed", "There is no video", "b|w|1"),
        ("unknown", "not known", "u|1"),
        ("undeliverable", "kept", "d|1"),
        ("cancelled", "Cancelled", "b|a|1"),
        ("generating", "Making your video", None),
    ],
)
async def test_an_order_without_a_video_shows_its_outcome(
    harness: HandlerHarness, ann: Person, state: str, says: str, button: str | None
) -> None:
    await ordered(harness, ann, 1)
    reasons = {"failed": "unsafe_prompt", "undeliverable": "chat_unreachable"}
    sql = "UPDATE tasks SET state = ?, video_file_id = NULL, reason = ?"
    harness.rows(sql, state, reasons.get(state))
    await harness.feed(**ann.press("ho|1", 50))
    [words] = harness.telegram.sent
    assert says in words.text
    pressed = [data for row in words.buttons for _, data in row]
    assert (button in pressed) if button else pressed == []


async def test_nobody_reads_somebody_elses_history(
    harness: HandlerHarness, ann: Person, boris: Person
) -> None:
    await ordered(harness, ann, 1)
    await harness.feed(**boris.press("ho|1", 50))
    await harness.feed(**boris.press("hp|7|0", 50))
    assert harness.telegram.toasts == 2 * [texts.statuses.press_foreign("ru")]
    assert [call.name for call in harness.telegram.calls] == 2 * ["answerCallbackQuery"]


# --- inline ----------------------------------------------------------------------------------


def asks(person: Person, words: str, offset: str = "") -> dict[str, Any]:
    query = {"id": "q", "from": person.user, "query": words, "offset": offset}
    return {"inline_query": query}


def answer(harness: HandlerHarness) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    call = harness.telegram.named("answerInlineQuery")[-1]
    return json.loads(call.params["results"]), call.params


async def test_inline_finds_ones_own_videos_by_words(
    harness: HandlerHarness, ann: Person, boris: Person
) -> None:
    await ordered(harness, ann, 3)
    await harness.feed(**asks(ann, "CAT 2"))
    [found], params = answer(harness)
    assert (found["type"], found["video_file_id"], found["title"]) == (
        "video", "video-2", "Cat 2",
    )  # fmt: skip
    assert params["is_personal"] == "true"
    await harness.feed(**asks(boris, "cat"))
    assert answer(harness)[0] == []


async def test_inline_results_continue_at_the_offset(harness: HandlerHarness, ann: Person) -> None:
    await ordered(harness, ann, 22)
    await harness.feed(**asks(ann, ""))
    first, params = answer(harness)
    assert [video["id"] for video in first] == [str(number) for number in range(22, 2, -1)]
    await harness.feed(**asks(ann, "", params["next_offset"]))
    rest, params = answer(harness)
    assert [video["id"] for video in rest] == ["2", "1"]
    assert params.get("next_offset", "") == ""


async def test_a_late_inline_answer_is_dropped(harness: HandlerHarness, ann: Person) -> None:
    harness.telegram.refuse("answerInlineQuery", 400, "Bad Request: query is too old")
    await harness.feed(**asks(ann, "cat"))


# --- their data ------------------------------------------------------------------------------


async def test_all_data_is_deleted_after_the_second_tap(
    harness: HandlerHarness, ann: Person, boris: Person
) -> None:
    await ordered(harness, ann, 2)
    await ordered(harness, boris, 1)
    await harness.feed(**ann.text("/delete_me"))
    [question] = harness.telegram.sent
    assert question.buttons == [
        [("Delete everything", "dm|7|1")], [("Keep it", "dm|7|0")],
    ]  # fmt: skip
    assert len(harness.states()) == 3
    event = ann.press("dm|7|1")
    number = await harness.feed(**event)
    await harness.again(number, **event)
    assert harness.rows("SELECT user_id FROM tasks") == [(8,)]
    assert harness.rows("SELECT user_id FROM users") == [(8,)]
    assert harness.forgotten == [1, 2]
    assert "Deleted: your prompts" in harness.telegram.edits[-1].text


async def test_a_cancelled_deletion_deletes_nothing(harness: HandlerHarness, ann: Person) -> None:
    await ordered(harness, ann, 1)
    await harness.feed(**ann.text("/delete_me"))
    await harness.feed(**ann.press("dm|7|0"))
    assert harness.states() == ["delivered"]
    assert "Nothing was deleted" in harness.telegram.edits[-1].text


async def test_nobody_else_can_confirm_a_deletion_in_a_group(
    harness: HandlerHarness, ann: Person, boris: Person
) -> None:
    await ordered(harness, ann, 1)
    await ordered(harness, boris, 1)
    await harness.feed(**boris.press("dm|7|1"))
    assert len(harness.states()) == 2
    assert harness.telegram.toasts == [texts.statuses.press_foreign("ru")]


# --- the Stop button -------------------------------------------------------------------------


async def test_telegrams_stop_button_cancels_a_waiting_order(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.text("A cat"))
    await harness.feed(**ann.press("r|1|9:16"))
    harness.telegram.calls.clear()
    event = {"stopped_message_generation": {"chat": ann.chat, "draft_id": 1}}
    await harness.feed(**event)
    assert harness.states() == ["cancelled"]
    [edit] = harness.telegram.edits
    assert "No money was taken" in edit.text


async def test_the_stop_button_cancels_nothing_else(
    harness: HandlerHarness, ann: Person, boris: Person
) -> None:
    await harness.feed(**ann.text("A cat"))
    await harness.feed(**ann.press("r|1|9:16"))
    harness.telegram.calls.clear()
    await harness.feed(stopped_message_generation={"chat": boris.chat, "draft_id": 1})
    harness.rows("UPDATE tasks SET state = 'generating'")
    await harness.feed(stopped_message_generation={"chat": ann.chat, "draft_id": 1})
    await harness.feed(stopped_message_generation={"chat": ann.chat, "draft_id": 99})
    assert harness.states() == ["generating"]
    assert harness.telegram.calls == []
