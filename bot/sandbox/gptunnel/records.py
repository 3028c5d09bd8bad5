"""The emulator's records: calls, charges and tasks. It must not know HTTP or rendering."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from bot.sandbox.gptunnel.models import Model


class Mode(StrEnum):
    """The mode of the emulated provider; set on the page or by a test."""

    WELL = "well"
    REFUSES = "refuses"  # every create is sensitive content: code 1001
    FAILS = "fails"  # accepted and charged, then status failed
    HANGS = "hangs"  # accepted and charged, then running until the mode changes
    OVERLOADED = "overloaded"  # code 6 to create and result
    NO_BALANCE = "no balance"  # code 5 to create


class Word(StrEnum):
    """Words in a prompt that decide its outcome, whatever the mode."""

    SENSITIVE = "nsfw-test"  # create: code 1001
    UNSAFE = "unsafe-test"  # create: code 1002
    LATE_SENSITIVE = "late-moderation-test"  # accepted, then code 1001
    FAIL = "fail-test"  # accepted, then code 0 and status failed
    HANG = "hang-test"  # accepted, never done
    INSTANT = "instant-test"  # create already answers done
    NO_URL = "no-url-test"  # done, but without a url


@dataclass
class Call:
    """One request as received. `name` is the name that faults use; `at` and `ended` are Unix
    times; `outcome` is the answer ("code 0", "HTTP 404"), then the fault that changed it, if
    any."""

    name: str
    headers: dict[str, str]
    body: Any
    at: float
    outcome: str = "not answered"
    ended: float | None = None

    @property
    def is_order(self) -> bool:
        """Whether it orders a video; a create with an empty body is only a probe."""
        return self.name == "create" and bool(self.body)


@dataclass(frozen=True)
class Charge:
    """Money charged for a task: `price` roubles, at Unix time `at`."""

    task_id: str
    model: str
    price: Decimal
    at: float


@dataclass(frozen=True)
class Made:
    """The studio's result: a video or an error text. `image` is the fetched first frame."""

    video: bytes | None
    image: bytes | None = None
    failure: str = ""


@dataclass
class Task:
    """One order. Times are Unix times in seconds; `ratio` and `image` as they were sent."""

    id: str
    model: Model
    prompt: str
    ratio: str | None
    image: str | None
    created_at: float
    ready_at: float
    work: asyncio.Future[Made] = field(repr=False)
    end: Mode | Word | None = None  # the outcome, once it has ended; WELL means a video

    @property
    def echo(self) -> str:
        """The prompt as the provider repeats it (provider.md: "Create a task")."""
        return f"{self.prompt} --ar {self.ratio}" if self.ratio else self.prompt

    @property
    def made(self) -> Made | None:
        """The result; None while the studio is working."""
        return self.work.result() if self.work.done() else None

    def says(self, word: Word) -> bool:
        return word in self.prompt.lower()

    def status(self, now: float, mode: Mode) -> str:
        """The provider's status; a finished task keeps it when the mode changes."""
        if self.end is None:
            self.end = self._ending(now, mode)
        if self.end is None:
            early = self.created_at + 0.1 * (self.ready_at - self.created_at)
            return "idle" if now < early else "running"
        return "done" if self.end in (Mode.WELL, Word.NO_URL) else "failed"

    def _ending(self, now: float, mode: Mode) -> Mode | Word | None:
        if self.made is None:
            return None
        if self.made.video is None:
            return Mode.FAILS
        if now < self.ready_at or mode is Mode.HANGS or self.says(Word.HANG):
            return None
        for word in (Word.LATE_SENSITIVE, Word.FAIL, Word.NO_URL):
            if self.says(word):
                return word
        return Mode.FAILS if mode is Mode.FAILS else Mode.WELL
