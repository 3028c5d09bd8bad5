"""The buttons of a film: each works from the rows alone, once, and for the owner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot import texts
from tests.handlers.test_result import made
from tests.media.test_video_reader import mp4
from tests.support.handler_harness import NOON, HandlerHarness, Person


async def film_of(harness: HandlerHarness, person: Person, folder: Path, count: int = 3) -> None:
    """A film of this person: its parts are tasks 1, 2, … in the chat."""
    await made(harness, person)
    harness.telegram.contents["video"] = mp4(folder)
    for number in range(2, count + 1):
        await harness.feed(**person.press(f"b|f|{number - 1}", 900))
        await harness.feed(**person.text(f"part {number}"))
        await harness.feed(**person.press(f"r|{number}|9:16"))
        harness.rows(
            "UPDATE tasks SET state = 'delivered', video_file_id = ? WHERE id = ?",
            f"video-{number}",
            number,
        )
        harness.telegram.contents[f"video-{number}"] = mp4(folder)
    harness.telegram.calls.clear()
    harness.woken.clear()


def places(harness: HandlerHarness) -> list[tuple[Any, ...]]:
    return harness.rows("SELECT id, film_id, film_place FROM tasks ORDER BY id")


def data(call: Any) -> list[str]:
    return [data for row in call.buttons for _, data in row]


async def test_going_on_makes_a_film_of_the_videos(
    harness: HandlerHarness, ann: Person, tmp_path: Path
) -> None:
    await film_of(harness, ann, tmp_path)
    assert places(harness) == [(1, 1, 1), (2, 1, 2), (3, 1, 3)]
    film = await harness.storage.films.get(1)
    assert film is not None
    assert [part.id for part in film.parts] == [1, 2, 3]
    assert film.file_id is None


async def test_the_card_of_a_next_part_says_where_it_starts(
    harness: HandlerHarness, ann: Person, tmp_path: Path
) -> None:
    await film_of(harness, ann, tmp_path, 1)
    await harness.feed(**ann.press("b|f|1", 900))
    await harness.feed(**ann.text("the fox falls asleep"))
    card = harness.telegram.sent[-1].text
    assert "It starts with the last frame of the previous part." in card
    assert "your photo" not in card  # it is no photo of theirs, so there is nothing to consent to
    await harness.feed(**ann.press("r|2|9:16"))
    assert harness.states()[1] == "queued"
    assert harness.rows("SELECT count(*) FROM consents") == [(0,)]
    assert "Your photo is the first frame" not in card


async def test_a_draft_that_was_never_made_is_no_part(
    harness: HandlerHarness, ann: Person, tmp_path: Path
) -> None:
    await film_of(harness, ann, tmp_path, 2)
    await harness.feed(**ann.press("b|f|2", 900))
    film = await harness.storage.films.get(1)
    assert film is not None
    assert [part.id for part in film.parts] == [1, 2]


async def test_the_same_press_after_a_crash_adds_one_part(
    harness: HandlerHarness, ann: Person, tmp_path: Path
) -> None:
    await film_of(harness, ann, tmp_path, 1)
    event = ann.press("b|f|1", 900)
    number = await harness.feed(**event)
    await harness.again(number, **event)
    assert places(harness) == [(1, 1, 1), (2, 1, 2)]
    assert harness.rows("SELECT count(*) FROM films") == [(1,)]


async def test_the_whole_film_is_requested_once(
    harness: HandlerHarness, ann: Person, tmp_path: Path
) -> None:
    await film_of(harness, ann, tmp_path)
    await harness.feed(**ann.press("f|w|1|0", 903))
    await harness.feed(**ann.press("f|w|1|0", 903))
    assert harness.rows("SELECT id, reply_to, chat_id, lang FROM films") == [(1, 903, 7, "en")]
    assert harness.telegram.toasts == [
        texts.films.press_joining("en"), texts.films.press_being_joined("en"),
    ]  # fmt: skip
    assert len(harness.woken) == 2


async def test_the_whole_film_comes_where_its_button_was_pressed(
    harness: HandlerHarness, ann: Person, tmp_path: Path
) -> None:
    """Its parts went to the person's own chat: the group where they were ordered takes none."""
    await film_of(harness, ann, tmp_path)
    harness.rows("UPDATE tasks SET chat_id = -55, redirected = 1")
    await harness.feed(**ann.press("f|w|1|0", 903))
    assert harness.rows("SELECT reply_to, chat_id FROM films") == [(903, 7)]


