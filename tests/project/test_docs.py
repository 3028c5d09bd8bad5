"""The documents keep up with the code."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from bot.core.catalog import CATALOG
from bot.core.families import FAMILIES
from bot.core.task import ALLOWED, ENDED, TaskState
from bot.provider import answers
from bot.provider.documented import ERROR_CODES, STATUSES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def headings(page: str) -> set[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return set(re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE))


def test_the_diagram_of_states_is_the_table_of_transitions() -> None:
    text = (DOCS / "states.md").read_text(encoding="utf-8")
    [diagram] = re.findall(r"```mermaid\n(.*?)```", text, flags=re.DOTALL)
    arrows = re.findall(r"^ *(\S+) --> ([^\s:]+)", diagram, flags=re.MULTILINE)
    drawn = [(a, b) for a, b in arrows if "[*]" not in (a, b)]
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == {(a.value, b.value) for a, after in ALLOWED.items() for b in after}
    assert {a for a, b in arrows if b == "[*]"} == {state.value for state in ENDED}
    assert [b for a, b in arrows if a == "[*]"] == [TaskState.DRAFT.value]


def test_every_state_has_its_row_of_meaning() -> None:
    text = (DOCS / "states.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)
    assert sorted(rows) == sorted(state.value for state in TaskState)


def test_the_prices_in_the_document_are_those_of_the_catalog() -> None:
    text = (DOCS / "provider.md").read_text(encoding="utf-8")
    lengths = (2, 5, 10, 12)
    told = {
        f"{family}-{seconds}s": Decimal(price)
        for family, *prices in re.findall(
            r"^\| `(seedance-\S+P)`" + r" \| ([\d.–]+)" * len(lengths), text, flags=re.MULTILINE
        )
        for seconds, price in zip(lengths, prices, strict=True)
        if price != "–"
    }
    assert told == {model.id: model.price for model in CATALOG.values()}


@pytest.mark.parametrize("page", ["provider.md", "telegram.md", "states.md"])
def test_sections_that_the_code_refers_to_exist(page: str) -> None:
    known = headings(page)
    for folder in ("bot", "handlers", "storage", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            for section in re.findall(rf'{page}: "([^"]+)"', path.read_text(encoding="utf-8")):
                assert section in known, f"{path.relative_to(ROOT)} refers to {section!r}"


def test_links_between_the_documents_lead_somewhere() -> None:
    pages = [*DOCS.rglob("*.md"), *ROOT.glob("*.md")]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"


def test_the_statuses_and_codes_in_the_document_are_those_that_are_compared() -> None:
    text = (DOCS / "provider.md").read_text(encoding="utf-8")
    statuses = re.search(r"## Statuses\n(.*?)\n## ", text, flags=re.DOTALL)
    assert statuses is not None
    told: dict[str, set[str]] = {}
    for names, mark in re.findall(
        r"^\| (`\w+`[^|]*) \| (DOC|SEEN|GUESS) \|", statuses[1], flags=re.MULTILINE
    ):
        for name in re.findall(r"`(\w+)`", names):
            told.setdefault(name, set()).add(mark)
    assert told.pop("url") == {"DOC", "SEEN"}
    assert {name: mark.value in told.get(name, ()) for name, mark in STATUSES.items()} == (
        dict.fromkeys(told, True)
    )
    codes = re.findall(r"^\| (\d+) \|", text, flags=re.MULTILINE)
    assert {int(code) for code in codes} == ERROR_CODES, "docs/provider.md: the table of codes"
    sorted_ = answers.AGAIN | answers.HOLDS.keys() | answers._NEVER.keys()
    assert sorted_ <= ERROR_CODES, "add the code to ERROR_CODES in bot/provider/documented.py"


def test_every_family_of_models_has_its_row() -> None:
    text = (DOCS / "provider.md").read_text(encoding="utf-8")
    rows = re.search(r"### Families\n(.*?)\n## ", text, flags=re.DOTALL)
    assert rows is not None
    told = {
        name.strip()
        for first in re.findall(r"^\| ([A-Z][^|]+) \|", rows[1], flags=re.MULTILINE)
        for name in first.split(",")
    }
    assert told == {family.title for family in FAMILIES}
