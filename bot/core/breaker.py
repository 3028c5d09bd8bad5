"""The breaker in front of the one call that costs money: when creates stop and start again.

The first create whose answer is lost stops all creates. Then a free request (a probe) is sent at
growing intervals. After several good answers in a row, one order is sent as a trial; the rest
follow once the trial was accepted. Pure: it must not know SQL, HTTP or the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from bot.core.schedule import back_off

FIRST_SECONDS, LONGEST_SECONDS = 2.0, 60.0
"""Wait between two probes while the provider does not answer: the first and the longest."""
NEEDED = 3
"""Good answers in a row before the trial order: a connection that fails every few seconds fails
one of them.
"""
BETWEEN_GOOD = timedelta(seconds=2)
TRIAL = timedelta(seconds=120)
"""The longest time of a trial, longer than a create may take; a trial that nobody ended then
counts as ended.
"""


class Permit(Enum):
    """Whether a create may go out now."""

    FREE = "free"  # the breaker is closed
    TRIAL = "trial"  # the breaker is open, and this order is the trial
    NO = "no"  # the provider does not answer


@dataclass(frozen=True, kw_only=True)
class Breaker:
    """An open breaker."""

    opened_at: datetime
    failures: int  # lost creates and unanswered probes in a row
    good: int  # good answers in a row
    probe_at: datetime  # when the next probe is due
    trial_until: datetime | None = None  # the trial order ends by then at the latest

    @classmethod
    def opened(cls, now: datetime, before: Breaker | None = None) -> Breaker:
        """Return the breaker after a create whose answer was lost."""
        failures = 1 if before is None else before.failures + 1
        return cls(
            opened_at=now if before is None else before.opened_at,
            failures=failures,
            good=0,
            probe_at=now + _wait(failures),
        )

    def probed(self, now: datetime, *, answered: bool) -> Breaker:
        """Return the breaker after a probe."""
        if not answered:
            return Breaker.opened(now, self)
        return Breaker(
            opened_at=self.opened_at,
            failures=self.failures,
            good=self.good + 1,
            probe_at=now + BETWEEN_GOOD,
            # Two processes may ask at once: the later answer must not let a second order out.
            trial_until=self.trial_until,
        )

    def has_room(self, now: datetime) -> bool:
        """Whether a trial order may be sent now."""
        return self.good >= NEEDED and (self.trial_until is None or self.trial_until <= now)


def _wait(failures: int) -> timedelta:
    return timedelta(seconds=back_off(failures, first=FIRST_SECONDS, cap=LONGEST_SECONDS))
