"""PostgreSQL dies while four processes work on it: killed and restarted, or its standby promoted.

The address lists both servers, and commits wait for the standby. The checks are those of every
campaign; in addition no process ends, and no row is leased to two at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from storage import open_storage
from tests.crash import campaign
from tests.crash.campaign import Campaign
from tests.crash.claims import Claims
from tests.crash.environment import open_environment
from tests.crash.observer import Observer, Row
from tests.crash.processes import UP, Launcher
from tests.crash.scale import ROLES
from tests.support.process_harness import until
from tests.support.replication import Pair

PATIENCE_SECONDS = 90.0
"""Seconds within which one of the servers takes writes again."""
BETWEEN_SECONDS = (1.0, 4.0)
AWAY_SECONDS = (0.0, 2.0)
AFTER_SECONDS = 35.0
"""Seconds until the last statement that was sent to a silent server is given up."""


async def restart(pair: Pair, dice: random.Random) -> None:
    """Kill the primary and start it again: it recovers from its log."""
    await pair.primary.kill()
    await asyncio.sleep(dice.uniform(*AWAY_SECONDS))
    await pair.primary.start()


async def promote(pair: Pair, dice: random.Random) -> None:
    """Kill the primary, promote the standby, and make a new standby of the former primary."""
    await pair.primary.kill()
    await asyncio.sleep(dice.uniform(*AWAY_SECONDS))
    await pair.fail_over()


async def freeze(pair: Pair, dice: random.Random) -> None:
    """Let the primary fall silent without closing a connection; then promote the standby."""
    await pair.fail_over(frozen=True)


Death = Callable[[Pair, random.Random], Awaitable[None]]
DEATHS: dict[str, Death] = {"restart": restart, "promote": promote, "freeze": freeze}


def some(count: int, seed: int) -> list[str]:
    """Return so many deaths in a random order: one of five is a freeze."""
    kinds = ("restart", "promote", "restart", "promote", "freeze")
    found = [kinds[number % len(kinds)] for number in range(count)]
    random.Random(seed).shuffle(found)
    return found


@dataclass
class Report:
    """The result; the campaign passed if `violations` is empty."""

    campaign: campaign.Report
    deaths: list[str]
    claims: int
    seconds: list[float]
    violations: list[str] = field(default_factory=list)

    def text(self) -> str:
        """For people, a few lines."""
        kinds = ", ".join(
            f"{kind} {self.deaths.count(kind)}" for kind in dict.fromkeys(self.deaths)
        )
        return "\n".join(
            [
                f"{kinds}; writes again after at most {max(self.seconds, default=0):.1f} s",
                self.campaign.text(),
                f"{self.claims} claims",
                *(f"  BROKEN: {one}" for one in self.violations),
            ]
        )

    def cells(self) -> tuple[object, ...]:
        """For the table in docs/reliability.md."""
        n = self.campaign.numbers
        charges = f"{n.charges}, none twice" if not self.violations else "BROKEN"
        return len(self.deaths), 0, n.confirmed, charges, n.unknown


class PatientObserver(Observer):
    """Asks again while no server answers."""

    async def rows(self, question: str) -> list[Row]:
        loop = asyncio.get_running_loop()
        last = loop.time() + PATIENCE_SECONDS
        while True:
            try:
                async with asyncio.timeout(5):
                    return await super().rows(question)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError,
                    asyncpg.InternalClientError):  # fmt: skip
                if loop.time() > last:
                    raise
                await asyncio.sleep(0.2)


class DatabaseCampaign(Campaign):
    """A campaign in which the database dies instead of the bots."""

    pair: Pair
    wanted: Sequence[str]
    begun = 0
    failed: Exception | None = None
    seconds: list[float]

    async def _order_all(self) -> None:
        plan, deaths = self.plan, len(self.wanted)
        async with asyncio.TaskGroup() as group:
            for number in range(plan.orders):
                due = deaths * number // plan.orders
                await until(lambda due=due: self.failed or self.begun >= due, 3600)  # type: ignore[misc]
                if self.failed:
                    raise self.failed
                group.create_task(self._people.order(plan.card_seconds))
                await asyncio.sleep(self._dice.uniform(0, 0.3))

    def _ordering(self) -> bool:
        return super()._ordering() or (self.begun < len(self.wanted) and not self.failed)

    async def _cut(self) -> None:
        await until(lambda: len(self.environment.lives) == len(self.plan.roles), 60)
        await until(lambda: all(UP in life.lines for life in self.environment.lives), 120)
        try:
            await self._die()
        except Exception as exc:
            self.failed = exc
        await asyncio.Event().wait()

    async def _die(self) -> None:
        for kind in self.wanted:
            await asyncio.sleep(self._dice.uniform(*BETWEEN_SECONDS))
            began = time.time()
            former = self.pair.primary
            await DEATHS[kind](self.pair, self._dice)
            await self._until_written()
            self.seconds.append(time.time() - began)
            if self.pair.primary is not former:
                await self.pair.rebuild(synchronous=True)
            late = AFTER_SECONDS if kind == "freeze" else 0.0
            self.disturbances.stops.append((began, time.time() + late))
            self.begun += 1
            await asyncio.sleep(late and self._dice.uniform(late / 2, late))

    async def _until_written(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                with contextlib.suppress(OSError, asyncpg.PostgresError):
                    if await self.pair.primary.ask("SELECT pg_is_in_recovery()") == "False":
                        return
                await asyncio.sleep(0.05)


def plan(seed: int, *, orders: int) -> campaign.Plan:
    """Four processes that nobody kills."""
    return campaign.Plan(
        seed=seed,
        kills=0,
        orders=orders,
        people=max(orders // 6, 6),
        roles=ROLES,
        stops=0.0,
        lease_seconds=6.0,
    )


async def run(
    wanted: campaign.Plan, deaths: Sequence[str], launcher: Launcher, folder: Path, pair: Pair
) -> Report:
    """One campaign on a new database of the pair; `deaths` are keys of DEATHS, in their order."""
    url = await pair.create()
    async with open_storage(url):
        pass  # the tables are there
    claims = Claims(url)
    await claims.watch()
    dice = random.Random(f"latencies {wanted.seed}")
    quick = ("getUpdates", "getMe", "deleteWebhook", "setMy")

    def latency(method: str) -> float:
        return 0.01 if method.startswith(quick) else dice.uniform(*campaign.TELEGRAM_SECONDS)

    async with open_environment(
        folder, launcher, database_url=url, latency=latency
    ) as environment:
        environment.provider.delay = lambda: dice.uniform(*wanted.video_seconds)
        environment.provider.create_latency = lambda: dice.uniform(*campaign.CREATE_SECONDS)
        work = DatabaseCampaign(wanted, environment, PatientObserver(url))
        work.pair, work.wanted, work.seconds = pair, deaths, []
        done = await work.run()
        if work.failed:
            raise work.failed
        violations = list(done.violations)
        if len(environment.lives) > len(wanted.roles):
            ends = [
                life.lines.splitlines()[-1:] for life in environment.lives[: len(wanted.roles)]
            ]
            violations.append(f"a process ended because of the database: {ends}")
        if doubles := await claims.doubles():
            violations.append(f"leased to two at once: {doubles[:3]}")
        if done.numbers.unknown:
            violations.append(
                f"{done.numbers.unknown} orders are unknown: no create was disturbed"
            )
        return Report(
            done, list(deaths[: work.begun]), await claims.seen(), work.seconds, violations
        )
