"""Kill the bot at every named step of a task, and once more during the recovery.

The steps are not listed: one journey without a kill records the points it passes (kill_points.py),
and each of them then ends another journey.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bot.sandbox.faults import Fault
from tests.crash.actors import Kind, People, Plan
from tests.crash.campaign import beside, drain
from tests.crash.environment import Environment, open_environment
from tests.crash.observer import Observer
from tests.crash.processes import BotRun, Launcher, Wish
from tests.crash.verdict import Disturbances, Numbers, Verdict

AT_ONCE = 8
OFTEN = 2
"""How many times a repeated point is tried."""
SECOND_DEATH = 25
"""The process after a kill is killed at one of its first this many points."""
WISH = Wish(lease_seconds=2.0, notice_seconds=8.0)
TELEGRAM_SECONDS = 0.15
CREATE_SECONDS = 0.3
VIDEO_SECONDS = 0.4
CARD_SECONDS = 30.0
JOURNEY_SECONDS = 330.0
"""Seconds; longer than an endless drain, so that there is a verdict even if no bot runs."""

Point = tuple[str, int]
"""The name of a point and how often it has come up in its life."""


@dataclass(frozen=True, kw_only=True)
class Journey:
    """From a message to a video, or to a notice without one."""

    name: str
    kind: Kind
    plan: Plan = Plan.PRESS
    provider: tuple[Fault, ...] = ()
    telegram: tuple[Fault, ...] = ()
    again: float = 0.0  # the share of unknown orders that are ordered once more


JOURNEYS = {
    journey.name: journey
    for journey in (
        Journey(name="photo", kind=Kind.PHOTO),
        Journey(name="document", kind=Kind.DOCUMENT, plan=Plan.DOUBLE),
        Journey(name="words later", kind=Kind.PHOTO_FIRST, plan=Plan.PRESS_AND_CANCEL),
        Journey(
            name="unknown",
            kind=Kind.TEXT,
            provider=(Fault(on="create", act="reset_after"),),
            again=1.0,
        ),
        Journey(
            name="not accepted",
            kind=Kind.TEXT,
            provider=(Fault(on="create", act="answer", body={"code": 6, "message": "busy"}),),
        ),
        Journey(
            name="kept",
            kind=Kind.TEXT,
            telegram=(Fault(on="sendVideo", act="answer", status=502),),
        ),
        Journey(name="album", kind=Kind.TEXT, plan=Plan.TWO_VIDEOS),
        Journey(name="film", kind=Kind.FILM),
    )
}


@dataclass
class Result:
    """The result of one journey."""

    journey: str
    deaths: list[str]  # the points at which it was killed
    violations: list[str]
    numbers: Numbers
    telegram_calls: list[str]
    provider_calls: list[str]
    spoilt: list[str]  # calls that a fault took

    def text(self) -> str:
        """For people, in a line."""
        died = ", then ".join(self.deaths) or "never killed"
        return f"{self.journey}: {died}: {'; '.join(self.violations) or 'well'}"


@dataclass
class Results:
    """The results of all journeys."""

    ended: list[Result] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def violations(self) -> list[str]:
        """The lines of those that broke a promise."""
        return [result.text() for result in self.ended if result.violations]

    @property
    def kills(self) -> int:
        """All deaths."""
        return sum(len(result.deaths) for result in self.ended)

    def cells(self) -> tuple[object, ...]:
        """For the table in docs/reliability.md."""
        return cells(self.kills, self.ended, self.violations)

    def text(self) -> str:
        """For people, a few lines."""
        steps = {result.deaths[0] for result in self.ended if result.deaths}
        unknown = sum(result.numbers.unknown for result in self.ended)
        twice = sum(result.numbers.duplicate_videos for result in self.ended)
        lines = [
            f"{len(self.ended)} journeys, {self.kills} kills at {len(steps)} named steps and in "
            f"the recovery from them, {self.seconds:.0f} s",
            f"{unknown} unknown, {twice} videos twice",
        ]
        lines += [f"  BROKEN: {line}" for line in self.violations]
        return "\n".join(lines)


def cells(kills: int, ended: Collection[Result], violations: list[str]) -> tuple[object, ...]:
    """For the table in docs/reliability.md: what came of so many journeys."""
    confirmed, charges, unknown = (
        sum(getattr(result.numbers, name) for result in ended)
        for name in ("confirmed", "charges", "unknown")
    )
    return kills, 0, confirmed, "BROKEN" if violations else f"{charges}, none twice", unknown


async def bounded(
    journey: Journey,
    launcher: Launcher,
    folder: Path,
    deaths: Sequence[Point | int] = (),
    *,
    bug: str | None = None,
) -> Result:
    """Run `lead` for at most JOURNEY_SECONDS; then the verdict is that it did not finish."""
    try:
        async with asyncio.timeout(JOURNEY_SECONDS):
            return await lead(journey, launcher, folder, deaths, bug=bug)
    except TimeoutError:
        verdict = f"it did not finish within {JOURNEY_SECONDS:.0f} s"
        return Result(journey.name, [str(one) for one in deaths], [verdict], Numbers(), [], [], [])


async def lead(
    journey: Journey,
    launcher: Launcher,
    folder: Path,
    deaths: Iterable[Point | int] = (),
    *,
    bug: str | None = None,
    card_seconds: float = CARD_SECONDS,
) -> Result:
    """Run one journey; the first processes end at these points (an int: after so many points),
    later ones do not."""
    coming = list(deaths)
    async with open_environment(folder, launcher, latency=_telegram_seconds) as environment:
        environment.provider.delay = VIDEO_SECONDS
        environment.provider.create_latency = CREATE_SECONDS
        for fault in journey.provider:
            environment.provider.faults.add(fault)
        for fault in journey.telegram:
            environment.telegram.faults.add(fault)
        people = People(environment.telegram, random.Random(journey.name), 1, again=journey.again)
        observer = Observer(environment.database_url)
        disturbances = Disturbances()

        async def start() -> BotRun:
            end = coming.pop(0) if coming else 0
            life = await environment.start(
                replace(
                    WISH,
                    bug=bug,
                    journal=_journal(folder, len(environment.lives)),
                    die_at=end if isinstance(end, tuple) else None,
                    die_after=end if isinstance(end, int) else 0,
                )
            )
            life.ended.add_done_callback(lambda _: disturbances.kills.append(time.time()))
            return life

        async with beside(people.watch()):
            async with beside(_supervise(environment, start)):
                await people.order(card_seconds, kind=journey.kind, plan=journey.plan)
            violations = await drain(environment, observer, start, may_be_killed=True)
        died = []
        for number, life in enumerate(environment.lives):
            code = life.ended.result()
            if code == -signal.SIGKILL:
                died.append(_points(folder, number)[-1])
            elif code != 0:
                violations.append(f"{life.log.name} ended with {code}: {life.lines[-500:]}")
        verdict = Verdict(environment, people.orders, disturbances)
        violations += verdict.violations
        return Result(
            journey=journey.name,
            deaths=died,
            violations=violations,
            numbers=verdict.numbers,
            telegram_calls=[call.method for call in environment.telegram.calls],
            provider_calls=[
                call.name
                for call in environment.provider.calls
                if call.is_order or call.name != "create"
            ],
            spoilt=[call.method for call in environment.telegram.calls if call.fault]
            + [call.name for call in environment.provider.calls if ", " in call.outcome],
        )


async def _supervise(environment: Environment, start: Callable[[], Awaitable[BotRun]]) -> None:
    while True:
        life = environment.living[0] if environment.living else await start()
        await asyncio.wait({life.ended})


def _journal(folder: Path, number: int) -> Path:
    return folder / f"points-{number}"


def _points(folder: Path, number: int) -> list[str]:
    return _journal(folder, number).read_text(encoding="utf-8").splitlines()


def _telegram_seconds(method: str) -> float:
    return TELEGRAM_SECONDS if method.startswith(("send", "edit", "answer", "delete")) else 0.0


async def passed(journey: Journey, launcher: Launcher, folder: Path) -> list[Point]:
    """The points of an undisturbed journey, in order; it has to end well."""
    result = await lead(journey, launcher, folder)
    if result.violations:
        raise AssertionError(result.text())
    seen: Counter[str] = Counter()
    found = []
    for point in _points(folder, 0):
        seen[point] += 1
        if seen[point] <= OFTEN:
            found.append((point, seen[point]))
    return found


async def run(
    launcher: Launcher,
    folder: Path,
    *,
    seed: int,
    journeys: Iterable[str] = tuple(JOURNEYS),
    only: int = 0,
    like: str = "",
    bug: str | None = None,
) -> Results:
    """Kill at each point of these journeys, and once more in the process after it.

    A point of several journeys is tried in the first. `only` so many points of each, chosen by the
    seed; 0: all. `like`: a part of their names.
    """
    dice = random.Random(f"steps {seed}")
    started = time.monotonic()
    results = Results()
    known: set[Point] = set()
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, point: Point, second: int, place: Path) -> None:
        async with slots:
            results.ended.append(
                await bounded(JOURNEYS[name], launcher, place, [point, second], bug=bug)
            )

    async with asyncio.TaskGroup() as group:
        for name in journeys:
            found = [
                one
                for one in await passed(JOURNEYS[name], launcher, folder / name)
                if one not in known and like in one[0]
            ]
            known.update(found)
            if only:
                found = dice.sample(found, min(only, len(found)))
            for number, point in enumerate(found):
                second = dice.randint(1, SECOND_DEATH)
                group.create_task(one(name, point, second, folder / f"{name}-{number}"))
    results.seconds = time.monotonic() - started
    return results
