"""The rates that Telegram publishes, enforced when asked to: too many calls get a 429.

Bot API FAQ, "My bot is hitting limits": not more than about 30 messages a second in all, one a
second in a chat with short bursts, 20 a minute in a group. Edits count as messages
(docs/telegram.md). It must not know the bot's own limiter.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Any

IN_ALL = (30, 1.0)
"""Calls, and the seconds in which no more are accepted."""
IN_A_GROUP = (20, 60.0)
BURST, SECONDS_EACH = 5, 1.0
"""In any chat: a burst of so many, then one a second. Telegram gives no number for the burst."""

_COUNTED = ("send", "edit", "copy", "forward")


class PublishedLimits:
    """Counts the accepted calls; refused ones count nothing."""

    def __init__(self) -> None:
        self._all: deque[float] = deque()
        self._groups: defaultdict[int | str, deque[float]] = defaultdict(deque)
        self._free: dict[int | str, float] = {}

    def seconds(self, method: str, params: Mapping[str, Any], now: float) -> int:
        """Count a call; return 0, or the whole seconds after which it would be accepted."""
        if not method.startswith(_COUNTED) or method == "sendChatAction":
            return 0
        chat = params.get("chat_id")
        number = max(len(params.get("media") or ()), 1) if method == "sendMediaGroup" else 1
        group = self._groups[chat] if chat is not None and _is_group(chat) else None
        free = max(self._free.get(chat, 0.0), now) if chat is not None else now
        wait = max(
            _over(self._all, IN_ALL, number, now),
            0.0 if group is None else _over(group, IN_A_GROUP, number, now),
            free + number * SECONDS_EACH - now - BURST * SECONDS_EACH,
        )
        if wait > 0:
            return max(1, math.ceil(wait))
        for line in (self._all, group):
            if line is not None:
                line.extend([now] * number)
        if chat is not None:
            self._free[chat] = free + number * SECONDS_EACH
        return 0


def _over(line: deque[float], limit: tuple[int, float], number: int, now: float) -> float:
    """Return the seconds until there is room for so many more."""
    count, seconds = limit
    while line and line[0] <= now - seconds:
        line.popleft()
    too_many = len(line) + number - count
    return line[min(too_many, len(line)) - 1] + seconds - now if too_many > 0 and line else 0.0


def _is_group(chat: int | str) -> bool:
    return isinstance(chat, str) or chat < 0
