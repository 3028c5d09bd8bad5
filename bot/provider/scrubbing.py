"""Remove secrets, links and prompts from the provider's answers before they are shown or stored.

A value is replaced by a description unless its form is harmless; free text is kept only in the
field of an error message. It must not know where the values come from.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

PART = 8
"""This many consecutive characters of a secret are a leak."""
WORDS = 3
"""This many consecutive words of a prompt are a leak."""
DIGITS = 4
"""A longer text of digits counts as an identifier, not as a code."""
TEXT_LIMIT = 200
DEPTH = 6

_LINK = re.compile(
    r"[a-z][a-z0-9+.-]*:/{1,2}\S+|\bwww\.\S+|\b[\w-]+(\.[\w-]+)+/\S*", re.IGNORECASE
)
_WORD = re.compile(r"[A-Za-z][\w.+-]{0,39}")
_ID = re.compile(r"[0-9a-f]{16,}", re.IGNORECASE)
_KEPT = {"code", "status", "model", "object", "path", "expected", "modelration", "price",
         "price_input"}  # fmt: skip
_MESSAGES = {"message", "error", "type", "param"}


class Scrubber:
    """Removes the secrets and prompts of one run."""

    def __init__(self, secrets: Iterable[str], prompts: Iterable[str]) -> None:
        whole = {s for s in secrets if s}
        whole |= {base64.b64encode(s.encode()).decode().rstrip("=") for s in whole}
        self._parts = {
            s[start : start + PART].lower()
            for s in whole
            for start in range(max(1, len(s) - PART + 1))
        }
        self._phrases = {
            tuple(words[start : start + WORDS])
            for prompt in prompts
            for words in [_words(prompt)]
            for start in range(max(1, len(words) - WORDS + 1))
        }

    def text(self, text: str) -> str:
        """Return the text without links, or only the kind of a secret that it contains."""
        plain = unquote(text)
        if any(part in plain.lower() for part in self._parts):
            return "<secret>"
        words = _words(plain)
        if any(tuple(words[n : n + WORDS]) in self._phrases for n in range(len(words))):
            return "<prompt>"
        if plain != text and _LINK.search(plain):
            return "<link>"
        text = _ID.sub("<id>", _LINK.sub("<link>", text))
        return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]}…"

    def name(self, name: object) -> str:
        """Return the name of a field, a status or a client if it is a plain word."""
        text = self.text(str(name))
        return text if _WORD.fullmatch(text) else f"<odd name, {len(str(name))} characters>"

    def describe(self, value: Any) -> str:
        """Return type and form of a value, and the value itself when it is a number."""
        match value:
            case None:
                return "null"
            case bool():
                return str(value).lower()
            case int() | float():
                return f"number {value}"
            case str() if _LINK.search(unquote(value)):
                return "a link"
            case str():
                digits = f" {value}" if value.isdecimal() and len(value) <= DIGITS else ""
                return f"text of {len(value)} characters{digits}"
            case list():
                kinds = dict.fromkeys(
                    self.describe(one).partition(" of ")[0] for one in value[:50]
                )
                return f"list of {len(value)}: {', '.join(kinds)}"[:TEXT_LIMIT]
            case dict():
                return f"object of {', '.join(map(self.name, value))}"[:TEXT_LIMIT]
            case _:
                return type(value).__name__

    def body(self, value: Any, field: str = "", depth: int = 0) -> Any:
        """Return an answer with its structure, harmless values, and descriptions of the others."""
        match value:
            case dict() | list() if depth >= DEPTH:
                return f"<{type(value).__name__}>"
            case dict():
                return {
                    self.name(key): self.body(one, str(key).lower(), depth + 1)
                    for key, one in list(value.items())[:50]
                }
            case list():
                return [self.body(one, field, depth + 1) for one in value[:5]]
            case None | bool():
                return value
            case int() | float() if field in _KEPT:
                return value
            case str() if field in _MESSAGES or (field in _KEPT and len(value) <= 60):
                return self.text(value)
            case int() | float():
                return "a number"
            case _:
                return f"<{self.describe(value)}>"


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
