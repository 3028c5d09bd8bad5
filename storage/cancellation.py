"""Calls of the database that a cancellation does not interrupt: it is raised when they have ended.

An interrupted driver would leave its connection open, with SQLite's only write lock. What runs
below SQLAlchemy notes a cancellation here; `storage/connection.py` raises it once SQLAlchemy has
returned. It must not know the kind of database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar
from weakref import WeakSet

T = TypeVar("T")

_cancelled: WeakSet[asyncio.Task[Any]] = WeakSet()
"""Tasks whose cancellation waits for the end of a call."""


class Answer(asyncio.Future[T]):
    """A result that arrives in any case; a waiting task is cancelled only after that."""

    def cancel(self, msg: Any | None = None) -> bool:
        """Refuse: asyncio then cancels the waiting task at its next step."""
        return False


async def arrival(answer: Answer[T]) -> T:
    """Wait for the answer; note a cancellation that came meanwhile."""
    try:
        return await answer
    except asyncio.CancelledError:
        _note()
        return answer.result()


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Finish work that could be interrupted; note a cancellation that came meanwhile."""
    task = asyncio.ensure_future(work)  # noqa: TID251 - never detached: waited for right here
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        _note()
        return task.result()


def raise_cancellation() -> None:
    """Raise the cancellation of this task that was noted; do nothing without one."""
    task = asyncio.current_task() if _cancelled else None
    if task is not None and task in _cancelled:
        _cancelled.discard(task)
        raise asyncio.CancelledError


def _note() -> None:
    task = asyncio.current_task()
    assert task is not None
    _cancelled.add(task)
