"""Everything that chance decides in one life, drawn from its seed, and the log of what happened.

A draw depends on the seed, the name of its place and how often that place was passed, and on no
other draw: a fault can be left out without moving the others, which is how a life is shrunk. It
must not know what the places are.
"""

from __future__ import annotations

import hashlib
import random
import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

_LINES_AT_ONCE = 500


class Fate:
    """The draws of one life.

    `only`: the faults that may happen, by their names in `happened`; None: all that are drawn.
    """

    def __init__(self, seed: int, only: Collection[str] | None = None) -> None:
        self.seed = seed
        self.only = None if only is None else frozenset(only)
        self.happened: list[str] = []
        self.calm = False  # from the end of the disturbances on
        self._places: dict[str, _Place] = {}

    def dice(self, name: str) -> random.Random:
        """Return a separate source for something that draws often."""
        return random.Random(f"{self.seed} {name}")

    def uniform(self, low: float, high: float, name: str) -> float:
        """Draw a number for the next passage of `name`."""
        return low + (high - low) * self._next(f"~{name}")[1]

    def fault(self, name: str, shares: Sequence[tuple[str, float]]) -> str | None:
        """Draw whether a fault happens at this passage of `name`, each kind with its share."""
        number, drawn = self._next(name)
        if self.calm:
            return None
        for kind, share in shares:
            if drawn < share:
                return kind if self.allow(f"{name}#{number} {kind}") else None
            drawn -= share
        return None

    def allow(self, fault: str) -> bool:
        """Record a fault that was drawn, unless this life does without it."""
        if self.only is not None and fault not in self.only:
            return False
        self.happened.append(fault)
        return True

    def _next(self, name: str) -> tuple[int, float]:
        place = self._places.get(name)
        if place is None:
            place = self._places[name] = _Place(self.dice(f"at {name}").random)
        place.passed += 1
        return place.passed, place.draw()


class _Place:
    """A place at which faults are drawn, with random numbers of its own."""

    __slots__ = ("draw", "passed")

    def __init__(self, draw: Callable[[], float]) -> None:
        self.draw = draw
        self.passed = 0


class EventLog:
    """What happened in a life, in order; two lives with one digest are the same life."""

    def __init__(self, now: Callable[[], float], *, keep: bool = False) -> None:
        self._now = now
        self._digest = hashlib.sha256()
        self._keep = keep
        self._told: list[str] = []  # and not in the digest yet
        self.count = 0
        self.lines: list[str] = []  # only with `keep`

    def note(self, *words: object) -> None:
        """Add an event at this moment."""
        line = f"{self._now():.6f} {' '.join(map(str, words))}\n"
        self._told.append(line)
        self.count += 1
        if len(self._told) >= _LINES_AT_ONCE:
            self._tell()
        if self._keep:
            self.lines.append(line[:-1])

    def _tell(self) -> None:
        self._digest.update("".join(self._told).encode())
        self._told = []

    def digest(self) -> str:
        """Return the digest of all events so far."""
        self._tell()
        return self._digest.hexdigest()


class _SeededSystem(random.Random):
    """Stands behind the module `secrets`; the same numbers for the same seed."""


@contextmanager
def seeded_secrets(seed: int) -> Iterator[None]:
    """Draw tokens and ids from the seed: those of the bot, of aiogram and of the emulators.

    The only randomness of the program besides its clock; bot/core/schedule.py has none.
    """
    module: Any = secrets
    before = module._sysrand
    module._sysrand = _SeededSystem(f"{seed} secrets")
    try:
        yield
    finally:
        module._sysrand = before
