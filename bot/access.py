"""Who may use the bot and who runs it, as the settings say; what admins said later is a row.

Pure: it must not know Telegram, SQL or the words.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Access:
    """The settings' part of it."""

    is_open: bool = False  # to everybody who is not banned
    admins: frozenset[int] = frozenset()
    allowed: frozenset[int] = frozenset()

    def is_admin(self, user_id: int) -> bool:
        """Admins may do everything, and nobody can ban them."""
        return user_id in self.admins
