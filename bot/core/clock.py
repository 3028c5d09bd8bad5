"""The program's clock: the one place that asks what time it is or waits, so tests can move it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives the present moment, in UTC and aware of it."""

Wait = Callable[[asyncio.Event, float], Awaitable[bool]]
"""Waits for an event, so many seconds at the most; True when it came."""


Sleep = Callable[[float], Awaitable[None]]
"""Lets so many seconds pass."""


def utc_now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place


async def wait_for(event: asyncio.Event, seconds: float) -> bool:
    """Waits for the event, `seconds` at the most; True when it came."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True
