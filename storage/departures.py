"""Cancel orders in a chat that has blocked or removed the bot.

Orders that were not sent to the provider yet are cancelled, since their videos could not be
delivered there. It must not know how the block is noticed.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from bot.core.notices import Notice, NoticeKind
from bot.core.task import Charge, Chat, Reason, Task, TaskState
from storage.engine import Database
from storage.money.ledger import is_paid_by_person
from storage.outbox import insert_notices
from storage.rows import task_from
from storage.tables import in_states, tasks
from storage.tasks.store import cancel_whole

S = TaskState

_WAITING = (
    sa.select(tasks)
    .where(
        tasks.c.chat_id == sa.bindparam("chat"),
        tasks.c.business_connection_id.is_(None),
        sa.or_(
            in_states({S.QUEUED}),
            # later parts of a film that was ordered as a whole
            sa.and_(in_states({S.DRAFT}), tasks.c.storyboard_id.is_not(None)),
        ),
    )
    .order_by(tasks.c.id)
)


class DepartureStore:
    """Orders that wait in a chat which has blocked or removed the bot."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cancel(self, chat_id: int, *, now: datetime) -> list[Task]:
        """Cancel all orders of this chat that were not sent to the provider; return one task of
        each.

        Each is cancelled in its own commit, together with a notice; after an error the call can be
        repeated. Members of a group get the notice in their own chat, or with their next message.
        """
        rows = await self._database.read(_WAITING, {"chat": chat_id})
        ended = [await self._cancel(task_from(row), now) for row in rows]
        return [task for task in ended if task is not None]

    async def _cancel(self, task: Task, now: datetime) -> Task | None:
        """Return None if it is at the provider, or was cancelled with another task of its
        order."""
        async with self._database.transaction() as connection:
            await connection.lock(f"presses {task.user_id}")
            ended = await cancel_whole(connection, task, now)
            if ended is None:
                return None
            paid = await is_paid_by_person(connection, ended.id)
            in_group = task.chat.chat_id < 0
            told = Notice(
                kind=NoticeKind.FAILED,
                chat=Chat(chat_id=task.user_id) if in_group else task.chat,
                lang=task.lang,
                task_id=ended.id,
                params={
                    "reason": Reason.CHAT_LEFT.value,
                    "charge": (Charge.RETURNED if paid else Charge.NONE).value,
                    "price": str(task.price),
                },
            )
            await insert_notices(connection, [told], now)
            return ended
