"""Who may use the bot and who runs it: the settings' word, and what admins decided since.

Pure: it must not know Telegram, SQL or the words.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What was decided about a person or a group."""

    ALLOWED = "allowed"
    BANNED = "banned"


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """What was decided about somebody in some chat; None: nothing."""

    person: Verdict | None = None
    chat: Verdict | None = None


@dataclass(frozen=True, kw_only=True)
class Access:
    """The settings' part of it."""

    is_open: bool = False  # to everybody who is not banned
    admins: frozenset[int] = frozenset()
    allowed: frozenset[int] = frozenset()

    def is_admin(self, user_id: int) -> bool:
        """Admins may do everything, and nobody can ban them."""
        return user_id in self.admins

    def admits(self, user_id: int, decided: Verdicts) -> bool:
        """Whether the person may use the bot there. A ban outdoes all but being an admin."""
        if self.is_admin(user_id):
            return True
        if Verdict.BANNED in (decided.person, decided.chat):
            return False
        return (
            self.is_open
            or user_id in self.allowed
            or Verdict.ALLOWED in (decided.person, decided.chat)
        )
