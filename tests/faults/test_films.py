"""Films on their way into the chat: joined once, sent again for nothing, and never lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import av
import pytest

from bot.jobs.films import LEASE, PATIENCE
from bot.sandbox.telegram.people import Person
from bot.sandbox.telegram.state import Json
from tests.faults.refusals import AWAY, LATER, TAKEN
from tests.media.test_video_reader import mp4
from tests.support.app_harness import AppHarness, OpenAppHarness

WHOLE, PARTS, GO_ON = "▶️ Whole film", "✂️ Parts", "🎞 Continue"


@pytest.fixture
async def harness(make_harness: OpenAppHarness) -> AsyncIterator[AppHarness]:
    async with make_harness(read_videos=True) as harness:
        yield harness


def films(harness: AppHarness, anna: Person) -> list[Json]:
    return [m for m in harness.videos(anna.chat) if "Film of" in str(m.get("caption"))]


def parts(harness: AppHarness, anna: Person) -> list[Json]:
    return [m for m in harness.videos(anna.chat) if m not in films(harness, anna)]


async def go_on(harness: AppHarness, anna: Person, prompt: str) -> None:
    """Continue the last part with this prompt."""
    count = len(harness.states())
    await anna.press(parts(harness, anna)[-1], GO_ON)
    await harness.until(lambda: len(harness.states()) == count + 1)
    await harness.order(anna, prompt)
    await harness.ended("delivered", count + 1)


async def film_of(harness: AppHarness, count: int = 2) -> Person:
    anna = harness.person()
    await harness.order(anna, "part 1")
    await harness.ended("delivered")
    for number in range(2, count + 1):
        await go_on(harness, anna, f"part {number}")
    return anna


async def whole(harness: AppHarness, anna: Person) -> Json:
    """Press ▶️ below the last part, and return the film."""
    before = len(films(harness, anna))
    await anna.press(parts(harness, anna)[-1], WHOLE)
    await harness.until(lambda: len(films(harness, anna)) > before, within=20_000)
    await harness.until(lambda: not harness.rows("SELECT 1 FROM films WHERE run_at IS NOT NULL"))
    return films(harness, anna)[-1]


def uploads(harness: AppHarness) -> int:
    return sum("video" in call.uploads for call in harness.sent("sendVideo"))


async def test_what_goes_on_is_one_film_with_the_right_length_and_cover(
    harness: AppHarness, clip: bytes
) -> None:
    anna = await film_of(harness, 3)
    assert harness.rows("SELECT film_id, film_place FROM tasks ORDER BY id") == [
        (1, 1), (1, 2), (1, 3),
    ]  # fmt: skip
    film = await whole(harness, anna)
    assert str(film["caption"]).startswith("🎞 Film of 3 parts")
    assert (film["video"]["width"], film["video"]["height"]) == (72, 128)
    assert film["video"]["duration"] == 3
    stored = harness.telegram.world.files.get(film["video"]["file_id"])
    assert stored is not None
    with av.open(str(stored.path), "r") as container:
        shown = sum(1 for _ in container.decode(video=0))
    assert shown == 3 * 24
    assert film["video"]["thumbnail"]["width"] == 72
    assert film["reply_to_message"]["message_id"] == parts(harness, anna)[-1]["message_id"]
    assert len(harness.asked("create")) == 3, "joining orders nothing"


async def test_a_film_is_uploaded_once(harness: AppHarness) -> None:
    anna = await film_of(harness)
    first = await whole(harness, anna)
    count, fetched = uploads(harness), len(harness.sent("getFile"))
    second = await whole(harness, anna)
    assert second["video"]["file_id"] == first["video"]["file_id"]
    assert uploads(harness) == count
    assert len(harness.sent("getFile")) == fetched
    # with another part it is another film
    await go_on(harness, anna, "part 3")
    assert (await whole(harness, anna))["video"]["duration"] == 3
    assert uploads(harness) == count + 2


@pytest.mark.parametrize("name", [*LATER, *TAKEN])
async def test_whatever_telegram_answers_the_film_arrives(harness: AppHarness, name: str) -> None:
    anna = await film_of(harness)
    fault = LATER[name][0] if name in LATER else TAKEN[name]
    harness.refuse(fault, "sendVideo")
    await whole(harness, anna)
    assert len(films(harness, anna)) == (2 if name in TAKEN else 1)
    assert len(harness.asked("create")) == 2


async def test_a_part_that_telegram_cannot_find_now_is_asked_for_again(
    harness: AppHarness,
) -> None:
    anna = await film_of(harness)
    harness.refuse(AWAY.model_copy(update={"times": 2}), "getFile")
    await whole(harness, anna)
    assert len(films(harness, anna)) == 1


async def test_a_part_that_telegram_does_not_find_is_named_in_the_end(
    harness: AppHarness,
) -> None:
    anna = await film_of(harness)
    harness.refuse(AWAY.model_copy(update={"times": 0}), "getFile")
    await anna.press(parts(harness, anna)[-1], WHOLE)
    await harness.until(
        lambda: any("has the video of part 1" in one for one in harness.words(anna.chat)),
        within=120,
    )
    assert films(harness, anna) == []


async def test_a_join_that_was_killed_is_begun_again(harness: AppHarness) -> None:
    anna = await film_of(harness)
    begun, never = asyncio.Event(), asyncio.Event()
    joiner = harness.parts.films
    join = joiner._join

    async def stuck(*_: object) -> None:
        begun.set()
        await never.wait()

    joiner._join = stuck
    await anna.press(parts(harness, anna)[-1], WHOLE)
    await harness.until(begun.is_set)
    [running] = [task for task in harness.running if task.get_name() == "FilmJoiner"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    harness.running.remove(running)
    joiner._join = join
    harness.running.append(asyncio.create_task(joiner.run()))  # noqa: TID251 - as the harness
    await harness.pass_(LEASE.total_seconds() - 30)
    assert films(harness, anna) == []
    await harness.until(lambda: films(harness, anna), within=60)
    await harness.settle()
    assert len(films(harness, anna)) == 1


async def test_a_second_press_while_it_is_joined_joins_nothing_more(harness: AppHarness) -> None:
    anna = await film_of(harness)
    last = parts(harness, anna)[-1]
    harness.refuse(LATER["429 for 10 000 s"][0], "getFile")
    await anna.press(last, WHOLE)
    await harness.until(lambda: harness.rows("SELECT 1 FROM films WHERE attempts = 1"))
    await anna.press(last, WHOLE)
    await harness.until(lambda: films(harness, anna), within=20_000)
    await harness.settle()
    assert len(films(harness, anna)) == 1


async def test_a_part_of_another_size_is_named_and_costs_nothing(
    harness: AppHarness, tmp_path_factory: pytest.TempPathFactory
) -> None:
    anna = await film_of(harness)
    other = mp4(tmp_path_factory.mktemp("other"), size=(128, 72))
    stored = harness.telegram.world.files.get(harness.task(2)["video_file_id"])
    assert stored is not None
    stored.path.write_bytes(other)
    await anna.press(parts(harness, anna)[-1], WHOLE)
    said = await harness.find(anna.chat, lambda m: "different frame size" in str(m.get("text")))
    assert said["text"].split("\n")[1:] == [
        "Part 2 has a different frame size from the first one.",
        "💳 Joining costs nothing, and no part is lost.",
        "Make it again with the same ratio and quality, or take it out.",
    ]
    assert films(harness, anna) == []
    assert not harness.rows("SELECT 1 FROM films WHERE run_at IS NOT NULL")


async def test_after_a_day_the_person_is_told(harness: AppHarness) -> None:
    anna = await film_of(harness)
    harness.refuse(LATER["500"][0].model_copy(update={"times": 0}), "getFile")
    await anna.press(parts(harness, anna)[-1], WHOLE)
    await harness.until(
        lambda: any("tried several times" in words for words in harness.words(anna.chat)),
        within=PATIENCE.total_seconds() + 2000,
    )
