"""The gates of one worker: in front of polls, of each host of videos, and of Telegram.

What they do is in bot/core/gate.py. It must not know what is asked, fetched or sent.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from bot.core.clock import Clock
from bot.core.gate import Gate

POLLS_AT_ONCE = 20
"""As many as there are connections (bot/provider/client.py); the others learn of an outage before
they poll."""
FOLLOW = 20.0
"""Videos a second that are sent after an outage: some less than Telegram allows."""
HOSTS = 100
"""How many hosts of videos have a gate before idle gates are dropped."""


class Gates:
    """Every gate; `wake` ends the wait of a task."""

    def __init__(self, clock: Clock, wake: Callable[[int], None]) -> None:
        self._clock = clock
        self._wake = wake
        self.polls = Gate(clock, wake, at_once=POLLS_AT_ONCE)
        self.telegram = Gate(clock, wake, least=FOLLOW)
        self._hosts: dict[str, Gate] = {}

    def host(self, url: str | None) -> Gate:
        """Return the gate of the host that has a video."""
        try:
            name = urlsplit(url or "").hostname or ""
        except ValueError:
            name = ""
        if name not in self._hosts:
            if len(self._hosts) >= HOSTS:
                self._hosts = {k: gate for k, gate in self._hosts.items() if not gate.is_idle}
            self._hosts[name] = Gate(self._clock, self._wake)
        return self._hosts[name]

    def leave(self, task_id: int) -> None:
        """The worker has finished with the task."""
        for gate in (self.polls, self.telegram, *self._hosts.values()):
            gate.leave(task_id)
