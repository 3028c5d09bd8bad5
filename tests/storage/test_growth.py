"""No frequent statement reads ended rows, so their number must not matter.

On both databases, filled, with the statements as the stores say them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from bot.core.alerts import Alert, AlertKind
from bot.core.caps import Cap, Limit, OrderRules, day_start
from bot.core.task import ACTIVE, AspectRatio, Chat, TaskState
from bot.operator.metrics_endpoint import _WAITING, _WATCHED
from storage import Database, IncomingUpdate, Storage
from storage.alerts import CONCERN
from storage.tables import tasks
from tests.storage.large_database import full_reads, grow
from tests.storage.test_plans import Said, listening
from tests.support.factories import ANN, CHAT, MINUTE, NOON, draft, leased, queued

S = TaskState
ROWS = 3_000
ALL_CAPS = OrderRules(caps={cap: Limit(videos=99, roubles=9_999) for cap in Cap}, sold=True)


@pytest.fixture
async def grown(url: str) -> AsyncIterator[Storage]:
    database = await Database.open(url)
    storage = Storage.over(database, ALL_CAPS)
    await grow(storage, ROWS, now=NOON)
    yield storage
    await database.close()


async def intake(storage: Storage) -> None:
    row = IncomingUpdate(update_id=ROWS * 9, chat_key=str(ANN), payload="{}")
    await storage.inbox.add([row], now=NOON)
    async with storage.inbox.turn() as turn:
        await turn.claim(owner="w", now=NOON, lease_for=MINUTE, limit=9)
        await turn.done([row.update_id], now=NOON)
    await storage.inbox.extend("w", [row.update_id], until=NOON + MINUTE)
    await storage.due.next("inbox", NOON)
    await storage.inbox.forget(before=NOON - timedelta(days=100))


async def gate(storage: Storage) -> None:
    await storage.access.verdicts(ANN, CHAT.chat_id)
    await storage.users.see(ANN, lang="ru", name="Ann", now=NOON)


async def order(storage: Storage) -> None:
    task = await draft(storage)
    await storage.tasks.set_card(task.id, card_message_id=8, is_media=False)
    await storage.stars.purchase(
        user_id=ANN, payment_id="p", stars=9, credit=Decimal(99), now=NOON
    )
    await storage.tasks.confirm(
        task.id, user_id=ANN, aspect_ratio=AspectRatio.WIDE, update_id=ROWS * 9, now=NOON
    )
    await storage.tasks.queue_position(task.id)
    await storage.tasks.cancel(task.id, user_id=ANN, now=NOON)
    await storage.tasks.cancel_latest(user_id=ANN, chat=CHAT, update_id=1, now=NOON)


async def work(storage: Storage) -> None:
    await storage.stars.purchase(
        user_id=ANN, payment_id="p", stars=9, credit=Decimal(99), now=NOON
    )
    await queued(storage)
    await storage.tasks.claim_due(owner="w", now=NOON, lease_for=MINUTE, limit=9, slots=9)
    lease = await leased(storage, now=NOON + 2 * MINUTE)
    await storage.tasks.extend("one", [(lease.id, lease.fence)], now=NOON, until=NOON + MINUTE)
    for state, changes in (
        (S.SUBMITTING, {"submitted_at": NOON}),
        (S.GENERATING, {"provider_id": "new", "accepted_at": NOON}),
        (S.RENDERED, {"video_url": "https://v", "rendered_at": NOON}),
        (S.DELIVERED, {"video_file_id": "f"}),
    ):
        after = lease.to(state, run_at=NOON, **changes)
        assert await storage.tasks.save(lease, after, now=NOON)
        lease = after
    await storage.due.next("tasks", NOON)
    await storage.tasks.waiting(limit=300)
    await storage.tasks.migrate_chat(-1, -2)


async def tell(storage: Storage) -> None:
    await storage.outbox.claim(owner="w", now=NOON, lease_for=MINUTE, limit=9)
    await storage.due.next("outbox", NOON)


async def look_back(storage: Storage) -> None:
    await storage.history.page(ANN, 0, size=8)
    await storage.history.videos(ANN, "fox", limit=9)
    await storage.tasks.latest(ANN, chat=Chat(chat_id=ANN), states={S.DRAFT}, limit=1)
    await storage.tasks.get(7)
    await storage.tasks.events(7)
    await storage.callback_actions.made(7)
    await storage.callback_actions.running(7, ratio=AspectRatio.WIDE, update_id=8)
    await storage.ledger.of_task(7)
    await storage.ledger.credit(ANN)
    await storage.stars.payments(ANN)


async def stats(storage: Storage) -> None:
    since = day_start(NOON)
    await storage.operator.outcomes(since=since)
    await storage.operator.chart_orders(since=since)
    await storage.operator.money([since, since + timedelta(days=1)])
    await storage.ledger.totals(since, NOON)
    await storage.tasks.counts(ACTIVE)


async def watch(storage: Storage) -> None:
    await storage.alerts.resting(CONCERN, since=NOON - timedelta(days=1))
    await storage.alerts.set_aside(since=NOON - timedelta(days=1))
    await storage.alerts.drained(told=[ANN], now=NOON)
    await storage.alerts.open(Alert.of(AlertKind.LOW_BALANCE), told=[ANN], now=NOON)
    await storage.alerts.all_open()
    await storage.alerts.what_is_there(since=NOON - timedelta(days=1))
    await storage.due.next("tasks", NOON)


async def forget(storage: Storage) -> None:
    before = NOON - timedelta(days=100)
    await storage.privacy.forget(drafts_before=before, orders_before=before)
    await storage.privacy.forget_updates(before=before)
    await storage.callback_actions.forget(before=before)


async def scrape(storage: Storage) -> None:
    await storage.tasks.counts(_WATCHED)
    await storage.inbox.counts(_WAITING)
    await storage.inbox.lag(NOON)
    await storage.outbox.count()


Act = Callable[[Storage], Awaitable[None]]


@pytest.mark.parametrize(
    "act",
    [intake, gate, order, work, tell, look_back, stats, watch, scrape, forget],
    ids=lambda a: a.__name__,
)
async def test_frequent_statements_do_not_read_ended_rows(grown: Storage, act: Act) -> None:
    with listening() as said:
        await act(grown)
    assert await found_in(grown, said) == []


async def test_a_full_table_scan_is_noticed(grown: Storage) -> None:
    with listening() as said:
        async with grown.database.transaction() as connection:
            await connection.scalar(sa.select(tasks.c.id).where(tasks.c.prompt == "a cat"))
    assert await found_in(grown, said) != []


async def found_in(storage: Storage, said: Said) -> list[tuple[str, str]]:
    found = []
    async with storage.database.transaction() as connection:
        for text, values in said:
            if text.startswith(("WITH", "SELECT", "INSERT", "UPDATE", "DELETE")):
                lines = await connection.run_sync(full_reads, text, values)
                found += [(line, text) for line in lines]
    return found
