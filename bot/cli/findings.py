"""One line of `bot check`: what was looked at, how it is, and in words why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit


class Level(StrEnum):
    """The severity; only FAIL makes the exit code 1."""

    OK = "ok"
    NOTE = "note"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    what: str
    level: Level
    words: str

    @property
    def line(self) -> str:
        """Return the line as it is printed."""
        return f"{self.level:<5} {self.what}: {self.words}"

    @property
    def is_failure(self) -> bool:
        """Whether the bot cannot work in this state."""
        return self.level is Level.FAIL


Words = tuple[Level, str]
"""How it is, and why."""


def address(setting: str, url: str) -> str:
    """Return what a failed connection is called: the setting and its host."""
    return f"{setting}, {urlsplit(url).hostname}"
