"""The README is correct: its commands work, its tables match the code."""

from __future__ import annotations

import re
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from bot.core.catalog import CATALOG
from bot.core.prompt import PROMPT_LIMIT
from bot.media.frames import MAX_BYTES, SMALLEST_SIDE
from bot.settings import Settings
from storage import open_storage

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RUSSIAN = (ROOT / "README.ru.md").read_text(encoding="utf-8")


def commands(*pages: str) -> list[str]:
    """The lines of all blocks that are marked as shell, without their comments."""
    found = []
    for page in pages:
        text = (ROOT / page).read_text(encoding="utf-8")
        for block in re.findall(r"^ *```sh\n(.*?)^ *```", text, flags=re.MULTILINE | re.DOTALL):
            found += [line.partition(" #")[0].strip() for line in block.splitlines()]
    return sorted({line for line in found if line})


def run(*command: str, cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- commands ------------------------------------------------------------------------------------


def test_there_are_commands_to_check() -> None:
    assert {"make run", "docker compose up --build -d"} <= set(commands("README.md"))


@pytest.mark.parametrize("command", commands("README.md", "README.ru.md", "CONTRIBUTING.md"))
async def test_every_command_works_as_documented(command: str, tmp_path: Path) -> None:
    match shlex.split(command):
        case ["make", *targets]:
            assert targets
            assert run("make", "-n", *targets)
        case [".venv/bin/python", "-m", "bot", *words]:
            options = {word for word in words if word.startswith("--")}
            told = run(sys.executable, "-m", "bot", *words[:1], "--help")
            assert options <= set(re.findall(r"--\w+", told))
        case [".venv/bin/python", "-m", "pytest", folder]:
            listed = run(sys.executable, "-m", "pytest", "--collect-only", "-q", folder)
            assert "test_journeys.py" in listed
        case [".venv/bin/python", "-m", module]:
            assert (ROOT / (module.replace(".", "/") + ".py")).is_file()
        case ["cp", source, _]:
            assert (ROOT / source).is_file()
        case ["docker", "compose", "up", "--build", "-d"]:
            assert re.search(r"^    build: \.$", compose(), flags=re.MULTILINE)
            assert (ROOT / "Dockerfile").is_file()
        case ["docker", "compose", "logs", "-f", service]:
            assert re.search(rf"^  {service}:$", compose(), flags=re.MULTILINE)
        case ["curl", address]:
            parts = urlsplit(address)
            fields = Settings.model_fields
            assert parts.hostname == fields["http_host"].default
            assert parts.port == fields["http_port"].default
            assert f'"{parts.path}"' in (ROOT / "bot" / "runtime" / "http_server.py").read_text(
                encoding="utf-8"
            )
        case ["sqlite3", database, statement]:
            assert Settings.model_fields["database_url"].default.endswith(f"///{database}")
            async with open_storage(f"sqlite+aiosqlite:///{tmp_path / database}"):
                copy = tmp_path / "copy.db"
                statement = re.sub(r"'[^']+'", f"'{copy}'", statement)
                with closing(sqlite3.connect(tmp_path / database)) as running:
                    running.execute(statement)
            with closing(sqlite3.connect(copy)) as copied:
                [(tables,)] = copied.execute("SELECT count(*) FROM sqlite_master").fetchall()
            assert tables
        case _:
            pytest.fail(f"this test does not know how to check: {command}")


def compose() -> str:
    return (ROOT / "compose.yaml").read_text(encoding="utf-8")


def test_the_words_of_make_are_those_of_the_makefile() -> None:
    told = dict(re.findall(r"^\| `make (\w+)` \| (.+) \|$", README, flags=re.MULTILINE))
    listed = {line.split()[0] for line in run("make", "-s", "help").splitlines()}
    assert set(told) <= listed
    assert {"setup", "run", "test", "check"} <= set(told)


# --- tables --------------------------------------------------------------------------------------


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) < 200


def test_both_languages_have_the_same_commands_settings_and_prices() -> None:
    assert commands("README.md") == commands("README.ru.md")
    assert commands("docs/operations.md") == commands("docs/operations.ru.md")
    for ours, theirs in (
        (README, RUSSIAN),
        (page("docs/operations.md"), page("docs/operations.ru.md")),
    ):
        assert names(ours) == names(theirs)
        assert ours.count("\n## ") == theirs.count("\n## ")
    prices = re.findall(r"^\| `seedance.*$", README, flags=re.MULTILINE)
    assert prices == re.findall(r"^\| `seedance.*$", RUSSIAN, flags=re.MULTILINE)


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def names(text: str) -> set[str]:
    """Settings, commands of the chat and rules that a page names; not the table of make."""
    return {
        name
        for name in re.findall(r"`(/?\w[\w=]*)", text)
        if name.isupper() or name.startswith("/") or "=" in name or name.istitle()
    }


def test_the_prices_are_those_of_the_catalog() -> None:
    rows = re.findall(r"^\| `(seedance\S+)` \| (\d+) \| (\d+) \|$", README, flags=re.MULTILINE)
    assert len(rows) == 3
    for family, five, ten in rows:
        assert CATALOG[f"{family}-5s"].price == int(five)
        assert CATALOG[f"{family}-10s"].price == int(ten)


def test_the_limits_are_those_of_the_code() -> None:
    limits = re.sub(r"\s+", " ", README.partition("## Limits")[2].partition("\n## ")[0])
    assert f"at most {PROMPT_LIMIT} characters" in limits
    assert f"up to {MAX_BYTES >> 20} MB, from {SMALLEST_SIDE} px a side" in limits
    assert f"{Settings.model_fields['provider_concurrency'].default} videos at once" in limits


def test_the_exit_codes_are_those_of_the_program() -> None:
    told = re.findall(r"(\d) (\w+ ?\w*)", README.partition("Exit codes: ")[2].partition(".")[0])
    assert [code for code, _ in told] == ["0", "1", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "bot"],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "BOT_TOKEN": "x"},
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 2


# --- pictures and pages --------------------------------------------------------------------------


def test_the_pictures_are_there_and_say_what_they_show() -> None:
    images = re.findall(r'<img src="([^"]+)" width="[^"]+" alt="([^"]+)">', README)
    assert len(images) == 5
    for source, words in images:
        with Image.open(ROOT / source) as picture:
            assert picture.format == "PNG"
            assert min(picture.size) >= 640
        assert len(words) > 40


def test_every_decision_is_listed_and_has_its_four_parts() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = sorted(path.name for path in folder.glob("[0-9]*.md"))
    listed = re.findall(r"\[\d{4}\]\((\S+)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert pages == listed
    assert len({name[:4] for name in pages}) == len(pages)
    for name in pages:
        text = (folder / name).read_text(encoding="utf-8")
        assert text.startswith(f"# {name[:4]}. ")
        parts = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
        assert parts == ["Context", "Decision", "Consequences", "Alternatives"], name


def test_anchors_between_pages_lead_to_headings() -> None:
    for page in (
        ROOT / "README.md",
        ROOT / "README.ru.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    ):
        for target, anchor in re.findall(
            r"\]\(([^)#:]*)#([^)]+)\)", page.read_text(encoding="utf-8")
        ):
            text = (page.parent / target if target else page).read_text(encoding="utf-8")
            headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
            known = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}
            assert anchor in known, f"{page.name}: {target}#{anchor}"
