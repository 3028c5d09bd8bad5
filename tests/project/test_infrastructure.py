"""The files around the code agree with each other: workflows, hooks, versions, license."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

from bot import __version__

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def workflow(name: str) -> dict[Any, Any]:
    text = (ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8")
    loaded: dict[Any, Any] = yaml.safe_load(text)
    return loaded


def test_the_check_runs_the_documented_command_on_every_supported_python() -> None:
    job = workflow("check")["jobs"]["check"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert [step["run"] for step in job["steps"] if "run" in step] == ["make check"]
    assert "make check" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make check" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_a_tag_builds_the_image_for_both_architectures_with_attestations() -> None:
    image = workflow("image")
    assert image[True] == {"push": {"tags": ["v*.*.*"]}}  # YAML 1.1 reads `on` as true
    build = image["jobs"]["image"]["steps"][-1]["with"]
    assert build["platforms"] == "linux/amd64,linux/arm64"
    assert (build["sbom"], build["provenance"]) == (True, "mode=max")


def test_the_hooks_are_the_tools_of_make_lint() -> None:
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    ours = {line.split("/")[1].split()[0] for line in recipe[1].splitlines()}
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    [repo] = config["repos"]
    theirs = {hook["entry"].removeprefix(".venv/bin/").split()[0] for hook in repo["hooks"]}
    assert ours == theirs == {"ruff", "mypy", "lint-imports", "zizmor", "hadolint"}


def test_the_version_has_its_release_in_the_changelog() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", text, flags=re.MULTILINE)
    assert released[0] == PROJECT["version"]
    assert __version__ == PROJECT["version"]
    assert text.index("## [Unreleased]") < text.index(f"## [{released[0]}]")


def test_the_license_is_mit_everywhere() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith("MIT License")
    assert "the gptunnel-video-bot authors" in text
    assert PROJECT["license"] == "MIT"


def test_people_find_a_form_for_what_they_report() -> None:
    folder = ROOT / ".github" / "ISSUE_TEMPLATE"
    names = {
        yaml.safe_load(path.read_text(encoding="utf-8"))["name"]
        for path in folder.glob("*.yml")
        if path.name != "config.yml"
    }
    assert names == {"A video was lost", "Wrong charge", "Question"}


def test_both_stages_of_the_image_use_the_pinnable_base() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"^FROM (\S+)", text, flags=re.MULTILINE) == ["${PYTHON_IMAGE}"] * 2
