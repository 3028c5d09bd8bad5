"""Live one life from its seed to its judgement.

People order while processes die, freeze and restart and calls are lost; then it becomes calm, and
everything must come to an end. It must not know which bug is planted.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

from aiogram.types import Update

from bot.core.balance import ACCEPTANCE
from bot.core.schedule import ENOUGH
from bot.settings import Settings, read_settings
from storage import Charging, open_storage
from storage.durations import add_duration
from tests.crash.actors import Kind, People
from tests.crash.observer import Observer
from tests.crash.verdict import Numbers
from tests.simulation.disk import prepare
from tests.simulation.fate import EventLog, Fate, seeded_secrets
from tests.simulation.films import FilmMaker, pictures_without_videos
from tests.simulation.judge import Judge
from tests.simulation.loop import Stalled, VirtualLoop, owned_by
from tests.simulation.process import Process
from tests.simulation.stories import Storyteller
from tests.simulation.world import LEASE_SECONDS, OPERATOR, VIDEO_SECONDS, World, listening
from tests.support.process_harness import KEY, TOKEN
from tests.support.shared_caches import kept_routers
from tests.support.virtual_clock import NOON

ORDERS, PEOPLE = 40, 25
CARD_SECONDS = 900.0
"""People wait for a card; who waits longer has lost their message."""
MAKER_SECONDS = 300.0
"""Who makes a film waits so long for each of its parts."""
ORDER_EACH = (0.0, 2.5)
"""Seconds between two orders."""
DRAIN_SECONDS = 3600.0
"""Longer than every wait of the program that does not depend on people."""
LOOK_SECONDS = 5.0
STOP_SECONDS = 15.0
"""The bot ends itself at the latest 8.5 s after a stop (bot/runtime/supervisor.py)."""
RESTART_SECONDS = (0.3, 8.0)
ROOT = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
"""The folder for the files of lives; None: the system's folder for temporary files."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a life came to; `faults` are the names of all that went wrong in it by chance."""

    seed: int
    orders: int
    faults: tuple[str, ...]
    violations: tuple[str, ...]
    digest: str
    events: int
    seconds: float  # of virtual time
    deliveries: int
    doubts: int
    confirmed: int = 0
    charges: int = 0
    cancelled: int = 0
    repeats: int = 0  # videos that came twice
    lines: tuple[str, ...] = ()


def live(
    seed: int,
    *,
    orders: int = ORDERS,
    only: Collection[str] | None = None,
    keep: bool = False,
) -> Result:
    """Live a life; `only` these of its faults happen. `keep`: the event log comes with it."""
    with (
        _folder() as folder,
        seeded_secrets(seed),
        pictures_without_videos(),
        kept_routers(),
    ):
        loop = VirtualLoop()
        fate, log = Fate(seed, only), EventLog(loop.time, keep=keep)
        world = World(loop, fate, log, _settings(folder), folder)
        life = Life(world, orders)
        with listening(world.spoken):
            try:
                loop.run_until_complete(life.run())
            except Stalled as exc:
                world.wrong(f"everything stands still: {exc}")
            digest, seconds = log.digest(), loop.now
            numbers = life.numbers
            _bury(world)
        world.close()
    return Result(
        seed=seed,
        orders=orders,
        faults=tuple(fate.happened),
        violations=tuple(world.violations),
        digest=digest,
        events=log.count,
        seconds=seconds,
        deliveries=numbers.videos,
        doubts=numbers.unknown,
        confirmed=numbers.confirmed,
        charges=numbers.charges,
        cancelled=numbers.cancelled,
        repeats=numbers.duplicate_videos,
        lines=tuple(log.lines),
    )


