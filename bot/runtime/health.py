"""The health report: heartbeats of the components, and a check of the database.

It must not know HTTP or what the components do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.runtime.bounded import Bounded

LIMITS: Mapping[str, float] = {
    "updates": 120.0,  # a successful getUpdates; each waits for at most 25 s
    "worker": 60.0,  # a check for due tasks
    "loop": 10.0,  # the event loop's heartbeat, once a second
}
"""Seconds that may pass between two heartbeats of a component."""

WRITABLE_SECONDS = 5.0
"""Seconds for which a check of the database is valid."""
ANSWER_SECONDS = 2.0
"""Seconds that the check may take; the answer to /health waits for it."""


@dataclass(frozen=True, kw_only=True)
class HealthReport:
    """The state of all components. Ages are seconds since a component's last heartbeat, None
    before the first.
    """

    reasons: tuple[str, ...]
    ages: Mapping[str, float | None]
    database: bool
    stopping: bool = False
    troubles: Mapping[str, str] = field(default_factory=dict)
    tunnel: str = ""

    @property
    def ok(self) -> bool:
        """Whether the report shows no problem."""
        return not self.reasons

    @property
    def not_ready(self) -> tuple[str, ...]:
        """The reasons to send no work to this process; a component not yet started and a stop
        count too.
        """
        begins = [
            f"{part}: has not begun{_because(self.troubles.get(part))}"
            for part, age in self.ages.items()
            if age is None
        ]
        return (*(["stopping"] if self.stopping else []), *begins, *self.reasons)


class Health:
    """Collects heartbeats and makes the report; the wait for the first one begins at the start.

    `limits`: for the components that run in this process. `tunnel`: its state, "" without one;
    it is only shown and never makes the process unhealthy, since a restart would not help and
    prompts work without it.
    """

    def __init__(
        self,
        writable: Callable[[], Coroutine[Any, Any, bool]],
        *,
        limits: Mapping[str, float] = LIMITS,
        tunnel: Callable[[], str] = str,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._writable = Bounded(writable, ANSWER_SECONDS)
        self._limits = limits
        self._tunnel = tunnel
        self._now = now
        self._since = dict.fromkeys(limits, now())
        self._marks: dict[str, float] = {}
        self._troubles: dict[str, str] = {}
        self._asking = asyncio.Lock()
        self._trouble = ""
        self._answered: float | None = None
        self.stopping = False

    def mark(self, part: str) -> None:
        """Record a heartbeat: `part` (a key of LIMITS) has just done its work."""
        if part not in self._limits:
            raise KeyError(part)
        self._marks[part] = self._now()
        self._troubles.pop(part, None)

    def trouble(self, part: str, words: str) -> None:
        """Record what prevents `part` from working, without secrets; valid until its next
        heartbeat.
        """
        self._troubles[part] = words

    def rest(self, part: str) -> None:
        """Expect no heartbeats of `part` until `expect`: another process does its work."""
        self._marks.pop(part, None)
        self._since.pop(part, None)

    def expect(self, part: str) -> None:
        """Expect heartbeats of `part` from now on."""
        self._since[part] = self._now()

    def stop(self) -> None:
        """Record that the program is about to stop."""
        self.stopping = True

    async def report(self) -> HealthReport:
        """Return the report; the database is checked at most once per interval."""
        trouble = await self._database()
        now = self._now()
        reasons = [
            f"{part}: no sign of life for {age:.0f} s (at most {limit:.0f})"
            + _because(self._troubles.get(part))
            for part, since in self._since.items()
            if (age := now - self._marks.get(part, since)) > (limit := self._limits[part])
        ]
        if trouble:
            reasons.append(f"database: {trouble}")
        return HealthReport(
            reasons=tuple(reasons),
            ages=self.ages(),
            database=not trouble,
            stopping=self.stopping,
            troubles=dict(self._troubles),
            tunnel=self._tunnel(),
        )

    def ages(self) -> dict[str, float | None]:
        """Return how long ago each part last worked, in seconds; the database is not checked."""
        now = self._now()
        return {
            part: round(now - self._marks[part], 1) if part in self._marks else None
            for part in self._since
        }

    async def _database(self) -> str:
        """Return what is wrong with the database, "" when nothing is."""
        # Cached: anybody may request a report, and the check writes to the database.
        async with self._asking:
            if self._answered is None or self._now() - self._answered > WRITABLE_SECONDS:
                try:
                    self._trouble = "" if await self._writable() else "not writable"
                except TimeoutError:
                    self._trouble = f"no answer within {ANSWER_SECONDS:.0f} s"
                self._answered = self._now()
            return self._trouble


def _because(trouble: str | None) -> str:
    return f": {trouble}" if trouble else ""
