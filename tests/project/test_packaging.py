"""What can be said of the image, the wheel and the settings' example without an engine."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import babel
import pytest

from bot.runtime.health import Health
from bot.runtime.http_server import HttpServer
from bot.settings import ADMIN_PORT, Settings, SettingsError, read_settings

ROOT = Path(__file__).parents[2]
PACKAGES = ("bot", "handlers", "storage")


def sources() -> set[str]:
    """Every file of the packages, as paths from the root."""
    return {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as (word, rest), continued lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for word, rest in instructions():
        if word == "FROM":
            found.append([])
        if found:  # an ARG of FROM comes before the first stage
            found[-1].append((word, rest))
    return found


def only(stage: list[tuple[str, str]], word: str) -> str:
    [rest] = [rest for name, rest in stage if name == word]
    return rest


def environment(stage: list[tuple[str, str]]) -> dict[str, str]:
    return dict(re.findall(r"(\w+)=(\S+)", only(stage, "ENV")))


def copied() -> list[tuple[str, str]]:
    """What the build takes from the project: (path here, path there)."""
    return [
        (source, target)
        for stage in stages()
        for word, rest in stage
        if word == "COPY" and not rest.startswith("--from")
        for source, target in [rest.split()]
    ]


# -- the image -----------------------------------------------------------------------------------


def test_the_image_is_made_in_two_stages_from_the_same_named_base() -> None:
    first, last = stages()
    assert only(first, "FROM").removesuffix(" AS build") == only(last, "FROM")
    assert only(last, "FROM") == "${PYTHON_IMAGE}"
    [(_, base)] = [one for one in instructions() if one[0] == "ARG"]
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.\d+-slim-\w+", base)


def test_what_the_image_installs_is_locked_with_hashes() -> None:
    first, last = stages()
    installs = [rest for word, rest in first if word == "RUN" and " install " in rest]
    assert len(installs) == 1
    assert "--require-hashes" in installs[0]
    assert not [rest for word, rest in last if word == "RUN" and "pip install" in rest]
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    pinned = re.findall(
        r"^\S+==[^\\]+\\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", lock, re.M
    )
    assert len(pinned) == len(re.findall(r"^[a-zA-Z]", lock, re.M)) > 20


def test_the_image_has_no_pip() -> None:
    first, last = stages()
    assert "python -m venv --without-pip /opt/venv" in [
        rest for word, rest in first if word == "RUN"
    ]
    [removed] = [rest for word, rest in last if word == "RUN" and rest.startswith("rm -rf")]
    for part in ("site-packages/*", "ensurepip", "bin/pip*"):
        assert part in removed


@pytest.mark.campaign
def test_the_bot_needs_no_language_that_the_image_leaves_out(tmp_path: Path) -> None:
    [trim] = [rest for word, rest in stages()[0] if word == "RUN" and "locale-data" in rest]
    kept = re.findall(r"! -name '?([\w*.]+)'?", trim)
    assert kept == ["root.dat", "en*.dat", "ru*.dat"]
    whole = Path(babel.__file__).parent
    dropped = [file.name for file in (whole / "locale-data").iterdir()
               if not any(fnmatch(file.name, name) for name in kept)]  # fmt: skip
    assert len(dropped) > 500
    shutil.copytree(
        whole,
        tmp_path / "babel",
        ignore=lambda folder, names: {*dropped, "__pycache__"} & {*names},
    )
    program = (
        "import babel, bot.texts\n"
        "from datetime import date\n"
        "from babel.dates import format_date\n"
        "from babel.numbers import format_decimal\n"
        "from babel.units import format_unit\n"
        f"assert babel.__file__.startswith({str(tmp_path)!r})\n"
        "for lang in ('ru', 'en'):\n"
        "    print(format_date(date(2026, 11, 28), locale=lang))\n"
        "    print(format_decimal(1234.5, locale=lang))\n"
        "    print(format_unit(5, 'duration-second', locale=lang))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False,
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "28" in ran.stdout


def test_what_the_image_copies_exists_and_is_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    for source, _ in copied():
        assert (ROOT / source).exists()
        assert f"!{source}" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == {a for a, _ in copied()}


def test_the_image_runs_as_an_unprivileged_user_and_ends_on_sigterm() -> None:
    last = stages()[-1]
    user, group = only(last, "USER").split(":")
    assert int(user) >= 1000
    assert int(group) >= 1000
    assert only(last, "STOPSIGNAL") == "SIGTERM"
    words = [word for word, _ in last]
    assert words.index("USER") > max(i for i, word in enumerate(words) if word in {"RUN", "COPY"})


def test_the_image_holds_no_secret() -> None:
    for word, rest in instructions():
        assert word != "ARG" or rest.startswith("PYTHON_IMAGE=")
        assert not re.search(r"TOKEN|KEY|\.env\b(?!iron)", rest), rest


def test_the_image_keeps_what_must_last_on_its_volume() -> None:
    last = stages()[-1]
    assert only(last, "VOLUME") == "/data"
    # Where videos are kept when the database is no file (Settings.data_dir).
    assert only(last, "WORKDIR") == "/app"
    assert "ln -s /data /app/data" in [rest for word, rest in last if word == "RUN"]
    settings = environment(last)
    assert settings["DATABASE_URL"] == "sqlite+aiosqlite:////data/bot.db"
    assert settings["HTTP_HOST"] == "0.0.0.0"
    names = {name.upper() for name in Settings.model_fields}
    assert set(settings) - names == {
        "PATH",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONUNBUFFERED",
        "TMPDIR",
    }


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with just what the image has in /app."""
    root = tmp_path_factory.mktemp("image")
    for source, target in copied():
        if target.startswith("/app/"):
            shutil.copytree(
                ROOT / source,
                root / target.removeprefix("/app/"),
                ignore=shutil.ignore_patterns("__pycache__"),
            )
    return root


