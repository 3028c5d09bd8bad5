"""Fakes at the edges of the steps: a provider, a chat and a clock that a test controls.

Each keeps its own records: charges and deliveries are asserted from them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiogram.utils.formatting import Text

from bot.core.errors import (
    ProviderBusy,
    ProviderError,
    ProviderHeld,
    ProviderLost,
    ProviderRefused,
    TelegramError,
    TelegramLater,
    TelegramLost,
    TelegramUnreachable,
)
from bot.core.prices import PriceView
from bot.core.task import Hold, Reason, Task
from bot.media.download import DownloadFailed, DownloadGone
from bot.provider.answers import Job, JobStatus
from bot.telegram.messenger import SentVideo
from storage import Database, TaskStore


class Crash(BaseException):
    """The process dies at this instruction: nothing after it runs."""


@dataclass
class Fuse:
    """Crashes at the n-th named point from now."""

    left: int | None = None
    blown: int = 0

    def at(self, _point: str) -> None:
        if self.left is None:
            return
        if self.left == 0:
            self.left = None
            self.blown += 1
            raise Crash
        self.left -= 1


@dataclass
class MovedClock:
    """Time passes only when somebody waits or the test says so."""

    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        if not event.is_set():
            self.pass_(seconds)
        return event.is_set()


CREATE_ERRORS: dict[str, ProviderError] = {
    "busy": ProviderBusy("busy", retry_after=20),
    "held": ProviderHeld(Hold.NO_BALANCE, "no balance"),
    "refused": ProviderRefused(Reason.UNSAFE_PROMPT, "unsafe"),
}


@dataclass
class FakeProvider:
    """`on_create`: well, busy, held, refused, lost before or after the order was taken."""

    fuse: Fuse
    on_create: str = "well"
    pending: int = 0  # answers "running" before the last word
    ending: str = "done"  # done, failed, never, no url
    charges: Counter[str] = field(default_factory=Counter)  # by prompt
    ids: dict[str, str] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    async def create(self, *, model: str, prompt: str, ar: str, image: str | None = None) -> Job:
        self.fuse.at("before create")
        if error := CREATE_ERRORS.get(self.on_create):
            raise error
        if self.on_create == "lost before":
            raise ProviderLost("reset")
        self.charges[prompt] += 1
        id_ = f"{len(self.ids):024x}"
        self.ids[id_] = prompt
        self.fuse.at("after create")
        if self.on_create == "lost after":
            raise ProviderLost("reset")
        return Job(id=id_, status=JobStatus.PENDING)

    async def result(self, task_id: str) -> Job:
        self.fuse.at("before result")
        assert task_id in self.ids, "asked for an id that was never given"
        self.asked[task_id] += 1
        if self.pending > 0:
            self.pending -= 1
            return Job(id=task_id, status=JobStatus.PENDING)
        match self.ending:
            case "failed":
                return Job(id=task_id, status=JobStatus.FAILED, reason=Reason.PROVIDER_FAILED)
            case "never":
                return Job(id=task_id, status=JobStatus.PENDING)
            case "no url":
                return Job(id=task_id, status=JobStatus.DONE)
            case "busy":
                raise ProviderBusy("heavy load")
        return Job(id=task_id, status=JobStatus.DONE, url=f"https://cdn.test/{task_id}.mp4")


SEND_ERRORS: dict[str, Exception] = {
    "later": TelegramLater("flood", retry_after=30),
    "blocked": TelegramUnreachable("blocked"),
    "link dead": DownloadGone("404"),
    "link slow": DownloadFailed("too slow"),
}


@dataclass
class FakeDelivery:
    """`on_send`: well, later, blocked, dead or slow link, or lost after it was taken."""

    fuse: Fuse
    on_send: str = "well"
    arrived: Counter[int] = field(default_factory=Counter)  # by task
    lost: Counter[int] = field(default_factory=Counter)

    async def __call__(
        self, task: Task, caption: Text, keyboard: object, meet: object = None
    ) -> SentVideo:
        self.fuse.at("before send")
        if error := SEND_ERRORS.get(self.on_send):
            raise error
        self.arrived[task.id] += 1
        self.fuse.at("after send")
        if self.on_send == "lost after":
            self.lost[task.id] += 1
            raise TelegramLost("reset")
        return SentVideo(message_id=self.arrived.total(), file_id=f"file-{task.id}")

    async def kept_by(self, task: Task) -> str | None:
        return None

    def forget(self, task_id: int) -> None:
        """Nothing is kept here."""


class NoProgress:
    """The status message, which nothing depends on."""

    prices = PriceView()

    def show(self, *args: object, **kwargs: object) -> None: ...

    def leave(self, *args: object, **kwargs: object) -> None: ...

    def forget(self, task_id: int) -> None: ...

    async def close(self, task: Task) -> None: ...


@dataclass
class FakeFrames:
    """`on_publish`: well, later, gone."""

    fuse: Fuse
    on_publish: str = "well"

    async def publish(self, task: Task) -> str:
        self.fuse.at("before publish")
        if self.on_publish == "later":
            raise TelegramLater("flood", retry_after=5)
        if self.on_publish == "gone":
            error: TelegramError = TelegramUnreachable("file is gone")
            raise error
        return f"https://bot.test/frames/{task.id}.jpg"


class FusedTasks(TaskStore):
    """The real store, whose process may end right before or right after a commit.

    It knows the last holder of each task: only that holder's write may take effect.
    """

    def __init__(self, database: Database, fuse: Fuse) -> None:
        super().__init__(database)
        self._fuse = fuse
        self._leased: dict[int, int] = {}

    async def claim_due(self, **kwargs: Any) -> list[Task]:
        claimed = await super().claim_due(**kwargs)
        self._leased.update({task.id: task.fence for task in claimed})
        return claimed

    async def save(self, lease: Task, after: Task, **kwargs: Any) -> bool:
        self._fuse.at("before save")
        written = await super().save(lease, after, **kwargs)
        assert not written or lease.fence == self._leased[lease.id], "a stale holder has written"
        self._fuse.at("after save")
        return written
