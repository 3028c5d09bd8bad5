"""Every way to bring a picture and its words ends in one card, and drafts do not mix."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from PIL import Image

from tests.handlers.conftest import Person, World, jpeg


def replied(event: dict[str, Any]) -> dict[str, Any]:
    """The message of an event, as an answer to it carries it."""
    return dict(event["message"])


# --- words, then the photo -------------------------------------------------------------------


async def test_a_photo_after_the_words_joins_them_on_one_card(world: World, ann: Person) -> None:
    await world.feed(**ann.text("It waves"))
    [first] = world.telegram.sent
    await world.feed(**ann.photo())
    card = world.telegram.sent[-1]
    assert world.states() == ["draft"]
    assert (card.name, card.params["photo"]) == ("sendPhoto", "photo-1")
    assert card.text.startswith("It waves\n")
    assert [text for text, _ in card.buttons[0]] == ["9:16", "1:1", "16:9"]
    task = world.task()
    assert (task["card_message_id"], task["card_is_media"]) == (card.message_id, 1)
    [gone] = world.telegram.named("deleteMessage")
    assert int(gone.params["message_id"]) == first.message_id


async def test_the_joined_photo_again_after_a_crash_makes_nothing_new(
    world: World, ann: Person
) -> None:
    await world.feed(**ann.text("It waves"))
    photo = ann.photo()
    number = await world.feed(**photo)
    await world.again(number, **photo)
    assert len(world.telegram.sent) == 2
    assert world.states() == ["draft"]


# --- albums ----------------------------------------------------------------------------------


@pytest.mark.parametrize("captioned", [0, 1, 2])
async def test_an_album_is_one_card_with_its_first_picture_and_says_so(
    world: World, ann: Person, captioned: int
) -> None:
    for number in range(3):
        caption: dict[str, Any] = {"caption": "It waves"} if number == captioned else {}
        await world.feed(**ann.photo(media_group_id="g", **caption))
    assert world.states() == ["draft"]
    assert world.task()["frame_message_id"] == 1
    cards = world.telegram.named("sendPhoto")
    assert len(cards) == 1
    assert "the first picture is taken" in cards[0].text
    assert len(world.telegram.sent) == (1 if captioned == 0 else 2)  # it asked for words first


async def test_an_album_without_words_asks_for_them_once(world: World, ann: Person) -> None:
    for _ in range(3):
        await world.feed(**ann.photo(media_group_id="g"))
    [ask] = world.telegram.sent
    assert "the first picture is taken" in ask.text
    await world.feed(**ann.text("It waves"))
    assert world.telegram.sent[-1].name == "sendPhoto"
    assert world.states() == ["draft"]


async def test_files_of_an_album_are_one_card_too(world: World, ann: Person) -> None:
    await world.feed(**ann.document(jpeg(900, 900), media_group_id="g", caption="It waves"))
    await world.feed(**ann.document(jpeg(900, 900), media_group_id="g"))
    assert world.states() == ["draft"]
    assert len(world.telegram.sent) == 1


# --- answers, forwards, Live Photos ----------------------------------------------------------


async def test_an_answer_to_an_earlier_photo_is_about_it(world: World, ann: Person) -> None:
    earlier = ann.photo(1280, 720)
    await world.feed(**ann.text("It waves", reply_to_message=replied(earlier)))
    [card] = world.telegram.sent
    assert card.params["photo"] == "photo-1"
    assert card.reply_to == 2
    assert card.buttons[0][0][0] == "16:9"
    assert world.task()["frame_file_id"] == "photo-1"


async def test_an_answer_to_a_photo_that_waits_gives_it_the_words(
    world: World, ann: Person
) -> None:
    first, second = ann.photo(), ann.photo(1280, 720)
    await world.feed(**first)
    await world.feed(**second)
    await world.feed(**ann.text("It waves", reply_to_message=replied(first)))
    assert world.rows("SELECT id, prompt FROM tasks ORDER BY id") == [(1, "It waves"), (2, None)]
    await world.feed(**ann.text("It runs"))
    assert world.rows("SELECT prompt FROM tasks ORDER BY id") == [("It waves",), ("It runs",)]


async def test_an_answer_to_an_image_file_is_about_it(world: World, ann: Person) -> None:
    earlier = ann.document(jpeg(1600, 900))
    await world.feed(**ann.text("It waves", reply_to_message=replied(earlier)))
    assert world.task()["frame_kind"] == "document"
    assert world.telegram.sent[0].name == "sendPhoto"


async def test_an_answer_to_a_bad_picture_is_told_and_makes_nothing(
    world: World, ann: Person
) -> None:
    earlier = ann.photo(1200, 400)
    await world.feed(**ann.text("It waves", reply_to_message=replied(earlier)))
    assert "two and a half" in world.telegram.sent[0].text
    assert world.states() == []


async def test_an_answer_to_the_card_changes_its_words(world: World, ann: Person) -> None:
    await world.feed(**ann.text("A cat"))
    card = world.telegram.last_id
    answer = {"message_id": card, "date": 0, "chat": ann.chat, "text": "card",
              "from": {"id": 42, "is_bot": True, "first_name": "V"}}  # fmt: skip
    event = ann.text("A dog", reply_to_message=answer)
    number = await world.feed(**event)
    await world.again(number, **event)
    assert world.states() == ["draft"]
    assert world.task()["prompt"] == "A dog"
    [edit] = world.telegram.edits
    assert (int(edit.params["message_id"]), edit.text.split("\n")[0]) == (card, "A dog")


async def test_a_forwarded_photo_with_its_caption_is_taken(world: World, ann: Person) -> None:
    origin = {"type": "hidden_user", "date": 1, "sender_user_name": "Bob"}
    await world.feed(**ann.photo(caption="It waves", forward_origin=origin))
    assert world.task()["prompt"] == "It waves"
    assert world.telegram.sent[0].name == "sendPhoto"


async def test_a_live_photo_is_a_photo(world: World, ann: Person) -> None:
    live = {"file_id": "live", "file_unique_id": "l", "width": 720, "height": 1280,
            "duration": 3}  # fmt: skip
    await world.feed(**ann.photo(caption="It waves", live_photo=live))
    assert world.task()["frame_file_id"] == "photo-1"
    assert len(world.telegram.sent) == 1


# --- the preview -----------------------------------------------------------------------------


async def test_a_photo_that_is_cut_is_shown_with_the_cut(world: World, ann: Person) -> None:
    await world.feed(**ann.photo(1200, 1600, caption="It waves"))
    [card] = world.telegram.sent
    [preview] = card.files.values()
    with Image.open(io.BytesIO(preview)) as image:
        assert image.size == (480, 640)
        red = image.getchannel("R")
        middle, edge = red.getpixel((240, 320)), red.getpixel((5, 320))
    assert isinstance(middle, int)
    assert isinstance(edge, int)
    assert middle > 180 > 90 > edge  # what 9:16 cuts off is dark


async def test_a_photo_that_cannot_be_fetched_now_is_shown_as_it_is(
    world: World, ann: Person
) -> None:
    world.telegram.refuse("getFile", 500, "Internal Server Error")
    await world.feed(**ann.photo(1200, 1600, caption="It waves"))
    [card] = world.telegram.sent
    assert card.params["photo"] == "photo-1"
    assert card.buttons[0][0][0] == "9:16"


# --- editing ---------------------------------------------------------------------------------


def edited(event: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"edited_message": event["message"] | {"edit_date": 2} | changes}


async def test_an_edited_prompt_changes_its_card(world: World, ann: Person) -> None:
    cat, dog = ann.text("A cat"), ann.text("A dog")
    await world.feed(**cat)
    card = world.telegram.last_id
    await world.feed(**dog)
    number = await world.feed(**edited(cat, text="A cat on a roof --seed 1"))
    await world.again(number, **edited(cat, text="A cat on a roof --seed 1"))
    [edit] = world.telegram.edits
    assert int(edit.params["message_id"]) == card
    assert edit.text.startswith("A cat on a roof\n")
    assert edit.buttons[0] == [("1:1", "r|1|1:1"), ("16:9", "r|1|16:9"), ("9:16", "r|1|9:16")]
    assert world.rows("SELECT prompt FROM tasks ORDER BY id") == [
        ("A cat on a roof",), ("A dog",),
    ]  # fmt: skip


async def test_an_edited_caption_changes_its_card(world: World, ann: Person) -> None:
    photo = ann.photo(caption="It waves")
    await world.feed(**photo)
    await world.feed(**edited(photo, caption="It runs"))
    [edit] = world.telegram.edits
    assert edit.name == "editMessageCaption"
    assert edit.text.startswith("It runs\n")


async def test_an_edited_picture_changes_its_card(world: World, ann: Person) -> None:
    photo = ann.photo(caption="It waves")
    await world.feed(**photo)
    sizes = [{"file_id": "photo-new", "file_unique_id": "n", "width": 1280, "height": 720}]
    await world.feed(**edited(photo, photo=sizes))
    [edit] = world.telegram.edits
    assert edit.name == "editMessageMedia"
    assert json.loads(edit.params["media"])["media"] == "photo-new"
    assert edit.buttons[0][0][0] == "16:9"


async def test_a_caption_that_comes_later_completes_the_photo(world: World, ann: Person) -> None:
    photo = ann.photo()
    await world.feed(**photo)
    await world.feed(**edited(photo, caption="It waves"))
    assert world.task()["prompt"] == "It waves"
    assert world.telegram.sent[-1].name == "sendPhoto"


async def test_an_edit_after_the_order_changes_nothing(world: World, ann: Person) -> None:
    event = ann.text("A cat")
    await world.feed(**event)
    await world.feed(**ann.press("r|1|1:1"))
    calls = len(world.telegram.calls)
    await world.feed(**edited(event, text="A dog"))
    assert world.task()["prompt"] == "A cat"
    assert len(world.telegram.calls) == calls


async def test_a_prompt_that_was_refused_can_be_mended_by_editing(
    world: World, ann: Person
) -> None:
    event = ann.text("--ar 1:1")
    await world.feed(**event)
    assert world.states() == []
    await world.feed(**edited(event, text="A cat"))
    assert world.task()["prompt"] == "A cat"
