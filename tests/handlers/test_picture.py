"""A picture in any shape becomes a first frame, or is refused before anything is kept."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from bot import frames
from bot.errors import TelegramLater
from tests.handlers.conftest import Person, World, jpeg


async def test_a_photo_with_a_caption_is_a_card_with_the_photo(world: World, ann: Person) -> None:
    await world.feed(**ann.photo(720, 1280, caption="It waves --seed 3"))
    task = world.task()
    assert (task["prompt"], task["frame_file_id"], task["frame_kind"]) == (
        "It waves", "photo-1", "photo",
    )  # fmt: skip
    [card] = world.telegram.sent
    assert card.name == "sendPhoto"
    assert card.params["photo"] == "photo-1"
    assert card.text.startswith("It waves\n")
    assert card.reply_to == 1
    assert [text for text, _ in card.buttons[0]] == ["9:16", "1:1", "16:9"]
    assert (task["card_message_id"], task["card_is_media"]) == (card.message_id, 1)
    assert world.telegram.named("getFile") == []


@pytest.mark.parametrize(
    ("width", "height", "first"), [(1280, 720, "16:9"), (1000, 1000, "1:1"), (500, 900, "9:16")]
)
async def test_the_nearest_shape_is_first_and_marked(
    world: World, ann: Person, width: int, height: int, first: str
) -> None:
    await world.feed(**ann.photo(width, height, caption="It waves"))
    [card] = world.telegram.sent
    assert card.buttons[0][0][0] == first
    assert '"style":"primary"' in card.params["reply_markup"].replace(" ", "")


async def test_a_photo_waits_for_its_words_and_the_next_text_gives_them(
    world: World, ann: Person
) -> None:
    await world.feed(**ann.photo(1280, 720))
    [ask] = world.telegram.sent
    assert "write what should happen" in ask.text
    assert ask.buttons == [[("Cancel", "x|1")]]
    assert world.task()["prompt"] is None

    await world.feed(**ann.text("It waves"))
    task, card = world.task(), world.telegram.sent[1]
    assert world.states() == ["draft"]
    assert (task["prompt"], task["message_id"], task["frame_message_id"]) == ("It waves", 2, 1)
    assert card.name == "sendPhoto"
    assert card.params["photo"] == "photo-1"
    assert card.reply_to == 2
    assert [text for text, _ in card.buttons[0]] == ["16:9", "1:1", "9:16"]
    assert task["card_message_id"] == card.message_id


async def test_a_photo_again_after_a_crash_is_one_draft(world: World, ann: Person) -> None:
    photo, words = ann.photo(caption="It waves"), ann.text("A dog")
    number = await world.feed(**photo)
    await world.feed(**words)
    await world.again(number, **photo)
    assert world.states() == ["draft", "draft"]
    assert len(world.telegram.sent) == 2


async def test_a_photo_without_words_cannot_be_ordered(world: World, ann: Person) -> None:
    await world.feed(**ann.photo())
    await world.feed(**ann.press("r|1|1:1"))
    assert world.states() == ["draft"]
    assert world.telegram.toasts == ["First write what should happen in the video."]


async def test_a_photo_whose_file_is_gone_still_gets_its_card(world: World, ann: Person) -> None:
    await world.feed(**ann.photo())
    world.telegram.refuse("getFile", 400, "Bad Request: wrong file_id")
    await world.feed(**ann.text("It waves"))
    card = world.telegram.sent[1]
    assert [text for text, _ in card.buttons[0]] == ["1:1", "16:9", "9:16"]


async def test_a_photo_that_telegram_refuses_to_show_gets_a_card_of_words(
    world: World, ann: Person
) -> None:
    world.telegram.refuse("sendPhoto", 400, "Bad Request: wrong file identifier")
    await world.feed(**ann.photo(caption="It waves"))
    [card] = world.telegram.sent
    assert card.name == "sendMessage"
    assert len(card.buttons) == 2
    assert world.task()["card_is_media"] == 0


@pytest.mark.parametrize(
    ("width", "height", "said"),
    [(299, 400, "299×400"), (300, 900, "two and a half"), (1200, 400, "two and a half")],
)
async def test_a_photo_that_the_provider_would_refuse_is_refused_at_once(
    world: World, ann: Person, width: int, height: int, said: str
) -> None:
    await world.feed(**ann.photo(width, height, caption="It waves"))
    [answer] = world.telegram.sent
    assert said in answer.text
    assert world.states() == []


@pytest.mark.parametrize("caption", ["--ar 1:1", "x" * 801])
async def test_a_bad_caption_is_refused_with_the_photo(
    world: World, ann: Person, caption: str
) -> None:
    await world.feed(**ann.photo(caption=caption))
    assert len(world.telegram.sent) == 1
    assert world.states() == []


async def test_without_a_public_address_pictures_are_refused_before_anything_else(
    world: World, ann: Person
) -> None:
    world.set_offer(photos_on=False)
    await world.feed(**ann.photo(caption="It waves"))
    await world.feed(**ann.document(jpeg(400, 400)))
    assert [call.name for call in world.telegram.calls] == ["sendMessage", "sendMessage"]
    assert all("Photos cannot be used" in call.text for call in world.telegram.sent)
    assert world.states() == []


# --- documents -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "mime_type"),
    [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp"),
     ("HEIF", "image/heic"), ("PNG", "application/octet-stream"), ("JPEG", None)],
)  # fmt: skip
async def test_an_image_file_is_a_first_frame_shown_by_a_preview(
    world: World, ann: Person, kind: str, mime_type: str | None
) -> None:
    await world.feed(**ann.document(jpeg(1600, 900, kind), mime_type, caption="It waves"))
    task = world.task()
    assert (task["frame_file_id"], task["frame_kind"]) == ("doc", "document")
    [card] = world.telegram.sent
    assert card.name == "sendPhoto"
    [preview] = card.files.values()
    with Image.open(io.BytesIO(preview)) as image:
        assert image.format == "JPEG"
        assert max(image.size) <= frames.PREVIEW_SIDE
    assert card.buttons[0][0][0] == "16:9"
    assert task["card_is_media"] == 1


async def test_an_image_file_can_wait_for_its_words_too(world: World, ann: Person) -> None:
    await world.feed(**ann.document(jpeg(900, 1600)))
    await world.feed(**ann.text("It waves"))
    card = world.telegram.sent[1]
    assert card.name == "sendPhoto"
    assert len(card.files) == 1
    assert card.buttons[0][0][0] == "9:16"


async def test_a_file_over_20_mb_is_refused_before_it_is_asked_for(
    world: World, ann: Person
) -> None:
    await world.feed(**ann.document(b"", size=frames.MAX_BYTES + 1))
    [answer] = world.telegram.calls
    assert "20 MB" in answer.text
    assert world.states() == []


async def test_a_file_that_telegram_calls_too_big_is_refused(world: World, ann: Person) -> None:
    world.telegram.refuse("getFile", 400, "Bad Request: file is too big")
    await world.feed(**ann.document(jpeg(400, 400), size=0))
    assert "20 MB" in world.telegram.sent[0].text


@pytest.mark.parametrize("mime_type", ["application/pdf", "video/mp4", "text/plain"])
async def test_a_file_of_another_kind_is_refused_unread(
    world: World, ann: Person, mime_type: str
) -> None:
    await world.feed(**ann.document(jpeg(400, 400), mime_type))
    assert "not a picture" in world.telegram.sent[0].text
    assert world.telegram.named("getFile") == []
    assert world.states() == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"%PDF-1.7 pretending", "not a picture"),
        (jpeg(400, 400)[:300], "not a picture"),
        (jpeg(200, 200), "200×200"),
        (jpeg(300, 1200), "two and a half"),
    ],
)
async def test_a_file_is_judged_by_what_is_in_it(
    world: World, ann: Person, content: bytes, said: str
) -> None:
    await world.feed(**ann.document(content, "image/png"))
    [answer] = world.telegram.sent
    assert said in answer.text
    assert world.states() == []


async def test_a_file_that_telegram_lost_is_told(world: World, ann: Person) -> None:
    world.telegram.refuse("getFile", 400, "Bad Request: wrong file_id")
    await world.feed(**ann.document(jpeg(400, 400)))
    assert "does not give me this file" in world.telegram.sent[0].text


async def test_a_file_that_cannot_be_had_now_is_asked_for_again(world: World, ann: Person) -> None:
    world.telegram.refuse("getFile", 500, "Internal Server Error")
    event = ann.document(jpeg(400, 400), caption="It waves")
    with pytest.raises(TelegramLater):
        await world.feed(**event)
    assert world.states() == []
    await world.again(1, **event)
    assert world.states() == ["draft"]
