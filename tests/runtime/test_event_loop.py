"""The event loop that the program runs on: uvloop's, or asyncio's where there is none."""

from __future__ import annotations

import subprocess
import sys

import pytest

SAYS = """
import asyncio, gc, sys
if "without" in sys.argv:
    sys.modules["uvloop"] = None
from bot.runtime import event_loop

async def main():
    return type(asyncio.get_running_loop()).__module__

print(event_loop.run(main()), *gc.get_threshold(), gc.get_freeze_count() > 0)
"""


def said(*words: str) -> list[str]:
    # A process of its own: the collector belongs to the whole of it.
    run = [sys.executable, "-c", SAYS, *words]
    return subprocess.run(run, check=True, capture_output=True, text=True).stdout.split()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no uvloop")
def test_the_loop_is_uvloop_with_rare_garbage_collections() -> None:
    assert said() == ["uvloop", "10000", "50", "20", "True"]


def test_without_uvloop_the_loop_is_asyncio() -> None:
    module, *rest = said("without")
    assert module.startswith("asyncio.")
    assert rest == ["10000", "50", "20", "True"]
