"""Parse what Telegram sends, also if aiogram does not know a part of it.

Telegram adds kinds of its objects at any time, and leaves out fields that are documented as
required (aiogram #1840: the name of a hidden sender), in updates and in the messages that answer a
call. It must not know what an update means.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from aiogram import Bot
from aiogram.types import Update
from pydantic import ValidationError

from bot.telegram.rich_messages import with_plain_words

logger = logging.getLogger(__name__)

PARTS = 20
"""The largest number of parts that are left out of one update."""

_NEEDED = {
    "from", "message", "sender_chat", "business_connection_id", "message_thread_id",
    "successful_payment", "refunded_payment",
}  # fmt: skip
"""Fields that handlers need although aiogram can parse an event without them: who wrote, where the
answer belongs, and money."""

_T = TypeVar("_T")
_Path = tuple[str | int, ...]


def parse(raw: dict[str, Any], bot: Bot) -> Update:
    """Return the update, without the parts that cannot be parsed.

    Raises ValidationError when the rest would not be an update, or lacks what a handler needs.
    """
    raw = with_plain_words(raw)
    return known_parts(partial(Update.model_validate, context={"bot": bot}), raw)


def known_parts(validate: Callable[[Any], _T], raw: dict[str, Any]) -> _T:
    """Return what `validate` makes of an update or answer, without the parts that it refuses.

    Raises its ValidationError when nothing can be left out.
    """
    try:
        return validate(raw)
    except ValidationError as exc:
        error = exc
    left_out: list[str] = []
    while len(left_out) < PARTS:
        for path in _parts(raw, error):
            rest = _without(raw, path)
            name = ".".join(map(str, path))
            try:
                parsed = validate(rest)
            except ValidationError as exc:
                # Alternatives of a union complain too; those fields have to stay.
                if exc.error_count() >= error.error_count():
                    continue
                raw, error = rest, exc
                left_out.append(name)
                break
            logger.warning("left out what cannot be parsed: %s", ", ".join([*left_out, name]))
            return parsed
        else:
            break
    raise error


def _parts(raw: dict[str, Any], error: ValidationError) -> Iterator[_Path]:
    """Iterate over the parts that may be left out: each wrong one, then what it is part of."""
    for path in dict.fromkeys(_place(raw, one["loc"]) for one in error.errors()):
        for length in range(len(path), 1, -1):
            if length > 2 or path[1] not in _NEEDED:
                yield path[:length]


def _place(raw: dict[str, Any], loc: _Path) -> _Path:
    """Return the path in the update of what is wrong: the object itself when it lacks a field."""
    path: list[str | int] = []
    part: Any = raw
    for step in loc:
        # Other steps are missing fields, or names of a union's alternatives.
        match part:
            case dict() if step in part:
                part = part[step]
            case list() if isinstance(step, int) and step < len(part):
                part = part[step]
            case _:
                continue
        path.append(step)
    return tuple(path)


def _without(raw: dict[str, Any], path: _Path) -> dict[str, Any]:
    rest = copy.deepcopy(raw)
    part: Any = rest
    for step in path[:-1]:
        part = part[step]
    del part[path[-1]]
    return rest
