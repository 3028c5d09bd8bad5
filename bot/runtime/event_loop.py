"""How the program runs its coroutines: on uvloop's event loop, with little looking for garbage.

Where there is no uvloop (Windows), on asyncio's own. It must not know what runs
(docs/decisions/0017-the-event-loop-is-uvloops.md).
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
"""gc.set_threshold: what is in hand for thousands of tasks is looked through rarely. A whole look
stops the loop for as long as half a second then, and nearly all garbage goes without it.
"""


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Until it has ended; what was imported so far is never looked at for garbage again."""
    gc.freeze()
    gc.set_threshold(*GARBAGE)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)
