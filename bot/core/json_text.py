"""Read and write JSON of other services, without what a database or Telegram refuses: NUL and
unpaired surrogates.

A cut emoji is an unpaired surrogate, and valid JSON. It must not know what an answer means.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic_core import to_json

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode

_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""Matches an escaped NUL, but not the same six characters when a person typed them: then the
backslash itself is escaped."""
_TRIES = 20
"""The largest number of places that are tried as the start of a value: each try may read the whole
rest of the text."""
_LOOSE = re.compile(
    r'("(?:[^"\\]|\\.)*+"?)|//[^\n]*+|/\*.*?(?:\*/|\Z)|,(?=(?:\s|//[^\n]*+\n)*+[}\]])', re.DOTALL
)
"""Matches a string, which is kept, and comments and commas before a closing bracket, which are
removed."""
_read = json.JSONDecoder(strict=False).raw_decode
_SUSPECT = re.compile(r"\\u(?:0000|d[89a-f])", re.IGNORECASE)


def encode(value: Any) -> str:
    """Return a value as JSON that can be stored. Raises RecursionError.

    Each update is encoded before Telegram may forget it, so this limits how fast others' updates
    come behind a flood. pydantic-core takes a third of the CPU of the standard library.
    """
    try:
        text = to_json(value).decode()
    except ValueError:  # an unpaired surrogate, or too deep for it
        text = storable(_dumps(value))
    # Nearly no text has one, and the search alone would cost more than encoding.
    return _NUL.sub("\\1\ufffd", text) if "\\u0000" in text else text


def decode(said: bytes) -> Any:
    """Return the value of an answer; broken characters become U+FFFD.

    Raises ValueError and RecursionError when it is no JSON.
    """
    text = said.decode(json.detect_encoding(said), "replace")
    value = json.loads(text)
    return json.loads(encode(value)) if _SUSPECT.search(text) else value


def storable(text: str) -> str:
    """Return a text that can be stored."""
    text = text.replace("\0", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def values_in(said: str) -> Iterator[Any]:
    """Yield the objects and lists in words of a chat model: strict JSON first, then JSON with
    comments or with commas before a closing bracket.
    """
    start = min((place for mark in "{[" if (place := said.find(mark)) >= 0), default=None)
    if start is None:
        return
    yield from _values(said)
    yield from _values(_LOOSE.sub(lambda found: found[1] or "", said[start:]))


def _values(said: str) -> Iterator[Any]:
    end = 0
    for begins in itertools.islice(re.finditer(r"[{\[]", said), _TRIES):
        if begins.start() < end:
            continue
        try:
            value, end = _read(said, begins.start())
        except (ValueError, RecursionError):
            continue
        yield value
