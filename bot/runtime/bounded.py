"""A question that may hang, asked by somebody who must answer in time.

A statement of the database cannot be interrupted, so it continues after the asker has answered; it
is never asked twice at the same time. It must not know what is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Bounded(Generic[T]):
    """Asks `question` and waits at most `seconds` for its answer."""

    def __init__(self, question: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> None:
        self._question = question
        self._seconds = seconds
        self._asked: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        """Return the answer; raise what the question raises, or TimeoutError."""
        if self._asked is None or self._asked.done():
            asking = asyncio.create_task(self._question())  # noqa: TID251 - kept, and ends with the loop
            asking.add_done_callback(_hear)
            self._asked = asking
        done, _ = await asyncio.wait([self._asked], timeout=self._seconds)
        if not done:
            raise TimeoutError
        return self._asked.result()


def _hear(task: asyncio.Task[Any]) -> None:
    """Read the error of a question whose asker has left: asyncio would complain otherwise."""
    if not task.cancelled():
        task.exception()
