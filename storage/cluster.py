"""Other processes on the same database: send them events, and choose one for each common job.

Both only save time: a missed event is noticed by polling, and if two processes do the same job for
a moment, the rows protect from harm. It must not know the meaning of the events and jobs.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable


class Cluster:
    """The cluster of a single process: it notifies itself, and does every job.

    `workers`: how many processes work on tasks, as far as is known; at least 1.
    """

    def __init__(self) -> None:
        self._subscribers: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)
        self.workers = 1

    def subscribe(self, event: str, call: Callable[[], None]) -> None:
        """Call `call` for every event of this name, and when an event may have been missed."""
        self._subscribers[event].append(call)

    def notify(self, event: str) -> None:
        """Send an event to every process; this process gets it at once."""
        for call in self._subscribers[event]:
            call()

    def notify_soon(self, event: str) -> None:
        """Send a frequent event: other processes get several of them as one, a moment later."""
        self.notify(event)

    def join_workers(self) -> None:
        """Count this process among the workers, from the next `run` on."""

    async def run_exclusively(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` repeatedly while no other process runs work of this name.

        It is cancelled when another process may have started it. Return when `work` returns, and
        raise its exceptions.
        """
        await work()

    async def run(self) -> None:
        """Run until cancelled."""
        await asyncio.Event().wait()
