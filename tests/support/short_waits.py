"""What a bot of a test waits for in real time, shortened in its process before it runs.

The fork server calls `prepare` (`tests.support.launcher.Launcher.start`); it must not know a test.
"""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from typing import Any

PREPARE = "tests.support.short_waits:prepare"


def prepare(wish: dict[str, Any]) -> None:
    """Set the balance to be read again so many seconds after a lost answer: `balance_gap`."""
    doubts: Any = import_module("storage.doubts")
    assert isinstance(doubts.GAP, timedelta)  # it must still be there
    doubts.GAP = timedelta(seconds=wish["balance_gap"])
