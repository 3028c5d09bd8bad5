"""Templates: a press asks for a photo, and the next photo opens the card with the prompt."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core import catalog, examples
from bot.core.alerts import Switch
from bot.core.examples import Example
from bot.core.task import AspectRatio
from handlers.context import Offer
from storage.photo_requests import WAITS
from tests.support.handler_harness import MODEL, NOON, HandlerHarness, Person, jpeg

OTHER = "seedance-1-lite-720P-5s"
SCENE = Example(titles={"en": "Words"}, prompt="A cat runs", ratio=AspectRatio.WIDE)
SNOW = Example(
    titles={"en": "Snow", "ru": "Снег"}, prompt="Snow falls", ratio=None, needs_photo=True
)
TALL = Example(
    titles={"en": "Tall"}, prompt="It grows", ratio=AspectRatio.TALL, needs_photo=True, model=OTHER
)


@pytest.fixture(autouse=True)
def offer(harness: HandlerHarness) -> Offer:
    offer = Offer(
        model=MODEL,
        photos_on=True,
        models=catalog.offered(MODEL.id),
        examples=(SCENE, SNOW, TALL),
        clock=harness.clock,
    )
    harness.dispatcher["offer"] = offer
    return offer


async def test_scenes_of_both_kinds_lead_to_each_other(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.text("/examples"))
    scene = harness.telegram.sent[-1]
    assert scene.buttons[0] == [("🎬 Use this scene", "t|0")]
    assert scene.buttons[-1] == [("📷 Scenes with your photo", "e|1")]
    await harness.feed(**ann.press("e|1"))
    template = harness.telegram.sent[-1]
    assert "Your photo here" in template.text
    assert template.buttons[0] == [("📷 Use my photo", "t|1")]
    assert template.buttons[-1] == [("✍️ Scenes from words", "e|0")]


async def test_a_group_without_pictures_gets_an_example_in_words(
    harness: HandlerHarness, ann: Person, offer: Offer
) -> None:
    shown = (replace(SCENE, picture=jpeg(90, 160)),)
    harness.dispatcher["offer"] = replace(offer, examples=shown)
    harness.telegram.refuse("sendPhoto", 400, "Bad Request: CHAT_SEND_PHOTOS_FORBIDDEN")
    await harness.feed(**ann.text("/examples"))
    [words] = harness.telegram.sent
    assert words.name == "sendMessage"
    assert words.buttons[0] == [("🎬 Use this scene", "t|0")]


async def test_the_next_photo_opens_the_card_with_the_prompt(
    harness: HandlerHarness, boris: Person
) -> None:
    press = boris.press("t|1")
    number = await harness.feed(**press)
    await harness.again(number, **press)  # after a crash
    ask = harness.telegram.sent[-1]
    assert "Пришлите фото для сцены «Снег»" in ask.text
    assert harness.states() == []
    assert len(harness.rows("SELECT * FROM photo_requests")) == 1

    photo = boris.photo(1280, 720)
    number = await harness.feed(**photo)
    card = harness.telegram.sent[-1]
    assert card.name == "sendPhoto"
    assert card.text.startswith("Snow falls\n")
    assert [text for text, _ in card.buttons[0]] == ["16:9", "1:1", "9:16"]
    assert harness.states() == ["draft"]
    assert harness.rows("SELECT * FROM photo_requests") == []

    sent = len(harness.telegram.sent)
    await harness.again(number, **photo)
    assert len(harness.telegram.sent) == sent
    await harness.feed(**boris.photo())  # an ordinary one
    assert harness.task(2)["prompt"] is None


async def test_a_template_brings_its_ratio_and_its_model(
    harness: HandlerHarness, ann: Person, offer: Offer
) -> None:
    await harness.feed(**ann.press("t|2"))
    await harness.feed(**ann.photo(1280, 720))
    card = harness.telegram.sent[-1]
    assert [text for text, _ in card.buttons[0]] == ["9:16", "1:1", "16:9"]
    assert card.files  # the cut to this ratio is shown
    assert harness.task()["model"] == OTHER

    harness.dispatcher["offer"] = replace(offer, models=(MODEL,))
    await harness.feed(**ann.press("t|2"))
    await harness.feed(**ann.photo(720, 1280))
    assert harness.task(2)["model"] == MODEL.id


async def test_own_words_below_the_photo_win_and_end_the_wait(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.press("t|1"))
    await harness.feed(**ann.photo(caption="It waves"))
    assert harness.task()["prompt"] == "It waves"
    assert harness.rows("SELECT * FROM photo_requests") == []


async def test_an_earlier_text_does_not_get_the_photo(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.text("A dog"))
    await harness.feed(**ann.press("t|1"))
    await harness.feed(**ann.photo())
    assert harness.task(1)["frame_file_id"] is None
    assert harness.task(2)["prompt"] == "Snow falls"


async def test_only_the_first_picture_of_an_album_is_used(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.press("t|1"))
    await harness.feed(**ann.photo(media_group_id="g"))
    await harness.feed(**ann.photo(media_group_id="g"))
    assert harness.states() == ["draft"]
    assert harness.task()["prompt"] == "Snow falls"


async def test_the_newest_template_counts(harness: HandlerHarness, ann: Person) -> None:
    await harness.feed(**ann.press("t|1"))
    await harness.feed(**ann.press("t|2"))
    await harness.feed(**ann.photo())
    assert harness.task()["prompt"] == "It grows"


async def test_the_photo_of_somebody_else_or_elsewhere_is_an_ordinary_one(
    harness: HandlerHarness, ann: Person, boris: Person
) -> None:
    await harness.feed(**ann.press("t|1"))
    await harness.feed(**boris.photo())
    assert harness.task(1)["prompt"] is None
    group = Person(harness, chat={"id": -5, "type": "group", "title": "Friends"})
    await harness.feed(**group.photo(caption="@video_bot"))
    assert len(harness.rows("SELECT * FROM photo_requests")) == 1


async def test_a_request_can_be_cancelled_by_its_owner_only(
    harness: HandlerHarness, ann: Person, boris: Person
) -> None:
    await harness.feed(**ann.press("t|1"))
    [(_, data)] = harness.telegram.sent[-1].buttons[0]
    await harness.feed(**boris.press(data))
    assert len(harness.rows("SELECT * FROM photo_requests")) == 1
    await harness.feed(**ann.press(data))
    assert "no longer wait" in harness.telegram.edits[-1].text
    await harness.feed(**ann.press(data))
    assert "no longer" in harness.telegram.toasts[-1]
    await harness.feed(**ann.photo())
    assert harness.task()["prompt"] is None


async def test_a_forgotten_request_ends_after_a_day(harness: HandlerHarness, ann: Person) -> None:
    await harness.feed(**ann.press("t|1"))
    harness.clock.pass_(WAITS.total_seconds() + 1)
    await harness.feed(**ann.photo())
    assert harness.task()["prompt"] is None


async def test_without_photos_a_template_says_so(
    harness: HandlerHarness, ann: Person, offer: Offer
) -> None:
    harness.dispatcher["offer"] = replace(offer, photos_on=False)
    await harness.feed(**ann.press("t|1"))
    assert "Photos cannot be used" in harness.telegram.sent[-1].text
    harness.dispatcher["offer"] = offer
    await harness.storage.alerts.hold(Switch.PHOTOS, by=1, now=NOON)
    await harness.feed(**ann.press("t|1"))
    assert "Photos cannot be used" in harness.telegram.sent[-1].text
    assert harness.rows("SELECT * FROM photo_requests") == []


async def test_a_deleted_person_is_waited_for_no_longer(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.press("t|1"))
    await harness.storage.privacy.erase_person(7, now=NOON)
    assert harness.rows("SELECT * FROM photo_requests") == []


async def test_in_a_group_the_photo_is_a_reply(harness: HandlerHarness) -> None:
    group = {"id": -5, "type": "group", "title": "Friends"}
    ann = Person(harness, chat=group)
    await harness.feed(**ann.press("t|1"))
    ask = harness.telegram.sent[-1]
    assert "as a reply to this message" in ask.text
    answered = {"message_id": ask.message_id, "date": 0, "chat": group, "text": "ask",
                "from": {"id": 42, "is_bot": True, "first_name": "Video"}}  # fmt: skip
    await harness.feed(**ann.photo(reply_to_message=answered))
    assert harness.task()["prompt"] == "Snow falls"


def test_every_bundled_template_is_offered_with_photos_only() -> None:
    kinds = [scene.needs_photo for scene in examples.bundled()]
    assert kinds == sorted(kinds)  # scenes from words come first
