"""Who may use the bot and who runs it: by the settings, and by later decisions of admins.

Pure: it must not know Telegram, SQL or the texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """A decision about a person or a group."""

    ALLOWED = "allowed"
    BANNED = "banned"


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """Decisions about one person in one chat; None without a decision."""

    person: Verdict | None = None
    chat: Verdict | None = None


@dataclass(frozen=True, kw_only=True)
class Access:
    """The part of access that the settings decide."""

    is_open: bool = False  # everybody who is not banned has access
    admins: frozenset[int] = frozenset()
    allowed: frozenset[int] = frozenset()

    def is_admin(self, user_id: int) -> bool:
        """Whether the person is an admin. Admins may do everything, and nobody can ban them."""
        return user_id in self.admins

    def admits(self, user_id: int, decided: Verdicts) -> bool:
        """Whether the person may use the bot in this chat. A ban wins over everything except
        admin."""
        if self.is_admin(user_id):
            return True
        if Verdict.BANNED in (decided.person, decided.chat):
            return False
        return (
            self.is_open
            or user_id in self.allowed
            or Verdict.ALLOWED in (decided.person, decided.chat)
        )
