"""One process of the bot: composed as by bot/app.py, between simulated edges, and mortal.

`kill -9` and SIGSTOP act on its callbacks (tests/simulation/loop.py): no `finally` of it runs. It
must not know when it is killed, nor what is judged.
"""

from __future__ import annotations

import asyncio
import io
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from aiogram import Bot

from bot.core.errors import StorageUnavailable
from bot.jobs.outbox_sender import OutboxSender
from bot.jobs.worker import Worker
from bot.media.video_reader import Video, VideoInfo
from bot.provider.client import Gptunnel
from bot.runtime.supervisor import supervise
from bot.settings import Settings
from bot.telegram.answer_types import KeepAnswerTypes
from bot.telegram.errors import ErrorMiddleware
from bot.telegram.inbox import Inbox
from bot.telegram.rate_limits import RateLimiter, RateLimitMiddleware
from bot.wiring import Edges, Parts, build
from storage import Storage
from storage.cancellation import finish
from storage.recovery import free_leases
from tests.simulation import films
from tests.simulation.disk import Connection, disk_error, open_database
from tests.simulation.loop import Mortal, owned_by
from tests.simulation.sides import PROVIDER, Session, Transport, download
from tests.simulation.world import DISK_FAULTS, KILL
from tests.support.process_harness import KEY, TOKEN

if TYPE_CHECKING:
    from tests.simulation.world import World

ON_DISK = frozenset({"statement", "commit", "committed"})
"""Points of the disk. A cancellation takes effect only after them: as in aiosqlite, a statement or
a commit that has begun is finished first."""
PAUSE = 0.01
"""Seconds between two tries for the lock of who frees leases (storage/recovery.py)."""
SLOW_DISK = 0.05
"""The longest wait of a statement in seconds, and about the share of statements that wait."""
_ANSWERS = KeepAnswerTypes()  # one for all: a process keeps its own for as long as it lives


