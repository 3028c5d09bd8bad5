"""/history, the inline mode and /delete_me: people's own videos and data."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from PIL import Image

from bot import texts
from bot.core.access import Access
from bot.texts import contact_sheet
from tests.support.handler_harness import Call, HandlerHarness, Person, jpeg

SIZES = [{"file_id": "sheet", "file_unique_id": "s", "width": 1280, "height": 800}]


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


def picture(call: Call) -> Image.Image:
    """The picture that was sent or put in place of another one."""
    [content] = call.files.values()
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


async def test_history_is_a_picture_in_pages_that_replace_each_other(
    harness: HandlerHarness, ann: Person
) -> None:
    await ordered(harness, ann, 8)
    await harness.feed(**ann.text("/history"))
    [page] = harness.telegram.sent
    assert page.name == "sendPhoto"
    assert "Cat 8" in page.text
    assert "Cat 2" not in page.text
    assert page.buttons == [
        [(str(n), f"ho|{9 - n}") for n in range(1, 7)], [("›", "hp|7|1")],
    ]  # fmt: skip
    first = picture(page)
    assert first.format == "JPEG"
    await harness.feed(**ann.press("hp|7|1", photo=SIZES))
    [turned] = harness.telegram.edits
    assert turned.name == "editMessageMedia"
    assert "Cat 2" in turned.params["media"]
    assert turned.buttons[-1] == [("‹", "hp|7|0")]
    second = picture(turned)
    assert second.width == first.width
    assert second.height < first.height, "one row of pictures instead of two"


async def test_the_small_pictures_of_telegram_are_on_the_sheet_and_the_rest_is_drawn(
    harness: HandlerHarness, ann: Person
) -> None:
    await ordered(harness, ann, 3)
    harness.rows("UPDATE tasks SET thumbnail_file_id = 'small-' || id WHERE id > 1")
    harness.telegram.contents["small-3"] = jpeg(180, 320)  # red
    harness.telegram.contents["small-2"] = b"no picture"
    await harness.feed(**ann.text("/history"))
    sheet = picture(harness.telegram.sent[0])
    middles = [
        sheet.getpixel(
            (contact_sheet.GAP + n * (contact_sheet.CELL + contact_sheet.GAP) + 200, 240)
        )
        for n in range(3)
    ]
    reds = [pixel[0] > 150 and pixel[1] < 80 for pixel in middles]  # type: ignore[index]
    assert reds == [True, False, False]
    # Telegram lost one of them: the page comes all the same
    harness.telegram.refuse("getFile", 400, "Bad Request: wrong file_id")
    await harness.feed(**ann.text("/history"))
    assert harness.telegram.sent[-1].name == "sendPhoto"


async def test_a_chat_without_pictures_gets_the_list_in_words(
    harness: HandlerHarness, ann: Person
) -> None:
    await ordered(harness, ann, 1)
    harness.telegram.refuse("sendPhoto", 400, "Bad Request: not enough rights to send photos")
    await harness.feed(**ann.text("/history"))
    [page] = harness.telegram.sent
    assert page.name == "sendMessage"
    assert "✅ ready · 1 January 2026" in page.text
    assert page.buttons == [[("1", "ho|1")]]


async def test_an_old_page_in_words_becomes_a_picture(
    harness: HandlerHarness, ann: Person
) -> None:
    await ordered(harness, ann, 7)
    await harness.feed(**ann.press("hp|7|1"))
    [turned] = harness.telegram.edits
    assert turned.name == "editMessageMedia"
    harness.telegram.calls.clear()
    harness.telegram.refuse("editMessageMedia", 400, "Bad Request: message can't be edited")
    await harness.feed(**ann.press("hp|7|0"))
    [turned] = harness.telegram.edits
    assert turned.name == "editMessageText"
    assert "ready" in turned.text


async def test_history_is_searched_in_any_case_and_alphabet(
    harness: HandlerHarness, ann: Person, boris: Person
) -> None:
    for words in ("A Red FOX", "a cat", "Рыжая ЛИСА в снегу", "a fox | again"):
        await harness.feed(**ann.text(words))
        await harness.feed(**ann.press(f"r|{len(harness.states())}|9:16"))
    harness.rows("UPDATE tasks SET original = 'Кот', rewritten = prompt WHERE id = 2")
    harness.telegram.calls.clear()
    for sought, found in (
        ("fox", [4, 1]), ("лиса СНЕГУ", [3]), ("кот", [2]), ("fox red", [1]), ("dog", []),
    ):  # fmt: skip
        await harness.feed(**ann.text(f"/history {sought}"))
        page = harness.telegram.sent[-1]
        opens = [data for row in page.buttons for _, data in row]
        assert opens == [f"ho|{number}" for number in found], sought
        assert sought in page.text
        if found == [2]:  # in the person's own words, not in those that were sent
            assert "1. Кот" in page.text
    await harness.feed(**boris.text("/history fox"))
    assert "Ничего не нашлось" in harness.telegram.sent[-1].text


async def test_a_search_goes_on_over_its_pages(harness: HandlerHarness, ann: Person) -> None:
    await ordered(harness, ann, 7)
    await harness.feed(**ann.text("/history CAT"))
    [page] = harness.telegram.sent
    assert page.buttons[-1] == [("›", "hs|7|1|CAT")]
    await harness.feed(**ann.press("hs|7|1|CAT", photo=SIZES))
    [turned] = harness.telegram.edits
    assert "Found: CAT" in turned.params["media"]
    assert turned.buttons == [[("1", "ho|1")], [("‹", "hs|7|0|CAT")]]


async def test_a_film_is_one_entry_that_opens_as_a_film(
    harness: HandlerHarness, ann: Person, boris: Person
) -> None:
    await ordered(harness, ann, 4)
    harness.rows("INSERT INTO films (id, user_id, created_at) VALUES (5, 7, '2026-01-01')")
    for task_id, place in ((1, 1), (2, 2), (3, 3)):
        harness.rows(
            "UPDATE tasks SET film_id = 5, film_place = ?, film_since = ? WHERE id = ?",
            place, "2026-01-01 12:00:00.000000", task_id,
        )  # fmt: skip
    harness.rows("UPDATE tasks SET state = 'failed', reason = 'no_result' WHERE id = 3")
    await harness.feed(**ann.text("/history"))
    [page] = harness.telegram.sent
    # a failed part is an order that can be looked at; the two others are the film
    assert page.buttons == [[("1", "ho|4"), ("2", "ho|3"), ("3", "hf|5")]]
    assert "3. 🎞 Cat 1" in page.text
    await harness.feed(**ann.press("hf|5", 50))
    listed = harness.telegram.sent[-1]
    assert "Film of 2 parts" in listed.text
    assert listed.buttons[0] == [("▶️ Whole film", "f|w|5|0")]
    harness.rows("UPDATE films SET file_id = 'film', joined = '1.2' WHERE id = 5")
    await harness.feed(**ann.press("hf|5", 50))
    assert (harness.telegram.sent[-1].name, harness.telegram.sent[-1].params["video"]) == (
        "sendVideo", "film",
    )  # fmt: skip
    sent = len(harness.telegram.sent)
    await harness.feed(**boris.press("hf|5", 50))
    await harness.feed(**ann.press("hf|9", 50))
    assert len(harness.telegram.sent) == sent


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
    assert video.buttons[-1] == [("🎞 Continue", "b|f|1"), ("⋯ More", "b|o|1")]
    await harness.feed(**ann.press("b|o|1"))
    [opened] = harness.telegram.edits
    assert opened.name == "editMessageReplyMarkup"
    assert opened.buttons[-1] == [("🗑 Delete for good", "b|z|1")]
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
    harness.rows("UPDATE tasks SET original = 'Кот', rewritten = prompt WHERE id = 2")
    await harness.feed(**asks(ann, "кот"))
    assert [video["title"] for video in answer(harness)[0]] == ["Кот"]


async def test_inline_results_continue_at_the_offset(harness: HandlerHarness, ann: Person) -> None:
    await ordered(harness, ann, 22)
    await harness.feed(**asks(ann, ""))
    first, params = answer(harness)
    assert [video["id"] for video in first] == [str(number) for number in range(22, 2, -1)]
    await harness.feed(**asks(ann, "", params["next_offset"]))
    rest, params = answer(harness)
    assert [video["id"] for video in rest] == ["2", "1"]
    assert params.get("next_offset", "") == ""


@pytest.mark.parametrize("offset", ["9" * 60, "٣", "-1", "cat"])
async def test_a_forged_offset_begins_at_the_newest(
    harness: HandlerHarness, ann: Person, offset: str
) -> None:
    await ordered(harness, ann, 1)
    await harness.feed(**asks(ann, "", offset))
    [found], _ = answer(harness)
    assert found["id"] == "1"


async def test_a_late_inline_answer_is_dropped(harness: HandlerHarness, ann: Person) -> None:
    for access in (Access(is_open=True), Access()):
        harness.dispatcher["access"] = access
        harness.telegram.refuse("answerInlineQuery", 400, "Bad Request: query is too old")
        await harness.feed(**asks(ann, "cat"))
        assert not harness.telegram.refusals


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


async def test_the_status_of_a_deleted_order_does_not_stay(
    harness: HandlerHarness, ann: Person
) -> None:
    for _ in range(2):
        await harness.feed(**ann.text("A fox"))
    ordered_card, draft_card = harness.telegram.sent
    await harness.feed(**ann.press(ordered_card.buttons[0][0][1], ordered_card.message_id))
    await harness.feed(**ann.press("dm|7|1"))
    assert harness.states() == []
    [gone] = harness.telegram.named("deleteMessage")
    assert int(gone.params["message_id"]) == ordered_card.message_id != draft_card.message_id


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
