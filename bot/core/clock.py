"""The program's clock: the only module that reads the time or waits; tests can replace it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the current time in UTC, time zone included."""

Wait = Callable[[asyncio.Event, float], Awaitable[bool]]
"""Waits for an event for at most the given seconds; returns True if the event was set."""


Sleep = Callable[[float], Awaitable[None]]
"""Waits for the given seconds."""


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place


async def wait_for(event: asyncio.Event, seconds: float) -> bool:
    """Wait for the event for at most `seconds`; return True if it was set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True


def steady_now() -> datetime:
    """Return the monotonic clock as a time in UTC; only the difference between two of them has a
    meaning."""
    return datetime.fromtimestamp(time.monotonic(), UTC)
