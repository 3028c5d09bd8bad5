"""The buttons below a video: each works from the row alone, once, and for the owner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot import texts
from tests.handlers.conftest import Person, World
from tests.test_media import mp4

CARD = "It costs nothing until you choose a shape"


async def made(world: World, person: Person, state: str = "delivered", **changes: Any) -> None:
    """A video of this person, in the chat as message 900."""
    await world.feed(**person.text("A cat"))
    await world.feed(**person.press("r|1|9:16"))
    values: dict[str, Any] = {"state": state, "video_file_id": "video", "video_message_id": 900}
    for name, value in (values | changes).items():
        world.rows(f"UPDATE tasks SET {name} = ? WHERE id = 1", value)  # noqa: S608
    world.telegram.calls.clear()
    world.woken.clear()


async def test_again_orders_the_same_at_once_and_shows_how_it_goes(
    world: World, ann: Person
) -> None:
    await made(world, ann)
    await world.feed(**ann.press("b|a|1", 900))
    assert world.states() == ["delivered", "queued"]
    second = world.task(2)
    assert (second["prompt"], second["aspect_ratio"], second["message_id"]) == ("A cat", "9:16", 1)
    [card] = world.telegram.sent
    assert card.reply_to == 900
    assert second["card_message_id"] == card.message_id
    [status] = world.telegram.edits
    assert int(status.params["message_id"]) == card.message_id
    assert status.buttons == [[("Cancel", "x|2")]]
    assert world.telegram.toasts == ["Ordered once more. Your video comes here."]
    assert len(world.woken) == 1


async def test_the_same_press_after_a_crash_orders_nothing_more(world: World, ann: Person) -> None:
    await made(world, ann)
    event = ann.press("b|a|1", 900)
    number = await world.feed(**event)
    await world.again(number, **event)
    assert world.states() == ["delivered", "queued"]
    assert len(world.telegram.sent) == 1


async def test_a_second_tap_on_again_is_taken_for_a_slip(world: World, ann: Person) -> None:
    await made(world, ann)
    await world.feed(**ann.press("b|a|1", 900))
    await world.feed(**ann.press("b|a|1", 900))
    assert world.states() == ["delivered", "queued"]
    assert world.telegram.toasts[1] == texts.press_running("en")
    world.rows("UPDATE tasks SET state = 'delivered' WHERE id = 2")
    await world.feed(**ann.press("b|a|1", 900))
    assert world.states() == ["delivered", "delivered", "queued"]


async def test_again_at_another_price_shows_that_price_first(world: World, ann: Person) -> None:
    await made(world, ann, price_kopecks=1000)
    await world.feed(**ann.press("b|a|1", 900))
    assert world.states() == ["delivered", "draft"]
    assert "17\xa0₽" in world.telegram.sent[0].text
    assert CARD in world.telegram.toasts[0]
    assert world.woken == []


async def test_again_with_a_model_that_is_gone_shows_what_there_is(
    world: World, ann: Person
) -> None:
    await made(world, ann, model="gone")
    await world.feed(**ann.press("b|a|1", 900))
    assert world.states() == ["delivered", "draft"]
    assert world.task(2)["model"] == "seedance-1-lite-480P-5s"


async def test_another_ratio_is_a_new_card(world: World, ann: Person) -> None:
    await made(world, ann)
    event = ann.press("b|r|1", 900)
    number = await world.feed(**event)
    await world.again(number, **event)
    assert world.states() == ["delivered", "draft"]
    [card] = world.telegram.sent
    assert card.text.startswith("A cat")
    assert "r|2|16:9" in [data for row in card.buttons for _, data in row]
    await world.feed(**ann.press("r|2|16:9", card.message_id))
    assert world.task(2)["aspect_ratio"] == "16:9"
    assert world.states() == ["delivered", "queued"]


async def test_a_changed_prompt_is_offered_in_the_shape_of_the_video(
    world: World, ann: Person
) -> None:
    await made(world, ann)
    await world.feed(**ann.press("b|w|1", 900))
    await world.feed(**ann.text("A dog"))
    assert world.telegram.sent[-1].buttons[0][0] == ("9:16", "r|2|9:16")


async def test_a_changed_prompt_keeps_the_photo(world: World, ann: Person) -> None:
    await world.feed(**ann.photo(caption="A cat"))
    await world.feed(**ann.press("r|1|9:16", photo=[]))
    world.rows("UPDATE tasks SET state = 'failed', reason = 'unsafe_prompt'")
    world.telegram.calls.clear()
    await world.feed(**ann.press("b|w|1", 900))
    [question] = world.telegram.sent
    assert "Write the new prompt" in question.text
    assert question.text.endswith("A cat")
    assert question.buttons == [[("📋 Copy prompt", "")], [("Cancel", "x|2")]]
    event = ann.text("A dog")
    number = await world.feed(**event)
    await world.again(number, **event)
    assert world.states() == ["failed", "draft"]
    second = world.task(2)
    assert (second["prompt"], second["frame_file_id"]) == ("A dog", "photo-1")
    assert world.telegram.sent[-1].text.startswith("A dog")


async def test_without_its_photo_a_lost_order_is_a_card_again(world: World, ann: Person) -> None:
    await world.feed(**ann.photo(caption="A cat"))
    world.rows("UPDATE tasks SET state = 'failed', reason = 'frame_unavailable'")
    world.telegram.calls.clear()
    await world.feed(**ann.press("b|n|1", 900))
    assert world.task(2)["frame_file_id"] is None
    assert world.telegram.sent[-1].name == "sendMessage"
    assert world.telegram.sent[-1].text.startswith("A cat")


async def test_a_video_goes_on_from_its_last_picture(
    world: World, ann: Person, tmp_path: Path
) -> None:
    await made(world, ann)
    world.telegram.contents["video"] = mp4(tmp_path)
    event = ann.press("b|f|1", 900)
    number = await world.feed(**event)
    await world.again(number, **event)
    [shown] = world.telegram.sent
    assert shown.name == "sendPhoto"
    assert shown.reply_to == 900
    [picture] = shown.files.values()
    assert picture.startswith(b"\xff\xd8")
    draft = world.task(2)
    assert (draft["state"], draft["prompt"]) == ("draft", None)
    assert draft["frame_file_id"] == f"sendPhoto-{shown.message_id}"
    world.telegram.contents[draft["frame_file_id"]] = picture
    await world.feed(**ann.text("It flies away"))
    assert world.task(2)["prompt"] == "It flies away"
    assert len(world.states()) == 2


async def test_nothing_goes_on_where_photos_are_off(world: World, ann: Person) -> None:
    await made(world, ann)
    world.set_offer(photos_on=False)
    await world.feed(**ann.press("b|f|1", 900))
    assert world.telegram.toasts == [texts.press_photos_off("en")]
    assert world.telegram.sent == []


async def test_a_video_comes_as_a_file_and_is_uploaded_once(world: World, ann: Person) -> None:
    await made(world, ann)
    world.telegram.contents["video"] = b"the video"
    await world.feed(**ann.press("b|d|1", 900))
    await world.feed(**ann.press("b|d|1", 900))
    first, second = world.telegram.sent
    assert list(first.files.values()) == [b"the video"]
    assert second.files == {}
    assert second.params["document"] == f"sendDocument-{first.message_id}"
    assert first.params["disable_content_type_detection"] == "true"


@pytest.mark.parametrize("act", ["d", "f"])
async def test_a_video_that_telegram_does_not_give_is_told(
    world: World, ann: Person, act: str
) -> None:
    await made(world, ann)
    world.telegram.refuse("getFile", 400, "Bad Request: file is too big")
    await world.feed(**ann.press(f"b|{act}|1", 900))
    world.telegram.refuse("getFile", 400, "Bad Request: invalid file_id")
    await world.feed(**ann.press(f"b|{act}|1", 900))
    big, gone = [call.text for call in world.telegram.sent]
    assert "20 MB" in big
    assert "any more" in gone
    assert world.states() == ["delivered"]


async def test_a_deleted_video_leaves_the_chat_and_stays_in_the_history(
    world: World, ann: Person
) -> None:
    await made(world, ann)
    await world.feed(**ann.press("b|x|1", 900))
    [gone] = world.telegram.named("deleteMessage")
    assert int(gone.params["message_id"]) == 900
    assert world.telegram.toasts == [texts.press_deleted("en")]
    assert world.states() == ["delivered"]
    world.telegram.refuse(
        "deleteMessage", 400, "Bad Request: message can't be deleted for everyone"
    )
    await world.feed(**ann.press("b|x|1", 900))
    assert world.telegram.toasts[1] == texts.press_by_hand("en")


async def test_what_is_deleted_for_good_is_kept_nowhere(world: World, ann: Person) -> None:
    await made(world, ann)
    event = ann.press("b|z|1", 900)
    number = await world.feed(**event)
    await world.again(number, **event)
    assert world.states() == []
    assert world.telegram.toasts == 2 * [texts.press_forgotten("en")]
    assert world.telegram.named("deleteMessage")


async def test_what_is_under_way_is_not_deleted(world: World, ann: Person) -> None:
    await made(world, ann, "generating")
    await world.feed(**ann.press("b|z|1", 900))
    assert world.states() == ["generating"]
    assert world.telegram.toasts == [texts.press_not_over("en")]
    assert world.telegram.named("deleteMessage") == []


@pytest.mark.parametrize("act", list("awrfdnxz"))
async def test_nobody_else_can_press(world: World, ann: Person, boris: Person, act: str) -> None:
    await made(world, ann)
    await world.feed(**boris.press(f"b|{act}|1", 900))
    assert world.states() == ["delivered"]
    assert world.telegram.toasts == [texts.press_foreign("ru")]
    assert [call.name for call in world.telegram.calls] == ["answerCallbackQuery"]


@pytest.mark.parametrize("act", list("awrfdn"))
async def test_a_button_of_an_order_that_was_forgotten_says_so(
    world: World, ann: Person, act: str
) -> None:
    await world.feed(**ann.press(f"b|{act}|77", 900))
    assert world.telegram.toasts == [texts.press_expired("en")]


async def test_an_old_message_of_a_topic_is_answered_in_its_topic(world: World) -> None:
    group: dict[str, Any] = {"id": -100, "type": "supergroup", "title": "F", "is_forum": True}
    ann = Person(world, chat=group)
    mention = {"type": "mention", "offset": 0, "length": 10}
    topic = {"message_thread_id": 9, "is_topic_message": True}
    await world.feed(**ann.message(text="@video_bot A cat", entities=[mention], **topic))
    world.rows("UPDATE tasks SET state = 'delivered', aspect_ratio = '1:1'")
    world.telegram.calls.clear()
    press = ann.press("b|r|1", 900)
    press["callback_query"]["message"] = {"message_id": 900, "date": 0, "chat": group}
    await world.feed(**press)
    [card] = world.telegram.sent
    assert (card.params["chat_id"], card.params["message_thread_id"]) == ("-100", "9")
    assert card.reply_to == 900