async def test_a_film_that_telegram_has_is_sent_at_once(
    harness: HandlerHarness, ann: Person, tmp_path: Path
) -> None:
    await film_of(harness, ann, tmp_path)
    harness.rows("UPDATE films SET file_id = 'film', joined = '1.2.3'")
    await harness.feed(**ann.press("f|w|1|0", 903))
    [film] = harness.telegram.sent
    assert (film.name, film.params["video"]) == ("sendVideo", "film")
    assert film.text.startswith("🎞 Film of 3 parts · 15 seconds")
    assert data(film) == ["b|f|3", "f|p|1|0"]
    assert harness.rows("SELECT run_at FROM films") == [(None,)]
    # with another part it is another film; and one that Telegram lost is joined again
    harness.rows("UPDATE films SET joined = '1.2'")
    await harness.feed(**ann.press("f|w|1|0", 903))
    assert len(harness.telegram.sent) == 1
    assert harness.rows("SELECT run_at IS NULL FROM films") == [(0,)]


async def test_one_part_is_no_film(harness: HandlerHarness, ann: Person, tmp_path: Path) -> None:
    await film_of(harness, ann, tmp_path, 2)
    await harness.feed(**ann.press("f|x|1|2", 900))
    await harness.feed(**ann.press("f|w|1|0", 900))
    assert harness.telegram.toasts[1] == texts.films.press_one_part("en")
    assert harness.woken == []


async def test_the_parts_are_listed_and_one_can_be_taken_out(
    harness: HandlerHarness, ann: Person, tmp_path: Path
) -> None:
    await film_of(harness, ann, tmp_path)
    harness.rows("UPDATE tasks SET original = 'часть 2', rewritten = prompt WHERE id = 2")
    await harness.feed(**ann.press("f|p|1|0", 903, caption="film"))
    [shown] = harness.telegram.sent
    assert "2. часть 2\n3. part 3" in shown.text  # in the person's own words
    assert data(shown) == ["f|w|1|0", "f|n|1|1", "f|n|1|2", "f|n|1|3"]
    await harness.feed(**ann.press("f|n|1|2"))
    [edit] = harness.telegram.edits
    assert edit.text.startswith("🎞 Part 2 of 3\nчасть 2")
    assert data(edit) == ["f|a|1|2", "f|e|1|2", "f|x|1|2", "f|p|1|0", "f|w|1|0"]
    event = ann.press("f|x|1|2")
    number = await harness.feed(**event)
    await harness.again(number, **event)
    assert harness.telegram.toasts[-2:] == [
        texts.films.press_taken_out("en"), texts.films.press_no_part("en"),
    ]  # fmt: skip
    assert places(harness) == [(1, 1, 1), (2, None, None), (3, 1, 3)]
    assert data(harness.telegram.edits[-1]) == ["f|w|1|0", "f|n|1|1", "f|n|1|3"]
    assert harness.states() == 3 * ["delivered"]


