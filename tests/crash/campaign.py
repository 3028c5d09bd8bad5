"""The kill campaign: people order while the bot is killed, until the queue is drained.

The seed decides what people do and when something is killed; the machine decides the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.crash.actors import People
from tests.crash.environment import Environment, open_environment
from tests.crash.observer import Observer
from tests.crash.processes import UP, BotRun, Launcher, Wish
from tests.crash.verdict import Disturbances, Numbers, Verdict
from tests.support import canaries
from tests.support.process_harness import until
from tests.support.tcp_proxy import TcpProxy, open_tcp_proxy

CREATE_SECONDS = (0.05, 0.5)
TELEGRAM_SECONDS = (0.05, 0.5)
VIDEO_SECONDS = (0.3, 3.0)
CARD_SECONDS = 600.0
"""Seconds that people wait for a card: their next message would belong to the missing card."""
START_SECONDS = 90.0
DRAIN_SECONDS = 240.0
QUIET_SECONDS = 1.5
"""Seconds without open work after which the queue counts as drained."""
STOP_SECONDS = 30.0
"""Seconds for a stop; the bot allows itself seven, a busy machine needs more."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The plan of a campaign."""

    seed: int
    kills: int
    orders: int
    workers: int = 1
    people: int = 30
    stops: float = 0.12  # the share of disturbances that are a SIGSTOP past the lease
    life_seconds: tuple[float, float] = (0.2, 3.0)  # seconds from readiness to the kill
    early: float = 0.15  # the share of processes that are killed while they start
    # one process for each, on PostgreSQL; empty: `workers` processes of ROLE=all
    roles: tuple[str, ...] = ()
    updates: str = "polling"
    cut_seconds: float = 0.0  # average seconds between two cuts of database connections; 0: none
    bug: str | None = None
    lease_seconds: float = Wish.lease_seconds
    idle_seconds: float = Wish.idle_seconds
    video_seconds: tuple[float, float] = VIDEO_SECONDS
    card_seconds: float = CARD_SECONDS


@dataclass
class Report:
    """The result of a campaign; it passed when `violations` is empty."""

    plan: Plan
    numbers: Numbers
    violations: list[str]
    kills: int
    stops: int
    cuts: int
    lives: int
    seconds: float

    @property
    def _unknown(self) -> float:
        return self.numbers.unknown / max(self.kills + self.stops, 1)

    def cells(self) -> tuple[object, ...]:
        """For the table in docs/reliability.md."""
        n = self.numbers
        charges = f"{n.charges}, none twice" if not self.violations else "BROKEN"
        return self.kills, self.stops, n.confirmed, charges, f"{n.unknown} ({self._unknown:.2f})"

    def text(self) -> str:
        """For people, a few lines."""
        n = self.numbers
        lines = [
            f"seed {self.plan.seed}: {self.kills} kills, {self.stops} stops past the lease, "
            f"{self.cuts} cuts, {self.lives} starts, "
            f"{len(self.plan.roles) or self.plan.workers} at once, {self.seconds:.0f} s",
            f"{n.orders} orders, {n.confirmed} confirmed, {n.again} again, "
            f"{n.cancelled} cancelled: {n.charges} charges, {n.videos} videos, "
            f"{n.unknown} unknown",
            f"twice: {n.duplicate_videos} videos, {n.duplicate_cards} cards; "
            f"unknown per kill or stop: {self._unknown:.2f}; "
            f"{n.interrupted_creates} of them met a create that was out",
        ]
        lines += [f"  BROKEN: {violation}" for violation in self.violations[:20]]
        if len(self.violations) > 20:
            lines.append(f"  … and {len(self.violations) - 20} more")
        return "\n".join(lines)


