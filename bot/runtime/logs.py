"""Log lines: where they go, how they look, and the last filter for secrets.

Text for a terminal, otherwise one JSON object per line; each carries the task, chat and update
that it is about. Whatever a library writes into a line or a traceback, the token and the key are
removed.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, Literal, TextIO

import structlog

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
"""Libraries whose INFO lines carry addresses, or nothing useful for an operator."""


def about(**ids: int) -> AbstractContextManager[Any]:
    """Add these ids to every line of this coroutine and of what it starts."""
    return structlog.contextvars.bound_contextvars(**ids)


class Secrets:
    """Removes every secret from a text, also in its JSON form."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {
            form for s in secrets if s for form in (s, json.dumps(s, ensure_ascii=False)[1:-1])
        }
        # The longest first: one secret may be a part of another.
        self._forms = sorted(forms, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, "***")
        return text


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
                structlog.dev.ConsoleRenderer(
                    colors=colors,
                    # The other way of showing tracebacks prints the values of variables.
                    exception_formatter=structlog.dev.plain_traceback,
                )
            ]
            if for_people
            else [
                structlog.processors.format_exc_info,
                structlog.processors.EventRenamer("message"),
                _in_order,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ]
        )
        super().__init__(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
        self._clean = Secrets(secrets)

    def format(self, record: logging.LogRecord) -> str:
        return self._clean(super().format(record))


def _journal(
    logger: Any, name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Add the fields of a line of storage/journal.py; they win over those of the context."""
    event.update(getattr(event.get("_record"), "journal", {}))
    return event


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
