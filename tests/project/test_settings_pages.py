"""The pages about settings agree with bot/settings.py."""

from __future__ import annotations

import re

from bot.settings import Settings
from tests.project.settings_pages import EXAMPLE, PAGE, ROOT, example, page, settings

RUSSIAN = ROOT / "docs" / "settings.ru.md"


def rows(text: str) -> dict[str, str]:
    """Name and default of each row of a page's tables."""
    found = re.findall(r"^\| `([A-Z0-9_]+)` \| (.*?) ?\| .+ \|$", text, flags=re.MULTILINE)
    assert len(found) == len(dict(found))
    return dict(found)


def test_every_setting_has_a_section_and_a_description() -> None:
    known = settings()
    assert [one.name for one in known] == list(Settings.model_fields)
    for one in known:
        assert one.section, f"{one.name}: put it below a `# --- section ---` in bot/settings.py"
        assert one.about.endswith("."), f"{one.name}: describe it in a docstring below the field"


def test_the_pages_are_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"
    assert EXAMPLE.read_text(encoding="utf-8") == example(), "run `make docs`"


def test_the_russian_page_has_the_same_settings_and_defaults() -> None:
    ours, theirs = rows(page()), rows(RUSSIAN.read_text(encoding="utf-8"))
    assert list(theirs) == list(ours), "add or remove the rows in docs/settings.ru.md"
    required = {name: "обязательно" if text == "required" else text for name, text in ours.items()}
    assert theirs == required, "correct the defaults in docs/settings.ru.md"