@dataclass
class Campaign:
    """One run in one environment."""

    plan: Plan
    environment: Environment
    observer: Observer
    tcp_proxy: TcpProxy | None = None
    disturbances: Disturbances = field(default_factory=Disturbances)
    exits: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._dice = random.Random(f"kills {self.plan.seed}")
        self._people = People(
            self.environment.telegram, random.Random(f"people {self.plan.seed}"), self.plan.people
        )
        self._begun = 0
        self.disturbances.lease_seconds = self.plan.lease_seconds

    async def run(self) -> Report:
        """Kill, drain, judge."""
        started = time.monotonic()
        async with (
            beside(self._people.watch()),
            beside(self.observer.watch()),
            beside(self._cut()),
            asyncio.TaskGroup() as group,
        ):
            group.create_task(self._order_all())
            for role in self.plan.roles or ("all",) * self.plan.workers:
                group.create_task(self._slot(role))
        violations = await drain(self.environment, self.observer, partial(self._start, "all"))
        verdict = Verdict(self.environment, self._people.orders, self.disturbances)
        return Report(
            self.plan,
            verdict.numbers,
            [*self.exits, *violations, *verdict.violations],
            kills=len(self.disturbances.kills),
            stops=len(self.disturbances.stops),
            cuts=len(self.disturbances.cuts),
            lives=len(self.environment.lives),
            seconds=time.monotonic() - started,
        )

    # --- people ---

    async def _order_all(self) -> None:
        """Orders keep coming at the pace of the kills, and end with them."""
        plan = self.plan
        async with asyncio.TaskGroup() as group:
            for number in range(plan.orders):
                await until(partial(self._has_begun, plan.kills * number / plan.orders), 3600)
                group.create_task(self._people.order(plan.card_seconds))
                await asyncio.sleep(self._dice.uniform(0, 0.3))

    def _has_begun(self, kills: float) -> bool:
        return self._begun >= kills

    # --- kills ---

    async def _cut(self) -> None:
        """Break one or several connections to the database in the middle of their data."""
        while self.tcp_proxy is not None:
            await asyncio.sleep(self._dice.expovariate(1 / self.plan.cut_seconds))
            if self.tcp_proxy.cut(self._dice.choice((0.1, 0.3, 1.0)), self._dice):
                self.disturbances.cuts.append(time.time())
        await asyncio.Event().wait()

    async def _slot(self, role: str) -> None:
        """Run bots one after the other in one slot until there were enough kills; the last one
        stays.
        """
        life = await self._start(role)
        # Some end by themselves, without a database that a stopped one has locked
        while len(self.disturbances.kills) < self.plan.kills and self._begun < 2 * self.plan.kills:
            self._begun += 1
            if self._dice.random() < self.plan.stops:
                life = await self._stop_past_the_lease(life, role)
                continue
            await self._live(life)
            await self._kill(life)
            life = await self._start(role)
        while True:  # as a supervisor would
            await asyncio.wait({life.ended}, timeout=0.2)
            if not life.ended.done():
                if not self._ordering():
                    return
            else:
                life = await self._start(role)

    def _ordering(self) -> bool:
        return len(self._people.orders) < self.plan.orders

    async def _live(self, life: BotRun) -> None:
        """Let a process run for its time: some are killed while they start, others when they are
        ready.
        """
        if self._dice.random() < self.plan.early:
            await asyncio.sleep(self._dice.uniform(0.0, 0.4))
            return
        await self._up(life)
        await asyncio.sleep(self._dice.uniform(*self.plan.life_seconds))

    async def _up(self, life: BotRun) -> None:
        await until(lambda: UP in life.lines or life.ended.done(), START_SECONDS)

    async def _start(self, role: str) -> BotRun:
        changes = {"ROLE": role, "UPDATES": self.plan.updates}
        if self.tcp_proxy is not None:
            changes["DATABASE_URL"] = self.tcp_proxy.url
        return await self.environment.start(
            Wish(
                bug=self.plan.bug,
                lease_seconds=self.plan.lease_seconds,
                idle_seconds=self.plan.idle_seconds,
            ),
            **changes,
        )

    async def _kill(self, life: BotRun) -> None:
        if life.ended.done():
            self._ended_by_itself(life)
            return
        await life.kill()
        self.disturbances.kills.append(time.time())

    async def _stop_past_the_lease(self, life: BotRun, role: str) -> BotRun:
        """Suspend a process past its leases while another continues; then resume it."""
        await self._up(life)
        await asyncio.sleep(self._dice.uniform(1.0, 2.5))
        if not life.send(signal.SIGSTOP):
            self._ended_by_itself(life)
            return await self._start(role)
        stopped = time.time()
        other = await self._start(role)
        await self._up(other)
        await asyncio.sleep(self.plan.lease_seconds + self._dice.uniform(0.5, 2.0))
        life.send(signal.SIGCONT)
        self.disturbances.stops.append((stopped, time.time()))
        await asyncio.sleep(self._dice.uniform(0.5, 3.0))
        first, second = self._dice.sample((life, other), 2)
        await self._kill(first)
        return second

    def _ended_by_itself(self, life: BotRun) -> None:
        """Only a database that cannot be had at the start, or that a stopped one has locked."""
        now = time.time()
        excused = any(woken > now - 20 for _, woken in self.disturbances.stops)
        excused = excused or any(other.stopped for other in self.environment.lives)
        # Without a database nobody starts: a supervisor tries again.
        excused = excused or (self.tcp_proxy is not None and UP not in life.lines)
        if not excused:
            last = life.lines.splitlines()[-1:]
            self.exits.append(
                f"{life.log.name}: it ended by itself, {life.ended.result()}: {last}"
            )


