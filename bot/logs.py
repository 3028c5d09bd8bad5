"""Log lines: where they go, and the last net under the secrets.

Whatever a library puts into a line or a traceback, the token and the key do not leave with it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable

QUIET = ("httpx", "httpcore", "aiohttp.access", "aiogram", "PIL", "alembic", "libav")
"""Libraries whose INFO lines carry addresses, or nothing that an operator needs."""


class SecretsFormatter(logging.Formatter):
    """Replaces every secret in the whole of a line, its traceback included."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        # The longest first: one secret may be a part of another.
        self._secrets = sorted({s for s in secrets if s}, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        for secret in self._secrets:
            line = line.replace(secret, "***")
        return line


def set_up(level: int, secrets: Iterable[str]) -> None:
    """The root logger to standard error, at `level`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(SecretsFormatter(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
