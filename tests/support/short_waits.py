"""Shorten the real waits of a test's bot, in its process before it runs.

The fork server calls `prepare` (`tests.support.launcher.Launcher.start`). It must not know a test.
"""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from typing import Any

PREPARE = "tests.support.short_waits:prepare"


def prepare(wish: dict[str, Any]) -> None:
    """Let the balance be read again `balance_gap` seconds after a lost answer."""
    doubts: Any = import_module("storage.doubts")
    assert isinstance(doubts.GAP, timedelta)  # it must still be there
    doubts.GAP = timedelta(seconds=wish["balance_gap"])