async def drain(
    environment: Environment,
    observer: Observer,
    start: Callable[[], Awaitable[BotRun]],
    *,
    may_be_killed: bool = False,
) -> list[str]:
    """Finish all work, check that nothing is left, and return what is wrong.

    `may_be_killed`: the last process may be killed while it ends.
    """
    found: list[str] = []
    left = await _until_quiet(environment, observer, start)
    for life in environment.living:
        found += [f"{life.log.name}: {name} is left open" for name in open_files(life.pid)]
    found += await observer.leaks()
    found += canaries.leaks_on_disk(environment.folder)  # the WAL as well: the next line ends it
    for life in environment.living:
        try:
            code = await life.stop(STOP_SECONDS)
        except TimeoutError:
            found.append(f"{life.log.name}: did not end when it was asked to")
            await life.kill()
            continue
        if code != 0 and not (may_be_killed and code == -signal.SIGKILL):
            found.append(f"{life.log.name}: ended with {code} when it was asked to end")
    found += left or await observer.faults()
    found += [f"{path.name} is left in TMPDIR" for path in environment.temporary.iterdir()]
    if environment.videos.is_dir():
        found += [f"the video {path.name} is left" for path in environment.videos.iterdir()]
    found += [f"a process is left: {command}" for command in environment.leftover_processes()]
    return found


async def _until_quiet(
    environment: Environment, observer: Observer, start: Callable[[], Awaitable[BotRun]]
) -> list[str]:
    """Return the work that is still open, or nothing once all is done."""
    until = time.monotonic() + DRAIN_SECONDS
    quiet_since: float | None = None
    left: list[str] = []
    while time.monotonic() < until:
        if not environment.living:
            await start()
        left = await observer.open_work()
        calls = [one for one in environment.telegram.calls[-50:] if one.ended is None]
        if (
            left
            or environment.telegram.world.pending
            or any(call.method != "getUpdates" for call in calls)
        ):
            quiet_since = None
        elif quiet_since is None:
            quiet_since = time.monotonic()
        elif time.monotonic() - quiet_since > QUIET_SECONDS:
            return []
        await asyncio.sleep(0.2)
    return [f"after {DRAIN_SECONDS:.0f} s: {one}" for one in left] or ["it never got quiet"]


def open_files(pid: int) -> list[str]:
    """Files without a name, and files under TMPDIR or data/videos, that a process holds open.

    A process that has ended holds none.
    """
    found, handles = [], list[Path]()
    with contextlib.suppress(FileNotFoundError):
        handles += Path(f"/proc/{pid}/fd").iterdir()
    for handle in handles:
        with contextlib.suppress(OSError):
            target = str(handle.readlink())
            if target.endswith("(deleted)") or "/videos/" in target:
                found.append(target)
    return found


async def run(
    plan: Plan,
    launcher: Launcher,
    folder: Path,
    *,
    database_url: str = "",
    judged: Callable[[Environment], None] = lambda _: None,
) -> Report:
    """Run one campaign in a separate folder; `judged` may inspect its environment afterwards."""
    dice = random.Random(f"latencies {plan.seed}")
    quick = ("getUpdates", "getMe", "deleteWebhook", "setMy")

    def latency(method: str) -> float:
        return 0.01 if method.startswith(quick) else dice.uniform(*TELEGRAM_SECONDS)

    async with open_environment(
        folder, launcher, database_url=database_url, latency=latency
    ) as environment:
        environment.provider.delay = lambda: dice.uniform(*plan.video_seconds)
        environment.provider.create_latency = lambda: dice.uniform(*CREATE_SECONDS)
        async with contextlib.AsyncExitStack() as stack:
            cuts = None
            if plan.cut_seconds:
                cuts = await stack.enter_async_context(open_tcp_proxy(database_url))
            report = await Campaign(
                plan, environment, Observer(environment.database_url), cuts
            ).run()
        judged(environment)
        return report


@asynccontextmanager
async def beside(work: Awaitable[None]) -> AsyncIterator[None]:
    """Run something while the block runs; its failure fails the block."""
    task = asyncio.ensure_future(work)  # noqa: TID251 - awaited below
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
