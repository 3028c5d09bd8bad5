"""Run the program on uvloop's event loop, with infrequent garbage collection.

Without uvloop (Windows), asyncio's own loop is used. It must not know the program that it runs
(docs/decisions/0017-uvloop-and-fewer-garbage-collections.md).
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any, TypeVar

try:
    from uvloop import new_event_loop
except ImportError:
    new_event_loop = asyncio.new_event_loop  # type: ignore[assignment]

Result = TypeVar("Result")

GARBAGE = (10_000, 50, 20)
"""gc.set_threshold: high, so that full collections are rare. With thousands of open tasks a full
collection stops the loop for up to half a second, and reference counting frees nearly all garbage
anyway.
"""


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end; objects imported so far are excluded from garbage collection."""
    gc.freeze()
    gc.set_threshold(*GARBAGE)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)
