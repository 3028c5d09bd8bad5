"""Other processes on the same database: wake them, and decide which one does a common job.

Both only save time: a missed event is found by polling, and what two processes do for a moment is
guarded by the rows. It must not know what the events and jobs are.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable


class Cluster:
    """A process that is alone with its database: it notifies itself, and does every job.

    `workers`: how many processes work on tasks, as far as is known; at least 1.
    """

    def __init__(self) -> None:
        self._subscribers: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)
        self.workers = 1

    def subscribe(self, event: str, call: Callable[[], None]) -> None:
        """Call `call` for every event of this name, and when an event may have been missed."""
        self._subscribers[event].append(call)

    def notify(self, event: str) -> None:
        """Send an event to every process; to this one at once."""
        for call in self._subscribers[event]:
            call()

    def join_workers(self) -> None:
        """Count this process among the workers, from the next `run` on."""

    async def run_exclusively(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` while no other process runs work of this name, again and again.

        It is cancelled when another process may have started it. Returns when it returns, raises
        what it raises.
        """
        await work()

    async def run(self) -> None:
        """Run until cancelled."""
        await asyncio.Event().wait()
