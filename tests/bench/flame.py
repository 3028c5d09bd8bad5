"""Sample where a Python program spends its CPU, and draw that as a flame graph.

    python -m tests.bench.flame FILE MODULE      runs MODULE; SIGUSR2 starts and ends the sampling

FILE gets one line for each stack, "outermost;…;innermost MICROSECONDS" (collapsed stacks, as
flamegraph.pl reads them). It must not know the program.
"""

from __future__ import annotations

import runpy
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from html import escape
from pathlib import Path
from types import FrameType
from typing import Any

from tests.bench.report import svg

EVERY = 0.001
"""Seconds of CPU between two samples; the kernel may round this up to its own clock tick."""
WIDTH, ROW = 1400, 17
NARROWEST = 2.5
"""The smallest width of a box, in px; narrower boxes are not drawn."""
LETTER = 6.6


class Sampler:
    """Adds the CPU that each thread used since the last sample to the stack where it is now."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stacks: Counter[str] = Counter()
        self._used: dict[int, float] = {}
        self._running = False
        signal.signal(signal.SIGPROF, self._sample)
        signal.signal(signal.SIGUSR2, self._toggle)

    def _toggle(self, *_: object) -> None:
        self._running = not self._running
        each = EVERY if self._running else 0
        self._used = self._clocks()
        signal.setitimer(signal.ITIMER_PROF, each, each)
        if not self._running:
            lines = [f"{stack} {weight}\n" for stack, weight in self._stacks.copy().items()]
            self._file.write_text("".join(lines))

    def _sample(self, _: int, here: FrameType | None) -> None:
        main, frames = threading.main_thread().ident, sys._current_frames()
        for thread, used in self._clocks().items():
            frame = here if thread == main else frames.get(thread)
            spent = round((used - self._used.get(thread, 0.0)) * 1e6)
            if frame is not None and spent > 0:
                self._stacks[";".join(reversed(list(map(_name, _callers(frame)))))] += spent
            self._used[thread] = used

    @staticmethod
    def _clocks() -> dict[int, float]:
        threads = [thread.ident for thread in threading.enumerate() if thread.ident]
        return {id_: time.clock_gettime(time.pthread_getcpuclockid(id_)) for id_ in threads}


def _callers(frame: FrameType | None) -> Any:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _name(frame: FrameType) -> str:
    module = str(frame.f_globals.get("__name__", "?"))
    return f"{module}:{frame.f_code.co_qualname}".replace(";", ",").replace(" ", "")


def read_stacks(text: str) -> Counter[tuple[str, ...]]:
    """Return the weight of each stack, outermost call first."""
    stacks: Counter[tuple[str, ...]] = Counter()
    for line in text.splitlines():
        stack, _, weight = line.rpartition(" ")
        stacks[tuple(stack.split(";"))] += int(weight)
    return stacks


def draw(title: str, stacks: Mapping[tuple[str, ...], float], unit: str) -> str:
    """Return the flame graph as SVG: a box for each call, as wide as its weight, above its caller;
    widest first. Pointing at a box shows its name, weight and share.
    """
    total = sum(stacks.values()) or 1.0
    boxes: list[tuple[int, float, float, str]] = []  # depth, px from the left, weight, name

    def place(inside: Mapping[tuple[str, ...], float], depth: int, left: float) -> None:
        groups: dict[str, Counter[tuple[str, ...]]] = {}
        for stack, weight in inside.items():
            if stack:
                groups.setdefault(stack[0], Counter())[stack[1:]] += weight  # type: ignore[assignment]
        for name, calls in sorted(groups.items(), key=lambda group: -group[1].total()):
            weight = calls.total()
            if (width := WIDTH * weight / total) < NARROWEST:
                break
            boxes.append((depth, left, weight, name))
            place(calls, depth + 1, left)
            left += width

    place(stacks, 0, 0.0)
    height = ROW * (max((depth for depth, *_ in boxes), default=0) + 1) + 40
    drawn = "".join(_box(height, total, unit, *box) for box in boxes)
    words = f'<text x="8" y="22">{escape(title)}</text>'
    return svg(WIDTH, height, f'{words}<g font-size="11">{drawn}</g>')


def _box(
    height: int, total: float, unit: str, depth: int, left: float, weight: float, name: str
) -> str:
    width, top = WIDTH * weight / total, height - ROW * (depth + 1) - 4
    colour = "#f3b27a" if name.startswith(("bot.", "handlers.", "storage.")) else "#cbd5e1"
    shown = escape(name[: max(int(width / LETTER), 0)]) if width > 30 else ""
    said = escape(f"{name}: {weight:,.1f} {unit}, {weight / total:.1%}")
    return (
        f'<g><title>{said}</title><rect x="{left:.1f}" y="{top}" width="{width - 0.5:.1f}"'
        f' height="{ROW - 1}" fill="{colour}"/><text x="{left + 3:.1f}" y="{top + 12}">{shown}'
        "</text></g>"
    )


if __name__ == "__main__":
    Sampler(Path(sys.argv[1]))
    module = sys.argv[2]
    del sys.argv[1:3]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
