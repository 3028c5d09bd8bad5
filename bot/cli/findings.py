"""A line of the report of `bot check`: what was checked, the result, and the reason in words."""

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
"""The severity and the reason of a finding."""


def address(setting: str, url: str) -> str:
    """Return the name of a connection in the report: the setting and its host."""
    return f"{setting}, {urlsplit(url).hostname}"
