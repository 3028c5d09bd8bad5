"""The statements of an order are built when their modules are imported, not at every call.

Building one costs more than running it, so a second order must run the very objects of the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from bot.core.notices import Notice, NoticeKind
from bot.core.task import AspectRatio, TaskState
from storage import IncomingUpdate, Storage
from storage.tables import tasks
from tests.support.factories import ANN, CHAT, MINUTE, NOON, draft

S = TaskState


@contextmanager
def executed() -> Iterator[dict[int, Any]]:
    """Record the statements that are executed meanwhile, by identity; they are kept, so no two
    have the same one."""
    found: dict[int, Any] = {}

    def hear(_c: Any, statement: Any, _many: Any, _params: Any, _options: Any) -> None:
        found[id(statement)] = statement

    sa.event.listen(sa.Engine, "before_execute", hear)
    try:
        yield found
    finally:
        sa.event.remove(sa.Engine, "before_execute", hear)


async def order(storage: Storage, number: int, *, slots: int | None) -> None:
    """Run the statements of an order, from the person's words to the video."""
    await storage.due.next("outbox", NOON)  # asks for all kinds, and later for some of them again
    row = IncomingUpdate(update_id=number, chat_key=str(ANN), payload="{}")
    async with storage.inbox.turn() as turn:
        await turn.add([row], now=NOON)
        await turn.claim(owner="w", now=NOON, lease_for=MINUTE, limit=9)
    await storage.access.verdicts(ANN, CHAT.chat_id)
    await storage.users.see(ANN, lang="ru", name=f"Ann {number}", now=NOON)
    await storage.users.see(ANN, lang="ru", name=f"Ann {number}", now=NOON)
    task = await draft(storage)
    await storage.tasks.card_shown(task, card_message_id=number, ends=(number, NOON))
    await storage.tasks.confirm(
        task.id, user_id=ANN, aspect_ratio=AspectRatio.WIDE, update_id=number, now=NOON,
        shown=(number, False, ANN),
    )  # fmt: skip
    await storage.tasks.queue_position(task.id)
    await storage.tasks.waiting(limit=9)
    [lease] = await storage.tasks.claim_due(
        owner="w", now=NOON, lease_for=MINUTE, limit=9, slots=slots, disk="here", workers=2
    )
    await storage.tasks.extend("w", [(lease.id, lease.fence)], now=NOON, until=NOON + MINUTE)
    await storage.breaker.permit(NOON)
    for state, changes in (
        (S.SUBMITTING, {"submitted_at": NOON}),
        (S.GENERATING, {"provider_id": str(number), "accepted_at": NOON}),
        (S.RENDERED, {"video_url": "https://v", "rendered_at": NOON}),
        (S.DELIVERED, {"video_file_id": "f"}),
    ):
        after = lease.to(state, run_at=NOON, **changes)
        took = (50.0, 60.0) if state is S.RENDERED else None
        assert await storage.tasks.save(lease, after, now=NOON, took=took)
        lease = after
    told = Notice(kind=NoticeKind.HELD, chat=CHAT, lang="ru")
    await storage.outbox.add([told], now=NOON)
    [notice] = await storage.outbox.claim(owner="w", now=NOON, lease_for=MINUTE, limit=9)
    await storage.outbox.done(notice.id)
    await storage.due.next("tasks", NOON)
    await storage.due.next("outbox", NOON)
    await storage.tasks.waiting(limit=9)
    await storage.alerts.what_is_there(since=NOON)


@pytest.mark.parametrize("slots", [None, 9])
async def test_a_second_order_builds_no_statement(storage: Storage, slots: int | None) -> None:
    with executed() as first:
        await order(storage, 1, slots=slots)
    with executed() as second:
        await order(storage, 2, slots=slots)
    assert [str(statement) for key, statement in second.items() if key not in first] == []
    assert len(second) > 30


async def test_a_statement_built_again_is_noticed(storage: Storage) -> None:
    async def get() -> None:
        async with storage.database.transaction() as connection:
            await connection.scalar(sa.select(tasks.c.id))

    with executed() as first:
        await get()
    with executed() as second:
        await get()
    assert not first.keys() & second.keys()
