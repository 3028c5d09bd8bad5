"""Cards as people use them, through the real program and over real HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot import texts
from bot.core.task import AspectRatio
from bot.sandbox.faults import Fault
from bot.sandbox.telegram.people import Person
from tests.e2e.conftest import (
    Json,
    answers,
    buttons,
    card_for,
    has_button,
    is_video,
    jobs,
    words,
)
from tests.support.media_files import BLUE, GREEN, RED, clip, flag, jpeg, learnt
from tests.support.process_harness import ProcessHarness, open_process_harness, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHOTO = jpeg(flag((1280, 960), RED, GREEN, GREEN, BLUE))


def now(person: Person, message: Json) -> Json:
    """The message as it is by now."""
    return person.chat.messages[message["message_id"]]


async def press_until(person: Person, card: Json, button: str, then: str) -> Json:
    """The card after a press, once it has this button."""
    await person.press(now(person, card), button)
    await until(lambda: has_button(then)(now(person, card)))
    return now(person, card)


async def test_a_prompt_and_then_a_photo_are_one_card_and_one_video(
    harness: ProcessHarness,
) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    asked = await anna.send_text("the flag of words first")
    first = await card_for(anna, asked)
    photo = await anna.send_photo(PHOTO)
    card = await card_for(anna, photo)
    assert "photo" in card
    assert words(card).startswith("the flag of words first")
    await until(lambda: first["message_id"] not in anna.chat.messages)
    await anna.press(card, "1:1")
    video = await anna.expect(is_video, within=60)
    assert answers(asked)(video)
    [job] = jobs(harness, "the flag of words first")
    assert job.made is not None
    assert job.made.image is not None


async def test_an_album_is_one_card_that_says_which_picture(harness: ProcessHarness) -> None:
    anna = harness.telegram.add_person("Anna", language_code="ru")
    album = await anna.send_album([PHOTO, PHOTO, PHOTO], "флаг из альбома")
    card = await card_for(anna, album[0])
    assert "взят только этот снимок" in words(card)
    await anna.press(card, "16:9")
    await anna.expect(is_video, within=60)
    assert len(jobs(harness, "флаг из альбома")) == 1


async def test_an_edited_prompt_is_used_for_the_video(harness: ProcessHarness) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    asked = await anna.send_text("a flag of chek")
    card = await card_for(anna, asked)
    await anna.edit_text(asked, "a flag of chess")
    await until(lambda: words(now(anna, card)).startswith("a flag of chess"))
    await anna.press(now(anna, card), "16:9")
    await anna.expect(is_video, within=60)
    assert len(jobs(harness, "a flag of chess")) == 1


async def test_two_variants_have_the_chosen_quality(
    harness: ProcessHarness,
) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    asked = await anna.send_text("two flags in the wind")
    card = await card_for(anna, asked)
    card = await press_until(anna, card, "⚙️ 480p · 5 s", "Done")
    await anna.press(card, "720p")
    await until(lambda: "41\N{NO-BREAK SPACE}₽" in words(now(anna, card)))
    await anna.press(now(anna, card), "×2")
    await until(lambda: "82\N{NO-BREAK SPACE}₽" in words(now(anna, card)))
    await anna.press(now(anna, card), "1:1")
    await until(lambda: sum(is_video(m) for m in anna.chat.messages.values()) == 2, 30)
    made = jobs(harness, "two flags in the wind")
    assert len(made) == 2
    videos = [m for m in anna.chat.messages.values() if is_video(m)]
    assert all(answers(asked)(video) for video in videos)
    assert [(v["video"]["width"], v["video"]["height"]) for v in videos] == 2 * [(960, 960)]


async def test_a_ready_scene_is_found_by_browsing_and_chosen(harness: ProcessHarness) -> None:
    anna = harness.telegram.add_person("Anna", language_code="ru")
    started = await anna.send_text("/start")
    hello = await anna.expect(answers(started))
    await anna.press(hello, "✨ Готовые сцены")
    scene = await anna.expect(has_button("🎬 Взять эту сцену"))
    assert "photo" in scene
    await anna.press(scene, "›")
    await until(lambda: "2/17" in words(now(anna, scene)))
    await anna.press(now(anna, scene), "🎬 Взять эту сцену")
    card = await anna.expect(has_button("1:1"))
    assert words(card).startswith("A lighthouse stands in a storm")
    assert buttons(card)[0][0] == AspectRatio.TALL


async def test_a_russian_prompt_is_translated_and_can_be_improved(tmp_path: Path) -> None:
    async with open_process_harness(tmp_path, delay=0.3, renderer=clip) as harness:
        await learnt(harness.database_url, 0.3)
        bot = await harness.start(settings={"TRANSLATE_MODEL": "auto"})
        await until(lambda: "translation: by gpt-4o-mini, about 0.08 ₽ a prompt" in bot.lines)
        anna = harness.telegram.add_person("Anna", language_code="ru")
        started = await anna.send_text("/start")
        hello = await anna.expect(answers(started))
        assert "Рыжая лиса бежит по снегу" in words(hello)
        asked = await anna.send_text("рыжий кот бежит")
        card = await card_for(anna, asked)
        assert words(card).startswith("ginger cat runs")
        assert "рыжий кот бежит" in words(card)
        own, other = texts.cards.button_as_written("ru"), texts.cards.button_rewritten("ru")
        card = await press_until(anna, card, own, other)
        assert words(card).startswith("рыжий кот бежит")
        await anna.press(card, "✨ Улучшить")
        await until(lambda: "slowly closer" in words(now(anna, card)))
        await anna.press(now(anna, card), "16:9")
        await anna.expect(is_video, within=60)
        [job] = harness.provider.tasks.values()
        assert job.prompt.startswith("ginger cat runs, wide shot")
        assert "рыжий" not in harness.bots[0].lines


async def test_a_hanging_translator_delays_no_card(tmp_path: Path) -> None:
    async with open_process_harness(tmp_path, delay=0.3, renderer=clip) as harness:
        await harness.start(settings={"TRANSLATE_MODEL": "chatty"})
        harness.provider.faults.add(Fault(on="chat", act="hang_before"))
        anna = harness.telegram.add_person("Anna", language_code="ru")
        asked = await anna.send_text("рыжий кот бежит")
        card = await anna.expect(lambda m: answers(asked)(m) and has_button("16:9")(m), within=30)
        assert words(card).startswith("🎬")  # below the person's own words
