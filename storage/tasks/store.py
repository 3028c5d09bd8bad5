"""People's operations on their tasks, and queries about tasks. Each change is one guarded
statement.

The file is long on purpose: what a person can do with a task is read in one place. None means that
the condition did not hold: another person's task, too late, or pressed before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.dml import ReturningUpdate

from bot.core.caps import OrderRules
from bot.core.task import ACTIVE, ENDED, AspectRatio, Chat, Task, TaskEvent, TaskState
from storage.connection import Connection
from storage.engine import Database
from storage.group_moves import move_group
from storage.money.caps import reserve
from storage.privacy import note_consent
from storage.rows import (
    COPIED,
    FRESH,
    NOW,
    PLACED,
    UNLEASED,
    chat_values,
    in_chat,
    place_of,
    task_from,
)
from storage.tables import (
    RESTING,
    at_rest,
    in_states,
    task_events,
    tasks,
)
from storage.tasks import chain
from storage.tasks.callback_actions import record_action, task_of_action
from storage.tasks.drafts import Drafts
from storage.tasks.leases import ClaimOnCommit, add_event, drop_frame

S = TaskState

_CANCELLABLE = frozenset({S.DRAFT, S.QUEUED})


def _transition(*conditions: sa.ColumnElement[bool], **values: Any) -> ReturningUpdate[Any]:
    """Return the statement of a transition that a person causes, for `_change`."""
    changed = sa.update(tasks).where(*conditions).values(attempts=0, claims=0, **values)
    return changed.returning(*tasks.c)


_one_task = tasks.c.id == sa.bindparam("order")
_theirs = sa.and_(_one_task, tasks.c.user_id == sa.bindparam("person"))

_GET = sa.select(tasks).where(_one_task)
_SET_CARD = sa.update(tasks).where(_one_task, sa.not_(in_states(ENDED)))
_CONFIRM = _transition(
    _theirs,
    in_states({S.DRAFT}),
    tasks.c.prompt.is_not(None),
    tasks.c.storyboard_id.is_(None),  # a later part begins by itself
    state=S.QUEUED,
    run_at=NOW,
    confirmed_at=NOW,
)
# A message of another chat is none of this task's: its group has become a supergroup
_is_elsewhere = tasks.c.chat_id != sa.bindparam("shown_in", type_=sa.BigInteger)
_CONFIRM_SHOWN = _CONFIRM.values(
    card_message_id=sa.case(
        (_is_elsewhere, tasks.c.card_message_id), else_=sa.bindparam("shown_id")
    ),
    card_is_media=sa.case(
        (_is_elsewhere, tasks.c.card_is_media),
        (tasks.c.card_message_id == sa.bindparam("shown_id"), tasks.c.card_is_media),
        else_=sa.bindparam("shown_is_media", type_=sa.Boolean),
    ),
)
_confirmed = tasks.c.confirmed_by == sa.bindparam("update")
_CONFIRMED = sa.select(tasks).where(_theirs, _confirmed)
_RETRY = sa.select(tasks).where(
    tasks.c.retry_of == sa.bindparam("order"),
    tasks.c.user_id == sa.bindparam("person"),
    _confirmed,
)
_cancelled: dict[str, Any] = {
    "state": S.CANCELLED, "ended_at": NOW, "fence": tasks.c.fence + 1, **UNLEASED,
}  # fmt: skip
_CANCEL = _transition(_theirs, in_states(_CANCELLABLE), **_cancelled)
_NEWEST = (
    sa.select(tasks)
    .where(
        tasks.c.user_id == sa.bindparam("person"),
        tasks.c.chat_id == sa.bindparam("chat"),
        in_states(_CANCELLABLE),
    )
    .order_by(tasks.c.id.desc())
    .limit(1)
)
_THEIR_TASK = sa.select(tasks).where(_theirs)
_of_order = sa.or_(_one_task, tasks.c.variant_of == sa.bindparam("order"))
_LOCK_ORDER = sa.select(tasks.c.id).where(_of_order).order_by(tasks.c.id).with_for_update()
_QUEUED_OF_ORDER = (
    sa.select(tasks.c.id).where(_of_order, in_states({S.QUEUED})).order_by(tasks.c.id)
)
_REDELIVER = _transition(
    _theirs,
    in_states({S.UNDELIVERABLE}),
    state=S.RENDERED,
    run_at=NOW,
    reason=None,
    detail=None,
    redirected=False,
)
_REDELIVER_THERE = _REDELIVER.values(
    message_id=sa.case((in_chat(tasks), tasks.c.message_id), else_=0),
    card_message_id=sa.case((in_chat(tasks), tasks.c.card_message_id)),
)
_VARIANTS = (
    sa.select(tasks)
    .where(sa.or_(_one_task, tasks.c.variant_of == sa.bindparam("order")))
    .order_by(tasks.c.id)
)
_mine = tasks.alias("mine")
_ahead = (
    sa.select(sa.func.count())
    .select_from(tasks)
    .where(
        in_states({S.QUEUED}),
        sa.or_(
            tasks.c.confirmed_at < _mine.c.confirmed_at,
            sa.and_(tasks.c.confirmed_at == _mine.c.confirmed_at, tasks.c.id <= _mine.c.id),
        ),
    )
    .scalar_subquery()
)
_QUEUE_POSITION = sa.select(_ahead).where(
    _mine.c.id == sa.bindparam("order"), _mine.c.state == S.QUEUED
)
_WAITING = (
    sa.select(tasks)
    .where(in_states({S.QUEUED}))
    .order_by(tasks.c.confirmed_at, tasks.c.id)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_EVENTS = (
    sa.select(task_events.c.task_id, task_events.c.state, task_events.c.at)
    .where(task_events.c.task_id == sa.bindparam("order"))
    .order_by(task_events.c.id)
)


class TaskStore(Drafts):
    """All operations on tasks; those of workers are in LeasedTasks."""

    def __init__(
        self, database: Database, terms: OrderRules | None = None, ended: set[int] | None = None
    ) -> None:
        super().__init__(database, ended)
        self.terms = terms or OrderRules()

    async def set_card(self, task_id: int, *, card_message_id: int, is_media: bool) -> None:
        """Record which message shows the task; `is_media`: its text is a caption.

        A task that has ended stays as it is.
        """
        async with self._database.transaction() as connection:
            card = {"card_message_id": card_message_id, "card_is_media": is_media}
            await connection.execute(_SET_CARD, {"order": task_id, **card})

    async def confirm(
        self,
        task_id: int,
        *,
        user_id: int,
        aspect_ratio: AspectRatio,
        update_id: int,
        now: datetime,
        shown: tuple[int, bool, int] | None = None,
        claim_on_commit: ClaimOnCommit | None = None,
    ) -> Task | None:
        """DRAFT with a prompt -> QUEUED, for its owner; create one task for each further variant.

        The same update returns the task again, in its current state: the program may have been
        killed before it answered. After LimitReached or CreditTooLow the task stays a draft.
        `shown`: the message that shows the task from now on, whether its text is a caption, and
        its chat (None: as recorded for the card). `claim_on_commit` claims due tasks in the same
        commit, perhaps also this one, which is then returned with its lease.
        """
        theirs = {"order": task_id, "person": user_id}
        press: dict[str, Any] = {"aspect_ratio": aspect_ratio, "confirmed_by": update_id}
        if shown is not None:
            press |= {"shown_id": shown[0], "shown_is_media": shown[1], "shown_in": shown[2]}
        async with self._database.transaction() as connection:
            confirmed = await _change(
                connection,
                _CONFIRM if shown is None else _CONFIRM_SHOWN,
                {**theirs, **press},
                now,
            )
            if confirmed is None:
                return await _one(connection, _CONFIRMED, {**theirs, "update": update_id})
            await reserve(connection, confirmed, self.terms, now)
            if confirmed.frame_is_own:
                # the card told the person who receives the photo
                await note_consent(connection, user_id, now)
            for _ in range(1, confirmed.variants):
                variant = await _variant(connection, confirmed, now)
                await reserve(connection, variant, self.terms, now)
            claim = claim_on_commit and claim_on_commit.claim()
            claimed = await self._claim_due(connection, claim) if claim else []
        if claim_on_commit and claimed:
            await claim_on_commit.take(claimed)
        return next((task for task in claimed if task.id == task_id), confirmed)

    async def cancel(self, task_id: int, *, user_id: int, now: datetime) -> Task | None:
        """DRAFT or QUEUED -> CANCELLED, for its owner; a worker that holds it loses it.

        Its variants are cancelled with it if they have not begun. If the task itself has begun, a
        cancelled variant is returned.
        """
        async with self._database.transaction() as connection:
            await connection.lock(f"presses {user_id}")
            task = await _one(connection, _THEIR_TASK, {"order": task_id, "person": user_id})
            return task and await cancel_whole(connection, task, now)

    async def cancel_latest(
        self, *, user_id: int, chat: Chat, update_id: int, now: datetime
    ) -> Task | None:
        """Cancel the newest DRAFT or QUEUED task of this person in this chat, with its variants.

        The same update returns the same task again, and cancels no other.
        """
        latest = {"person": user_id, "chat": chat.chat_id}
        async with self._database.transaction() as connection:
            await connection.lock(f"presses {user_id}")
            if known := await task_of_action(connection, update_id):
                return known
            while newest := await _one(connection, _NEWEST, latest):
                if cancelled := await cancel_whole(connection, newest, now):
                    await record_action(connection, update_id, cancelled.id, now)
                    return cancelled
                # A worker has just begun this one: look for an older one.
            return None

    async def retry_unknown(
        self, task_id: int, *, user_id: int, update_id: int, now: datetime
    ) -> Task | None:
        """Create a QUEUED copy of an UNKNOWN task, for its owner; at most one.

        The same update returns it again, in its current state. After LimitReached or CreditTooLow
        no task is created.
        """
        values = {
            **FRESH,
            "retry_of": task_id,
            "state": S.QUEUED,
            "created_at": now,
            "confirmed_by": update_id,
            "confirmed_at": now,
            "run_at": now,
        }
        source = sa.select(
            *(tasks.c[name] for name in (*COPIED, *PLACED)),
            *(sa.literal(value, tasks.c[name].type) for name, value in values.items()),
        ).where(tasks.c.id == task_id, tasks.c.user_id == user_id, in_states({S.UNKNOWN}))
        async with self._database.transaction() as connection:
            row = (
                await connection.execute(
                    insert(tasks)
                    .from_select([*COPIED, *PLACED, *values], source.with_for_update())
                    .on_conflict_do_nothing(index_elements=["retry_of"])
                    .returning(*tasks.c)
                )
            ).one_or_none()
            if row is not None:
                retry = task_from(row)
                await add_event(connection, retry, now)
                await reserve(connection, retry, self.terms, now)
                return retry
            return await _one(
                connection, _RETRY, {"order": task_id, "person": user_id, "update": update_id}
            )

    async def redeliver(
        self, task_id: int, *, user_id: int, now: datetime, chat: Chat | None = None
    ) -> Task | None:
        """UNDELIVERABLE -> RENDERED, for its owner: the kept video is sent again, to `chat` when
        that is another place than the task's."""
        there = {} if chat is None else chat_values(chat) | place_of(chat)
        async with self._database.transaction() as connection:
            return await _change(
                connection,
                _REDELIVER if chat is None else _REDELIVER_THERE,
                {"order": task_id, "person": user_id, **there},
                now,
            )

    async def migrate_chat(self, old: int, new: int) -> int:
        """Move open tasks, and those whose end is not told yet, to the supergroup that a group
        became, with what else belongs to it; return how many."""
        async with self._database.transaction() as connection:
            return await move_group(connection, old, new)

    async def get(self, task_id: int) -> Task | None:
        """Return the task."""
        row = await self._database.read_one(_GET, {"order": task_id})
        return None if row is None else task_from(row)

    async def variants(self, order: int) -> list[Task]:
        """Return all tasks ordered with one press; `order` is the first of them."""
        return [task_from(row) for row in await self._database.read(_VARIANTS, {"order": order})]

    async def latest(
        self,
        user_id: int,
        *,
        chat: Chat | None = None,
        states: Iterable[TaskState] = TaskState,
        before: int | None = None,
        limit: int = 10,
    ) -> list[Task]:
        """Return a person's tasks, the newest first; `before` a task's id returns the next
        page.
        """
        wanted = sa.select(tasks).where(
            tasks.c.user_id == user_id, tasks.c.state.in_(sorted(states))
        )
        if chat is not None:
            wanted = wanted.where(tasks.c.chat_id == chat.chat_id)
        if before is not None:
            wanted = wanted.where(tasks.c.id < before)
        async with self._database.transaction() as connection:
            rows = await connection.execute(wanted.order_by(tasks.c.id.desc()).limit(limit))
            return [task_from(row) for row in rows.all()]

    async def queue_position(self, task_id: int) -> int | None:
        """Return the position in the queue, 1 is next; None when it is not queued."""
        place: int | None = await self._database.read_scalar(_QUEUE_POSITION, {"order": task_id})
        return place

    async def waiting(self, *, limit: int) -> list[tuple[Task, int]]:
        """Return the first tasks of the queue with their positions, without those being
        worked on.
        """
        queue = [task_from(row) for row in await self._database.read(_WAITING, {"most": limit})]
        return [(task, place) for place, task in enumerate(queue, 1) if task.lease_owner is None]

    async def counts(self, states: Iterable[TaskState] = TaskState) -> dict[TaskState, int]:
        """Count the tasks in each of these states, zeros included. Finished tasks are counted one
        by one: do not call this every minute for them."""
        found = dict.fromkeys(states, 0)
        async with self._database.transaction() as connection:
            # each state has an index
            for some in (in_states(ACTIVE), at_rest(RESTING & found.keys())):
                rows = await connection.execute(
                    sa.select(tasks.c.state, sa.func.count().label("number"))
                    .where(some)
                    .group_by(tasks.c.state)
                )
                found |= {row.state: row.number for row in rows.all() if row.state in found}
        return found

    async def events(self, task_id: int) -> list[TaskEvent]:
        """Return the states that a task entered, the oldest first."""
        rows = await self._database.read(_EVENTS, {"order": task_id})
        return [TaskEvent(**row._mapping) for row in rows]


