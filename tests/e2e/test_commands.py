"""The operator's commands as processes: their output and exit codes, beside a running bot."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio

from bot import __version__
from bot.sandbox.faults import Fault
from tests.e2e.conftest import card_for, is_video, order, words
from tests.e2e.test_start import OTHER_TOKEN, run
from tests.support.launcher import launching
from tests.support.media_files import MODEL, clip, learnt
from tests.support.process_harness import (
    KEY,
    TOKEN,
    ProcessHarness,
    free_port,
    open_process_harness,
    until,
)

pytestmark = pytest.mark.campaign


@pytest_asyncio.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ProcessHarness]:
    async with open_process_harness(tmp_path, delay=0.4, renderer=clip) as opened:
        await learnt(opened.database_url, 0.4)
        yield opened


async def checked(harness: ProcessHarness, **settings: str) -> tuple[int, dict[str, str]]:
    """The exit code, and each line by its name."""
    code, out, err = await harness.run("check", **settings)
    assert err == ""
    assert TOKEN not in out
    assert KEY not in out
    lines = [line.split(maxsplit=1) for line in out.splitlines()]
    return code, {
        rest.partition(": ")[0]: f"{level} {rest.partition(': ')[2]}" for level, rest in lines
    }


async def test_check_tells_in_a_line_each_that_all_is_well(harness: ProcessHarness) -> None:
    admin = harness.telegram.add_person("Anna")
    await admin.send_text("/start")
    group = harness.telegram.add_group("Operators", [admin])
    code, lines = await checked(
        harness, CAP_GLOBAL_PER_DAY="100", ADMINS=str(admin.id), ADMIN_CHAT=str(group.id)
    )
    assert code == 0, lines
    assert list(lines) == [
        "settings", "token", "updates", "balance", "model", "translation", "ideas", "voice",
        "photos", "admins", "alerts", "database", "clock", "disk",
    ]  # fmt: skip
    assert lines["token"] == "ok @sandbox_video_bot"
    assert lines["balance"] == "ok 5000.00 ₽ for 294 videos of 17 ₽"
    assert lines["photos"].startswith("ok a file was fetched through PUBLIC_URL")
    assert lines["clock"] == "ok as Telegram's"
    assert lines["alerts"] == "ok ADMIN_CHAT, and every admin can be written to"
    assert harness.telegram.calls_of("sendMessage") == []
    assert all(line.startswith("ok") for name, line in lines.items() if name != "disk")
    assert harness.provider.charges == []


async def test_check_names_everything_that_is_wrong_at_once(harness: ProcessHarness) -> None:
    harness.provider.balance = Decimal(3)
    harness.provider.models.pop("seedance-1-lite-480P-5s")
    nothing = harness.folder / "new" / "bot.db"
    code, lines = await checked(
        harness,
        BOT_TOKEN=OTHER_TOKEN,
        PUBLIC_URL=f"http://127.0.0.1:{free_port()}",
        DATABASE_URL=f"sqlite+aiosqlite:///{nothing}",
    )
    assert code == 1
    assert lines["database"] == "note sqlite: not there yet; a start makes it"
    assert not nothing.parent.exists()
    failed = {name for name, line in lines.items() if line.startswith("FAIL")}
    assert failed - {"disk"} == {"token", "updates", "balance", "model", "photos"}
    assert "no longer has it" in lines["model"]
    assert "3.00 ₽ for 0 videos" in lines["balance"]


async def test_check_names_every_target_of_alerts_that_cannot_be_written_to(
    harness: ProcessHarness,
) -> None:
    """A wrong group, one that the bot left, an admin who never wrote, one who blocked it."""
    good, silent, gone = (harness.telegram.add_person(name) for name in ("A", "B", "C"))
    await good.send_text("/start")
    await gone.send_text("/start")
    await gone.block_bot()
    admins = f"{good.id},{silent.id},{gone.id}"
    code, lines = await checked(harness, ADMINS=admins, ADMIN_CHAT="-1009")
    assert code == 1
    told = lines["alerts"]
    assert told.startswith("FAIL ADMIN_CHAT -1009 cannot be written to (")
    assert "check the ID, add the bot to the group" in told
    for admin in (silent, gone):
        assert f"the admin {admin.id} cannot be written to (" in told
    assert str(good.id) not in told
    assert "they have to press /start" in told
    left = harness.telegram.add_group("Operators", [good], bot_status="left")
    moved = harness.telegram.add_group("Old", [good], supergroup=False)
    new = harness.telegram.migrate(moved)
    for group, wrong in ((left, "cannot be written to"), (moved, f"has moved: set {new.id}")):
        code, lines = await checked(harness, ADMINS=str(good.id), ADMIN_CHAT=str(group.id))
        assert (code, lines["alerts"].split()[0]) == (1, "FAIL")
        assert wrong in lines["alerts"]


async def test_check_passes_without_the_list_of_models(
    harness: ProcessHarness,
) -> None:
    harness.provider.faults.add(Fault(on="models", act="answer", status=404, body={"code": 99}))
    code, lines = await checked(harness, PUBLIC_URL="", ACCESS="closed")
    assert code == 0
    assert lines["admins"].startswith("note none; a start prints a link")
    assert lines["model"].startswith("note")
    assert lines["photos"].startswith("note off")


async def test_check_uses_the_first_model_of_the_operators_catalog(
    harness: ProcessHarness, tmp_path: Path
) -> None:
    offer = {"id": "seedance-1-pro-480P-5s", "title": "Pro", "quality": "480p", "seconds": 5}
    (tmp_path / "offer.json").write_text(json.dumps([{**offer, "price": 30}]))
    code, lines = await checked(harness, CATALOG_FILE=str(tmp_path / "offer.json"))
    assert code == 0, lines
    assert lines["balance"].endswith("videos of 30 ₽")
    assert lines["model"].startswith("ok seedance-1-pro-480P-5s, 30 ₽")


async def test_check_finds_a_running_bot(harness: ProcessHarness) -> None:
    bot = await harness.start()
    code, lines = await checked(harness)
    assert code == 0, lines
    assert lines["photos"] == "ok PUBLIC_URL leads to the bot that runs here"
    assert "another process is on this file" in lines["database"]
    second = await harness.start(
        ready=False, settings={"HTTP_PORT": str(free_port()), "UPDATES": "polling"}
    )
    await until(lambda: "another process is on this file" in second.lines)
    assert await second.stop() == 0
    assert await bot.stop() == 0
    code, lines = await checked(harness)
    assert "another process" not in lines["database"]


async def test_the_version_is_said(harness: ProcessHarness) -> None:
    code, out, err = await run(harness, "-m", "bot", "--version")
    assert (code, out, err) == (0, f"bot {__version__}\n", "")
    bot = await harness.start()
    assert f"role all, version {__version__}" in bot.lines
    assert await bot.stop() == 0


async def test_a_backup_of_a_running_bot_is_verified_restored_and_runs(
    harness: ProcessHarness, tmp_path: Path
) -> None:
    bot = await harness.start()
    anna = harness.telegram.add_person("Anna", language_code="en")
    await order(anna, "before the backup")
    await anna.expect(is_video, within=60)
    file = tmp_path / "kept.db"
    code, out, err = await harness.run("backup", str(file))
    assert (code, err) == (0, "")
    assert out.startswith(f"ok    {file}: ")
    await order(anna, "after the backup")
    await anna.expect(lambda m: is_video(m) and len(harness.provider.tasks) == 2, within=60)
    assert await bot.stop() == 0

    code, out, _ = await harness.run("restore", str(file))
    assert code == 1
    assert "--replace" in out
    code, out, _ = await harness.run("restore", str(file), "--replace")
    assert code == 0, out
    assert "rows restored" in out
    assert "every row can be read" in out
    bot = await harness.start()
    again = await order(anna, "after the restore")
    assert again
    assert await bot.stop() == 0


async def test_copy_verify_and_migrate_print_their_results(
    harness: ProcessHarness, tmp_path: Path
) -> None:
    target = f"sqlite+aiosqlite:///{tmp_path / 'other' / 'bot.db'}"
    code, out, _ = await harness.run("migrate")
    assert (code, out) == (0, "ok    database: at the version of this program\n")
    code, out, _ = await harness.run("copy", harness.database_url, target)
    assert code == 0, out
    assert "rows copied" in out
    code, out, _ = await harness.run("verify", DATABASE_URL=target)
    assert code == 0
    assert out.startswith("ok    version ")


@pytest.mark.parametrize(
    "command",
    [
        ("backup", "/nowhere/at/all/kept.db"),
        ("restore", "not-there.db"),
        ("verify",),
        ("copy", "mysql://a/b", "sqlite+aiosqlite:///x.db"),
    ],
)
async def test_a_failed_command_prints_one_line_and_exits_with_1(
    harness: ProcessHarness, command: tuple[str, ...]
) -> None:
    code, out, err = await harness.run(
        *command, DATABASE_URL="sqlite+aiosqlite:///nothing/here.db"
    )
    assert code == 1
    assert err == ""
    assert len(out.splitlines()) == 1
    assert out.startswith("FAIL  ")


async def test_the_database_commands_want_the_database_alone(tmp_path: Path) -> None:
    """As in a job for backups, which has no token; other wrong settings do not matter."""
    kept = ("PATH", "HOME", "LANG", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    env["PYTHONPATH"] = str(Path(__file__).parents[2])
    url = f"sqlite+aiosqlite:///{tmp_path / 'bot.db'}"
    (tmp_path / ".env").write_text(f"DATABASE_URL={url}\nHTTP_PORT=none\nADMIM=7\n")
    other = f"sqlite+aiosqlite:///{tmp_path / 'other.db'}"
    async with launching() as launcher:
        for command in (
            ("migrate",),
            ("backup", "kept.backup"),
            ("restore", "kept.backup", "--replace"),
            ("verify",),
            ("copy", url, other),
        ):
            code, out, err = await launcher.run(env, tmp_path, *command)
            assert (code, err) == (0, ""), (command, out)
            assert out.startswith("ok    "), command
        assert (tmp_path / "bot.db").exists()
        (tmp_path / ".env").write_text(f"DATABSE_URL={url}\n")
        assert await launcher.run(env, tmp_path, "verify") == (
            2, "", "DATABSE_URL: not a setting; did you mean DATABASE_URL?\n"
        )  # fmt: skip


async def test_check_with_an_order_as_a_process_passes_in_the_sandbox(
    harness: ProcessHarness,
) -> None:
    code, out, _ = await harness.run("check", "--order")
    assert (code, len(harness.provider.charges)) == (1, 0)
    assert "there is no terminal to ask on: add --yes" in out
    code, out, err = await harness.run("check", "--order", "--yes")
    assert code == 0, out + err
    assert KEY not in out + err
    assert "0 different or new" in out.splitlines()[-1]
    report = (harness.folder / "data" / "order-check.json").read_text(encoding="utf-8")
    assert json.loads(report)["charged"] == "acceptance"
    assert len(harness.provider.charges) == 2


async def test_ctrl_c_during_an_order_check_prints_the_orders(
    harness: ProcessHarness,
) -> None:
    harness.provider.delay = 60
    bot = await harness.start("check", "--order", "--yes", ready=False)
    await until(lambda: "accepted, id" in bot.lines)
    bot.kill(signal.SIGINT)
    assert await bot.wait() == 1
    [task] = harness.provider.tasks.values()
    assert f"FAIL  words: accepted, id {task.id}" in bot.lines
    assert bot.lines.splitlines()[-1] == "FAIL  interrupted"
    assert "Traceback" not in bot.lines


async def test_a_catalog_is_written_and_its_changes_are_taken_over_by_a_press(
    harness: ProcessHarness,
) -> None:
    code, out, err = await harness.run("catalog")
    assert (code, err) == (0, "")
    file = harness.folder / "data" / "catalog.toml"
    assert out.splitlines()[-1].startswith("note  set CATALOG_FILE=")
    before = file.read_text(encoding="utf-8")
    catalog = {"CATALOG_FILE": str(file)}
    code, out, _ = await harness.run("catalog", **catalog)
    assert (code, file.read_text(encoding="utf-8")) == (1, before)
    assert "--replace" in out

    model = harness.provider.models[MODEL]
    harness.provider.models[MODEL] = replace(model, price=Decimal(23))
    olga = harness.telegram.add_person("Olga", language_code="en")
    await olga.send_text("/start")  # the bot cannot write to her before
    bot = await harness.start(settings=catalog | {"ADMINS": str(olga.id)})
    told = await olga.expect(lambda m: f"{MODEL}: 17 → 23" in words(m), within=60)
    asked = await olga.send_text("a cat")
    assert "17" in words(await card_for(olga, asked))
    await olga.press(told, "🏷 Update models and prices")
    await until(lambda: "price = 23" in file.read_text(encoding="utf-8"), 20)
    asked = await olga.send_text("another cat")
    assert "23" in words(await card_for(olga, asked))
    assert await bot.stop() == 0


async def test_check_says_who_looks_and_whether_speech_is_heard(harness: ProcessHarness) -> None:
    hears = {"TRANSCRIBE_MODEL": "ears", "TRANSCRIBE_URL": harness.provider.origin}
    code, lines = await checked(harness, VISION_MODEL="auto", TRANSCRIBE_KEY=KEY, **hears)
    assert code == 0, lines
    assert lines["ideas"] == "ok by gpt-4o-mini, about 0.48 ₽ a photo"
    assert lines["voice"] == "ok ears answers (TRANSCRIBE_URL, 127.0.0.1)"
    code, lines = await checked(harness, VISION_MODEL="unheard-of", TRANSCRIBE_KEY="no", **hears)
    assert code == 0, lines
    assert "does not list it (VISION_MODEL)" in lines["ideas"]
    assert lines["voice"] == "note ears: the service answers HTTP 401 (TRANSCRIBE_URL, 127.0.0.1)"
