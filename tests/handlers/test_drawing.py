"""🖼 and 🖌 on a card, and the card of a picture: each press counts once, and only for the owner."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot import texts
from bot.core.alerts import Switch
from bot.core.catalog import CATALOG, Model
from bot.core.task import TaskKind
from tests.support.handler_harness import MODEL, NOON, HandlerHarness, Person, jpeg

DRAWS = Model(id="seedream-3", title="Seedream 3", price=Decimal(6), kind=TaskKind.PICTURE)


@pytest.fixture(autouse=True)
def image_model(harness: HandlerHarness) -> Iterator[None]:
    offer = harness.dispatcher["offer"]
    CATALOG[DRAWS.id] = DRAWS
    harness.dispatcher["offer"] = replace(
        offer, photos_on=True, models=(MODEL,), image_model=DRAWS
    )
    yield
    CATALOG.pop(DRAWS.id, None)


def offer(harness: HandlerHarness, **changes: Any) -> None:
    harness.dispatcher["offer"] = replace(harness.dispatcher["offer"], **changes)


def data(call: Any) -> list[str]:
    return [data for row in call.buttons for _, data in row]


async def delivered(harness: HandlerHarness, person: Person) -> None:
    """The picture of a card, as message 900."""
    await harness.feed(**person.text("A cat"))
    await harness.feed(**person.press("fp|1"))
    await harness.feed(**person.press("r|2|9:16"))
    harness.rows(
        "UPDATE tasks SET state = 'delivered', video_file_id = 'drawn', video_message_id = 900"
        " WHERE id = 2"
    )
    harness.telegram.contents["drawn"] = jpeg(720, 1280)
    harness.telegram.calls.clear()


async def test_the_button_opens_the_card_of_a_picture(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.text("A cat"))
    [card] = harness.telegram.sent
    assert "fp|1" in data(card)
    await harness.feed(**ann.press("fp|1"))
    drawing = harness.telegram.sent[-1]
    assert "🖼 Seedream 3" in drawing.text
    assert data(drawing) == [
        "r|2|1:1", "r|2|16:9", "r|2|9:16", "n|2|1", "n|2|2", "n|2|3", "n|2|4", "x|2",
    ]  # fmt: skip
    made = harness.task(2)
    assert (made["kind"], made["picture_for"], made["prompt"]) == ("picture", 1, "A cat")
    assert (made["model"], made["price_kopecks"]) == ("seedream-3", 600)
    assert harness.telegram.toasts == [texts.pictures.press_draw("en")]
    # pressed again later, and again by a repeated update: the same card, once
    harness.clock.pass_(31)
    event = ann.press("fp|1")
    number = await harness.feed(**event)
    await harness.again(number, **event)
    assert harness.states() == ["draft", "draft"]
    gone = {call.params["message_id"] for call in harness.telegram.named("deleteMessage")}
    assert len(gone) == 2


async def test_a_number_of_pictures_up_to_four(harness: HandlerHarness, ann: Person) -> None:
    await harness.feed(**ann.text("A cat"))
    await harness.feed(**ann.press("fp|1"))
    await harness.feed(**ann.press("n|2|4"))
    assert harness.task(2)["variants"] == 4
    assert "4 × 6\xa0₽ = 24\xa0₽" in harness.telegram.edits[-1].text
    assert "n|2|4" in data(harness.telegram.edits[-1])
    await harness.feed(**ann.press("n|1|4"))  # videos: at most three
    assert harness.task(1)["variants"] == 1
    await harness.feed(**ann.press("r|2|16:9"))
    kinds = harness.rows("SELECT kind, state, picture_for FROM tasks WHERE id > 1")
    assert kinds == 4 * [("picture", "queued", 1)]
    assert harness.telegram.toasts[-1] == "Accepted! Your picture will arrive here."


async def test_others_cannot_draw_for_ones_card(
    harness: HandlerHarness, ann: Person, boris: Person
) -> None:
    await delivered(harness, ann)
    for press in ("fp|1", "cp|2", "up|2|"):
        await harness.feed(**boris.press(press, 900))
    assert harness.telegram.toasts == 3 * [texts.statuses.press_foreign("ru")]
    assert harness.states() == ["draft", "delivered"]
    await harness.feed(**ann.press("up|99|", 900))
    assert harness.telegram.toasts[-1] == texts.statuses.press_expired("en")


@pytest.mark.parametrize("press", ["fp|1", "cp|2", "b|a|2", "b|w|2", "b|r|2"])
async def test_without_an_image_model_old_buttons_say_so(
    harness: HandlerHarness, ann: Person, press: str
) -> None:
    await delivered(harness, ann)
    offer(harness, image_model=None)
    await harness.feed(**ann.press(press, 900))
    assert harness.telegram.toasts == [texts.pictures.press_off("en")]
    assert len(harness.states()) == 2


async def test_while_photos_are_held_nothing_is_drawn_or_used(
    harness: HandlerHarness, ann: Person
) -> None:
    await delivered(harness, ann)
    await harness.storage.alerts.hold(Switch.PHOTOS, by=0, now=NOON)
    await harness.feed(**ann.press("fp|1"))
    await harness.feed(**ann.press("up|2|", 900))
    assert harness.telegram.toasts == [
        texts.pictures.press_off("en"), texts.results.press_photos_off("en"),
    ]  # fmt: skip
    assert harness.task(1)["frame_file_id"] is None


async def test_a_model_of_words_only_changes_no_photo(
    harness: HandlerHarness, ann: Person
) -> None:
    offer(harness, image_model=replace(DRAWS, takes_image=False))
    await harness.feed(**ann.photo(caption="A cat"))
    assert not any(one.startswith(("cp|", "fp|")) for one in data(harness.telegram.sent[-1]))
    await harness.feed(**ann.press("cp|1"))
    assert harness.telegram.toasts == [texts.pictures.press_only_words("en")]
    assert harness.states() == ["draft"]


async def test_a_text_becomes_the_words_of_the_change(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.photo(caption="A cat"))
    assert "cp|1" in data(harness.telegram.sent[-1])
    await harness.feed(**ann.press("cp|1"))
    assert "Write what should change" in harness.telegram.sent[-1].text
    # the record of the press is deleted after some days; the price stays that of a picture
    harness.rows("DELETE FROM presses")
    await harness.feed(**ann.text("make it night"))
    made = harness.task(2)
    assert (made["prompt"], made["model"], made["price_kopecks"]) == (
        "make it night", "seedream-3", 600,
    )  # fmt: skip
    assert harness.task(1)["prompt"] == "A cat"


async def test_a_photo_without_words_does_not_join_the_card_of_a_picture(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.text("A cat"))
    await harness.feed(**ann.press("fp|1"))
    await harness.feed(**ann.photo())
    assert harness.task(2)["frame_file_id"] is None
    assert harness.task(3)["kind"] == "video"


async def test_a_reply_to_a_picture_is_about_that_picture(
    harness: HandlerHarness, ann: Person
) -> None:
    await delivered(harness, ann)
    message = ann.text("It begins to rain", reply_to_message={
        "message_id": 900, "date": 0, "chat": {"id": 7, "type": "private"},
        "from": {"id": 42, "is_bot": True, "first_name": "Video"},
    })  # fmt: skip
    await harness.feed(**message)
    made = harness.task(3)
    assert (made["kind"], made["frame_file_id"], made["frame_kind"]) == (
        "video", "drawn", "picture",
    )  # fmt: skip


async def test_when_the_card_is_gone_a_picture_has_its_own_prompt(
    harness: HandlerHarness, ann: Person
) -> None:
    await delivered(harness, ann)
    await harness.feed(**ann.press("x|1"))  # the card is cancelled, then deleted
    harness.rows("DELETE FROM tasks WHERE id = 1")
    await harness.feed(**ann.press("up|2|", 900))
    made = harness.task(3)
    assert (made["prompt"], made["frame_file_id"], made["model"]) == ("A cat", "drawn", MODEL.id)
    assert "🖼 The picture is the first frame." in harness.telegram.sent[-1].text


async def test_a_refused_order_of_a_picture_speaks_of_a_picture(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.text("A cat"))
    await harness.feed(**ann.press("fp|1"))
    harness.storage.tasks.terms = replace(harness.storage.tasks.terms, sold=True)
    await harness.feed(**ann.press("r|2|9:16"))
    assert harness.telegram.toasts[-1].startswith("This picture costs 6\xa0₽")
    assert harness.states() == ["draft", "draft"]


async def test_a_picture_can_be_had_as_a_file_but_not_continued(
    harness: HandlerHarness, ann: Person
) -> None:
    await delivered(harness, ann)
    await harness.feed(**ann.press("b|d|2", 900))
    [file] = harness.telegram.sent
    assert file.name == "sendDocument"
    assert [*file.files.values()] == [harness.telegram.contents["drawn"]]
    await harness.feed(**ann.press("b|f|2", 900))
    assert harness.telegram.toasts[-1] == texts.statuses.press_expired("en")
    assert harness.rows("SELECT count(*) FROM films") == [(0,)]


async def test_inline_mode_offers_videos_only(harness: HandlerHarness, ann: Person) -> None:
    await delivered(harness, ann)
    assert await harness.storage.history.videos(7, "cat", limit=5) == []
