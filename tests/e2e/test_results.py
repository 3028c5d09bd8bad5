"""The buttons below a delivered video, with the real program as a process."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from bot import texts
from bot.sandbox.telegram.people import Person
from tests.e2e.conftest import (
    Json,
    answers,
    buttons,
    creates,
    has_button,
    is_video,
    jobs,
    order,
    sent_videos,
    words,
    written,
)
from tests.support.media_files import GREEN
from tests.support.process_harness import ProcessHarness, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

PRICE = "17\N{NO-BREAK SPACE}₽"


async def video_of(person: Person, prompt: str) -> Json:
    await order(person, prompt)
    return await person.expect(lambda m: is_video(m) and words(m).startswith(prompt), within=60)


async def more(person: Person, video: Json, label: str = "⋯ More") -> Json:
    """Open all buttons below a video; return it with them."""
    await person.press(video, label)
    number = video["message_id"]
    await until(lambda: len(buttons(person.chat.messages[number])) > 3)
    return person.chat.messages[number]


async def test_every_video_has_its_buttons_and_again_orders_another(
    harness: ProcessHarness,
) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    prompt = "a kite over the sea, again"
    video = await video_of(anna, prompt)
    assert buttons(video) == [
        [f"🔁 Again · {PRICE}", "✏️ Edit"],
        ["🎞 Continue", "⋯ More"],
    ]
    pressed = await anna.press(video, f"🔁 Again · {PRICE}")
    assert (await anna.answer_to(pressed))["text"] == texts.results.press_retried("en")
    await until(lambda: sent_videos(harness, anna.id) == 2)
    assert len(creates(harness, prompt)) == 2
    assert [body["ar"] for body in creates(harness, prompt)] == ["16:9", "16:9"]


async def test_another_ratio_and_another_prompt_open_cards(harness: ProcessHarness) -> None:
    anna = harness.telegram.add_person("Anna", language_code="ru")
    video = await video_of(anna, "бумажный кораблик")
    await anna.press(await more(anna, video, "⋯ Ещё"), "📐 Другой формат")
    card = await anna.expect(lambda m: answers(video)(m) and has_button("9:16")(m))
    await anna.press(card, "9:16")
    await until(lambda: len(creates(harness, "бумажный кораблик")) == 2)
    assert creates(harness, "бумажный кораблик")[1]["ar"] == "9:16"

    await anna.press(video, "✏️ Изменить")
    await anna.expect(lambda m: "Напишите новое описание" in words(m))
    asked = await anna.send_text("бумажный самолётик")
    second = await anna.expect(lambda m: answers(asked)(m) and has_button("1:1")(m))
    await anna.press(second, "1:1")
    await until(lambda: jobs(harness, "бумажный самолётик"))


async def test_a_video_continues_from_its_last_picture(harness: ProcessHarness) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    video = await video_of(anna, "a gate opens slowly")
    await anna.press(video, "🎞 Continue")
    shown = await anna.expect(lambda m: "photo" in m and answers(video)(m))
    asked = await anna.send_text("and a dog comes through it")
    card = await anna.expect(lambda m: answers(asked)(m) and has_button("16:9")(m))
    await anna.press(card, "16:9")
    await until(lambda: jobs(harness, "and a dog comes through it"))
    [job] = jobs(harness, "and a dog comes through it")
    await until(lambda: job.made is not None)
    assert job.made is not None
    assert job.made.image is not None
    with Image.open(io.BytesIO(job.made.image)) as frame:
        middle = frame.convert("RGB").getpixel((frame.width // 2, frame.height // 2))
    assert isinstance(middle, tuple)
    assert all(abs(a - b) < 30 for a, b in zip(middle, GREEN, strict=True))
    assert shown["from"]["is_bot"]
    second = await anna.expect(
        lambda m: is_video(m) and words(m).startswith("and a dog comes"), within=60
    )
    assert buttons(second)[2] == ["▶️ Whole film", "✂️ Parts"]
    await anna.press(second, "▶️ Whole film")
    film = await anna.expect(lambda m: is_video(m) and "Film of 2 parts" in words(m), within=60)
    assert answers(second)(film)
    assert film["video"]["duration"] == video["video"]["duration"] + second["video"]["duration"]
    assert len(creates(harness, "and a dog comes through it")) == 1


async def test_a_video_comes_as_a_file_and_can_be_deleted(harness: ProcessHarness) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    video = await video_of(anna, "a lamp in the rain")
    video = await more(anna, video)
    await anna.press(video, "📄 As a file")
    file = await anna.expect(lambda m: "document" in m and answers(video)(m))
    assert file["document"]["file_name"].endswith(".mp4")
    await anna.press(video, "🗑 Delete")
    await until(lambda: video["message_id"] not in anna.chat.messages)

    await anna.send_text("/history")
    page = await anna.expect(lambda m: "Your videos" in words(m))
    await anna.press(page, "1")
    again = await anna.expect(lambda m: is_video(m) and m["message_id"] > page["message_id"])
    assert again["video"]["file_id"] == video["video"]["file_id"]
    assert len(creates(harness, "a lamp in the rain")) == 1


async def test_a_persons_own_videos_are_found_inline(harness: ProcessHarness) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    boris = harness.telegram.add_person("Boris", language_code="en")
    video = await video_of(anna, "a violet balloon")
    query = await anna.inline_query("VIOLET")
    await until(lambda: query.results is not None)
    assert query.results is not None
    [found] = query.results["results"]
    assert found["title"] == "a violet balloon"
    sent = await anna.choose(query, found["id"])
    assert sent["video"]["file_id"] == video["video"]["file_id"]
    other = await boris.inline_query("violet")
    await until(lambda: other.results is not None)
    assert other.results is not None
    assert other.results["results"] == []


async def test_all_data_of_a_person_is_deleted_on_request(harness: ProcessHarness) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    await video_of(anna, "a secret garden")
    await anna.send_text("/delete_me")
    question = await anna.expect(has_button("Delete everything"))
    await anna.press(question, "Delete everything")
    await until(
        lambda: "Deleted: your prompts" in words(anna.chat.messages[question["message_id"]])
    )
    for table in ("tasks", "users", "consents"):
        sql = f"SELECT count(*) FROM {table} WHERE user_id = ?"  # noqa: S608
        assert await written(harness, sql, anna.id) == [(0,)]
