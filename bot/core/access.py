"""Who may use the bot and who runs it: by the settings, and by later decisions of admins.

Pure: it must not know Telegram, SQL or the texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

CLAIM_PREFIX = "claim-"
"""The prefix of a deep link's payload that is the code of a claim."""
CLAIM_LIFE = timedelta(minutes=15)
CLAIM_TRIES = 5
"""Wrong codes that end a claim."""


class Verdict(StrEnum):
    """A decision about a person or a group."""

    ALLOWED = "allowed"
    BANNED = "banned"


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """Decisions about one person in one chat; None without a decision."""

    person: Verdict | None = None
    chat: Verdict | None = None


class Admins(Set[int]):
    """The admins of the settings, and those who claimed the bot: the second part changes while
    the bot runs, and everybody who holds this object sees it."""

    def __init__(self, fixed: Iterable[int] = ()) -> None:
        self.fixed = frozenset(fixed)
        self._all = self.fixed

    def learn(self, claimed: Iterable[int]) -> None:
        """Replace those who claimed the bot."""
        self._all = self.fixed | frozenset(claimed)

    def __contains__(self, user_id: object) -> bool:
        return user_id in self._all

    def __iter__(self) -> Iterator[int]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


@dataclass(frozen=True, kw_only=True)
class Access:
    """The part of access that the settings decide, and who runs the bot."""

    is_open: bool = False  # for everybody who is not banned
    admins: Set[int] = frozenset()
    allowed: frozenset[int] = frozenset()

    def is_admin(self, user_id: int) -> bool:
        """Whether the person is an admin. Admins may do everything, and nobody can ban them."""
        return user_id in self.admins

    def outranks(self, user_id: int, other: int) -> bool:
        """Whether the person is an admin of the settings and the other claimed the bot: only then
        an admin can be banned."""
        fixed = self.admins.fixed if isinstance(self.admins, Admins) else self.admins
        return user_id in fixed and other not in fixed

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
