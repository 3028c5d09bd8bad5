"""Every way to send a picture and its prompt leads to one card, and drafts do not mix."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from PIL import Image

from tests.support.handler_harness import HandlerHarness, Person, jpeg


def replied(event: dict[str, Any]) -> dict[str, Any]:
    """The message of an event, as an answer to it carries it."""
    return dict(event["message"])


# --- words, then the photo -------------------------------------------------------------------


async def test_a_photo_after_the_prompt_joins_it_on_one_card(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.text("It waves"))
    [first] = harness.telegram.sent
    await harness.feed(**ann.photo())
    card = harness.telegram.sent[-1]
    assert harness.states() == ["draft"]
    assert (card.name, card.params["photo"]) == ("sendPhoto", "photo-1")
    assert card.text.startswith("It waves\n")
    assert [text for text, _ in card.buttons[0]] == ["9:16", "1:1", "16:9"]
    task = harness.task()
    assert (task["card_message_id"], task["card_is_media"]) == (card.message_id, 1)
    [gone] = harness.telegram.named("deleteMessage")
    assert int(gone.params["message_id"]) == first.message_id


async def test_the_joined_photo_again_after_a_crash_makes_nothing_new(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.text("It waves"))
    photo = ann.photo()
    number = await harness.feed(**photo)
    await harness.again(number, **photo)
    assert len(harness.telegram.sent) == 2
    assert harness.states() == ["draft"]


# --- albums ----------------------------------------------------------------------------------


@pytest.mark.parametrize("captioned", [0, 1, 2])
async def test_an_album_is_one_card_that_shows_which_picture_is_used(
    harness: HandlerHarness, ann: Person, captioned: int
) -> None:
    for number in range(3):
        caption: dict[str, Any] = {"caption": "It waves"} if number == captioned else {}
        await harness.feed(**ann.photo(media_group_id="g", **caption))
    assert harness.states() == ["draft"]
    assert harness.task()["frame_message_id"] == 1
    cards = harness.telegram.named("sendPhoto")
    assert len(cards) == 1
    assert "Of the album, only this picture is used." in cards[0].text
    assert len(harness.telegram.sent) == (1 if captioned == 0 else 2)  # it asked for words first


async def test_an_album_without_a_caption_asks_for_a_prompt_once(
    harness: HandlerHarness, ann: Person
) -> None:
    for _ in range(3):
        await harness.feed(**ann.photo(media_group_id="g"))
    [ask] = harness.telegram.sent
    assert "only the picture I am replying to is used" in ask.text
    assert ask.reply_to == harness.task()["frame_message_id"] == 1
    await harness.feed(**ann.text("It waves"))
    assert harness.telegram.sent[-1].name == "sendPhoto"
    assert harness.states() == ["draft"]


async def test_an_unusable_first_picture_leaves_the_next_one(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.photo(32, 32, media_group_id="g"))
    await harness.feed(**ann.photo(media_group_id="g", caption="It waves"))
    refused, card = harness.telegram.sent
    assert "32" in refused.text
    assert harness.task()["frame_message_id"] == card.reply_to == 2
    assert "Of the album, only this picture is used." in card.text


async def test_files_of_an_album_are_one_card_too(harness: HandlerHarness, ann: Person) -> None:
    await harness.feed(**ann.document(jpeg(900, 900), media_group_id="g", caption="It waves"))
    await harness.feed(**ann.document(jpeg(900, 900), media_group_id="g"))
    assert harness.states() == ["draft"]
    assert len(harness.telegram.sent) == 1


# --- answers, forwards, Live Photos ----------------------------------------------------------


async def test_a_reply_to_an_earlier_photo_uses_it(harness: HandlerHarness, ann: Person) -> None:
    earlier = ann.photo(1280, 720)
    await harness.feed(**ann.text("It waves", reply_to_message=replied(earlier)))
    [card] = harness.telegram.sent
    assert card.params["photo"] == "photo-1"
    assert card.reply_to == 2
    assert card.buttons[0][0][0] == "16:9"
    assert harness.task()["frame_file_id"] == "photo-1"


async def test_a_reply_to_a_waiting_photo_is_its_prompt(
    harness: HandlerHarness, ann: Person
) -> None:
    first, second = ann.photo(), ann.photo(1280, 720)
    await harness.feed(**first)
    await harness.feed(**second)
    await harness.feed(**ann.text("It waves", reply_to_message=replied(first)))
    assert harness.rows("SELECT id, prompt FROM tasks ORDER BY id") == [(1, "It waves"), (2, None)]
    await harness.feed(**ann.text("It runs"))
    assert harness.rows("SELECT prompt FROM tasks ORDER BY id") == [("It waves",), ("It runs",)]


async def test_a_reply_to_an_image_file_uses_it(harness: HandlerHarness, ann: Person) -> None:
    earlier = ann.document(jpeg(1600, 900))
    await harness.feed(**ann.text("It waves", reply_to_message=replied(earlier)))
    assert harness.task()["frame_kind"] == "document"
    assert harness.telegram.sent[0].name == "sendPhoto"


@pytest.mark.parametrize("kind", ["photo", "document"])
async def test_a_reply_to_a_picture_of_another_chat_uses_it(
    harness: HandlerHarness, ann: Person, kind: str
) -> None:
    content = ann.photo(1280, 720) if kind == "photo" else ann.document(jpeg(1600, 900))
    origin = {"type": "hidden_user", "sender_user_name": "Eve", "date": 0}
    elsewhere = {"origin": origin, kind: content["message"][kind]}
    await harness.feed(**ann.text("It waves", external_reply=elsewhere))
    [card] = harness.telegram.sent
    assert card.name == "sendPhoto"
    assert card.buttons[0][0][0] == "16:9"
    assert harness.task()["frame_kind"] == kind


async def test_a_reply_to_a_bad_picture_is_refused_without_a_draft(
    harness: HandlerHarness, ann: Person
) -> None:
    earlier = ann.photo(1200, 40)
    await harness.feed(**ann.text("It waves", reply_to_message=replied(earlier)))
    assert "1200×40" in harness.telegram.sent[0].text
    assert harness.states() == []


async def test_a_reply_to_the_card_changes_its_prompt(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.text("A cat"))
    card = harness.telegram.last_id
    answer = {"message_id": card, "date": 0, "chat": ann.chat, "text": "card",
              "from": {"id": 42, "is_bot": True, "first_name": "V"}}  # fmt: skip
    event = ann.text("A dog", reply_to_message=answer)
    number = await harness.feed(**event)
    await harness.again(number, **event)
    assert harness.states() == ["draft"]
    assert harness.task()["prompt"] == "A dog"
    [edit] = harness.telegram.edits
    assert (int(edit.params["message_id"]), edit.text.split("\n")[0]) == (card, "A dog")


async def test_a_forwarded_photo_with_its_caption_is_taken(
    harness: HandlerHarness, ann: Person
) -> None:
    origin = {"type": "hidden_user", "date": 1, "sender_user_name": "Bob"}
    await harness.feed(**ann.photo(caption="It waves", forward_origin=origin))
    assert harness.task()["prompt"] == "It waves"
    assert harness.telegram.sent[0].name == "sendPhoto"


async def test_a_live_photo_is_a_photo(harness: HandlerHarness, ann: Person) -> None:
    live = {"file_id": "live", "file_unique_id": "l", "width": 720, "height": 1280,
            "duration": 3}  # fmt: skip
    await harness.feed(**ann.photo(caption="It waves", live_photo=live))
    assert harness.task()["frame_file_id"] == "photo-1"
    assert len(harness.telegram.sent) == 1


# --- the preview -----------------------------------------------------------------------------


async def test_a_photo_that_is_cut_is_shown_with_the_cut(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.photo(1200, 1600, caption="It waves"))
    [card] = harness.telegram.sent
    [preview] = card.files.values()
    with Image.open(io.BytesIO(preview)) as image:
        assert image.size == (480, 640)
        red = image.getchannel("R")
        middle, edge = red.getpixel((240, 320)), red.getpixel((5, 320))
    assert isinstance(middle, int)
    assert isinstance(edge, int)
    assert middle > 180 > 90 > edge  # what 9:16 cuts off is dark


async def test_a_photo_that_cannot_be_fetched_now_is_shown_unchanged(
    harness: HandlerHarness, ann: Person
) -> None:
    harness.telegram.refuse("getFile", 500, "Internal Server Error")
    await harness.feed(**ann.photo(1200, 1600, caption="It waves"))
    [card] = harness.telegram.sent
    assert card.params["photo"] == "photo-1"
    assert card.buttons[0][0][0] == "9:16"


# --- editing ---------------------------------------------------------------------------------


def edited(event: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"edited_message": event["message"] | {"edit_date": 2} | changes}


async def test_an_edited_prompt_changes_its_card(harness: HandlerHarness, ann: Person) -> None:
    cat, dog = ann.text("A cat"), ann.text("A dog")
    await harness.feed(**cat)
    card = harness.telegram.last_id
    await harness.feed(**dog)
    number = await harness.feed(**edited(cat, text="A cat on a roof --seed 1"))
    await harness.again(number, **edited(cat, text="A cat on a roof --seed 1"))
    [edit] = harness.telegram.edits
    assert int(edit.params["message_id"]) == card
    assert edit.text.startswith("A cat on a roof\n")
    assert edit.buttons[0] == [("1:1", "r|1|1:1"), ("16:9", "r|1|16:9"), ("9:16", "r|1|9:16")]
    assert harness.rows("SELECT prompt FROM tasks ORDER BY id") == [
        ("A cat on a roof",), ("A dog",),
    ]  # fmt: skip


async def test_an_edited_caption_changes_its_card(harness: HandlerHarness, ann: Person) -> None:
    photo = ann.photo(caption="It waves")
    await harness.feed(**photo)
    await harness.feed(**edited(photo, caption="It runs"))
    [edit] = harness.telegram.edits
    assert edit.name == "editMessageCaption"
    assert edit.text.startswith("It runs\n")


async def test_an_edited_picture_changes_its_card(harness: HandlerHarness, ann: Person) -> None:
    photo = ann.photo(caption="It waves")
    await harness.feed(**photo)
    sizes = [{"file_id": "photo-new", "file_unique_id": "n", "width": 1280, "height": 720}]
    await harness.feed(**edited(photo, photo=sizes))
    [edit] = harness.telegram.edits
    assert edit.name == "editMessageMedia"
    assert json.loads(edit.params["media"])["media"] == "photo-new"
    assert edit.buttons[0][0][0] == "16:9"


async def test_a_caption_that_comes_later_completes_the_photo(
    harness: HandlerHarness, ann: Person
) -> None:
    photo = ann.photo()
    await harness.feed(**photo)
    await harness.feed(**edited(photo, caption="It waves"))
    assert harness.task()["prompt"] == "It waves"
    assert harness.telegram.sent[-1].name == "sendPhoto"


async def test_an_edit_after_the_order_changes_nothing(
    harness: HandlerHarness, ann: Person
) -> None:
    event = ann.text("A cat")
    await harness.feed(**event)
    await harness.feed(**ann.press("r|1|1:1"))
    calls = len(harness.telegram.calls)
    await harness.feed(**edited(event, text="A dog"))
    assert harness.task()["prompt"] == "A cat"
    assert len(harness.telegram.calls) == calls


async def test_a_refused_prompt_can_be_corrected_by_editing(
    harness: HandlerHarness, ann: Person
) -> None:
    event = ann.text("--ar 1:1")
    await harness.feed(**event)
    assert harness.states() == []
    await harness.feed(**edited(event, text="A cat"))
    assert harness.task()["prompt"] == "A cat"
