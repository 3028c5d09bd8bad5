"""Every name in docs/architecture.md and every file in CONTRIBUTING.md exists."""

from __future__ import annotations

import importlib
import re
from functools import reduce
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r"`([\w/]+\.py):([\w.]+)`", PAGE)))
PATHS = sorted(
    {
        path
        for page in ("docs/architecture.md", "CONTRIBUTING.md")
        for path in re.findall(
            r"`((?:bot|handlers|storage|tests|docs)(?:/[\w.]+)*)`",
            (ROOT / page).read_text(encoding="utf-8"),
        )
    }
)


def test_the_page_names_functions_and_files() -> None:
    assert len(NAMES) > 30
    assert len(PATHS) > 30


@pytest.mark.parametrize(("path", "name"), NAMES)
def test_every_function_named_there_exists(path: str, name: str) -> None:
    module = importlib.import_module(
        path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    )
    assert reduce(getattr, name.split("."), module), f"docs/architecture.md: no {path}:{name}"


@pytest.mark.parametrize("path", PATHS)
def test_every_file_named_there_exists(path: str) -> None:
    assert (ROOT / path).exists(), f"{path} was moved: correct the pages that name it"


def test_every_package_is_in_the_diagram_and_the_table() -> None:
    packages = {
        f"bot/{folder.name}"
        for folder in (ROOT / "bot").iterdir()
        if (folder / "__init__.py").is_file()
    } | {"handlers", "storage"}
    table = set(re.findall(r"^\| `([\w/]+)` \|", PAGE, flags=re.MULTILINE))
    assert packages <= table, "add the package to the table of docs/architecture.md"
    diagram = PAGE.partition("```mermaid")[2].partition("```")[0]
    for package in packages - {"bot/sandbox"}:
        assert package in diagram, f"add {package} to the diagram of docs/architecture.md"
