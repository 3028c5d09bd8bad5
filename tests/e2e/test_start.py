"""Starts and refused starts of the program: the operator's output and the exit code."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot import texts
from bot.core.task import Problem
from tests.e2e.conftest import answers, card_for, is_video, words
from tests.support.media_files import GREEN, clip, flag, jpeg, learnt
from tests.support.process_harness import ProcessHarness, open_process_harness, until

OTHER_TOKEN = "7100200300:AAother-token-that-nobody-gave-out1"


@pytest_asyncio.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ProcessHarness]:
    async with open_process_harness(tmp_path, renderer=clip) as opened:
        yield opened


async def run(harness: ProcessHarness, *command: str, **settings: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command that ends by itself."""
    environment = {k: v for k, v in harness.settings(**settings).items() if v != "unset"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        env=environment,
        cwd=harness.folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(40):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.communicate()
        raise
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_stop_during_the_start_exits_with_0(
    harness: ProcessHarness, number: signal.Signals
) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # as from a terminal; `nohup pytest` ignores it
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot"), env=harness.settings(), cwd=harness.folder
    )
    status = Path(f"/proc/{process.pid}/status")

    def listens() -> bool:
        [caught] = re.findall(r"^SigCgt:\t(\w+)$", status.read_text(), flags=re.MULTILINE)
        return bool(int(caught, 16) >> (number - 1) & 1)

    await until(listens, 40)
    process.send_signal(number)
    async with asyncio.timeout(20):
        assert await process.wait() == 0


async def test_every_wrong_setting_has_its_line_and_no_value_is_repeated(
    harness: ProcessHarness,
) -> None:
    wrong = {
        "BOT_TOKEN": "canary-no-token",
        "GPTUNNEL_API_KEY": "Bearer canary-key",
        "GPTUNNEL_BASE_URL": "ftp://canary.example",
        "DATABASE_URL": "mysql://canary@localhost/x",
        "HTTP_PORT": "canary-port",
        "PUBLIC_URL": "canary.example",
        "MODEL": "canary-model",
        "TASK_DEADLINE_SECONDS": "0",
        "FRAME_TTL_SECONDS": "-7001",
        "ALLOW_PRIVATE_RESULT_HOSTS": "canary-maybe",
        "LOG_LEVEL": "canary-loud",
        "ACCESS": "canary-ajar",
        "ADMINS": "canary-me",
        "ALLOWED_USERS": "1001;1002",
    }
    code, out, err = await run(harness, "-m", "bot", **wrong)
    assert code == 2
    assert out == ""
    assert sorted(line.partition(":")[0] for line in err.splitlines()) == sorted(wrong)
    assert "canary" not in err
    assert "7001" not in err


async def test_missing_secrets_are_named_with_both_ways_to_give_them(
    harness: ProcessHarness,
) -> None:
    code, _, err = await harness.run(BOT_TOKEN="unset", GPTUNNEL_API_KEY="")
    assert code == 2
    assert err.splitlines() == [
        f"{name}: is not set (or set {name}_FILE to a file that holds it)"
        for name in ("BOT_TOKEN", "GPTUNNEL_API_KEY")
    ]


async def test_a_token_that_telegram_refuses_ends_the_program_with_a_clear_line(
    harness: ProcessHarness,
) -> None:
    code, _, err = await harness.run(BOT_TOKEN=OTHER_TOKEN)
    assert code == 1
    last = json.loads(err.splitlines()[-1])
    assert last["level"] == "critical"
    assert "Unauthorized" in last["message"]
    assert "Traceback" not in err
    assert OTHER_TOKEN not in err
    assert OTHER_TOKEN.partition(":")[2] not in err


async def test_without_a_public_address_photos_are_refused_and_prompts_work(
    harness: ProcessHarness,
) -> None:
    await learnt(harness.database_url, 0.4)
    bot = await harness.start(settings={"PUBLIC_URL": ""})
    assert "photos off (PUBLIC_URL is not set)" in bot.lines
    vera = harness.telegram.add_person("Vera", language_code="ru")
    content = jpeg(flag((800, 800), GREEN))
    refused = texts.failures.problem("ru", Problem.PHOTOS_OFF).render()[0]
    for asked in (
        await vera.send_photo(content, "кот на крыше"),
        await vera.send_photo(content),
        await vera.send_document(content, "a.jpg", "image/jpeg", "кот на крыше"),
    ):
        assert words(await vera.expect(answers(asked))) == refused
    assert [call.name for call in harness.provider.calls if call.name != "models"] == []

    asked = await vera.send_text("кот на крыше")
    await vera.press(await card_for(vera, asked), "1:1")
    video = await vera.expect(is_video, within=60)
    assert video["reply_to_message"]["message_id"] == asked["message_id"]
    assert await bot.stop() == 0
