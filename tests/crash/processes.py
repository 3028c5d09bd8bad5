"""How a campaign's processes differ from a normal start: short leases, a kill at a named step, a
seeded bug.

`Wish.prepare` runs in the child, before the bot.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.support.launcher import UP, BotRun, Launcher, launching

__all__ = ["PREPARE", "UP", "BotRun", "Launcher", "Wish", "launching", "prepare"]

PREPARE = "tests.crash.processes:prepare"
BEATS = 6
"""Heartbeats in a lease."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """How a process differs from a normal start."""

    lease_seconds: float = 3.0  # of tasks and updates: a process suspended for longer loses them
    notice_seconds: float = 12.0  # of notices, which have no heartbeat
    idle_seconds: float = 0.25  # the longest wait before work of another process is noticed
    poison: int = 1_000  # claims: under so many kills everything would look like poison
    bug: str | None = None
    journal: Path | None = None  # the file for the names of the passed points
    die_at: tuple[str, int] | None = None
    die_after: int = 0  # points; 0: none of them is the last

    def as_json(self) -> dict[str, Any]:
        """Return it as `prepare` takes it."""
        return {**vars(self), "journal": self.journal and str(self.journal)}


def prepare(wish: dict[str, Any]) -> None:
    """Change this process as the `Wish` says."""
    from tests.crash import kill_points, seeded_bugs

    shorten_waits(
        wish["lease_seconds"], wish["notice_seconds"], wish["idle_seconds"], wish["poison"]
    )
    if wish["bug"]:
        seeded_bugs.seed_bug(wish["bug"])
    if wish["journal"]:
        kill_points.install(
            Path(wish["journal"]), die_at=wish["die_at"], die_after=wish["die_after"]
        )


def shorten_waits(lease: float, notice: float, idle: float, poison: int) -> None:
    """Shorten waits from minutes to seconds, so that a campaign does not wait."""
    wanted: dict[str, dict[str, object]] = {
        "bot.jobs.worker": {
            "LEASE": timedelta(seconds=lease),
            "HEARTBEAT_SECONDS": lease / BEATS,
            "IDLE_SECONDS": idle,
        },
        "bot.telegram.inbox": {
            "LEASE": timedelta(seconds=lease),
            "HEARTBEAT_SECONDS": lease / BEATS,
            "IDLE_SECONDS": idle,
            "TRIES": poison,
        },
        "bot.jobs.outbox_sender": {"LEASE": timedelta(seconds=notice), "IDLE_SECONDS": idle},
        # the rows of a dead process are noticed when its lease ends, at the latest
        "bot.runtime.idle": {"LOOK_SECONDS": lease},
        "storage.listen_notify": {"LOOK_SECONDS": 1.0},
        "storage.due": {"VALID": timedelta(seconds=lease)},
        "bot.core.breaker": {
            "FIRST_SECONDS": 0.3,
            "LONGEST_SECONDS": 3.0,
            "BETWEEN_GOOD": timedelta(seconds=0.3),
        },
        "storage.breaker": {"TRIAL": timedelta(seconds=2 * lease)},
        "bot.jobs.provider_probe": {"TRIAL_SECONDS": idle},
        "storage.doubts": {"GAP": timedelta(seconds=1)},
        "bot.jobs.doubts": {"LOOK_SECONDS": idle},
        "bot.core.schedule": {"PROBES": (0.3, 1.0, 2.0, 3.5)},
        "bot.jobs.steps": {"POISON_CLAIMS": poison},
        "storage.recovery": {"SPREAD": timedelta(seconds=lease)},
    }
    for name, changes in wanted.items():
        module = import_module(name)
        for constant, value in changes.items():
            getattr(module, constant)  # it must still be there
            setattr(module, constant, value)