async def test_a_part_is_made_again_from_where_the_one_before_it_ends(
    harness: HandlerHarness, ann: Person, tmp_path: Path
) -> None:
    await film_of(harness, ann, tmp_path)
    event = ann.press("f|a|1|2")
    number = await harness.feed(**event)
    await harness.again(number, **event)
    [card] = harness.telegram.sent
    assert card.name == "sendPhoto"
    assert "17\xa0₽" in card.text
    new = harness.task(4)
    assert (new["film_id"], new["film_place"], new["prompt"]) == (1, 2, "part 2")
    assert (new["frame_file_id"], new["frame_kind"]) == ("video", "video")
    film = await harness.storage.films.get(1)
    assert film is not None
    assert [part.id for part in film.parts] == [1, 2, 3], "until the new one is ready"
    harness.rows("UPDATE tasks SET state = 'delivered', video_file_id = 'v4' WHERE id = 4")
    film = await harness.storage.films.get(1)
    assert film is not None
    assert [part.id for part in film.parts] == [1, 4, 3]
    # the old version can be had back
    await harness.feed(**ann.press("f|n|1|2", 903))
    assert ("🔀 Version 2 of 2", "f|v|1|4") in [
        button for row in harness.telegram.edits[-1].buttons for button in row
    ]
    harness.clock.pass_(1)
    event = ann.press("f|v|1|4", 903)
    number = await harness.feed(**event)
    await harness.again(number, **event)
    film = await harness.storage.films.get(1)
    assert film is not None
    assert [part.id for part in film.parts] == [1, 2, 3]


async def test_a_part_is_replaced_by_another_prompt(
    harness: HandlerHarness, ann: Person, tmp_path: Path
) -> None:
    await film_of(harness, ann, tmp_path)
    await harness.feed(**ann.press("f|e|1|1"))
    [question] = harness.telegram.sent
    assert "new prompt" in question.text
    await harness.feed(**ann.text("a dog instead"))
    new = harness.task(4)
    assert (new["film_place"], new["prompt"], new["frame_file_id"]) == (1, "a dog instead", None)


async def test_going_on_from_an_older_part_replaces_what_followed_it(
    harness: HandlerHarness, ann: Person, tmp_path: Path
) -> None:
    await film_of(harness, ann, tmp_path)
    await harness.feed(**ann.press("b|f|1", 900))
    await harness.feed(**ann.text("another turn"))
    new = harness.task(4)
    assert (new["film_id"], new["film_place"]) == (1, 2)


async def test_photos_that_are_off_leave_only_the_first_part_to_be_made_again(
    harness: HandlerHarness, ann: Person, tmp_path: Path
) -> None:
    await film_of(harness, ann, tmp_path)
    harness.set_offer(photos_on=False)
    await harness.feed(**ann.press("f|a|1|2"))
    assert harness.telegram.toasts == [texts.results.press_photos_off("en")]
    assert len(harness.states()) == 3
    await harness.feed(**ann.press("f|a|1|1"))
    assert len(harness.states()) == 4


@pytest.mark.parametrize("act", list("wpnaevx"))
async def test_nobody_else_can_press(
    harness: HandlerHarness, ann: Person, boris: Person, tmp_path: Path, act: str
) -> None:
    await film_of(harness, ann, tmp_path, 2)
    await harness.feed(**boris.press(f"f|{act}|1|2", 900))
    assert harness.telegram.toasts == [texts.statuses.press_foreign("ru")]
    assert [call.name for call in harness.telegram.calls] == ["answerCallbackQuery"]
    assert places(harness) == [(1, 1, 1), (2, 1, 2)]
    await harness.feed(**boris.press(f"f|{act}|77|2", 900))
    assert harness.telegram.toasts[1] == texts.statuses.press_expired("ru")


async def test_what_is_deleted_for_good_is_in_no_film(
    harness: HandlerHarness, ann: Person, tmp_path: Path
) -> None:
    await film_of(harness, ann, tmp_path)
    harness.rows("UPDATE films SET file_id = 'film', joined = '1.2.3'")
    await harness.feed(**ann.press("b|z|2", 900))
    assert harness.rows("SELECT file_id, joined FROM films") == [(None, None)]
    for task_id in (1, 3):
        await harness.feed(**ann.press(f"b|z|{task_id}", 900))
    assert harness.rows("SELECT * FROM films") == []


async def test_a_person_who_is_deleted_has_no_films(
    harness: HandlerHarness, ann: Person, tmp_path: Path
) -> None:
    await film_of(harness, ann, tmp_path)
    await harness.storage.privacy.erase_person(7, now=NOON)
    assert harness.rows("SELECT * FROM films") == []
