"""The N-th call of a journey fails, for every N, before and after it took effect.

Any call to either emulator: the calls are counted, not listed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from bot.sandbox.faults import Fault
from tests.crash.processes import Launcher
from tests.crash.steps import AT_ONCE, JOURNEYS, Journey, Result, cells, lead

JOURNEY = JOURNEYS["photo"]
ACTS: tuple[Literal["reset_before", "reset_after"], ...] = ("reset_before", "reset_after")
MORE = 2
"""How many calls beyond those of a good journey are tried: a failure causes some more."""


@dataclass
class Sweep:
    """The results of all journeys, by the failed call."""

    ended: dict[str, Result] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)  # there was no such call any more
    seconds: float = 0.0

    @property
    def violations(self) -> list[str]:
        """The lines of those that broke a promise."""
        return [f"{call}: {r.violations}" for call, r in self.ended.items() if r.violations]

    def cells(self) -> tuple[object, ...]:
        """For the table in docs/reliability.md."""
        return cells(0, self.ended.values(), self.violations)

    def text(self) -> str:
        """For people, a few lines."""
        unknown = sum(result.numbers.unknown for result in self.ended.values())
        twice = sum(result.numbers.duplicate_videos for result in self.ended.values())
        lines = [
            f"{len(self.ended)} journeys, each with one call that failed "
            f"({len(self.missed)} ended before it): {unknown} unknown, {twice} videos twice, "
            f"{self.seconds:.0f} s",
        ]
        lines += [f"  BROKEN: {line}" for line in self.violations]
        return "\n".join(lines)


async def run(launcher: Launcher, folder: Path, *, every: int = 1, first: int = 0) -> Sweep:
    """All of them, or every so many beginning with the `first`."""
    started = time.monotonic()
    sweep = Sweep()
    good = await lead(JOURNEY, launcher, folder / "good")
    if good.violations:
        raise AssertionError(good.text())
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, journey: Journey) -> None:
        async with slots:
            result = await lead(journey, launcher, folder / name)
        sweep.ended[name] = result
        if not result.spoilt:
            sweep.missed.append(name)

    async with asyncio.TaskGroup() as group:
        for number, (name, journey) in enumerate(_journeys(good)):
            if number % every == first % every:
                group.create_task(one(name, journey))
    sweep.seconds = time.monotonic() - started
    return sweep


def _journeys(good: Result) -> Iterator[tuple[str, Journey]]:
    for number in range(len(good.telegram_calls) + MORE):
        for act in ACTS:
            fault = Fault(on="*", act=act, skip=number)
            yield f"telegram-{number + 1}-{act}", replace(JOURNEY, telegram=(fault,))
    for number in range(len(good.provider_calls) + MORE):
        for act in ACTS:
            fault = Fault(on="*", act=act, skip=number)
            yield f"provider-{number + 1}-{act}", replace(JOURNEY, provider=(fault,))
