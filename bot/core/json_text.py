"""JSON of others, without what a database or Telegram refuses: NUL and unpaired surrogates.

A cut emoji is an unpaired surrogate, and valid JSON. It must not know what an answer means.
"""

from __future__ import annotations

import json
import re
from typing import Any

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
"""Encodes updates; `json.dumps` would create an encoder for each."""

_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""An escaped NUL, and not these six characters as somebody wrote them: then the backslash is
escaped itself."""
_SUSPECT = re.compile(r"\\u(?:0000|d[89a-f])", re.IGNORECASE)


def encode(value: Any) -> str:
    """Return a value as JSON that can be stored."""
    return storable(_NUL.sub("\\1\ufffd", _encode(value)))


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
