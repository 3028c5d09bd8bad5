"""A film from an idea, as people see it: told by the sandbox's model, ordered after a restart."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.e2e.conftest import answers, buttons, has_button, is_video, words
from tests.e2e.test_commands import checked
from tests.support.media_files import clip, learnt
from tests.support.process_harness import open_process_harness, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_film_from_an_idea_survives_a_kill_of_the_bot(tmp_path: Path) -> None:
    async with open_process_harness(tmp_path, delay=0.3, renderer=clip) as harness:
        await learnt(harness.database_url, 0.3)
        bot = await harness.start(settings={"STORY_MODEL": "auto"})
        await until(lambda: "stories: by gpt-4o-mini, about" in bot.lines)
        anna = harness.telegram.add_person("Anna", language_code="ru")
        asked = await anna.send_text("/film старый кот находит письмо")
        card = await anna.expect(lambda m: answers(asked)(m) and has_button("16:9")(m))
        assert words(card).startswith("🎞 Фильм из 4 частей · 20 секунд\n1. Начало: старый кот")
        assert buttons(card)[1] == ["1", "2", "3", "4"]
        bot.kill(signal.SIGKILL)
        await bot.wait()
        await harness.start(settings={"STORY_MODEL": "auto"})
        await anna.press(card, "16:9")
        await anna.expect(
            lambda m: is_video(m) and words(m).startswith("🎞 Фильм из 4 частей"), within=90
        )
        prompts = [task.prompt for task in harness.provider.tasks.values()]
        assert len(prompts) == 4
        assert prompts[0].startswith("old cat")
        _, lines = await checked(harness, STORY_MODEL="auto")
        assert lines["stories"].startswith("ok by gpt-4o-mini, about")
