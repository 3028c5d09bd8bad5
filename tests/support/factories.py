"""Make tasks in the state that a test starts from, by the stores themselves."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from bot.core.task import AspectRatio, Chat, Frame, Task, TaskState
from storage import Storage

S = TaskState
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
ANN, BOB = 101, 102
CHAT = Chat(chat_id=ANN)
PHOTO = Frame(file_id="AgACAgI", kind="photo")

_messages = itertools.count(1_000)
_updates = itertools.count(50_000)


def wish(**changes: Any) -> dict[str, Any]:
    """What every draft is made of."""
    return {
        "user_id": ANN,
        "chat": CHAT,
        "message_id": next(_messages),
        "lang": "ru",
        "model": "seedance-1-lite-480P-5s",
        "price": Decimal("16.4"),
        "now": NOON,
    } | changes


async def draft(storage: Storage, **changes: Any) -> Task:
    return await storage.tasks.draft_from_text(**wish(prompt="a cat") | changes)


async def queued(storage: Storage, **changes: Any) -> Task:
    task = await draft(storage, **changes)
    confirmed = await storage.tasks.confirm(
        task.id,
        user_id=task.user_id,
        aspect_ratio=AspectRatio.TALL,
        update_id=next(_updates),
        now=changes.get("now", NOON),
    )
    assert confirmed is not None
    return confirmed


async def leased(storage: Storage, *, owner: str = "one", now: datetime = NOON) -> Task:
    """The lease of the one task that is due."""
    [lease] = await storage.tasks.claim_due(
        owner=owner, now=now, lease_for=MINUTE, limit=2, slots=None
    )
    return lease


_WAY = {
    S.QUEUED: (),
    S.SUBMITTING: (S.SUBMITTING,),
    S.GENERATING: (S.SUBMITTING, S.GENERATING),
    S.RENDERED: (S.SUBMITTING, S.GENERATING, S.RENDERED),
    S.DELIVERED: (S.SUBMITTING, S.GENERATING, S.RENDERED, S.DELIVERED),
    S.UNDELIVERABLE: (S.SUBMITTING, S.GENERATING, S.RENDERED, S.UNDELIVERABLE),
    S.UNKNOWN: (S.SUBMITTING, S.UNKNOWN),
    S.FAILED: (S.SUBMITTING, S.FAILED),
}


async def task_in(storage: Storage, state: TaskState, **changes: Any) -> Task:
    """A task that came into `state` on the usual way; nobody holds it."""
    if state is S.DRAFT:
        return await draft(storage, **changes)
    if state is S.CANCELLED:
        task = await draft(storage, **changes)
        cancelled = await storage.tasks.cancel(task.id, user_id=task.user_id, now=NOON)
        assert cancelled is not None
        return cancelled
    task = await queued(storage, **changes)
    if way := _WAY[state]:
        [task] = [
            lease
            for lease in await storage.tasks.claim_due(
                owner="given", now=NOON, lease_for=MINUTE, limit=10_000, slots=None
            )
            if lease.id == task.id
        ]
        for step in way:
            extra = {"provider_id": f"p{task.id}"} if step is S.GENERATING else {}
            after = task.to(step, run_at=NOON, **extra)
            assert await storage.tasks.save(task, after, now=NOON, keep_lease=step is not state)
            task = after
    found = await storage.tasks.get(task.id)
    assert found is not None
    assert found.state is state
    return found
