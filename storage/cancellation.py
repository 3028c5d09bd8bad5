"""Database calls that run to their end even if the task is cancelled; the cancellation is raised
afterwards.

An interrupted driver would leave its connection open, with SQLite's only write lock. Code below
SQLAlchemy records a cancellation here; `storage/connection.py` raises it after SQLAlchemy has
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
"""Cancelled tasks whose database call has not ended yet."""


class Answer(asyncio.Future[T]):
    """A future that always gets its result: the waiting task is cancelled only after that."""

    def cancel(self, msg: Any | None = None) -> bool:
        """Refuse: asyncio then cancels the waiting task at its next step."""
        return False


async def arrival(answer: Answer[T]) -> T:
    """Wait for the answer; record a cancellation that comes meanwhile."""
    try:
        return await answer
    except asyncio.CancelledError:
        _note()
        return answer.result()


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end in a separate task; record a cancellation that comes meanwhile."""
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
    """Raise the recorded cancellation of this task, if there is one."""
    task = asyncio.current_task() if _cancelled else None
    if task is not None and task in _cancelled:
        _cancelled.discard(task)
        raise asyncio.CancelledError


def _note() -> None:
    task = asyncio.current_task()
    assert task is not None
    _cancelled.add(task)
