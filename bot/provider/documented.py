"""The provider's documentation as data; `bot check --order` compares it with the observations.

docs/provider.md says the same in sentences. It contains only values and predicates, and must not
know HTTP or orders. Prices are in bot/core/catalog.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Mark(StrEnum):
    """The source of a fact (docs/provider.md)."""

    DOC = "DOC"
    SEEN = "SEEN"
    VENDOR = "VENDOR"
    GUESS = "GUESS"


@dataclass(frozen=True)
class Form:
    """The form of a value, as a text and as a predicate."""

    words: str
    holds: Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{24}", value) is not None


def _are_issues(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, dict) and {"path", "expected", "message"} <= one.keys() for one in value
    )


CODE = Form("a number", lambda value: type(value) is int)
TEXT = Form("text", lambda value: isinstance(value, str))
NUMBER = Form("a number", _is_number)
SECONDS = Form("Unix seconds", lambda value: type(value) is int and 10**9 < value < 10**10)
FLAG = Form("true or false", lambda value: isinstance(value, bool))
LIST = Form("a list", lambda value: isinstance(value, list))
JOB_ID = Form("24 hex digits", _is_id)
LINK = Form("null or a link", lambda value: value is None or isinstance(value, str))
ISSUES = Form("a list of path, expected, message", _are_issues)


@dataclass(frozen=True)
class Field:
    """One field of an answer; with `always`, an answer without it is a deviation."""

    form: Form
    mark: Mark = Mark.DOC
    always: bool = True


_JOB = {
    "code": Field(CODE),
    "id": Field(JOB_ID),
    "model": Field(TEXT),
    "prompt": Field(TEXT),
    "created_at": Field(SECONDS),
    "status": Field(TEXT),
    "url": Field(LINK),
}
_ERROR = {
    "code": Field(CODE),
    "message": Field(TEXT, Mark.SEEN, always=False),
    "error": Field(TEXT, Mark.SEEN, always=False),
}

FIELDS: Mapping[str, Mapping[str, Field]] = {
    "create": _JOB,
    "result": _JOB | {"message": Field(TEXT, Mark.SEEN, always=False)},
    "balance": {
        "orgId": Field(TEXT),
        "object": Field(TEXT),
        "balance": Field(NUMBER),
        "creditLimit": Field(NUMBER),
    },
    "models": {"code": Field(CODE, Mark.SEEN), "models": Field(LIST, Mark.SEEN)},
    "model": {
        "id": Field(TEXT, Mark.SEEN),
        "price": Field(NUMBER, Mark.SEEN),
        "price_input": Field(NUMBER, Mark.SEEN, always=False),
        "modelration": Field(FLAG, Mark.SEEN, always=False),
    },
    "error 3": _ERROR | {"issues": Field(ISSUES, Mark.SEEN)},
    "error 4": _ERROR,
    "error 99": _ERROR,
}
"""The fields of each answer (provider.md: "Create a task", "Result", "Errors", "Other calls")."""

HTTP_STATUS: Mapping[str, tuple[int, Mark]] = {
    "create": (200, Mark.DOC),
    "result": (200, Mark.DOC),
    "balance": (200, Mark.DOC),
    "models": (200, Mark.SEEN),
    "error 3": (200, Mark.DOC),
    "error 4": (200, Mark.DOC),
    "error 99": (404, Mark.SEEN),
}

CODES: Mapping[str, int] = {
    "create": 0, "result": 0, "models": 0, "error 3": 3, "error 4": 4, "error 99": 99,
}  # fmt: skip

ERROR_CODES = frozenset({1, 2, 3, 4, 5, 6, 7, 99, 500, 1001, 1002})
"""provider.md: "Codes"."""

STATUSES: Mapping[str, Mark] = {
    "idle": Mark.DOC,
    "running": Mark.SEEN,
    "processing": Mark.GUESS,
    "done": Mark.DOC,
    "failed": Mark.SEEN,
    "error": Mark.SEEN,
    "cancelled": Mark.GUESS,
    "canceled": Mark.GUESS,
}
"""provider.md: "Statuses"."""

SIZES: Mapping[str, Mapping[str, str]] = {
    "480p": {"16:9": "864x480", "9:16": "480x864", "1:1": "640x640"},
    "720p": {"16:9": "1248x704", "9:16": "704x1248", "1:1": "960x960"},
}
"""Width and height by quality and aspect ratio (provider.md: "The video"), VENDOR."""

CONTAINER, CODEC, RATE, SOUND = "mp4", "h264", "24", "none"
"""provider.md: "The video", VENDOR."""

CONTENT_TYPE = "video/mp4"
RANGES = "HTTP 206"
FRAME_REQUESTS = "1 GET"
MAX_MEGABYTES = 20
DONE_SECONDS = 900
"""GUESS: the longest usual wait; the default of TASK_DEADLINE_SECONDS."""
CHARGED = "acceptance"
"""GUESS: when the price leaves the balance."""
