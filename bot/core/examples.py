"""Ready-made scenes to start with: a title, a prompt, an aspect ratio and a picture each.

Bundled ones are in bot/scenes; the operator can provide a file. Pure: it must not know who uses
them.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bot.core.task import AspectRatio

BUNDLED = Path(__file__).parents[1] / "scenes" / "scenes.toml"
PICTURE_LIMIT = 200_000
"""The largest size of a picture in bytes; it is shown small."""
TITLE_LIMIT = 40


@dataclass(frozen=True, kw_only=True)
class Example:
    """One scene."""

    titles: dict[str, str]  # by language; "en" is always present
    prompt: str
    ratio: AspectRatio
    picture: bytes | None = None  # JPEG

    def title(self, lang: str) -> str:
        """Return the title in this language, or in English."""
        return self.titles.get(lang, self.titles["en"])


@cache
def bundled() -> tuple[Example, ...]:
    """Return the scenes that come with the program."""
    return read(BUNDLED)


def read(path: Path) -> tuple[Example, ...]:
    """Read the operator's scenes: TOML with `[[scenes]]`, or JSON with the same or a bare list.

    Raises ValueError, which names the problem and its place.
    """
    try:
        content = path.read_text(encoding="utf-8")
        told: Any = tomllib.loads(content) if path.suffix == ".toml" else json.loads(content)
    except OSError as exc:
        raise ValueError(f"cannot be read ({type(exc).__name__})") from None
    except (ValueError, RecursionError):
        raise ValueError("should be JSON, or TOML in a file named *.toml") from None
    lines = told.get("scenes") if isinstance(told, dict) else told
    if not isinstance(lines, list):
        raise ValueError("should hold a list of scenes")
    return tuple(_scene(number, line, path.parent) for number, line in enumerate(lines, 1))


def _scene(number: int, line: Any, folder: Path) -> Example:
    if not isinstance(line, dict):
        raise ValueError(f"scene {number}: should be a table of title, prompt, ratio, picture")
    titles = line.get("title")
    titles = {"en": titles} if isinstance(titles, str) else titles
    if not isinstance(titles, dict) or "en" not in titles:
        raise ValueError(f"scene {number}: title should be a text, or texts by language with en")
    if not all(
        isinstance(title, str) and 0 < len(title) <= TITLE_LIMIT for title in titles.values()
    ):
        raise ValueError(f"scene {number}: a title should have 1 to {TITLE_LIMIT} characters")
    prompt = line.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise ValueError(f"scene {number}: prompt should be a text")
    try:
        ratio = AspectRatio(line.get("ratio", AspectRatio.WIDE))
    except ValueError:
        raise ValueError(
            f"scene {number}: ratio should be one of {', '.join(AspectRatio)}"
        ) from None
    picture = None
    if name := line.get("picture"):
        try:
            picture = (folder / str(name)).read_bytes()
        except OSError as exc:
            raise ValueError(f"scene {number}: picture: {type(exc).__name__}") from None
        if len(picture) > PICTURE_LIMIT or not picture.startswith(b"\xff\xd8\xff"):
            raise ValueError(f"scene {number}: picture should be a JPEG of at most 200 kB")
    return Example(titles=titles, prompt=" ".join(prompt.split()), ratio=ratio, picture=picture)
