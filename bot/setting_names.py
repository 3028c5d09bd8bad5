"""The names of settings: unknown names in `.env`, misspelt ones in the environment, old ones.

A misspelt cap is no cap, so it ends the start. It must not know what a setting means.
"""

from __future__ import annotations

import difflib
import os
from collections import defaultdict
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

RENAMED = {"PROVIDER_PLACES": "PROVIDER_CONCURRENCY"}
"""Old names of settings that still work; at the start, the new name is logged."""
OF_OTHERS = {
    "CONTAINER_DATABASE_URL", "GRAFANA_PASSWORD", "LEAN", "POSTGRES_PASSWORD", "TELEGRAM_API_HASH",
    "TELEGRAM_API_ID",
}  # fmt: skip
"""Names that compose.yaml, a Bot API server or bot/runtime/lazy_aiogram.py read."""
OF_OTHERS_PREFIXES = ("COMPOSE_", "DOCKER_", "PYTHON")
QUOTES = "\"'`\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"
NEAR = 0.8
"""A name at least this similar to a setting counts as misspelt (difflib: ratio)."""


def unreadable(env_file: Path | str | None = ".env") -> list[str]:
    """Return a line for each line of `.env` that dotenv would leave out with its setting.

    Raises UnicodeDecodeError when the file is not UTF-8, and OSError when it is there and cannot
    be read.
    """
    if not env_file:
        return []
    try:
        with Path(env_file).open(encoding="utf-8-sig") as file:
            wrong = [binding.original.line for binding in parse_stream(file) if binding.error]
    except FileNotFoundError:
        return []
    return [
        f".env: line {line} cannot be read; should be NAME=value, with each quote closed"
        for line in wrong
    ]


def unknown(fields: Collection[str], env_file: Path | str | None = ".env") -> list[str]:
    """Return a line for each unknown name in `.env`, and for each misspelt one elsewhere.

    The environment is shared with other programs, so only a name that resembles a setting counts
    there.
    """
    known = {name.upper() for name in fields} | RENAMED.keys()
    lines = {}
    for name in (*_names_in(env_file), *os.environ):
        upper = name.upper()
        if upper in known or upper in OF_OTHERS or upper.startswith(OF_OTHERS_PREFIXES):
            continue
        if near := _nearest(upper, frozenset(known)):
            lines[name] = f"{name}: not a setting; did you mean {near}?"
        elif name not in os.environ:
            lines[name] = f"{name}: not a setting"
    return list(lines.values())


@cache
def _nearest(name: str, known: frozenset[str]) -> str | None:
    """Return the known name of which this name is probably a misspelling. The environment hardly
    changes.
    """
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=NEAR)), None)


def renamed(env_file: Path | str | None = ".env") -> list[str]:
    """Return a line for each old name that is set."""
    given = {name.upper() for name in (*_names_in(env_file), *os.environ)}
    return [f"{old} is now called {new}" for old, new in RENAMED.items() if old in given]


def doubtful(env_file: Path | str | None = ".env") -> list[str]:
    """Return a line for each setting that has two values; the line says which one is used."""
    given = {name.upper(): value for name, value in _read(env_file).items()}
    given |= {name.upper(): value for name, value in os.environ.items()}
    lines = [
        f"{name} is not read: {name.removesuffix('_FILE')} is set as well"
        for name in ("BOT_TOKEN_FILE", "GPTUNNEL_API_KEY_FILE")
        if given.get(name) and given.get(name.removesuffix("_FILE"))
    ]
    at = defaultdict(list)
    with suppress(FileNotFoundError):
        if env_file:
            with Path(env_file).open(encoding="utf-8-sig") as file:
                for binding in parse_stream(file):
                    if binding.key:
                        at[binding.key.upper()].append(str(binding.original.line))
    lines += [
        f"{name} is in .env more than once (lines {', '.join(numbers)}): the last one counts"
        for name, numbers in at.items()
        if len(numbers) > 1
    ]
    return lines


def excess(name: str, env_file: Path | str | None = ".env") -> str:
    """Return what to remove from a value: quotes or a comment; "" if it has none."""
    text = value_of(name, env_file)
    if len(text) > 1 and text[0] in QUOTES and text[-1] in QUOTES:
        return "without quotes around it"
    return "without a comment behind it" if " #" in text else ""


def value_of(name: str, env_file: Path | str | None = ".env") -> str:
    """Return the value as written in the environment or in `.env`; "" if it is not set."""
    for given in (os.environ, _read(env_file)):
        for key, value in given.items():
            if key.upper() == name and (text := (value or "").strip()):
                return text
    return ""


def is_empty(name: str, env_file: Path | str | None = ".env") -> bool:
    """Whether the environment or the file sets it to an empty value."""
    for given in (os.environ, _read(env_file)):
        for key, value in given.items():
            if key.upper() == name:
                return not value
    return False


def _names_in(env_file: Path | str | None) -> Collection[str]:
    return _read(env_file).keys()


def _read(env_file: Path | str | None) -> Mapping[str, str | None]:
    if not env_file:
        return {}
    return dotenv_values(env_file, interpolate=False, encoding="utf-8-sig")
