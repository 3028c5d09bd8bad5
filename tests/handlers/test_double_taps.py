"""The second tap of a double tap opens no second card.

Telegram sends two updates for the two taps.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bot import texts
from bot.core.caps import OrderRules
from bot.core.examples import Example
from handlers.context import Offer
from tests.handlers.test_drawing import delivered, image_model
from tests.handlers.test_film import film_of
from tests.handlers.test_result import made
from tests.handlers.test_storyboard import card, last_edit, pressed
from tests.media.test_video_reader import mp4
from tests.support.handler_harness import MODEL, HandlerHarness, Person, jpeg

__all__ = ["image_model"]

OPENED = texts.results.press_opened("en")
SCENE = Example(prompt="A whale above a city", titles={"en": "Whale", "ru": "Кит"}, ratio=None)


async def a_video(harness: HandlerHarness, ann: Person, folder: Path) -> None:
    await made(harness, ann)
    harness.telegram.contents["video"] = mp4(folder)


async def a_dearer_video(harness: HandlerHarness, ann: Person, folder: Path) -> None:
    await made(harness, ann, price_kopecks=1000)


async def a_lost_photo(harness: HandlerHarness, ann: Person, folder: Path) -> None:
    await made(harness, ann, "failed")
    harness.rows("UPDATE tasks SET frame_file_id = 'photo-1', frame_kind = 'photo'")


async def a_film(harness: HandlerHarness, ann: Person, folder: Path) -> None:
    await film_of(harness, ann, folder, 2)


async def a_picture(harness: HandlerHarness, ann: Person, folder: Path) -> None:
    await delivered(harness, ann)


async def a_picture_of_an_old_card(harness: HandlerHarness, ann: Person, folder: Path) -> None:
    await delivered(harness, ann)
    harness.rows("UPDATE tasks SET state = 'cancelled' WHERE id = 1")


async def a_scene(harness: HandlerHarness, ann: Person, folder: Path) -> None:
    harness.dispatcher["offer"] = Offer(model=MODEL, photos_on=True, examples=(SCENE,))
    await harness.feed(**ann.text("/examples"))


Setting = Callable[[HandlerHarness, Person, Path], Awaitable[None]]
BUTTONS: dict[str, tuple[Setting, str]] = {
    "again, at another price": (a_dearer_video, "b|a|1"),
    "another ratio": (a_video, "b|r|1"),
    "another prompt": (a_video, "b|w|1"),
    "continue": (a_video, "b|f|1"),
    "without the photo": (a_lost_photo, "b|n|1"),
    "a part again": (a_film, "f|a|1|2"),
    "a part with another prompt": (a_film, "f|e|1|2"),
    "a picture of the prompt": (a_video, "fp|1"),
    "a changed picture": (a_picture, "cp|2"),
    "a video from a picture": (a_picture, "up|2|"),
    "a video from a picture without its card": (a_picture_of_an_old_card, "up|2|"),
    "a scene": (a_scene, "t|0"),
}


async def tapped(
    harness: HandlerHarness, ann: Person, folder: Path, button: str
) -> tuple[str, int]:
    """Press a button once; return its data and message."""
    setting, data = BUTTONS[button]
    await setting(harness, ann, folder)
    message_id = harness.telegram.last_id
    await harness.feed(**ann.press(data, message_id))
    return data, message_id


@pytest.mark.parametrize("button", BUTTONS)
@pytest.mark.usefixtures("image_model")
async def test_a_second_tap_opens_nothing_more(
    harness: HandlerHarness, ann: Person, tmp_path: Path, button: str
) -> None:
    data, message_id = await tapped(harness, ann, tmp_path, button)
    opened, calls = harness.states(), len(harness.telegram.calls)
    assert OPENED not in harness.telegram.toasts
    harness.clock.pass_(1)
    event = ann.press(data, message_id)
    number = await harness.feed(**event)
    await harness.again(number, **event)  # after a crash
    assert harness.states() == opened
    assert [call.name for call in harness.telegram.calls[calls:]] == ["answerCallbackQuery"] * 2
    assert harness.telegram.toasts[-2:] == [OPENED] * 2

    harness.clock.pass_(31)
    sent = len(harness.telegram.sent)
    await harness.feed(**ann.press(data, message_id))
    assert len(harness.telegram.sent) > sent
    assert harness.telegram.toasts[-1] != OPENED


@pytest.mark.parametrize("button", ["another ratio", "another prompt", "continue", "a scene"])
async def test_a_cancelled_card_can_be_opened_again_at_once(
    harness: HandlerHarness, ann: Person, tmp_path: Path, button: str
) -> None:
    data, message_id = await tapped(harness, ann, tmp_path, button)
    card = len(harness.states())
    await harness.feed(**ann.press(f"x|{card}"))
    await harness.feed(**ann.press(data, message_id))
    assert harness.states()[-2:] == ["cancelled", "draft"]


async def test_an_ordered_or_changed_card_does_not_keep_another_from_opening(
    harness: HandlerHarness, ann: Person
) -> None:
    await made(harness, ann)
    await harness.feed(**ann.press("b|r|1", 900))
    await harness.feed(**ann.press("r|2|16:9"))
    await harness.feed(**ann.press("b|r|1", 900))
    assert harness.states() == ["delivered", "queued", "draft"]
    await harness.feed(**ann.press("n|3|2"))  # two videos
    await harness.feed(**ann.press("b|r|1", 900))
    assert harness.states() == ["delivered", "queued", "draft", "draft"]


async def test_different_buttons_open_a_card_each(
    harness: HandlerHarness, ann: Person, tmp_path: Path
) -> None:
    await film_of(harness, ann, tmp_path, 2)
    harness.rows("UPDATE tasks SET frame_file_id = 'p', frame_kind = 'photo' WHERE id = 1")
    harness.telegram.contents["p"] = jpeg(720, 1280)
    presses = ["b|r|1", "b|n|1", "b|w|1", "b|f|1", "f|a|1|1", "f|e|1|1"]
    for data in presses:
        await harness.feed(**ann.press(data, 900))
    assert harness.states()[2:] == ["draft"] * len(presses)
    assert OPENED not in harness.telegram.toasts


async def test_a_refused_order_leaves_one_card_however_often_again_is_pressed(
    harness: HandlerHarness, ann: Person
) -> None:
    await made(harness, ann)
    harness.storage.tasks.terms = OrderRules(sold=True)
    for _ in range(2):
        await harness.feed(**ann.press("b|a|1", 900))
    assert harness.states() == ["delivered", "draft"]


async def test_again_orders_a_card_that_has_just_been_opened(
    harness: HandlerHarness, ann: Person
) -> None:
    """A second order would be a mistake and cost money."""
    await made(harness, ann)
    await harness.feed(**ann.press("b|r|1", 900))
    [card_shown] = harness.telegram.sent
    event = ann.press("b|a|1", 900)
    number = await harness.feed(**event)
    assert harness.states() == ["delivered", "queued"]
    assert int(harness.telegram.edits[-1].params["message_id"]) == card_shown.message_id
    await harness.again(number, **event)
    assert harness.states() == ["delivered", "queued"]
    assert len(harness.telegram.sent) == 1


async def test_the_rest_of_a_film_is_one_card(harness: HandlerHarness, ann: Person) -> None:
    shown = await card(harness, ann)
    await harness.feed(**ann.press(pressed(shown, "9:16")))
    await harness.feed(**ann.press(pressed(last_edit(harness), "Cancel")))
    for boards, seconds in (2, 0), (2, 1), (3, 31):
        harness.clock.pass_(seconds)
        await harness.feed(**ann.press("fg|1"))
        assert harness.rows("SELECT count(*) FROM storyboards") == [(boards,)]
    assert harness.telegram.toasts[-2] == OPENED
