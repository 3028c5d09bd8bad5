"""A picture in any format becomes a first frame, or is refused before anything is stored."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from bot.core.caps import OrderRules
from bot.core.errors import TelegramLater
from bot.media import frames
from tests.support.handler_harness import HandlerHarness, Person, jpeg


async def test_a_photo_with_a_caption_is_a_card_with_the_photo(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.photo(720, 1280, caption="It waves --seed 3"))
    task = harness.task()
    assert (task["prompt"], task["frame_file_id"], task["frame_kind"]) == (
        "It waves", "photo-1", "photo",
    )  # fmt: skip
    [card] = harness.telegram.sent
    assert card.name == "sendPhoto"
    assert card.params["photo"] == "photo-1"
    assert card.text.startswith("It waves\n")
    assert card.reply_to == 1
    assert [text for text, _ in card.buttons[0]] == ["9:16", "1:1", "16:9"]
    assert (task["card_message_id"], task["card_is_media"]) == (card.message_id, 1)
    assert harness.telegram.named("getFile") == []


@pytest.mark.parametrize("caption", ["/dance now", "/помощь"])
async def test_a_caption_that_is_an_unknown_command_is_no_prompt(
    harness: HandlerHarness, ann: Person, caption: str
) -> None:
    await harness.feed(**ann.photo(720, 1280, caption=caption))
    [answer] = harness.telegram.sent
    assert "I do not know this command" in answer.text
    assert harness.states() == []


async def test_an_old_card_with_a_photo_is_not_ordered_when_photos_were_switched_off(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.photo(720, 1280, caption="It waves"))
    [card] = harness.telegram.sent
    harness.storage.tasks.terms = OrderRules(photos=False)
    await harness.feed(**ann.press(card.buttons[0][0][1], card.message_id))
    [toast] = harness.telegram.named("answerCallbackQuery")
    assert "Photos cannot be used at the moment" in toast.params["text"]
    assert harness.states() == ["draft"]


@pytest.mark.parametrize(
    ("width", "height", "first"), [(1280, 720, "16:9"), (1000, 1000, "1:1"), (500, 900, "9:16")]
)
async def test_the_nearest_ratio_is_first_and_marked(
    harness: HandlerHarness, ann: Person, width: int, height: int, first: str
) -> None:
    await harness.feed(**ann.photo(width, height, caption="It waves"))
    [card] = harness.telegram.sent
    assert card.buttons[0][0][0] == first
    assert '"style":"primary"' in card.params["reply_markup"].replace(" ", "")


async def test_a_webp_file_that_telegram_shows_as_a_sticker_is_a_picture(
    harness: HandlerHarness, ann: Person
) -> None:
    out = io.BytesIO()
    Image.new("RGB", (1280, 720), (200, 30, 30)).save(out, "WEBP")
    harness.telegram.contents["webp"] = out.getvalue()
    sticker = {"file_id": "webp", "file_unique_id": "w", "type": "regular", "width": 1280,
               "height": 720, "is_animated": False, "is_video": False}  # fmt: skip
    await harness.feed(**ann.message(sticker=sticker))
    [ask] = harness.telegram.sent
    assert "write what should happen" in ask.text
    await harness.feed(**ann.text("It waves"))
    task, card = harness.task(), harness.telegram.sent[1]
    assert (task["frame_file_id"], task["frame_kind"]) == ("webp", "document")
    assert card.name == "sendPhoto"
    assert card.buttons[0][0][0] == "16:9"


async def test_a_photo_gets_the_next_text_as_its_prompt(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.photo(1280, 720))
    [ask] = harness.telegram.sent
    assert "write what should happen" in ask.text
    assert ask.buttons == [[("Cancel", "x|1")]]
    assert harness.task()["prompt"] is None

    await harness.feed(**ann.text("It waves"))
    task, card = harness.task(), harness.telegram.sent[1]
    assert harness.states() == ["draft"]
    assert (task["prompt"], task["message_id"], task["frame_message_id"]) == ("It waves", 2, 1)
    assert card.name == "sendPhoto"
    assert card.params["photo"] == "photo-1"
    assert card.reply_to == 2
    assert [text for text, _ in card.buttons[0]] == ["16:9", "1:1", "9:16"]
    assert task["card_message_id"] == card.message_id


async def test_a_photo_again_after_a_crash_is_one_draft(
    harness: HandlerHarness, ann: Person
) -> None:
    photo, words = ann.photo(caption="It waves"), ann.text("A dog")
    number = await harness.feed(**photo)
    await harness.feed(**words)
    await harness.again(number, **photo)
    assert harness.states() == ["draft", "draft"]
    assert len(harness.telegram.sent) == 2


async def test_a_photo_without_words_cannot_be_ordered(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.photo())
    await harness.feed(**ann.press("r|1|1:1"))
    assert harness.states() == ["draft"]
    assert harness.telegram.toasts == ["First describe what should happen in the video."]


async def test_a_photo_whose_file_is_missing_still_gets_its_card(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.photo())
    harness.telegram.refuse("getFile", 400, "Bad Request: wrong file_id")
    await harness.feed(**ann.text("It waves"))
    card = harness.telegram.sent[1]
    assert [text for text, _ in card.buttons[0]] == ["1:1", "16:9", "9:16"]


@pytest.mark.parametrize(
    "said", ["wrong file identifier", "not enough rights to send photos to the chat"]
)
async def test_a_photo_that_telegram_refuses_gets_a_text_card(
    harness: HandlerHarness, ann: Person, said: str
) -> None:
    harness.telegram.refuse("sendPhoto", 400, f"Bad Request: {said}")
    await harness.feed(**ann.photo(caption="It waves"))
    [card] = harness.telegram.sent
    assert card.name == "sendMessage"
    assert len(card.buttons) == 2
    assert harness.task()["card_is_media"] == 0


@pytest.mark.parametrize(
    ("width", "height", "said"),
    [(63, 400, "63×400"), (900, 40, "900×40")],
)
async def test_a_tiny_photo_is_refused_at_once(
    harness: HandlerHarness, ann: Person, width: int, height: int, said: str
) -> None:
    await harness.feed(**ann.photo(width, height, caption="It waves"))
    [answer] = harness.telegram.sent
    assert said in answer.text
    assert harness.states() == []


@pytest.mark.parametrize(
    ("width", "height", "blurry"), [(250, 240, True), (1500, 420, True), (1280, 960, False)]
)
async def test_small_and_long_photos_work_with_a_warning_about_sharpness(
    harness: HandlerHarness, ann: Person, width: int, height: int, blurry: bool
) -> None:
    await harness.feed(**ann.photo(width, height, caption="It waves"))
    assert harness.states() == ["draft"]
    assert ("may look blurry" in harness.telegram.sent[-1].text) is blurry


@pytest.mark.parametrize("caption", ["--ar 1:1", "x" * 801])
async def test_a_bad_caption_is_refused_with_the_photo(
    harness: HandlerHarness, ann: Person, caption: str
) -> None:
    await harness.feed(**ann.photo(caption=caption))
    assert len(harness.telegram.sent) == 1
    assert harness.states() == []


async def test_without_a_public_address_pictures_are_refused_before_anything_else(
    harness: HandlerHarness, ann: Person
) -> None:
    harness.set_offer(photos_on=False)
    await harness.feed(**ann.photo(caption="It waves"))
    await harness.feed(**ann.document(jpeg(400, 400)))
    assert [call.name for call in harness.telegram.calls] == ["sendMessage", "sendMessage"]
    assert all("Photos cannot be used" in call.text for call in harness.telegram.sent)
    assert harness.states() == []


# --- documents -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "mime_type"),
    [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp"),
     ("HEIF", "image/heic"), ("PNG", "application/octet-stream"), ("JPEG", None)],
)  # fmt: skip
async def test_an_image_file_is_a_first_frame_shown_by_a_preview(
    harness: HandlerHarness, ann: Person, kind: str, mime_type: str | None
) -> None:
    await harness.feed(**ann.document(jpeg(1600, 900, kind), mime_type, caption="It waves"))
    task = harness.task()
    assert (task["frame_file_id"], task["frame_kind"]) == ("doc", "document")
    [card] = harness.telegram.sent
    assert card.name == "sendPhoto"
    [preview] = card.files.values()
    with Image.open(io.BytesIO(preview)) as image:
        assert image.format == "JPEG"
        assert max(image.size) <= frames.PREVIEW_SIDE
    assert card.buttons[0][0][0] == "16:9"
    assert task["card_is_media"] == 1


@pytest.mark.parametrize(
    ("mime_type", "name"),
    [("application/zip", "IMG_1234.HEIC"), ("text/plain", "photo.jpg"),
     ("application/photoshop", "poster.psd"), ("image/x-adobe-dng", "raw")],
)  # fmt: skip
async def test_an_image_file_is_known_by_its_name_too(
    harness: HandlerHarness, ann: Person, mime_type: str, name: str
) -> None:
    """Clients and libraries send files under a type of no sense."""
    sent = ann.document(jpeg(1600, 900), mime_type, name=name, caption="It waves")
    await harness.feed(**sent)
    assert harness.task()["frame_kind"] == "document"
    await harness.feed(**ann.document(b"PK, a real archive", mime_type, name=name))
    assert "not a picture" in harness.telegram.sent[-1].text


async def test_an_image_file_can_wait_for_its_prompt_too(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.document(jpeg(900, 1600)))
    await harness.feed(**ann.text("It waves"))
    card = harness.telegram.sent[1]
    assert card.name == "sendPhoto"
    assert len(card.files) == 1
    assert card.buttons[0][0][0] == "9:16"


async def test_a_file_over_20_mb_is_refused_before_it_is_asked_for(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.document(b"", size=frames.MAX_BYTES + 1))
    [answer] = harness.telegram.calls
    assert "20 MB" in answer.text
    assert harness.states() == []


async def test_a_file_that_telegram_calls_too_big_is_refused(
    harness: HandlerHarness, ann: Person
) -> None:
    harness.telegram.refuse("getFile", 400, "Bad Request: file is too big")
    await harness.feed(**ann.document(jpeg(400, 400), size=0))
    assert "20 MB" in harness.telegram.sent[0].text


@pytest.mark.parametrize("mime_type", ["application/pdf", "video/mp4", "text/plain"])
async def test_a_file_of_another_kind_is_refused_unread(
    harness: HandlerHarness, ann: Person, mime_type: str
) -> None:
    await harness.feed(**ann.document(jpeg(400, 400), mime_type))
    assert "not a picture" in harness.telegram.sent[0].text
    assert harness.telegram.named("getFile") == []
    assert harness.states() == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"%PDF-1.7 pretending", "not a picture"),
        (jpeg(400, 400)[:300], "not a picture"),
        (jpeg(60, 200), "60×200"),
    ],
)
async def test_a_file_is_judged_by_its_content(
    harness: HandlerHarness, ann: Person, content: bytes, said: str
) -> None:
    await harness.feed(**ann.document(content, "image/png"))
    [answer] = harness.telegram.sent
    assert said in answer.text
    assert harness.states() == []


async def test_a_file_that_telegram_lost_is_reported(harness: HandlerHarness, ann: Person) -> None:
    harness.telegram.refuse("getFile", 400, "Bad Request: wrong file_id")
    await harness.feed(**ann.document(jpeg(400, 400)))
    assert "does not let me download this file" in harness.telegram.sent[0].text


async def test_a_file_temporarily_unavailable_is_requested_again(
    harness: HandlerHarness, ann: Person
) -> None:
    harness.telegram.refuse("getFile", 500, "Internal Server Error")
    event = ann.document(jpeg(400, 400), caption="It waves")
    with pytest.raises(TelegramLater):
        await harness.feed(**event)
    assert harness.states() == []
    await harness.again(1, **event)
    assert harness.states() == ["draft"]