async def _one(
    connection: Connection, statement: Executable, which: Mapping[str, Any]
) -> Task | None:
    row = (await connection.execute(statement, which)).one_or_none()
    return None if row is None else task_from(row)


async def cancel_whole(connection: Connection, task: Task, now: datetime) -> Task | None:
    """Cancel what still waits of the order or film of a task. Return None if all of it has begun.

    Otherwise return a cancelled task: the one with the status message if possible, else the given
    one, else another one of the order.
    """
    # Rows are locked by number, as a worker does that holds one and locks those after it.
    if task.storyboard_id is not None:
        await chain.lock(connection, task.storyboard_id)
    elif task.order is not None:
        await connection.execute(_LOCK_ORDER, {"order": task.order})
    theirs = {"person": task.user_id}
    first = await _change(connection, _CANCEL, {"order": task.id, **theirs}, now)
    order = (first or task).order
    if order is None:
        return first
    queued = await connection.scalars(_QUEUED_OF_ORDER, {"order": order})
    for waiting in queued.all():
        other = await _change(connection, _CANCEL, {"order": waiting, **theirs}, now)
        if first is None or (other is not None and other.id == order):
            first = other
    return first


async def _variant(connection: Connection, first: Task, now: datetime) -> Task:
    """Create one more independent task of the same order."""
    values = {
        **FRESH,
        "variant_of": first.id,
        "state": S.QUEUED,
        "created_at": first.created_at,
        "confirmed_by": first.confirmed_by,
        "confirmed_at": now,
        "run_at": now,
    }
    source = sa.select(
        *(tasks.c[name] for name in (*COPIED, *PLACED)),
        *(sa.literal(value, tasks.c[name].type) for name, value in values.items()),
    ).where(tasks.c.id == first.id)
    row = (
        await connection.execute(
            insert(tasks).from_select([*COPIED, *PLACED, *values], source).returning(*tasks.c)
        )
    ).one()
    variant = task_from(row)
    await add_event(connection, variant, now)
    return variant


async def _change(
    connection: Connection, statement: Executable, which: Mapping[str, Any], now: datetime
) -> Task | None:
    """Execute a person's transition: one guarded statement, its event, and the deletion of the
    frame at the end.
    """
    row = (await connection.execute(statement, {**which, "now": now})).one_or_none()
    if row is None:
        return None
    task = task_from(row)
    await add_event(connection, task, now)
    await drop_frame(connection, task)
    return task
