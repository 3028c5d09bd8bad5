"""Run the components of one process: they start together and end together.

If any component stops, the whole process stops and reports it by its exit code. It must not know
what the components do.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

logger = logging.getLogger(__name__)

STOP_SECONDS = 8.5
"""Seconds from the signal until all running components are cancelled."""


async def supervise(
    *,
    until: asyncio.Event,
    ends_by_itself: list[Coroutine[Any, Any, None]],
    endless: list[Coroutine[Any, Any, None]],
    last: list[Coroutine[Any, Any, None]],
    stop: list[Callable[[], None]],
) -> None:
    """Run all components until the event is set or one of them ends; then end all, `last` at the
    end.
    """
    orderly = [asyncio.create_task(part) for part in ends_by_itself]
    others = [asyncio.create_task(part) for part in endless]
    latest = [asyncio.create_task(part) for part in last]
    signalled = asyncio.create_task(until.wait())
    try:
        parts: set[asyncio.Task[Any]] = {*orderly, *others, *latest}
        ended, _ = await asyncio.wait({*parts, signalled}, return_when=asyncio.FIRST_COMPLETED)
        logger.info("stopping")
        for call in stop:
            call()
        for task in others:
            task.cancel()
        _, late = await asyncio.wait({*orderly, *others}, timeout=STOP_SECONDS)
        for task in (*late, *latest):
            task.cancel()
        await asyncio.gather(*parts, return_exceptions=True)
        if signalled not in ended:
            for task in ended:
                if not task.cancelled() and (exc := task.exception()):
                    raise exc
            raise RuntimeError("a component of the program ended unexpectedly")
        logger.info("stopped")
    finally:
        signalled.cancel()
