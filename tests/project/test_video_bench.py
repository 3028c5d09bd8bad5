"""The pieces of tests.bench.video: the bot it compares with, its meter and its flame graph."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.bench import flame, goals, tutorial_bot
from tests.bench.meters import cpu_seconds_of_all
from tests.bench.video import between_emulators, by_subject, one_video
from tests.support.media_files import clip
from tests.support.process_harness import open_process_harness

BURN = "import time\nwhile time.process_time() < {seconds}: pass"
SVG = "{http://www.w3.org/2000/svg}"


async def test_the_tutorial_bot_brings_a_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tutorial_bot, "POLL_SECONDS", 0.05)
    async with open_process_harness(tmp_path, delay=0.1, renderer=clip) as harness:
        for name in ("TELEGRAM_API_URL", "BOT_TOKEN", "GPTUNNEL_BASE_URL", "GPTUNNEL_API_KEY"):
            monkeypatch.setenv(name, harness.settings()[name])
        async with asyncio.TaskGroup() as group:
            group.create_task(tutorial_bot.main())
            await one_video(harness.telegram.add_person("Ann"), "A fox in the snow")
            await tutorial_bot.dispatcher.stop_polling()
        [job] = harness.provider.tasks.values()
    assert job.prompt == "A fox in the snow"


async def test_a_bot_is_measured_with_a_database_of_its_own() -> None:
    async with between_emulators(0.1, b"") as harness:
        file = harness.folder / "data" / "bot.db"
        assert harness.database_url.endswith(str(file))
        assert file.stat().st_size > 0


def test_processes_that_have_ended_count_too() -> None:
    before = cpu_seconds_of_all(os.getpid())
    subprocess.run([sys.executable, "-c", BURN.format(seconds=0.2)], check=True)
    assert cpu_seconds_of_all(os.getpid()) - before >= 0.19


def test_where_a_program_spends_its_cpu_is_sampled(tmp_path: Path) -> None:
    toggle = "import os, signal; os.kill(os.getpid(), signal.SIGUSR2)"
    burn = "def burns_most():\n  import time\n  while time.process_time() < 1.0: pass"
    code = f"{toggle}\n{burn}\nburns_most()\n{toggle}"
    run = [sys.executable, "-m", "tests.bench.flame", str(tmp_path / "stacks"), "timeit"]
    subprocess.run([*run, "-n", "1", "-r", "1", code], check=True, stdout=subprocess.DEVNULL)
    stacks = flame.read_stacks((tmp_path / "stacks").read_text())
    burning = sum(
        weight for stack, weight in stacks.items() if any("burns_most" in call for call in stack)
    )
    assert 0.1e6 < burning <= 1.1e6
    assert burning > 0.8 * stacks.total()


def test_a_box_is_as_wide_as_its_weight() -> None:
    stacks: dict[tuple[str, ...], float] = {
        ("main", "left <1>"): 75.0,
        ("main", "right"): 24.9,
        ("main", "hidden"): 0.1,
    }
    picture = ElementTree.fromstring(flame.draw("CPU", stacks, "ms"))  # noqa: S314 - our own
    boxes = {
        str(box.findtext(f"{SVG}title")).partition(":")[0]: box.find(f"{SVG}rect")
        for box in picture.iter(f"{SVG}g")
        if box.find(f"{SVG}title") is not None
    }
    widths = {
        name: float(rect.attrib["width"]) for name, rect in boxes.items() if rect is not None
    }
    assert widths == {
        "main": pytest.approx(flame.WIDTH, abs=1),
        "left <1>": pytest.approx(flame.WIDTH * 0.75, abs=1),
        "right": pytest.approx(flame.WIDTH * 0.249, abs=1),
    }
    tops = {name: float(rect.attrib["y"]) for name, rect in boxes.items() if rect is not None}
    assert tops["main"] > tops["left <1>"] == tops["right"]


def test_a_stack_belongs_to_its_innermost_subject() -> None:
    stacks = {
        ("bot.jobs.worker:run", "storage.tasks:save", "sqlalchemy.engine:execute"): 3.0,
        ("bot.jobs.worker:run", "aiohttp.client:get", "json:loads"): 2.0,
        ("asyncio.runners:run",): 1.0,
    }
    assert by_subject(stacks) == {"the database": 3.0, "HTTP": 2.0, "the rest": 1.0}


def test_the_page_shows_the_goals_of_the_reports() -> None:
    """`python -m tests.bench.goals` writes them anew."""
    assert goals.page() == goals.PAGE.read_text(encoding="utf-8")
    assert "| `video` |" in goals.table()
