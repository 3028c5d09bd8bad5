"""`python -m tests.bench.growth`: the cost of an order after 100, 10 000 and 1 000 000 others.

It measures the statements of a whole order and the periodic statements, on SQLite and PostgreSQL,
with that many finished rows in every growing table. The CPU time (for PostgreSQL, which works in
other processes, the wall time) of each level is divided by that of the lowest. Query plans are
checked at the highest level. It must not know how a statement is written.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from bot.core.alerts import Switch
from bot.core.caps import Cap, Limit, OrderRules, day_start
from bot.core.task import ACTIVE, ENDED, AspectRatio, Chat, TaskState
from storage import InboxState, IncomingUpdate, Storage, open_storage
from tests.bench.meters import cpu_seconds
from tests.bench.report import Goal, bars, publish
from tests.storage.large_database import full_reads, grow
from tests.storage.test_plans import listening
from tests.support.postgres import running_postgres

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
S = TaskState
TERMS = OrderRules(caps={cap: Limit(videos=10**6, roubles=10**8) for cap in Cap}, sold=True)
PERSON = 7

_numbers = itertools.count(10**9)


async def life(storage: Storage) -> None:
    """An order from the update with its words to the video."""
    for _ in range(2):
        await _update(storage)
    number = next(_numbers)
    task = await storage.tasks.draft_from_text(
        user_id=PERSON, chat=Chat(chat_id=PERSON), message_id=number, lang="ru",
        model="seedance-1-lite-480P-5s", price=Decimal(17), now=NOW, prompt="A fox in the snow",
    )  # fmt: skip
    await storage.tasks.set_card(task.id, card_message_id=number, is_media=False)
    await storage.stars.purchase(
        user_id=PERSON, payment_id=str(number), stars=10, credit=Decimal(17), now=NOW
    )
    confirmed = await storage.tasks.confirm(
        task.id, user_id=PERSON, aspect_ratio=AspectRatio.WIDE, update_id=number, now=NOW
    )
    assert confirmed
    [lease] = await storage.tasks.claim_due(
        owner="bench", now=NOW, lease_for=MINUTE, limit=9, slots=20
    )
    for state, changes in (
        (S.SUBMITTING, {"submitted_at": NOW}),
        (S.GENERATING, {"provider_id": f"bench {number}", "accepted_at": NOW}),
        (S.RENDERED, {"video_url": "https://video", "rendered_at": NOW}),
        (S.DELIVERED, {"video_file_id": "file"}),
    ):
        after = lease.to(state, run_at=NOW, **changes)
        assert await storage.tasks.save(lease, after, now=NOW)
        lease = after


async def _update(storage: Storage) -> None:
    row = IncomingUpdate(update_id=next(_numbers), chat_key=str(PERSON), payload="{}")
    await storage.inbox.add([row], now=NOW)
    [update] = await storage.inbox.claim(owner="bench", now=NOW, lease_for=MINUTE, limit=9)
    await storage.users.see(PERSON, lang="ru", name="Ann", now=NOW)
    await storage.inbox.done([update.update_id], now=NOW)


async def loops(storage: Storage) -> None:
    """The periodic checks of all components."""
    await storage.tasks.claim_due(owner="bench", now=NOW, lease_for=MINUTE, limit=9, slots=20)
    await storage.inbox.claim(owner="bench", now=NOW, lease_for=MINUTE, limit=9)
    await storage.outbox.claim(owner="bench", now=NOW, lease_for=MINUTE, limit=9)
    await storage.tasks.waiting(limit=300)


async def alert_monitor(storage: Storage) -> None:
    """Every five seconds."""
    since = NOW - timedelta(days=1)
    await storage.alerts.all_open()
    await storage.alerts.resting((S.UNKNOWN, S.UNDELIVERABLE), since=since)
    await storage.alerts.set_aside(since=since)
    await storage.alerts.drained(told=[1], now=NOW)
    await storage.alerts.is_held(Switch.SUBMITS)


async def scrape(storage: Storage) -> None:
    """/metrics, as often as Prometheus likes."""
    await storage.tasks.counts(frozenset(TaskState) - ENDED)
    await storage.inbox.counts(frozenset(InboxState) - {InboxState.DONE})
    await storage.inbox.lag(NOW)
    await storage.outbox.count()


async def history(storage: Storage) -> None:
    """A search of a person's own videos, with a thousand people."""
    await storage.history.page(1_001, 0, size=8)
    await storage.tasks.latest(1_001, limit=8)


