"""The program's clock: the one place that reads the time or waits; tests can replace it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the current time, aware, in UTC."""

Wait = Callable[[asyncio.Event, float], Awaitable[bool]]
"""Waits for an event for at most so many seconds; True when the event was set."""


Sleep = Callable[[float], Awaitable[None]]
"""Waits so many seconds."""


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place


async def wait_for(event: asyncio.Event, seconds: float) -> bool:
    """Wait for the event for at most `seconds`; True when it was set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True