def run_entry_point(image: Path, *args: str) -> subprocess.CompletedProcess[str]:
    entry = json.loads(only(stages()[-1], "ENTRYPOINT"))
    assert entry[0] == "python"
    return subprocess.run(
        [sys.executable, *entry[1:], *args],
        cwd=image,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_entry_point_starts_and_names_missing_settings(image: Path) -> None:
    ended = run_entry_point(image)
    assert ended.returncode == 2
    assert "BOT_TOKEN: is not set" in ended.stderr
    assert "GPTUNNEL_API_KEY: is not set" in ended.stderr


def test_the_image_has_every_module_and_file_that_it_needs(image: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", "import bot.media.reader_process, bot; print(bot.__file__)"],
        cwd=image,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout.strip() == str(image / "bot" / "__init__.py")
    there = {str(path.relative_to(image)) for path in image.rglob("*") if path.is_file()}
    assert sources() <= there


async def test_the_images_health_check_believes_healthz() -> None:
    check = only(stages()[-1], "HEALTHCHECK")
    command = json.loads(check[check.index("CMD") + 4 :])
    assert command[0] == "python"

    async def writable() -> bool:
        return True

    async def no_frame(token: str) -> None:
        return None

    seconds = [0.0]
    health = Health(writable, now=lambda: seconds[0])
    server = HttpServer("127.0.0.1", 0, frames=no_frame, health=health.report)
    await server.start()
    try:
        port = str(server.port)
        environ = {"PATH": os.environ["PATH"], "HTTP_PORT": port, "ADMIN_HTTP_PORT": ""}
        assert await _exit_code(command[1:], environ) == 0
        own = {"PUBLIC_TUNNEL": "ssh://me@host", "HTTP_PORT": "1", "ADMIN_HTTP_PORT": port}
        assert await _exit_code(command[1:], environ | own) == 0
        seconds[0] = 1000.0
        assert await _exit_code(command[1:], environ) == 1
    finally:
        await server.stop()
    assert await _exit_code(command[1:], environ) == 1
    assert f"and '{ADMIN_PORT}'" in command[2]  # the setting's default


async def _exit_code(args: list[str], environ: dict[str, str]) -> int:
    child = await asyncio.create_subprocess_exec(
        sys.executable, *args, env=environ, stderr=asyncio.subprocess.DEVNULL
    )
    return await child.wait()


def test_the_compose_file_locks_the_container_down() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    for line in (
        "read_only: true",
        "cap_drop: [ALL]",
        "no-new-privileges:true",
        "env_file: .env",
        "- data:/data",
    ):
        assert line in text
    grace, *_ = re.findall(r"stop_grace_period: (\d+)s", text)  # the bot comes first
    assert int(grace) > 10  # a stop takes up to ten seconds


# -- the settings' example -----------------------------------------------------------------------


def example() -> dict[str, str]:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    pairs = re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=(.*)$", text, flags=re.MULTILINE)
    assert len(pairs) == len(dict(pairs))
    return dict(pairs)


def test_the_example_names_every_setting_and_no_other() -> None:
    assert sorted(example()) == sorted(name.upper() for name in Settings.model_fields)


def test_the_example_shows_the_defaults() -> None:
    for name, field in Settings.model_fields.items():
        if not field.is_required() and field.default is not None:
            default = field.default
            shown = str(default).lower() if isinstance(default, bool) else str(default)
            if isinstance(default, frozenset):
                shown = ",".join(map(str, sorted(default)))
            assert example()[name.upper()] == shown, name


def test_a_copied_example_asks_for_the_two_secrets_only(tmp_path: Path) -> None:
    shutil.copy(ROOT / ".env.example", tmp_path / ".env")
    with pytest.raises(SettingsError) as caught:
        read_settings(_env_file=tmp_path / ".env")
    assert [line.split(":")[0] for line in caught.value.lines] == ["BOT_TOKEN", "GPTUNNEL_API_KEY"]


@pytest.mark.parametrize("role", ["intake", "worker"])
def test_a_sqlite_file_is_not_shared_by_roles(role: str) -> None:
    given = {"bot_token": "1:a", "gptunnel_api_key": "k", "role": role.upper(), "_env_file": None}
    with pytest.raises(SettingsError) as caught:
        read_settings(**given)
    [line] = caught.value.lines
    assert line.startswith(f"ROLE: {role} needs PostgreSQL in DATABASE_URL")
    settings = read_settings(**given, database_url="postgresql+asyncpg://bot@host/bot")
    assert (settings.takes_updates, settings.makes_videos) == (role == "intake", role == "worker")


# -- the wheel -----------------------------------------------------------------------------------


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for package in PACKAGES:
        shutil.copytree(ROOT / package, project / package)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, project / name)
    subprocess.run(
        [sys.executable, "-c", "from setuptools.build_meta import build_wheel; build_wheel('.')"],
        cwd=project,
        capture_output=True,
        timeout=120,
        check=True,
    )
    [wheel] = project.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        held = {name for name in opened.namelist() if ".dist-info/" not in name}
        [entry_points] = [name for name in opened.namelist() if name.endswith("entry_points.txt")]
        assert b"gptunnel-video-bot = bot.__main__:main" in opened.read(entry_points)
    assert held == sources()


# -- the words -----------------------------------------------------------------------------------


def test_every_word_of_the_makefile_that_people_use_is_there() -> None:
    listed = subprocess.run(
        ["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    ).stdout
    assert {"setup", "run", "test", "check", "lock", "clean"} <= {
        line.split()[0] for line in listed.splitlines()
    }


@pytest.mark.parametrize(
    ("environ", "dotenv", "sandbox"),
    [
        ({}, None, True),
        ({}, "BOT_TOKEN=\n", True),
        ({}, "# BOT_TOKEN=1:a\n", True),
        ({}, "BOT_TOKEN=1:a\n", False),
        ({}, 'export BOT_TOKEN="1:a"\n', False),
        ({}, "BOT_TOKEN_FILE=/run/secrets/token\n", False),
        ({"BOT_TOKEN": "1:a"}, None, False),
        ({"BOT_TOKEN_FILE": "/run/secrets/token"}, "BOT_TOKEN=\n", False),
    ],
)
def test_make_run_starts_the_sandbox_until_there_is_a_token(
    tmp_path: Path, environ: dict[str, str], dotenv: str | None, sandbox: bool
) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path / "Makefile")
    for name in ("pyproject.toml", "requirements-dev.txt"):
        (tmp_path / name).write_text("")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    (tmp_path / ".venv" / ".ready").write_text("")
    if dotenv is not None:
        (tmp_path / ".env").write_text(dotenv)
    said = subprocess.run(
        ["make", "-s", "run"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout
    assert said == ("-m bot sandbox\n" if sandbox else "-m bot\n")