async def today(storage: Storage) -> None:
    """/admin: the outcomes of this day's orders."""
    since = day_start(NOW)
    await storage.operator.outcomes(since=since)
    await storage.ledger.totals(since, NOW)
    await storage.tasks.counts(ACTIVE)


Act = Callable[[Storage], Awaitable[None]]
ACTS: tuple[Act, ...] = (life, loops, alert_monitor, scrape, history, today)
BOUNDED: tuple[Act, ...] = (life, loops, alert_monitor, scrape)
"""Acts whose cost must not grow at all; the others grow with a person's own orders or a day's
orders.
"""


async def measure(url: str, count: int, rounds: int) -> tuple[dict[str, float], list[str]]:
    """Return µs for each act after `count` orders, the best of three runs; and the tables read in
    full.
    """
    costs: dict[str, float] = {}
    meter = cpu_seconds if url.startswith("sqlite") else time.perf_counter
    bad: set[str] = set()
    async with open_storage(url, TERMS) as storage:
        await grow(storage, count, now=NOW)
        for act in ACTS:
            with listening() as said:
                await act(storage)
            if act in BOUNDED:
                async with storage.database.transaction() as connection:
                    for text, values in said:
                        if text.startswith(("WITH", "SELECT", "INSERT", "UPDATE", "DELETE")):
                            bad |= {
                                f"{act.__name__}: {line}"
                                for line in await connection.run_sync(full_reads, text, values)
                            }
            tries = []
            for _ in range(3):
                began = meter()
                for _ in range(rounds):
                    await act(storage)
                tries.append((meter() - began) / rounds * 1e6)
            costs[act.__name__] = min(tries)
    return costs, sorted(bad)


async def levels(
    counts: list[int], rounds: int, new: Callable[[int], Awaitable[str]]
) -> tuple[dict[int, dict[str, float]], list[str]]:
    """The costs at each level, each in a database of its own; plans at the highest."""
    costs: dict[int, dict[str, float]] = {}
    bad: list[str] = []
    for count in counts:
        costs[count], bad = await measure(await new(count), count, rounds)
    return costs, bad


def main() -> None:
    """Measures and tells."""
    parser = argparse.ArgumentParser(
        prog="tests.bench.growth", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--most", type=int, default=1_000_000)
    args = parser.parse_args()
    counts = [count for count in (100, 10_000, 1_000_000) if count < args.most] + [args.most]
    rows: list[dict[str, object]] = []
    goals: list[Goal] = []
    shown: dict[str, float] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(running_postgres())

        async def sqlite(count: int) -> str:
            return f"sqlite+aiosqlite:///{folder / str(count)}.db"

        async def postgres(count: int) -> str:
            return await server.create()

        for name, new in (("SQLite, CPU", sqlite), ("PostgreSQL, time", postgres)):
            costs, bad = asyncio.run(levels(counts, args.rounds, new))
            least, most = counts[0], counts[-1]
            for act in costs[least]:
                row: dict[str, object] = {"what": f"{act} ({name})"}
                row |= {f"µs_after_{count:_}": round(costs[count][act]) for count in counts}
                row["times"] = round(costs[most][act] / costs[least][act], 2)
                rows.append(row)
            for bounded in BOUNDED:
                act = bounded.__name__
                ratio = round(costs[most][act] / costs[least][act], 2)
                goals.append(Goal(f"{act} ({name}), times after {most:_}", ratio, 1.5))
            goals.append(Goal(f"full reads in the plans ({name})", len(bad), 0))
            for line in bad:
                print("reads all:", line)
            shown |= {f"{name}, after {count:_}": round(costs[count]["life"]) for count in counts}
    publish(
        "growth",
        rows,
        goals=goals,
        picture=bars("µs for the statements of one order's life", shown, ours="SQLite"),
        rounds=args.rounds,
    )


if __name__ == "__main__":
    main()
