"""The buttons below a video: each works from the row alone, once, and for the owner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot import texts
from tests.media.test_video_reader import mp4
from tests.support.handler_harness import HandlerHarness, Person

CARD = "Nothing is ordered until you choose an aspect ratio"


async def made(
    harness: HandlerHarness, person: Person, state: str = "delivered", **changes: Any
) -> None:
    """A video of this person, in the chat as message 900."""
    await harness.feed(**person.text("A cat"))
    await harness.feed(**person.press("r|1|9:16"))
    values: dict[str, Any] = {"state": state, "video_file_id": "video", "video_message_id": 900}
    for name, value in (values | changes).items():
        harness.rows(f"UPDATE tasks SET {name} = ? WHERE id = 1", value)  # noqa: S608
    harness.telegram.calls.clear()
    harness.woken.clear()


async def test_again_orders_the_same_at_once_and_shows_its_status(
    harness: HandlerHarness, ann: Person
) -> None:
    await made(harness, ann)
    await harness.feed(**ann.press("b|a|1", 900))
    assert harness.states() == ["delivered", "queued"]
    second = harness.task(2)
    assert (second["prompt"], second["aspect_ratio"], second["message_id"]) == ("A cat", "9:16", 1)
    [card] = harness.telegram.sent
    assert card.reply_to == 900
    assert second["card_message_id"] == card.message_id
    [status] = harness.telegram.edits
    assert int(status.params["message_id"]) == card.message_id
    assert status.buttons == [[("Cancel", "x|2")]]
    assert harness.telegram.toasts == ["Ordered again. Your video will arrive here."]
    assert len(harness.woken) == 1


async def test_the_same_press_after_a_crash_orders_nothing_more(
    harness: HandlerHarness, ann: Person
) -> None:
    await made(harness, ann)
    event = ann.press("b|a|1", 900)
    number = await harness.feed(**event)
    await harness.again(number, **event)
    assert harness.states() == ["delivered", "queued"]
    assert len(harness.telegram.sent) == 1


async def test_a_second_tap_on_again_counts_as_a_mistake(
    harness: HandlerHarness, ann: Person
) -> None:
    await made(harness, ann)
    await harness.feed(**ann.press("b|a|1", 900))
    await harness.feed(**ann.press("b|a|1", 900))
    assert harness.states() == ["delivered", "queued"]
    assert harness.telegram.toasts[1] == texts.results.press_running("en")
    harness.rows("UPDATE tasks SET state = 'delivered' WHERE id = 2")
    await harness.feed(**ann.press("b|a|1", 900))
    assert harness.states() == ["delivered", "delivered", "queued"]


async def test_again_with_a_changed_price_opens_a_card_with_it(
    harness: HandlerHarness, ann: Person
) -> None:
    await made(harness, ann, price_kopecks=1000)
    await harness.feed(**ann.press("b|a|1", 900))
    assert harness.states() == ["delivered", "draft"]
    assert "17\xa0₽" in harness.telegram.sent[0].text
    assert CARD in harness.telegram.toasts[0]
    assert harness.woken == []


async def test_again_with_a_removed_model_opens_a_card_with_another(
    harness: HandlerHarness, ann: Person
) -> None:
    await made(harness, ann, model="gone")
    await harness.feed(**ann.press("b|a|1", 900))
    assert harness.states() == ["delivered", "draft"]
    assert harness.task(2)["model"] == "seedance-1-lite-480P-5s"


async def test_another_ratio_is_a_new_card(harness: HandlerHarness, ann: Person) -> None:
    await made(harness, ann)
    event = ann.press("b|r|1", 900)
    number = await harness.feed(**event)
    await harness.again(number, **event)
    assert harness.states() == ["delivered", "draft"]
    [card] = harness.telegram.sent
    assert card.text.startswith("A cat")
    assert "r|2|16:9" in [data for row in card.buttons for _, data in row]
    await harness.feed(**ann.press("r|2|16:9", card.message_id))
    assert harness.task(2)["aspect_ratio"] == "16:9"
    assert harness.states() == ["delivered", "queued"]


async def test_a_changed_prompt_is_offered_with_the_ratio_of_the_video(
    harness: HandlerHarness, ann: Person
) -> None:
    await made(harness, ann)
    await harness.feed(**ann.press("b|w|1", 900))
    await harness.feed(**ann.text("A dog"))
    assert harness.telegram.sent[-1].buttons[0][0] == ("9:16", "r|2|9:16")


async def test_a_changed_prompt_keeps_the_photo(harness: HandlerHarness, ann: Person) -> None:
    await harness.feed(**ann.photo(caption="A cat"))
    await harness.feed(**ann.press("r|1|9:16", photo=[]))
    harness.rows("UPDATE tasks SET state = 'failed', reason = 'unsafe_prompt'")
    harness.telegram.calls.clear()
    await harness.feed(**ann.press("b|w|1", 900))
    [question] = harness.telegram.sent
    assert "Write the new prompt" in question.text
    assert question.text.endswith("A cat")
    assert question.buttons == [[("📋 Copy prompt", "")], [("Cancel", "x|2")]]
    event = ann.text("A dog")
    number = await harness.feed(**event)
    await harness.again(number, **event)
    assert harness.states() == ["failed", "draft"]
    second = harness.task(2)
    assert (second["prompt"], second["frame_file_id"]) == ("A dog", "photo-1")
    assert harness.telegram.sent[-1].text.startswith("🎬")  # below "A dog"


async def test_without_its_photo_a_lost_order_is_a_card_again(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.photo(caption="A cat"))
    harness.rows("UPDATE tasks SET state = 'failed', reason = 'frame_unavailable'")
    harness.telegram.calls.clear()
    await harness.feed(**ann.press("b|n|1", 900))
    assert harness.task(2)["frame_file_id"] is None
    assert harness.telegram.sent[-1].name == "sendMessage"
    assert harness.telegram.sent[-1].text.startswith("A cat")


async def test_a_video_continues_from_its_last_picture(
    harness: HandlerHarness, ann: Person, tmp_path: Path
) -> None:
    await made(harness, ann)
    harness.telegram.contents["video"] = mp4(tmp_path)
    event = ann.press("b|f|1", 900)
    number = await harness.feed(**event)
    await harness.again(number, **event)
    [shown] = harness.telegram.sent
    assert shown.name == "sendPhoto"
    assert shown.reply_to == 900
    [picture] = shown.files.values()
    assert picture.startswith(b"\xff\xd8")
    draft = harness.task(2)
    assert (draft["state"], draft["prompt"]) == ("draft", None)
    assert draft["frame_file_id"] == f"sendPhoto-{shown.message_id}"
    harness.telegram.contents[draft["frame_file_id"]] = picture
    await harness.feed(**ann.text("It flies away"))
    assert harness.task(2)["prompt"] == "It flies away"
    assert len(harness.states()) == 2


async def test_without_photos_no_video_can_be_continued(
    harness: HandlerHarness, ann: Person
) -> None:
    await made(harness, ann)
    harness.set_offer(photos_on=False)
    await harness.feed(**ann.press("b|f|1", 900))
    assert harness.telegram.toasts == [texts.results.press_photos_off("en")]
    assert harness.telegram.sent == []


async def test_a_video_comes_as_a_file_and_is_uploaded_once(
    harness: HandlerHarness, ann: Person
) -> None:
    await made(harness, ann)
    harness.telegram.contents["video"] = b"the video"
    await harness.feed(**ann.press("b|d|1", 900))
    await harness.feed(**ann.press("b|d|1", 900))
    first, second = harness.telegram.sent
    assert list(first.files.values()) == [b"the video"]
    assert second.files == {}
    assert second.params["document"] == f"sendDocument-{first.message_id}"
    assert first.params["disable_content_type_detection"] == "true"


@pytest.mark.parametrize("act", ["d", "f"])
async def test_a_video_that_telegram_does_not_return_is_reported(
    harness: HandlerHarness, ann: Person, act: str
) -> None:
    await made(harness, ann)
    harness.telegram.refuse("getFile", 400, "Bad Request: file is too big")
    await harness.feed(**ann.press(f"b|{act}|1", 900))
    harness.telegram.refuse("getFile", 400, "Bad Request: invalid file_id")
    await harness.feed(**ann.press(f"b|{act}|1", 900))
    big, gone = [call.text for call in harness.telegram.sent]
    assert "20 MB" in big
    assert "no longer has" in gone
    assert harness.states() == ["delivered"]


async def test_more_shows_all_buttons_and_less_the_first_ones(
    harness: HandlerHarness, ann: Person, boris: Person
) -> None:
    await made(harness, ann)
    for act, back, last in (("m", "l", "b|x|1"), ("o", "p", "b|z|1")):
        await harness.feed(**ann.press(f"b|{act}|1", 900))
        opened = harness.telegram.edits[-1]
        assert opened.name == "editMessageReplyMarkup"
        assert int(opened.params["message_id"]) == 900
        data = [data for row in opened.buttons for _, data in row]
        assert data == ["b|a|1", "b|w|1", "b|f|1", f"b|{back}|1", "b|r|1", "b|d|1", "", last]
        await harness.feed(**ann.press(f"b|{back}|1", 900))
        closed = [data for row in harness.telegram.edits[-1].buttons for _, data in row]
        assert closed == ["b|a|1", "b|w|1", "b|f|1", f"b|{act}|1"]
    edits = len(harness.telegram.edits)
    await harness.feed(**boris.press("b|m|1", 900))
    assert len(harness.telegram.edits) == edits
    harness.telegram.refuse(
        "editMessageReplyMarkup", 400, "Bad Request: message to edit not found"
    )
    await harness.feed(**ann.press("b|m|1", 900))


async def test_a_deleted_video_leaves_the_chat_and_stays_in_the_history(
    harness: HandlerHarness, ann: Person
) -> None:
    await made(harness, ann)
    await harness.feed(**ann.press("b|x|1", 900))
    [gone] = harness.telegram.named("deleteMessage")
    assert int(gone.params["message_id"]) == 900
    assert harness.telegram.toasts == [texts.results.press_deleted("en")]
    assert harness.states() == ["delivered"]
    harness.telegram.refuse(
        "deleteMessage", 400, "Bad Request: message can't be deleted for everyone"
    )
    await harness.feed(**ann.press("b|x|1", 900))
    assert harness.telegram.toasts[1] == texts.results.press_by_hand("en")


async def test_a_permanently_deleted_order_is_stored_nowhere(
    harness: HandlerHarness, ann: Person
) -> None:
    await made(harness, ann)
    event = ann.press("b|z|1", 900)
    number = await harness.feed(**event)
    await harness.again(number, **event)
    assert harness.states() == []
    assert harness.telegram.toasts == 2 * [texts.results.press_forgotten("en")]
    assert harness.telegram.named("deleteMessage")


async def test_an_open_order_is_not_deleted(harness: HandlerHarness, ann: Person) -> None:
    await made(harness, ann, "generating")
    await harness.feed(**ann.press("b|z|1", 900))
    assert harness.states() == ["generating"]
    assert harness.telegram.toasts == [texts.results.press_not_over("en")]
    assert harness.telegram.named("deleteMessage") == []


@pytest.mark.parametrize("act", list("awrfdnxz"))
async def test_nobody_else_can_press(
    harness: HandlerHarness, ann: Person, boris: Person, act: str
) -> None:
    await made(harness, ann)
    await harness.feed(**boris.press(f"b|{act}|1", 900))
    assert harness.states() == ["delivered"]
    assert harness.telegram.toasts == [texts.statuses.press_foreign("ru")]
    assert [call.name for call in harness.telegram.calls] == ["answerCallbackQuery"]


@pytest.mark.parametrize("act", list("awrfdn"))
async def test_a_button_of_a_deleted_order_reports_it(
    harness: HandlerHarness, ann: Person, act: str
) -> None:
    await harness.feed(**ann.press(f"b|{act}|77", 900))
    assert harness.telegram.toasts == [texts.statuses.press_expired("en")]


async def test_an_old_message_of_a_topic_is_answered_in_its_topic(harness: HandlerHarness) -> None:
    group: dict[str, Any] = {"id": -100, "type": "supergroup", "title": "F", "is_forum": True}
    ann = Person(harness, chat=group)
    mention = {"type": "mention", "offset": 0, "length": 10}
    topic = {"message_thread_id": 9, "is_topic_message": True}
    await harness.feed(**ann.message(text="@video_bot A cat", entities=[mention], **topic))
    harness.rows("UPDATE tasks SET state = 'delivered', aspect_ratio = '1:1'")
    harness.telegram.calls.clear()
    press = ann.press("b|r|1", 900)
    press["callback_query"]["message"] = {"message_id": 900, "date": 0, "chat": group}
    await harness.feed(**press)
    [card] = harness.telegram.sent
    assert (card.params["chat_id"], card.params["message_thread_id"]) == ("-100", "9")
    assert card.reply_to == 900
