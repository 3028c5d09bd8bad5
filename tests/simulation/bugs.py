"""Bugs to plant in the simulated bot: those of the crash campaign, and what an outage brings out.

Each is taken out again at the end of its block. It must not know how it is found.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bot.core import gate
from bot.core.balance import Trail, Verdict
from bot.core.breaker import Breaker, Permit
from bot.core.errors import StorageUnavailable
from bot.jobs import provider_probe
from bot.jobs.provider_probe import ProviderProbe
from bot.jobs.steps import watch
from bot.jobs.steps.context import StepContext
from bot.jobs.steps.submit import Submit
from bot.provider.client import Gptunnel
from bot.telegram.inbox import Inbox
from storage import TaskStore, doubts, driver
from storage.breaker import BreakerStore
from storage.connection import Connection
from storage.inbox import InboxTurn
from tests.crash import seeded_bugs


def no_breaker() -> None:
    """A lost create stops nothing."""

    async def open_(self: BreakerStore, now: datetime) -> None:
        await asyncio.sleep(0)

    BreakerStore.open = open_  # type: ignore[method-assign]


def breaker_per_process() -> None:
    """The breaker is a variable: no other process knows of it, and no restart."""
    rows = "_own"

    async def get(self: Any) -> Breaker | None:
        return getattr(self, rows, None)

    async def open_(self: Any, now: datetime) -> None:
        setattr(self, rows, Breaker.opened(now, getattr(self, rows, None)))

    async def permit(self: Any, now: datetime) -> Permit:
        breaker = getattr(self, rows, None)
        if breaker is None:
            return Permit.FREE
        if not breaker.has_room(now):
            await asyncio.sleep(1)  # claims do not know of it, and would bring the order at once
            return Permit.NO
        return Permit.TRIAL

    async def probed(self: Any, now: datetime, *, answered: bool) -> Breaker | None:
        breaker = getattr(self, rows, None)
        if breaker is not None:
            setattr(self, rows, breaker.probed(now, answered=answered))
        return getattr(self, rows, None)

    async def close(self: Any) -> bool:
        was = getattr(self, rows, None) is not None
        setattr(self, rows, None)
        return was

    async def run(self: ProviderProbe) -> None:
        while True:  # this breaker has no row that says when a probe is due
            with suppress(StorageUnavailable):
                await self.once()
            await asyncio.sleep(provider_probe.TRIAL_SECONDS)

    ProviderProbe.run = run  # type: ignore[method-assign]
    BreakerStore.get = get  # type: ignore[method-assign]
    BreakerStore.open = open_  # type: ignore[method-assign]
    BreakerStore.permit = permit  # type: ignore[method-assign]
    BreakerStore.probed = probed  # type: ignore[method-assign]
    BreakerStore.close = close  # type: ignore[method-assign]


def probe_costs_money() -> None:
    """The free question is a cheap order."""

    async def _probe(self: Gptunnel) -> None:
        await self.create(model="seedance-1-lite-480P-5s", prompt="a test", ar="1:1")

    Gptunnel._probe = _probe  # type: ignore[method-assign]


def herd_after_outage() -> None:
    """The first good answer lets all creates out, instead of one."""
    probed = BreakerStore.probed

    async def first_answer(self: BreakerStore, now: datetime, *, answered: bool) -> Breaker | None:
        after = await probed(self, now, answered=answered)
        if answered:
            await self.close()
            return None
        return after

    BreakerStore.probed = first_answer  # type: ignore[method-assign]


def settles_by_ambiguous_balance() -> None:
    """Whatever the balance does is taken for the order's doing."""

    async def verdict(connection: Any, trail: Trail, account: str | None, now: datetime) -> Any:
        if account is None or trail.before is None or trail.after is None:
            return Verdict.PERSON
        return Verdict.CHARGED if trail.after < trail.before else Verdict.NOT_ACCEPTED

    doubts._verdict = verdict


def questions_without_back_off() -> None:
    """While the provider does not answer, every task asks as often as before."""
    gate.TASKS = 10**9
    watch.back_off = lambda attempts, *, first, cap: 0.5  # type: ignore[attr-defined]


def every_task_asks() -> None:
    """Every task asks during an outage, each with its own back-off."""
    gate.TASKS = 10**9


def gate_without_back_off() -> None:
    """One task in turn asks during an outage, but the tries do not become rarer."""
    gate.back_off = lambda attempts, *, first, cap: 0.5  # type: ignore[attr-defined]


OF_CAMPAIGN = {name: plant for name, plant in seeded_bugs.BUGS.items() if name != "no-skip-locked"}
"""All but the one of PostgreSQL: SQLite takes one writer at a time, whatever is claimed how."""
OF_OUTAGES: dict[str, Callable[[], None]] = {
    "no-breaker": no_breaker,
    "breaker-per-process": breaker_per_process,
    "probe-costs-money": probe_costs_money,
    "herd-after-outage": herd_after_outage,
    "settles-by-ambiguous-balance": settles_by_ambiguous_balance,
    "questions-without-back-off": questions_without_back_off,
    "every-task-asks": every_task_asks,
    "gate-without-back-off": gate_without_back_off,
}
BUGS = OF_CAMPAIGN | OF_OUTAGES

FOUND_AS = {
    "no-intent": "was charged",
    "repost": "was charged",
    "no-fence": "was sent twice although|ended and changed|a traceback|does not lead|cannot be",
    "no-begin-immediate": "database is locked",
    "no-begin": "does not lead to its state|came|is not sent|cannot be|stands still|a traceback",
    "early-done": "no card|no answer|came",
    "confirmed-unsaved": "no card|no answer|came|never taken",
    "no-breaker": "a create went out",
    "breaker-per-process": "a create went out",
    "probe-costs-money": "is for nobody's order",
    "herd-after-outage": "a create went out|creates went out",
    "settles-by-ambiguous-balance": "was charged|was settled as paid",
    "questions-without-back-off": "was asked for|questions about",
    "every-task-asks": "questions about",
    "gate-without-back-off": "questions about",
}
"""Words of the violation by which each bug must be found."""

_TOUCHED: tuple[Any, ...] = (
    BreakerStore, Connection, Gptunnel, Inbox, InboxTurn, ProviderProbe, StepContext, Submit,
    TaskStore, driver, driver.Writer, doubts, gate, sa.Select, watch,
)  # fmt: skip


@contextmanager
def planted(name: str | None) -> Iterator[None]:
    """Have a bug for the length of the block; None: no bug."""
    before = [dict(vars(place)) for place in _TOUCHED]
    if name is not None:
        BUGS[name]()
    try:
        yield
    finally:
        for place, had in zip(_TOUCHED, before, strict=True):
            for key, value in list(vars(place).items()):
                if key not in had:
                    delattr(place, key)
                elif value is not had[key]:
                    setattr(place, key, had[key])
