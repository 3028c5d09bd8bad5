"""An event loop whose time is virtual, and in which a process can die or freeze at any callback.

It waits for nothing real: with nothing to run it jumps to the next timer. It has no sockets and no
threads; work for a thread runs at once. It must not know the bot.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any

SPINS = 100_000
"""Rounds of the loop in one moment: more are a program that waits for nothing and never ends."""


class Stalled(Exception):
    """Nothing will ever happen again, or nothing ever waits."""


class Mortal:
    """What a process is to the loop: its callbacks run, or are put aside while it is frozen.

    Those of a dead process are put aside too: without them its tasks could not be taken apart.
    """

    def __init__(self) -> None:
        self.alive = True
        self.frozen = False
        self.stashed: list[asyncio.Handle] = []


OWNER: ContextVar[Mortal | None] = ContextVar("OWNER", default=None)
"""The process that a callback belongs to; tasks and timers inherit it. None: the world."""


class _Handle(asyncio.Handle):
    """A handle of asyncio that does not ask whether the loop is in debug mode."""

    __slots__ = ()

    def __init__(  # never calls its base's, which asks that
        self,
        callback: Callable[..., Any],
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: Context | None,
    ) -> None:
        self._context = copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._source_traceback = None


class VirtualLoop(asyncio.BaseEventLoop):
    """`now`: seconds since the start of the life."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._spins = 0
        self._timers = 0

    def time(self) -> float:
        return self.now

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)  # type: ignore[attr-defined]
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._timers += 1  # so that two timers are never compared, which is slow
        heapq.heappush(self._scheduled, (when, self._timers, timer))  # type: ignore[attr-defined]
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def _run_once(self) -> None:
        """Run all ready callbacks; if there are none, jump to the next timer first.

        It replaces asyncio's own method, which an order passes a thousand times. Callbacks of a
        dead or frozen process are put aside.
        """
        ready, scheduled = self._ready, self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0][2]._cancelled:
            heapq.heappop(scheduled)[2]._scheduled = False
        if ready or self._stopping:  # type: ignore[attr-defined]
            self._spins += 1
        elif not scheduled:
            raise Stalled("nothing is due any more")
        elif scheduled[0][0] > self.now:
            self.now, self._spins = scheduled[0][0], 0
        if self._spins > SPINS:
            self._spins = 0
            raise Stalled(f"{SPINS} rounds without any wait")
        now = self.now
        while scheduled and scheduled[0][0] <= now:
            timer = heapq.heappop(scheduled)[2]
            timer._scheduled = False
            ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            context = handle._context
            owner = context.get(OWNER)
            if owner is not None and (owner.frozen or not owner.alive):
                owner.stashed.append(handle)
                continue
            try:
                context.run(handle._callback, *handle._args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as exc:
                what = f"Exception in callback {handle._callback!r}"
                self.call_exception_handler({"message": what, "exception": exc, "handle": handle})

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Any, *args: Any
    ) -> Any:
        """Run the work at once; its result comes in the next round, as from a thread."""
        future = self.create_future()
        try:
            result = func(*args)
        except Exception as exc:
            self.call_soon(_settle, future, None, exc)
        else:
            self.call_soon(_settle, future, result, None)
        return future

    def thaw(self, owner: Mortal) -> None:
        """Let a frozen process go on with everything that became due meanwhile."""
        owner.frozen = False
        self._ready.extend(owner.stashed)  # type: ignore[attr-defined]
        owner.stashed = []

    def _write_to_self(self) -> None:
        """Nobody sleeps in a selector."""


def _settle(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def owned_by(owner: Mortal | None) -> Context:
    """Return a context whose tasks belong to this process; None: to the world."""
    context = copy_context()
    context.run(OWNER.set, owner)
    return context
