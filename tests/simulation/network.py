"""The network: calls between a process and the emulators, lost, late, torn or doubled.

A call is sent, has its effect, and is answered; each may fail, and the process may die before,
between and after. What a server does goes on when the caller is dead. It must not know what a call
means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

from tests.simulation.loop import owned_by

if TYPE_CHECKING:
    from tests.simulation.process import Process
    from tests.simulation.world import World

T = TypeVar("T")


class Act(StrEnum):
    """What becomes of a call."""

    WELL = "well"
    LATE = "late"  # answered after seconds, but answered
    REFUSED = "refused"  # no connection: certainly not sent
    RESET_BEFORE = "reset_before"  # sent, without an effect
    RESET_AFTER = "reset_after"
    HANG_BEFORE = "hang_before"  # no answer ever
    HANG_AFTER = "hang_after"
    TORN = "torn"  # the answer breaks off in the middle
    PAGE_BEFORE = "page_before"  # a proxy's page of HTTP 502
    PAGE_AFTER = "page_after"
    BUSY = "busy"  # 429 or 503 with Retry-After: not accepted

    @property
    def has_effect(self) -> bool:
        """Whether the server does what was asked for."""
        return self in (
            Act.WELL, Act.LATE, Act.RESET_AFTER, Act.HANG_AFTER, Act.TORN, Act.PAGE_AFTER,
        )  # fmt: skip

    @property
    def spoils(self) -> bool:
        """Whether the caller does not get the server's own answer."""
        return self not in (Act.WELL, Act.LATE)


KINDS = tuple(act for act in Act if act is not Act.WELL)
OUTAGES = (Act.PAGE_BEFORE, Act.RESET_BEFORE, Act.HANG_BEFORE, Act.REFUSED, Act.BUSY)
LATENCY = (0.002, 0.08)
LATE_SECONDS = (2.0, 25.0)
CREATE_SECONDS = (0.05, 0.5)


@dataclass(frozen=True)
class Outage:
    """From `start` to `end`, in seconds of the life, every call to this side ends alike."""

    side: str
    start: float
    end: float
    act: Act


@dataclass(frozen=True)
class Answer(Generic[T]):
    """How a call came back; `value` is the server's answer, None when there is none."""

    act: Act
    value: T | None


async def call(
    world: World,
    process: Process,
    side: str,
    name: str,
    effect: Callable[[Act], Awaitable[T]],
    ended: Callable[[], None] = lambda: None,
) -> Answer[T]:
    """Make one call; an answer that never comes is waited for, until the caller loses patience.

    `effect` runs at the server, where the caller's death does not reach, and is told what becomes
    of the call; of one without an effect it only records that it was tried. `ended`: the answer
    has left the server.
    """
    act = world.act(side, name)
    await process.passes(f"call {name}", weight=world.weight(name))
    if act is Act.REFUSED:
        await asyncio.sleep(world.fate.uniform(*LATENCY, name))
        await effect(act)
        world.log.note(process.name, name, act)
        return Answer(act, None)
    out = world.fate.uniform(*(CREATE_SECONDS if name == "create" else LATENCY), name)
    process.dies_in(f"during {name}", out * 0.75, weight=world.weight(name))
    answered: asyncio.Future[T] = world.loop.create_future()

    async def serve() -> None:
        await asyncio.sleep(out / 2)
        value = await effect(act)
        world.log.note("server", name, act)
        if act in (Act.HANG_BEFORE, Act.HANG_AFTER):
            return
        late = world.fate.uniform(*LATE_SECONDS, f"late {name}") if act is Act.LATE else 0.0
        await asyncio.sleep(out / 2 + late)
        ended()
        if not answered.done():
            answered.set_result(value)

    world.spawn(serve(), owned_by(None))
    value = await answered
    await process.passes(f"answer {name}", weight=world.weight(name))
    world.log.note(process.name, name, act)
    return Answer(act, value)
