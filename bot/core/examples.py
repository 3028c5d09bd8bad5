"""Ready-made scenes to start with: a title, a prompt, an aspect ratio and a picture each.

Some are templates for a person's own photo. Bundled ones are in bot/scenes; the operator can
provide a file. Pure: it must not know who uses them.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bot.core.errors import InputError
from bot.core.prompt import PROMPT_LIMIT, clean_prompt
from bot.core.task import AspectRatio

BUNDLED = Path(__file__).parents[1] / "scenes" / "scenes.toml"
PICTURE_LIMIT = 200_000
"""The largest size of a picture in bytes; it is shown small."""
TITLE_LIMIT = 40
KEYS = ("title", "prompt", "needs_photo", "ratio", "model", "picture")


@dataclass(frozen=True, kw_only=True)
class Example:
    """One scene."""

    titles: dict[str, str]  # by language; "en" is always present
    prompt: str
    ratio: AspectRatio | None  # None: the nearest to the photo that it needs
    needs_photo: bool = False  # it is about a photo that the person sends
    model: str | None = None  # None, or no longer on offer: the person's own
    picture: bytes | None = None  # JPEG

    def title(self, lang: str) -> str:
        """Return the title in this language, or in English."""
        return self.titles.get(lang, self.titles["en"])


@cache
def bundled() -> tuple[Example, ...]:
    """Return the scenes that come with the program."""
    return read(BUNDLED)


def read(path: Path, models: Collection[str] | None = None) -> tuple[Example, ...]:
    """Read the operator's scenes: TOML with `[[scenes]]`, or JSON with the same or a bare list.

    `models`: those on offer; None: any name is good. Raises ValueError, which names the line, the
    scene, the key and the problem.
    """
    try:
        content = path.read_text(encoding="utf-8-sig")
    except OSError as exc:
        raise ValueError(f"cannot be read ({type(exc).__name__})") from None
    except UnicodeDecodeError:
        raise ValueError("should be text in UTF-8") from None
    is_toml = path.suffix == ".toml"
    try:
        told: Any = tomllib.loads(content) if is_toml else json.loads(content)
    except (ValueError, RecursionError) as exc:
        found = re.search(r"line (\d+)", str(exc))
        where = f"line {found[1]}: " if found else ""
        raise ValueError(f"{where}should be JSON, or TOML in a file named *.toml") from None
    lines = told.get("scenes") if isinstance(told, dict) else told
    if not isinstance(lines, list):
        raise ValueError("should hold a list of scenes")
    begins = _toml_begins(content) if is_toml else _json_begins(content)
    scenes = []
    for number, line in enumerate(lines):
        try:
            scenes.append(_scene(line, path.parent, models))
        except _Wrong as exc:
            at = _line_of(content, begins[number : number + 2], exc.key, is_toml=is_toml)
            where = f"line {at}, scene" if at else "scene"
            raise ValueError(f"{where} {number + 1}: {exc}") from None
    return tuple(scenes)


class _Wrong(ValueError):
    """A scene is wrong; `key`: which value."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key} {problem}" if key else problem)
        self.key = key


def _scene(line: Any, folder: Path, models: Collection[str] | None) -> Example:
    if not isinstance(line, dict):
        raise _Wrong("", f"should be a table of {', '.join(KEYS)}")
    for key in line:
        if key not in KEYS:
            near = difflib.get_close_matches(str(key), KEYS, n=1)
            raise _Wrong(str(key), f"is no key; {f'did you mean {near[0]}' if near else 'known'}"
                         f"{'?' if near else ': ' + ', '.join(KEYS)}")  # fmt: skip
    titles = line.get("title")
    titles = {"en": titles} if isinstance(titles, str) else titles
    if not isinstance(titles, dict) or "en" not in titles:
        raise _Wrong("title", "should be a text, or texts by language with en")
    titles = {lang: _text(title, "title", TITLE_LIMIT) for lang, title in titles.items()}
    prompt = _text(line.get("prompt"), "prompt", PROMPT_LIMIT)
    needs_photo = line.get("needs_photo", False)
    if not isinstance(needs_photo, bool):
        raise _Wrong("needs_photo", "should be true or false")
    ratio = line.get("ratio", None if needs_photo else AspectRatio.WIDE)
    if ratio is not None and ratio not in list(AspectRatio):
        raise _Wrong("ratio", f"should be one of {', '.join(AspectRatio)}")
    model = line.get("model")
    if model is not None and not isinstance(model, str):
        raise _Wrong("model", "should be a text")
    if model is not None and models is not None and model not in models:
        nearest = difflib.get_close_matches(model, models, n=3, cutoff=0)
        raise _Wrong("model", f"is not on offer; the nearest: {', '.join(nearest)}")
    return Example(
        titles=titles,
        prompt=prompt,
        ratio=None if ratio is None else AspectRatio(ratio),
        needs_photo=needs_photo,
        model=model,
        picture=_picture(line.get("picture"), folder),
    )


def _text(value: Any, key: str, limit: int) -> str:
    """Return a text of a scene, cleaned like a prompt that a person writes."""
    try:
        if isinstance(value, str):
            return clean_prompt(value, limit=limit)
    except InputError:
        pass
    raise _Wrong(key, f"should be a text of 1 to {limit} characters") from None


def _picture(name: Any, folder: Path) -> bytes | None:
    if not name:
        return None
    try:
        picture = (folder / str(name)).read_bytes()
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the name
        raise _Wrong("picture", f"cannot be read ({type(exc).__name__})") from None
    if len(picture) > PICTURE_LIMIT or not picture.startswith(b"\xff\xd8\xff"):
        raise _Wrong("picture", "should be a JPEG of at most 200 kB")
    return picture


# --- the line of a scene in its file ---------------------------------------------------------


def _toml_begins(content: str) -> list[int]:
    """Return where each `[[scenes]]` begins."""
    found = re.finditer(r"^[ \t]*\[\[\s*scenes\s*\]\]", content, flags=re.MULTILINE)
    return [match.start() for match in found]


def _json_begins(content: str) -> list[int]:
    """Return where each element of the list of scenes begins, in valid JSON."""
    decoder, begins = json.JSONDecoder(), []
    named = re.search(r'"scenes"\s*:\s*\[', content)
    bare = re.match(r"\s*\[", content)
    head = bare or named
    place = head.end() if head else len(content)
    while (place := _after(content, place)) < len(content) and content[place] != "]":
        begins.append(place)
        try:
            _, place = decoder.raw_decode(content, place)
        except ValueError:
            break
    return begins


def _after(content: str, place: int) -> int:
    """Return the place after white space and commas."""
    found = re.compile(r"[\s,]*").match(content, place)
    return found.end() if found else place


def _line_of(content: str, span: list[int], key: str, *, is_toml: bool) -> int | None:
    """Return the line, from 1, of a key in the scene that begins at span[0], or of the scene."""
    if not span:
        return None
    begin, end = span[0], span[1] if len(span) > 1 else len(content)
    name = re.escape(key)
    pattern = rf"^[ \t]*\"?{name}\"?\s*[.=]" if is_toml else rf'"{name}"\s*:'
    found = re.compile(pattern, flags=re.MULTILINE).search(content, begin, end) if key else None
    return content.count("\n", 0, found.start() if found else begin) + 1
