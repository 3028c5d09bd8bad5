"""`make docs`: docs/settings.md and .env.example from bot/settings.py.

Each field's docstring is its description; `# --- name ---` begins a section.
"""

from __future__ import annotations

import ast
import re
import textwrap
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from bot.settings import Settings

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "settings.md"
EXAMPLE = ROOT / ".env.example"


@dataclass(frozen=True)
class Setting:
    """One setting as the pages show it."""

    name: str
    section: str
    about: str

    @property
    def field(self) -> FieldInfo:
        return Settings.model_fields[self.name]

    @property
    def default(self) -> str:
        """The default as it is written in the environment."""
        value = None if self.field.is_required() else self.field.default
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        if value is None or value == frozenset():
            return ""
        return str(value).lower() if isinstance(value, bool) else str(value)


def settings() -> list[Setting]:
    """Read all settings, in the order of the class."""
    source = (ROOT / "bot" / "settings.py").read_text(encoding="utf-8")
    lines = source.splitlines()
    [body] = [
        node.body
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name == "Settings"
    ]
    found, section, seen = [], "", 0
    for node, after in pairwise(body):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        for line in lines[seen : node.lineno]:
            if match := re.match(r" +# --- (.+) ---$", line):
                section = match[1]
        seen = node.lineno
        about = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            about = str(after.value.value)
        if node.target.id in Settings.model_fields:
            found.append(Setting(node.target.id, section, re.sub(r"\s+", " ", about).strip()))
    return found


def page() -> str:
    """Return docs/settings.md."""
    parts = [
        "# Settings\n\n"
        "From the environment, or from `.env` in the folder where the bot is started. "
        "A wrong,\nmissing or misspelt setting ends the start with one line for each and exit "
        "code 2; values are\nnever printed. `make docs` makes this page from `bot/settings.py`.\n"
    ]
    section = ""
    for one in settings():
        if one.section != section:
            section = one.section
            title = section[0].upper() + section[1:]
            parts.append(f"\n## {title}\n\n| name | default | what it is |\n| --- | --- | --- |\n")
        default = "required" if one.field.is_required() else f"`{one.default}`"
        shown = "" if default == "``" else default
        parts.append(f"| `{one.name.upper()}` | {shown} | {one.about} |\n")
    return "".join(parts)


def example() -> str:
    """Return .env.example."""
    parts = [
        "# Copy to .env and fill in. What is commented out shows the default.\n"
        "# `make run` starts the sandbox until there is a BOT_TOKEN.\n"
    ]
    section = ""
    for one in settings():
        if one.section != section:
            section = one.section
            parts.append(f"\n# --- {section} {'-' * (72 - len(section))}\n")
        about = textwrap.fill(
            one.about.replace("`", ""), 78, initial_indent="# ", subsequent_indent="# "
        )
        sign = "" if one.field.is_required() else "# "
        parts.append(f"\n{about}\n{sign}{one.name.upper()}={one.default}\n")
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    EXAMPLE.write_text(example(), encoding="utf-8")
