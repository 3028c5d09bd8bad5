"""/history, the inline mode and /delete_me: people's own videos and data."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot import texts
from tests.handlers.conftest import Person, World


async def ordered(world: World, person: Person, number: int) -> None:
    """So many videos, each delivered; then nothing was said yet."""
    for _ in range(number):
        await world.feed(**person.text(f"Cat {len(world.states()) + 1}"))
        task_id = len(world.states())
        await world.feed(**person.press(f"r|{task_id}|9:16"))
        world.rows(
            "UPDATE tasks SET state = 'delivered', video_file_id = ? WHERE id = ?",
            f"video-{task_id}",
            task_id,
        )
    world.telegram.calls.clear()


async def test_history_shows_pages_that_can_be_turned(world: World, ann: Person) -> None:
    await ordered(world, ann, 7)
    await world.feed(**ann.text("/history"))
    [page] = world.telegram.sent
    assert "Cat 7" in page.text
    assert "Cat 2" not in page.text
    assert page.buttons == [
        [(str(n), f"ho|{8 - n}") for n in range(1, 6)], [("›", "hp|7|1")],
    ]  # fmt: skip
    await world.feed(**ann.press("hp|7|1"))
    [turned] = world.telegram.edits
    assert "Cat 2" in turned.text
    assert turned.buttons[-1] == [("‹", "hp|7|0")]


async def test_an_empty_history_says_what_to_do(world: World, boris: Person) -> None:
    await world.feed(**boris.text("/history"))
    [empty] = world.telegram.sent
    assert "пока нет видео" in empty.text
    assert empty.buttons == []


async def test_a_number_brings_the_video_without_an_upload(world: World, ann: Person) -> None:
    await ordered(world, ann, 1)
    await world.feed(**ann.press("ho|1", 50))
    [video] = world.telegram.sent
    assert (video.name, video.params["video"]) == ("sendVideo", "video-1")
    assert video.files == {}
    assert video.text.startswith("Cat 1")
    assert video.buttons[-1] == [("🗑 Delete for good", "b|z|1")]
    assert world.states() == ["delivered"]


async def test_a_video_that_telegram_lost_can_be_made_again(world: World, ann: Person) -> None:
    await ordered(world, ann, 1)
    world.telegram.refuse("sendVideo", 400, "Bad Request: wrong file identifier")
    await world.feed(**ann.press("ho|1", 50))
    [words] = world.telegram.sent
    assert "any more" in words.text
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
async def test_an_order_without_a_video_says_what_became_of_it(
    world: World, ann: Person, state: str, says: str, button: str | None
) -> None:
    await ordered(world, ann, 1)
    reasons = {"failed": "unsafe_prompt", "undeliverable": "chat_unreachable"}
    sql = "UPDATE tasks SET state = ?, video_file_id = NULL, reason = ?"
    world.rows(sql, state, reasons.get(state))
    await world.feed(**ann.press("ho|1", 50))
    [words] = world.telegram.sent
    assert says in words.text
    pressed = [data for row in words.buttons for _, data in row]
    assert (button in pressed) if button else pressed == []


async def test_nobody_reads_somebody_elses_history(
    world: World, ann: Person, boris: Person
) -> None:
    await ordered(world, ann, 1)
    await world.feed(**boris.press("ho|1", 50))
    await world.feed(**boris.press("hp|7|0", 50))
    assert world.telegram.toasts == 2 * [texts.press_foreign("ru")]
    assert [call.name for call in world.telegram.calls] == 2 * ["answerCallbackQuery"]


# --- inline ----------------------------------------------------------------------------------


def asks(person: Person, words: str, offset: str = "") -> dict[str, Any]:
    query = {"id": "q", "from": person.user, "query": words, "offset": offset}
    return {"inline_query": query}


def answer(world: World) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    call = world.telegram.named("answerInlineQuery")[-1]
    return json.loads(call.params["results"]), call.params


async def test_inline_finds_ones_own_videos_by_words(
    world: World, ann: Person, boris: Person
) -> None:
    await ordered(world, ann, 3)
    await world.feed(**asks(ann, "CAT 2"))
    [found], params = answer(world)
    assert (found["type"], found["video_file_id"], found["title"]) == (
        "video", "video-2", "Cat 2",
    )  # fmt: skip
    assert params["is_personal"] == "true"
    await world.feed(**asks(boris, "cat"))
    assert answer(world)[0] == []


async def test_inline_goes_on_where_it_stopped(world: World, ann: Person) -> None:
    await ordered(world, ann, 22)
    await world.feed(**asks(ann, ""))
    first, params = answer(world)
    assert [video["id"] for video in first] == [str(number) for number in range(22, 2, -1)]
    await world.feed(**asks(ann, "", params["next_offset"]))
    rest, params = answer(world)
    assert [video["id"] for video in rest] == ["2", "1"]
    assert params.get("next_offset", "") == ""


async def test_an_answer_that_comes_too_late_is_let_go(world: World, ann: Person) -> None:
    world.telegram.refuse("answerInlineQuery", 400, "Bad Request: query is too old")
    await world.feed(**asks(ann, "cat"))


# --- their data ------------------------------------------------------------------------------


async def test_everything_goes_after_the_second_tap(
    world: World, ann: Person, boris: Person
) -> None:
    await ordered(world, ann, 2)
    await ordered(world, boris, 1)
    await world.feed(**ann.text("/delete_me"))
    [question] = world.telegram.sent
    assert question.buttons == [
        [("Delete everything", "dm|7|1")], [("Keep it", "dm|7|0")],
    ]  # fmt: skip
    assert len(world.states()) == 3
    event = ann.press("dm|7|1")
    number = await world.feed(**event)
    await world.again(number, **event)
    assert world.rows("SELECT user_id FROM tasks") == [(8,)]
    assert world.rows("SELECT user_id FROM users") == [(8,)]
    assert world.forgotten == [1, 2]
    assert "Deleted: your words" in world.telegram.edits[-1].text


async def test_a_change_of_mind_deletes_nothing(world: World, ann: Person) -> None:
    await ordered(world, ann, 1)
    await world.feed(**ann.text("/delete_me"))
    await world.feed(**ann.press("dm|7|0"))
    assert world.states() == ["delivered"]
    assert "Nothing was deleted" in world.telegram.edits[-1].text


async def test_in_a_group_nobody_else_confirms(world: World, ann: Person, boris: Person) -> None:
    await ordered(world, ann, 1)
    await ordered(world, boris, 1)
    await world.feed(**boris.press("dm|7|1"))
    assert len(world.states()) == 2
    assert world.telegram.toasts == [texts.press_foreign("ru")]


# --- the Stop button -------------------------------------------------------------------------


async def test_telegrams_stop_button_takes_a_waiting_order_back(world: World, ann: Person) -> None:
    await world.feed(**ann.text("A cat"))
    await world.feed(**ann.press("r|1|9:16"))
    world.telegram.calls.clear()
    event = {"stopped_message_generation": {"chat": ann.chat, "draft_id": 1}}
    await world.feed(**event)
    assert world.states() == ["cancelled"]
    [edit] = world.telegram.edits
    assert "No money was taken" in edit.text


async def test_the_stop_button_takes_nothing_else_back(
    world: World, ann: Person, boris: Person
) -> None:
    await world.feed(**ann.text("A cat"))
    await world.feed(**ann.press("r|1|9:16"))
    world.telegram.calls.clear()
    await world.feed(stopped_message_generation={"chat": boris.chat, "draft_id": 1})
    world.rows("UPDATE tasks SET state = 'generating'")
    await world.feed(stopped_message_generation={"chat": ann.chat, "draft_id": 1})
    await world.feed(stopped_message_generation={"chat": ann.chat, "draft_id": 99})
    assert world.states() == ["generating"]
    assert world.telegram.calls == []
