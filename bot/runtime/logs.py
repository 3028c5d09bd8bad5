"""Log lines: their destination and format, and the last filter for secrets.

A terminal gets text, anything else one JSON object per line; each line carries the ids of its
task, chat and update. The token and the key are removed from every line and traceback, including
those of libraries.
"""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, Literal, TextIO

import structlog

from bot.core.access import CLAIM_PREFIX

OURS = ("bot", "handlers", "storage")
"""Our own loggers: only these have lines at DEBUG. Drivers would log every statement with its
parameters, and these are what people wrote."""

Format = Literal["auto", "json", "text"]

QUIET = (
    "httpx",
    "httpcore",
    "aiohttp.access",
    "aiogram",
    "PIL",
    "alembic",
    "libav",
    "sentry_sdk",
    "asyncssh",
)
"""Libraries whose INFO lines contain addresses or are useless for an operator."""


def about(**ids: int) -> AbstractContextManager[Any]:
    """Add these ids to every line of this coroutine and of the tasks that it starts."""
    return structlog.contextvars.bound_contextvars(**ids)


SHOWS_CLAIM = {"shows_claim": True}
"""`extra` of the one line that shows the code with which the bot is claimed."""
_CLAIM = re.compile(rf"({CLAIM_PREFIX})[\w-]{{8,}}")

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Secrets:
    """Removes every secret from a text, also in its JSON form; and every code of a claim, unless
    the text is there to show it."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {
            form for s in secrets if s for form in (s, json.dumps(s, ensure_ascii=False)[1:-1])
        }
        # The longest first, because one secret may be a part of another.
        self._forms = sorted(forms, key=len, reverse=True)

    def __call__(self, text: str, *, shows_claim: bool = False) -> str:
        for form in self._forms:
            text = text.replace(form, "***")
        return text if shows_claim else _CLAIM.sub(r"\1***", text)


class SecretsFormatter(structlog.stdlib.ProcessorFormatter):
    """Replaces every secret in a whole line, including its traceback."""

    def __init__(self, secrets: Iterable[str], *, for_people: bool, colors: bool = True) -> None:
        shared: list[structlog.typing.Processor] = [
            structlog.contextvars.merge_contextvars,
            _journal,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=not for_people),
        ]
        last: list[structlog.typing.Processor] = (
            [
                _on_one_line,
                structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=_traceback),
            ]
            if for_people
            else [
                structlog.processors.format_exc_info,
                structlog.processors.EventRenamer("message"),
                _in_order,
                structlog.processors.JSONRenderer(ensure_ascii=False),
                _without_controls,
            ]
        )
        super().__init__(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
        self._clean = Secrets(secrets)

    def format(self, record: logging.LogRecord) -> str:
        shows_claim = getattr(record, "shows_claim", False)
        return self._clean(super().format(record), shows_claim=shows_claim)


def _journal(
    logger: Any, name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Add the fields of a line of storage/journal.py; they win over those of the context."""
    event.update(getattr(event.get("_record"), "journal", {}))
    return event


def _on_one_line(
    logger: Any, name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Escape control characters: they would begin another line of the log, or control the
    terminal."""
    return {
        key: _CONTROL.sub(_escaped, value) if isinstance(value, str) else value
        for key, value in event.items()
    }


def _traceback(stream: TextIO, exc_info: Any) -> None:
    """Write a traceback without the values of variables, which structlog's other one prints."""
    written = io.StringIO()
    structlog.dev.plain_traceback(written, exc_info)
    stream.write(
        "\n".join(_CONTROL.sub(_escaped, line) for line in written.getvalue().split("\n"))
    )


def _without_controls(logger: Any, name: str, line: Any) -> str:
    """Escape the control characters that JSON allows, but that change what a terminal or a log
    collector shows."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


def _escaped(found: re.Match[str]) -> str:
    return ascii(found[0])[1:-1]


def _in_order(
    logger: Any, name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    first = ("timestamp", "level", "logger", "message")
    return {key: event[key] for key in first} | dict(event)


def set_up(
    level: int,
    secrets: Iterable[str],
    stream: TextIO | None = None,
    *,
    form: Format = "auto",
) -> None:
    """Send the root logger to standard error, at `level`; of libraries at INFO at least.

    `form` auto: text for a terminal, otherwise JSON.
    """
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    for_people = stream.isatty() if form == "auto" else form == "text"
    colors = stream.isatty()
    handler.setFormatter(SecretsFormatter(secrets, for_people=for_people, colors=colors))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.INFO))
    for name in OURS:
        logging.getLogger(name).setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