class Life:
    """The course of one life."""

    def __init__(self, world: World, orders: int) -> None:
        self._world = world
        self._fate = world.fate
        self._orders = orders
        self._numbers = itertools.count(1)
        self._living: list[Process] = []
        self._heirs: dict[Process, Process] = {}
        self._asleep = 0
        self._over = False
        self.numbers = Numbers()

    async def run(self) -> None:
        """Live it, and judge."""
        world = self._world
        people = People(world.telegram, self._fate.dice("people"), PEOPLE)
        world.spawn(people.watch(), owned_by(None))
        slots = [world.spawn(self._slot(), owned_by(None)) for _ in range(world.weather.workers)]
        world.spawn(self._wake_sleepers(), owned_by(None))
        if world.weather.restarts:
            world.spawn(self._restarts(), owned_by(None))
        for number in range(world.weather.top_ups):
            world.spawn(self._top_up(number), owned_by(None))
        makers = self._film_makers(people)
        await self._order_all(people, makers, self._storytellers(people))
        await self._calm()
        observer = Observer(f"sqlite:///{world.path}")
        left = await self._drain(observer)
        self._over = True
        for process in [*self._living]:
            await self._stop(process)
        for slot in slots:
            slot.cancel()
        found = left or await observer.faults()
        judge = Judge(world, people.orders, [maker.film for maker in makers], found)
        world.violations += judge.violations
        self.numbers = judge.numbers

    # --- people ------------------------------------------------------------------------------

    def _film_makers(self, people: People) -> list[FilmMaker]:
        """One person, in half of the lives; their two videos are among the orders."""
        dice = self._fate.dice("films")
        if self._orders < 2 or dice.random() < 0.5:
            return []
        return [FilmMaker(self._world.telegram, people, dice)]

    def _storytellers(self, people: People) -> list[Storyteller]:
        """One person, in half of the lives; their film is among the orders."""
        dice = self._fate.dice("stories")
        if self._orders < 1 or dice.random() < 0.5:
            return []
        return [Storyteller(self._world.telegram, people, dice)]

    async def _top_up(self, number: int) -> None:
        """Somebody pays money in: the balance grows, and says less about the orders."""
        dice = self._fate.dice(f"top-up {number}")
        await asyncio.sleep(dice.uniform(1.0, 120.0))
        if self._fate.allow(f"top-up#{number}"):
            self._world.log.note("the account is topped up")
            self._world.provider.balance += Decimal(dice.randrange(50_000, 300_000)) / 100

    async def _order_all(
        self, people: People, makers: list[FilmMaker], tellers: list[Storyteller]
    ) -> None:
        dice = self._fate.dice("orders")
        async with asyncio.TaskGroup() as group:
            everyone: list[FilmMaker | Storyteller] = [*makers, *tellers]
            for maker in everyone:
                group.create_task(maker.make(MAKER_SECONDS))
            for _ in range(self._orders - 2 * len(makers) - len(tellers)):
                kind = dice.choices(list(Kind), weights=(26, 1, 1, 1, 1))[0]
                group.create_task(people.order(CARD_SECONDS, kind=kind))
                await asyncio.sleep(dice.uniform(*ORDER_EACH))

    async def _calm(self) -> None:
        """Wait until nothing goes wrong any more."""
        ends = max((outage.end for outage in self._world.weather.outages), default=0.0)
        await asyncio.sleep(max(ends - self._world.loop.now, 0.0))
        self._fate.calm = True
        self._world.log.note("calm")
        while self._asleep:  # noqa: ASYNC110 - time is virtual
            await asyncio.sleep(LOOK_SECONDS)

    # --- processes ---------------------------------------------------------------------------

    def _start(self) -> Process:
        world = self._world
        process = Process(world, next(self._numbers))
        world.processes.append(process)
        process.start(alone=not self._living)
        self._living.append(process)
        return process

    async def _slot(self) -> None:
        """Keep one process running, as a supervisor does."""
        process: Process | None = None
        while not self._over:
            process = self._start() if process is None else process
            await process.ended.wait()
            if process in self._living:
                self._living.remove(process)
            heir = self._heirs.pop(process, None)
            if heir is None:
                await asyncio.sleep(self._fate.uniform(*RESTART_SECONDS, "restart"))
            process = heir

    async def _wake_sleepers(self) -> None:
        while True:
            process = await self._world.sleepers.get()
            self._asleep += 1
            self._world.spawn(self._sleep(process), owned_by(None))

    async def _sleep(self, process: Process) -> None:
        """Let another process take over, wake the sleeper beside it, and end one of them."""
        world = self._world
        stopped, other = world.unix(), self._start()
        past = self._fate.uniform(0.5, 20.0, "past the lease")
        await asyncio.sleep(LEASE_SECONDS + past)
        process.thaw()
        world.disturbances.stops.append((stopped, world.unix()))
        await asyncio.sleep(self._fate.uniform(0.5, 10.0, "both awake"))
        if process.alive and other.alive and self._fate.uniform(0, 1, "who stays") < 0.5:
            self._heirs[process] = other
            process.kill("the end of its sleep")
        elif process.alive:
            other.kill("the end of another's sleep")
            self._living.remove(other)
        self._asleep -= 1

    async def _restarts(self) -> None:
        """Restart in order once, as a new version does."""
        await asyncio.sleep(self._fate.uniform(5.0, 60.0, "new version"))
        awake = [process for process in self._living if not process.frozen]
        if awake and self._fate.allow("restart"):
            await self._stop(awake[0])

    async def _stop(self, process: Process) -> None:
        process.stop()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.ended.wait()
        except TimeoutError:
            if process.alive and not process.frozen:
                self._world.wrong(f"{process.name} did not end when it was asked to")
                process.kill("the patience of its supervisor")

    # --- the end -----------------------------------------------------------------------------

    async def _drain(self, observer: Observer) -> list[str]:
        """Return nothing when all work is done; otherwise what stands still."""
        world = self._world
        until = world.loop.now + DRAIN_SECONDS
        left: list[str] = []
        while world.loop.now < until:
            left = await observer.open_work() + world.awaited()
            open_calls = [call for call in world.telegram.calls[-50:] if call.ended is None]
            if not (
                left
                or world.telegram.world.pending
                or any(call.method != "getUpdates" for call in open_calls)
            ):
                await asyncio.sleep(LOOK_SECONDS)
                return []
            await asyncio.sleep(LOOK_SECONDS)
        return [f"after {DRAIN_SECONDS:.0f} s of calm: {one}" for one in left]


