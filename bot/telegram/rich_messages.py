"""Replace rich messages (Bot API 10.1) by their plain text before aiogram validates them.

In aiogram, rich text is a union of some thirty types that contain each other: each further level
of nested formats makes validation twenty times slower (measured with 3.31: 0.04 s for three
levels, 17 s for five) and blocks everything else. Anybody can forward such a message. It must not
know what the text is for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

_DEPTH = 32
"""Deeper levels are left out."""
_INLINE = ("text", "alternative_text")
_BLOCKS = ("summary", "blocks", "items", "cells")


def loads(text: str) -> Any:
    """Parse an answer of Telegram: a sent message contains the message to which it replies, which
    may be a rich one."""
    value = json.loads(text)
    return with_plain_words(value) if '"rich_message"' in text else value


def with_plain_words(value: Any, depth: int = _DEPTH) -> Any:
    """Replace the content of each rich message in an update or answer by one paragraph of plain
    text, in place; return the value."""
    if isinstance(value, dict):
        if isinstance(rich := value.get("rich_message"), dict):
            value["rich_message"] = _plain(rich)
        inner = list(value.values())
    else:
        inner = value if isinstance(value, list) else []
    for one in inner if depth else ():
        if isinstance(one, dict | list):
            with_plain_words(one, depth - 1)
    return value


def _plain(rich: dict[str, Any]) -> dict[str, Any]:
    words = "\n".join(_lines(rich.get("blocks"), _DEPTH))
    return {"blocks": [{"type": "paragraph", "text": words}] if words else []}


def _lines(part: Any, depth: int) -> Iterator[str]:
    """Yield the text of each block; pictures, maps and formulas have none."""
    if isinstance(part, list):
        for one in part if depth else ():
            yield from _lines(one, depth - 1)
        return
    if line := "".join(_inline(part, depth)).strip():
        yield line
    for name in _BLOCKS if isinstance(part, dict) and depth else ():
        yield from _lines(part.get(name), depth - 1)


def _inline(part: Any, depth: int) -> Iterator[str]:
    """Yield the pieces of a formatted text."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, list) and depth:
        for one in part:
            yield from _inline(one, depth - 1)
    elif isinstance(part, dict) and depth:
        for name in _INLINE:
            yield from _inline(part.get(name), depth - 1)
