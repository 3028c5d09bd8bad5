"""What is installed is locked, listed and asked about; the very commands of the Makefile."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.process_harness import free_port

ROOT = Path(__file__).parents[2]


def command(word: str) -> list[str]:
    """The one command of a target, with this interpreter."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    [line] = re.findall(rf"^{word}:.*\n\t(.*)$", text, flags=re.MULTILINE)
    python, *rest = shlex.split(line)
    assert python == "$(BIN)/python"
    return [sys.executable, *rest]


def locked(file: str) -> dict[str, str]:
    text = (ROOT / file).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-zA-Z0-9_.-]+)==(\S+)", text, flags=re.MULTILINE))


@pytest.mark.campaign
def test_the_list_of_parts_is_the_lock_with_its_hashes(tmp_path: Path) -> None:
    for name in ("requirements.txt", "pyproject.toml", "README.md"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(command("sbom"), cwd=tmp_path, capture_output=True, timeout=60, check=True)
    bom = json.loads((tmp_path / "sbom.cdx.json").read_text(encoding="utf-8"))
    assert {part["name"]: part["version"] for part in bom["components"]} == locked(
        "requirements.txt"
    )
    assert all(part["externalReferences"][0]["hashes"] for part in bom["components"])
    assert bom["metadata"]["component"]["name"] == "gptunnel-video-bot"


@pytest.mark.parametrize("word", ["audit"])
def test_an_audit_without_an_answer_fails(word: str, tmp_path: Path) -> None:
    asked = command(word)
    assert "--strict" in asked
    files = ("requirements.txt", "requirements-voice.txt", "requirements-dev.txt")
    assert set(files) <= set(asked)
    one = "structlog==25.4.0 --hash=sha256:" + "0" * 64 + "\n"
    for name in files:
        (tmp_path / name).write_text(one)
    nowhere = f"http://127.0.0.1:{free_port()}"
    ended = subprocess.run(
        asked,
        cwd=tmp_path,
        env={**os.environ, "HTTPS_PROXY": nowhere, "https_proxy": nowhere, "NO_PROXY": ""},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode != 0


def test_what_runs_is_what_is_tested() -> None:
    tested = locked("requirements-dev.txt")
    for name, version in locked("requirements.txt").items():
        assert tested[name] == version


def test_the_extra_for_voice_adds_to_what_is_tested_and_changes_nothing() -> None:
    base, voice = locked("requirements.txt"), locked("requirements-voice.txt")
    assert {name: voice[name] for name in base} == base
    text = (ROOT / "requirements-voice.txt").read_text(encoding="utf-8")
    assert "http" not in re.sub(r"^[a-z0-9-]*http[a-z0-9-]*==", "", text, flags=re.MULTILINE)
    assert text.count("--hash=sha256:") > len(voice)


def test_everything_that_is_named_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for file, named in (
        ("requirements.txt", project["project"]["dependencies"]),
        ("requirements-dev.txt", project["dependency-groups"]["dev"]),
        ("requirements-voice.txt", project["project"]["optional-dependencies"]["voice"]),
    ):
        names = {re.split(r"[\[><=~ ;]", each)[0].lower().replace("_", "-") for each in named}
        assert names <= set(locked(file)), file
