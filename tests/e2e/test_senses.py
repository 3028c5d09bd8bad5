"""A photo without words, a voice message and a template in a bot that is killed in between."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from bot import texts
from bot.core import examples
from bot.sandbox.telegram.sounds import speak
from tests.e2e.conftest import QUICK, answers, card_for, has_button, words
from tests.support.media_files import GREEN, clip, flag, jpeg, learnt
from tests.support.process_harness import KEY, ProcessHarness, open_process_harness

WIND = "Поднимается лёгкий ветер"


@pytest_asyncio.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ProcessHarness]:
    async with open_process_harness(tmp_path, renderer=clip) as opened:
        await learnt(opened.database_url, QUICK)
        yield opened


async def restarted(harness: ProcessHarness) -> None:
    settings = {
        "VISION_MODEL": "gpt-4o-mini",
        "TRANSCRIBE_MODEL": "ears",
        "TRANSCRIBE_URL": harness.provider.origin,
        "TRANSCRIBE_KEY": KEY,
    }
    if harness.bots:
        harness.bots[-1].kill()
        assert await harness.bots[-1].wait() == -signal.SIGKILL
    await harness.start(settings=settings)


async def test_what_was_seen_heard_and_asked_for_survives_a_kill(harness: ProcessHarness) -> None:
    photo = jpeg(flag((900, 900), GREEN))
    await restarted(harness)
    anna = harness.telegram.add_person("Анна", language_code="ru")
    asked = await anna.send_photo(photo)
    ask = await anna.expect(answers(asked))
    assert "соглашаетесь" in words(ask)
    assert [call for call in harness.provider.calls if call.name == "chat"] == []
    await anna.press(ask, texts.suggestions.button_ideas("ru"))
    ideas = await anna.expect(has_button(WIND))
    assert ideas["message_id"] == ask["message_id"]
    await anna.send_text("/examples")
    scene = await anna.expect(has_button(texts.templates.button_others("ru", with_photo=True)))
    await anna.press(scene, texts.templates.button_others("ru", with_photo=True))
    template = await anna.expect(has_button(texts.templates.button_take("ru")))

    await restarted(harness)
    await anna.press(ideas, WIND)
    card = await anna.expect(lambda message: "A light wind" in words(message))
    assert WIND in words(card)

    await anna.press(template, texts.templates.button_take("ru"))
    await anna.expect(has_button(texts.templates.button_drop("ru")))

    await restarted(harness)
    second = await anna.send_photo(photo)
    first = next(one for one in examples.bundled() if one.needs_photo)
    assert words(await card_for(anna, second)).startswith(first.prompt)

    spoken = await anna.send_voice(*speak("Рыжий кот бежит по снегу"))
    heard = words(await card_for(anna, spoken))
    assert heard.startswith("Рыжий кот бежит по снегу")
    assert "Вот что я услышал" in heard
    assert harness.provider.charges == []  # nothing was ordered
    [call] = [call for call in harness.provider.calls if call.body.get("file")
              and call.body["file"].name == "voice.ogg"]  # fmt: skip
    assert call.outcome == "HTTP 200"
    log = "\n".join(path.read_text(errors="replace") for path in harness.folder.glob("*.log"))
    assert KEY not in log