def _bury(world: World) -> None:
    """Take everything apart that is left, the killed processes too, in the way of asyncio.

    The life is over: nothing here reaches the books any more.
    """
    loop = world.loop
    for process in world.processes:
        process.bury()
    for _ in range(20):
        left = asyncio.all_tasks(loop)
        if not left:
            break
        for task in left:
            task.cancel()
        with contextlib.suppress(Stalled):
            loop.run_until_complete(_rounds())
    loop.close()
    vars(Update)["event_type"].fget.cache_clear()  # aiogram keeps the last updates, with their bot


async def _rounds() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="life-", dir=ROOT))
    try:
        shutil.copy(_template(), folder / "bot.db")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@cache
def _template_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="lives-")  # removed at the end of the program


@cache
def _template() -> Path:
    """A database without people that knows how long a video takes; made once in a process."""
    path = Path(_template_folder().name) / "bot.db"

    async def make() -> None:
        async with (
            open_storage(f"sqlite+aiosqlite:///{path}") as storage,
            storage.database.transaction() as connection,
        ):
            low, high = VIDEO_SECONDS
            for number in range(ENOUGH):
                took = low + (high - low) * number / ENOUGH
                await add_duration(connection, _known().model, took - 1.0, took, NOON)
        async with open_storage(f"sqlite+aiosqlite:///{path}") as storage:
            await storage.account.learn_charging(
                Charging(charged=ACCEPTANCE, account=_known().account_mark, seen_at=NOON)
            )

    asyncio.run(make())
    asyncio.run(prepare())
    return path


@cache
def _known() -> Settings:
    return read_settings(
        _env_file=None,
        bot_token=TOKEN,
        gptunnel_api_key=KEY,
        database_url="sqlite+aiosqlite:///bot.db",
        public_url="https://bot.test",
        access="open",
        admins=frozenset({OPERATOR}),
    )


def _settings(folder: Path) -> Settings:
    return _known().model_copy(update={"database_url": f"sqlite+aiosqlite:///{folder}/bot.db"})
