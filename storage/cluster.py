"""Other processes on the same database: waking them, and agreeing on what only one of them does.

Both save time and promise nothing: a word that is not heard is found by looking, and what two do
for a moment is guarded by the rows. It must not know what is said, nor what only one does.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable


class Cluster:
    """Of a process that is alone with its database: it hears itself, and it is the one."""

    def __init__(self) -> None:
        self._hearing: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)

    def hear(self, word: str, call: Callable[[], None]) -> None:
        """`call` is called when anybody says `word`, and when that may have been missed."""
        self._hearing[word].append(call)

    def ring(self, word: str) -> None:
        """Says `word` to every process: to this one at once."""
        for call in self._hearing[word]:
            call()

    async def alone(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Does `work` as long as no other process does what has this name, again and again.

        It is cancelled where another may have begun. Returns when it does, raises what it raises.
        """
        await work()

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.Event().wait()