class Process(Mortal):
    """A process from its start to its end; `ended` is set when it has ended, however."""

    def __init__(self, world: World, number: int) -> None:
        super().__init__()
        self._world = world
        self.name = f"p{number}"
        self.database = world.path
        self.connections: list[Connection] = []
        self.parts: Parts | None = None
        self.ended = asyncio.Event()
        self.started_at = world.loop.now
        self.task: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._buried = False

    # --- life and death ----------------------------------------------------------------------

    def start(self, *, alone: bool) -> None:
        """Begin to live; `alone`: no other process has the database, dead ones had leases."""
        self._world.log.note(self.name, "starts", "alone" if alone else "beside another")
        self._world.living += 1
        if alone:
            self._world.freeing = self
        self.task = self._world.spawn(self._main(alone=alone), owned_by(self))
        self.task.add_done_callback(self._returned, context=owned_by(None))

    def stop(self) -> None:
        """Ask it to end, as SIGTERM does."""
        self._world.log.note(self.name, "is asked to end")
        self._stop.set()

    def kill(self, where: str) -> None:
        """End it here and now; whatever it had begun stays as it is."""
        if not self.alive:
            return
        self._ends()
        self._world.log.note(self.name, "is killed at", where)
        self._world.disturbances.kills.append(self._world.unix())
        self._gone()

    def freeze(self, where: str) -> None:
        """Suspend it, as SIGSTOP does; the world decides when it goes on."""
        self._world.log.note(self.name, "freezes at", where)
        self.frozen = True
        self._world.froze(self)

    def thaw(self) -> None:
        """Let it go on."""
        if self.alive and self.frozen:
            self._world.log.note(self.name, "goes on")
            self._world.loop.thaw(self)

    def bury(self) -> None:
        """Let its callbacks run once more, so that they can be cancelled; it does nothing more."""
        self._buried = True
        self.alive = True
        self._world.loop.thaw(self)
        self._gone()

    def _returned(self, task: asyncio.Task[None]) -> None:
        if not self.alive or self._buried:
            return
        self._ends()
        error = None if task.cancelled() else task.exception()
        self._world.log.note(self.name, "has ended", type(error).__name__ if error else "")
        if error is not None and not isinstance(error, StorageUnavailable):
            self._world.wrong(f"{self.name} ended by itself: {error!r}")
        if any(one.process == self.name and one.cut_off for one in self._world.creates):
            # It was asked to end, and could not wait for the answer: nobody knows of this order.
            self._world.disturbances.kills.append(self._world.unix())
        self._gone()

    def _ends(self) -> None:
        self.alive = False
        self._world.living -= 1

    def _gone(self) -> None:
        for connection in self.connections:
            connection.drop()
        self.ended.set()

    # --- what may happen at every await ------------------------------------------------------

    @property
    def is_ending(self) -> bool:
        """Whether it was asked to end: then it cancels what it waits for."""
        return self._stop.is_set()

    async def passes(self, point: str, *, weight: float = 1.0) -> None:
        """Pass a point; may never return."""
        if self._buried:
            raise StorageUnavailable("the process is dead")
        world = self._world
        fault = world.fault(point, weight)
        if fault is not None:
            await self._suffers(fault, point)
        if self.frozen:  # it goes on when it is thawed
            thawed = asyncio.sleep(0)
            await (finish(thawed) if point in ON_DISK else thawed)
        elif point == "statement" and world.is_shared:
            # The disk takes its time now and then: transactions of two processes overlap.
            slow = world.fate.uniform(-SLOW_DISK, 1.0, "disk")
            if slow < 0:
                await finish(asyncio.sleep(-slow))
        elif point == "committed":
            world.log.note(self.name, "committed")

    async def _suffers(self, fault: str, point: str) -> None:
        if fault == "kill":
            self.kill(point)
            await asyncio.Event().wait()
        elif fault == "freeze":
            self.freeze(point)
        else:
            self._world.log.note(self.name, point, fault)
            self._world.disturbances.cuts.append(self._world.unix())
            raise disk_error(*DISK_FAULTS[fault])

    def dies_in(self, point: str, seconds: float, *, weight: float = 1.0) -> None:
        """Draw whether it is killed so many seconds from now, in the middle of something."""
        if self._world.fault(point, weight, KILL):
            kill = partial(self.kill, point)
            self._world.loop.call_later(seconds, kill, context=owned_by(None))

    # --- the program -------------------------------------------------------------------------

    async def _main(self, *, alone: bool) -> None:
        """As bot.app.serve and bot.app._run, without servers and signals."""
        world, settings = self._world, self._world.settings
        database = open_database()
        try:
            async with database.transaction():
                pass
            if alone:
                await free_leases(database, world.clock())
                world.freeing = None
            while (  # noqa: ASYNC110 - as the program does
                (other := world.freeing) is not None and other.alive and not other.frozen
            ):
                await asyncio.sleep(PAUSE)
            rules = settings.order_rules()
            storage = Storage.over(database, rules)
            parts = self.parts = build(settings, storage, self._edges(settings))
            stoppable: list[Inbox | Worker | OutboxSender] = [
                parts.inbox,
                parts.worker,
                parts.notices,
            ]
            await supervise(
                until=self._stop,
                ends_by_itself=[part.run() for part in stoppable],
                endless=[
                    parts.polling.run(),
                    parts.progress.run(),
                    parts.films.run(),
                    parts.waiting.run(),
                    parts.probe.run(),
                    parts.doubts.run(),
                    parts.clock_watch.run(),
                    parts.refunds.run(),
                    parts.alert_monitor.run(),
                    parts.buttons.run(),
                ],
                last=[storage.cluster.run()],
                stop=[parts.health.stop, *(part.stop for part in stoppable)],
            )
        finally:
            await database.close()

    def _edges(self, settings: Settings) -> Edges:
        world = self._world
        pace, transport = RateLimiter(world.loop.time), Transport(world, self)
        session = Session(world, self)
        session.middleware(RateLimitMiddleware(pace))
        session.middleware(ErrorMiddleware())
        session.middleware(_ANSWERS)
        return Edges(
            bot=Bot(TOKEN, session=session),
            pace=pace,
            provider=Gptunnel(PROVIDER, KEY, asking=transport, ordering=transport),
            fetch=partial(download, world, self),
            prepare=_prepare,
            join=films.join,
            clock=world.clock,
            steady=world.clock,
            owner=self.name,
        )


async def _prepare(file: BinaryIO) -> Video:
    """Take the video at its word: it is only a signature (tests.crash.environment.sign)."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    info = VideoInfo(width=64, height=96, duration=1, has_audio=False)
    return Video(file=file, size=size, info=info, thumbnail=b"")
