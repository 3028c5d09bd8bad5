"""The worker's operations on tasks: claim, renew, save. Every write of a holder is fenced.

It must not know the steps. No transaction here is held across the network. The file is long on
purpose: the order of locks in a claim and a write is read in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NotRequired, Protocol, TypedDict, Unpack

import sqlalchemy as sa
from sqlalchemy.sql.base import Executable

from bot.core.alerts import Switch
from bot.core.notices import Notice
from bot.core.task import ACTIVE, ALLOWED, ENDED, IllegalTransition, Task, TaskState
from storage.breaker import read_with_readings
from storage.connection import Connection
from storage.durations import add_duration
from storage.engine import Database
from storage.inbox import note_done
from storage.journal import note_state
from storage.money.ledger import settle
from storage.outbox import insert_notices
from storage.provider_account import note_create
from storage.rows import NOW, UNLEASED, first_due, in_order, lease, task_from, values_of
from storage.tables import frames, in_states, provider_breaker, switches, task_events, tasks
from storage.tasks.chain import follow

S = TaskState

HeldTask = tuple[int, int]
"""A task and the fence of the claim, as held by a worker."""


class Claim(TypedDict):
    """The parameters with which a worker claims tasks."""

    owner: str
    now: datetime
    lease_for: timedelta
    limit: int
    slots: int | None
    disk: NotRequired[str | None]
    # how many workers share the tasks; 1: this one may take all of them
    workers: NotRequired[int]


class ClaimOnCommit(Protocol):
    """Lets a transaction lease the task it just queued, on behalf of this process's worker."""

    def claim(self) -> Claim | None:
        """Return the current claim parameters; None if the worker takes no tasks."""

    async def take(self, tasks: Sequence[Task]) -> None:
        """Take over tasks that a commit leased with these parameters."""


HEAD_START = timedelta(seconds=30)
"""How long a video is left to the host that keeps it; after that, another host downloads it again
if its link still works.
"""

NEEDS_FRAME = frozenset({S.QUEUED, S.SUBMITTING, S.GENERATING, S.UNKNOWN})
"""States in which the provider may still fetch the first frame."""

_URGENCY = sa.case(
    (tasks.c.state == S.RENDERED, 0),  # a person waits for a video that exists
    (tasks.c.state == S.QUEUED, 2),
    else_=1,
)

# Queued tasks are claimed in the order of the queue; started tasks by how long they are due
_SINCE = sa.case((tasks.c.state == S.QUEUED, tasks.c.confirmed_at), else_=tasks.c.run_at)

# The task uses no slot at the provider, and no worker is about to submit it
_WAITING = sa.and_(tasks.c.state == S.QUEUED, tasks.c.lease_owner.is_(None))

# --- the statements ------------------------------------------------------------------------

_ADD_EVENT = sa.insert(task_events)
_DROP_FRAME = sa.delete(frames).where(frames.c.task_id == sa.bindparam("order"))

_one = tasks.c.id == sa.bindparam("order")
_fenced = tasks.c.fence == sa.bindparam("held_fence")

# SET gets the columns that change: they are the remaining parameters
_SAVE = sa.update(tasks).where(
    _one, tasks.c.state == sa.bindparam("held_state"), sa.not_(in_states(ENDED)), _fenced
)
_IS_WRITTEN = sa.select(tasks.c.id).where(
    _one, _fenced, tasks.c.state == sa.bindparam("new_state")
)
_SAVE_LATE_ID = (
    sa.update(tasks)
    .where(_one, tasks.c.provider_id.is_(None), in_states({S.SUBMITTING, S.UNKNOWN}))
    .values(
        state=S.GENERATING,
        provider_id=sa.bindparam("late_id"),
        accepted_at=NOW,
        run_at=NOW,
        attempts=0,
        claims=0,
        reason=None,
        detail=None,
        fence=tasks.c.fence + 1,
        **UNLEASED,
    )
    .returning(*tasks.c)
)
_ID = sa.select(tasks.c.provider_id).where(_one)

# One parameter for all tasks: both databases refuse more than some 32 000
_fences = sa.func.json_each(sa.bindparam("fences", type_=sa.JSON)).table_valued("key", "value")
_held = (
    sa.update(tasks)
    .where(
        in_order(
            tasks,
            tasks.c.id == sa.cast(_fences.c.key, sa.BigInteger),
            tasks.c.fence == sa.cast(sa.cast(_fences.c.value, sa.Text), sa.BigInteger),
            tasks.c.lease_owner == sa.bindparam("holder"),
            in_states(ACTIVE),  # all leased tasks are, and the index of active tasks is small
        )
    )
    .returning(tasks.c.id)
)
_EXTEND = _held.values(lease_until=sa.bindparam("until"))
_RELEASE = _held.values(
    claims=sa.case((tasks.c.claims > 0, tasks.c.claims - 1), else_=0), **UNLEASED
)


def _is_set(switch: Switch) -> sa.Exists:
    return sa.exists().where(switches.c.name == switch.value)


# How many tasks are at the provider, or are queued ones that a worker may be about to submit; and
# what decides how many more may be claimed
_ROOM = sa.select(
    sa.select(sa.func.count())
    .select_from(tasks)
    .where(in_states(ACTIVE), tasks.c.state != S.RENDERED, sa.not_(_WAITING))
    .scalar_subquery()
    .label("taken"),
    sa.exists().where(in_states({S.QUEUED}), _WAITING).label("waits"),
    _is_set(Switch.SUBMITS).label("submits_held"),
    _is_set(Switch.PHOTOS).label("photos_held"),
    sa.exists().where(provider_breaker.c.id == 1).label("breaker_open"),
)

_is_leased = sa.and_(tasks.c.lease_until.is_not(None), tasks.c.lease_until > NOW)
_SHARE = sa.select(
    sa.func.count()
    .filter(_is_leased, tasks.c.lease_owner == sa.bindparam("holder"))
    .label("mine"),
    sa.func.count().filter(_is_leased).label("leased"),
    sa.func.count().filter(sa.or_(_is_leased, tasks.c.run_at <= NOW)).label("open"),
).where(in_states(ACTIVE))

# Videos that are kept on another disk are left to that host for a while
_HERE = sa.or_(
    tasks.c.kept_by.is_(None),
    tasks.c.kept_by == sa.bindparam("disk"),
    tasks.c.run_at <= sa.bindparam("left_until"),
)


def _claim_of(*conditions: sa.ColumnElement[bool]) -> Executable:
    due = first_due(tasks, in_states(ACTIVE), *conditions, order_by=(_URGENCY, _SINCE, tasks.c.id))
    return lease(due, tasks, tasks.c.fence, tasks.c.claims).returning(*tasks.c)


# The key: whether this host has its own disk
_CLAIM_ANY = {False: _claim_of(), True: _claim_of(_HERE)}
_CLAIM_BEGUN = {
    False: _claim_of(sa.not_(_WAITING)), True: _claim_of(sa.not_(_WAITING), _HERE),
}  # fmt: skip
# By whether orders with a photo are held
_CLAIM_WAITING = {
    False: _claim_of(_WAITING), True: _claim_of(_WAITING, tasks.c.frame_file_id.is_(None)),
}  # fmt: skip


async def add_event(connection: Connection, task: Task, now: datetime) -> None:
    """Write the state's event and its ledger entries in the same commit, and continue the film
    that the task is a part of."""
    await connection.execute(_ADD_EVENT, {"task_id": task.id, "state": task.state, "at": now})
    await settle(connection, task, now)
    note_state(connection, task, now)
    for changed in await follow(connection, task, now):
        await add_event(connection, changed, now)
        await drop_frame(connection, changed)


async def drop_frame(connection: Connection, task: Task) -> None:
    """Delete the published frame in the commit after which it is not needed."""
    if task.frame is not None and task.state not in NEEDS_FRAME:
        await connection.execute(_DROP_FRAME, {"order": task.id})


class LeasedTasks:
    """The workers' part of TaskStore."""

    def __init__(self, database: Database, ended: set[int] | None = None) -> None:
        self._database = database
        self._ended = set() if ended is None else ended  # InboxStore.ended

    async def claim_due(self, **claim: Unpack[Claim]) -> list[Task]:
        """Lease up to `limit` due tasks, the most urgent first.

        Videos kept on another disk than `disk` are left to that host for a while. At most `slots`
        tasks are at the provider or about to be sent there (None means no limit). A leased QUEUED
        task keeps its slot until it is released: its holder may be slow, not dead. Of several
        `workers` none takes more than its share of what is open.
        """
        async with self._database.transaction() as connection:
            connection.make_nothing_due()
            return await self._claim_due(connection, claim)

    async def _claim_due(self, connection: Connection, terms: Claim) -> list[Task]:
        """Claim, as part of a transaction."""
        now, limit, slots, disk = (
            terms["now"], terms["limit"], terms["slots"], terms.get("disk"),
        )  # fmt: skip
        if (workers := terms.get("workers", 1)) > 1:
            limit = min(limit, await _share(connection, terms, workers))
        claim = {
            "holder": terms["owner"],
            "until": now + terms["lease_for"],
            "now": now,
            "disk": disk,
            "left_until": now - HEAD_START,
        }
        has_disk = disk is not None
        if slots is None:
            claimed = await _claim(connection, _CLAIM_ANY[has_disk], claim, limit)
        else:
            await connection.lock("places")
            claimed = await _claim(connection, _CLAIM_BEGUN[has_disk], claim, limit)
            room, photos_held = await _room(connection, slots, now)
            room = min(room, limit - len(claimed))
            claimed += await _claim(connection, _CLAIM_WAITING[photos_held], claim, room)
        return sorted(claimed, key=_urgency)

    async def save(
        self,
        lease: Task,
        after: Task,
        *,
        now: datetime,
        notices: Sequence[Notice] = (),
        keep_lease: bool = True,
        took: tuple[float, float] | None = None,
        call_ended: bool = False,
    ) -> bool:
        """Write the changes from `lease` to `after`, with the event and notices, and the duration
        of the video if it is now known (`took`, an interval in seconds). `call_ended`: the holder
        itself saw its create end.

        Return True also if it was written before and the answer was lost with the connection.
        Return False, without a write, if another worker has the task or it was cancelled. The
        lease ends with `keep_lease=False` and wherever a worker has nothing left to do.
        """
        async with self._database.transaction() as connection:
            if not await _save(
                connection, lease, after, now, keep_lease=keep_lease, call_ended=call_ended
            ):
                return await _is_written(connection, lease, after)
            await insert_notices(connection, notices, now)
            if took is not None:
                await add_duration(connection, after.model, *took, now)
            ended = tuple(self._ended)
            await note_done(connection, ended, now)
        self._ended.difference_update(ended)
        return True

    async def save_together(
        self,
        changes: Sequence[tuple[Task, Task]],
        *,
        now: datetime,
        tell: Callable[[Sequence[Task]], Notice],
    ) -> set[int]:
        """Save several leases in one commit, with a notice about those that were written; return
        their ids. Tasks that another worker has are left out; if none is left, there is no notice.
        """
        async with self._database.transaction() as connection:
            saved = {
                lease.id
                for lease, after in sorted(changes, key=lambda change: change[0].id)
                if await _save(connection, lease, after, now, keep_lease=True)
            }
            if written := [after for _, after in changes if after.id in saved]:
                await insert_notices(connection, [tell(written)], now)
            return {
                after.id for lease, after in changes if await _is_written(connection, lease, after)
            }

    async def record_late_id(self, task_id: int, provider_id: str, *, now: datetime) -> bool:
        """Save a provider's id even if another worker holds the task, because the order is paid
        for.

        True also when it was saved before. The current holder loses the task.
        """
        async with self._database.transaction() as connection:
            late = {"order": task_id, "late_id": provider_id, "now": now}
            row = (await connection.execute(_SAVE_LATE_ID, late)).one_or_none()
            if row is not None:
                await add_event(connection, task_from(row), now)
                return True
            known: str | None = await connection.scalar(_ID, {"order": task_id})
            return known == provider_id

    async def extend(
        self, owner: str, held: Iterable[HeldTask], *, now: datetime, until: datetime
    ) -> set[int]:
        """Renew the leases of these tasks until `until`; return which are still held.

        An expired lease is renewed too, unless another worker took the task.
        """
        return await self._write_held(_EXTEND, held, {"holder": owner, "until": until})

    async def release(self, owner: str, held: Iterable[HeldTask]) -> None:
        """Release leases at a clean stop: other workers may take them, and no claim is counted."""
        await self._write_held(_RELEASE, held, {"holder": owner})

    async def _write_held(
        self, change: Executable, held: Iterable[HeldTask], terms: dict[str, Any]
    ) -> set[int]:
        """Change, in one statement, the rows still held with these fences; return their ids."""
        async with self._database.transaction() as connection:
            if change is _EXTEND:
                connection.make_nothing_due()
            rows = await connection.scalars(change, {**terms, "fences": dict(sorted(held))})
            return set(rows.all())


async def _save(
    connection: Connection,
    lease: Task,
    after: Task,
    now: datetime,
    *,
    keep_lease: bool,
    call_ended: bool = False,
) -> bool:
    if after.state is not lease.state and after.state not in ALLOWED[lease.state]:
        raise IllegalTransition(f"task {lease.id}: {lease.state} -> {after.state}")
    before = values_of(lease)
    changes = {name: value for name, value in values_of(after).items() if value != before[name]}
    changes["state"] = after.state
    if after.state in ENDED:
        changes["ended_at"] = after.ended_at or now
    if after.state not in ACTIVE or not keep_lease:
        changes |= UNLEASED
    held = {"order": lease.id, "held_state": lease.state, "held_fence": lease.fence}
    written = await connection.execute(_SAVE, {**held, **changes})
    if written.rowcount != 1:
        return False
    if after.state is not lease.state:
        await add_event(connection, after, now)
        await drop_frame(connection, after)
        await note_create(connection, lease, after, now, call_ended=call_ended)
    return True


async def _claim(
    connection: Connection, statement: Executable, claim: dict[str, Any], limit: int
) -> list[Task]:
    if limit <= 0:
        return []
    rows = await connection.execute(statement, {**claim, "most": limit})
    return [task_from(row) for row in rows.all()]


async def _is_written(connection: Connection, lease: Task, after: Task) -> bool:
    """Return whether the same change of state was already written under this fence."""
    if after.state is lease.state:
        return False
    same = {"order": lease.id, "held_fence": lease.fence, "new_state": after.state}
    return await connection.scalar(_IS_WRITTEN, same) is not None


async def _room(connection: Connection, slots: int, now: datetime) -> tuple[int, bool]:
    """Return how many queued tasks may be claimed, and whether those with a photo are held.

    None while an admin holds the queue; one, the trial order, after an outage of the provider.
    """
    found = (await connection.execute(_ROOM)).one()
    room: int = slots - found.taken
    if room <= 0 or not found.waits or found.submits_held:
        return 0, found.photos_held
    if found.breaker_open:
        breaker, readings_due = await read_with_readings(connection)
        if breaker is not None and (readings_due or not breaker.has_room(now)):
            return 0, found.photos_held
        return 1, found.photos_held
    return room, found.photos_held


async def _share(connection: Connection, terms: Claim, workers: int) -> int:
    """Return how many more tasks this worker may take: its part of those that are leased or due,
    less what it holds. Of queued ones only as many count as there are slots."""
    mine = {"holder": terms["owner"], "now": terms["now"]}
    found = (await connection.execute(_SHARE, mine)).one()
    whole: int = found.open if terms["slots"] is None else min(found.open, terms["slots"])
    share = -(-max(whole, int(found.leased)) // workers)
    return max(0, share - int(found.mine))


def _urgency(task: Task) -> tuple[int, datetime, int]:
    """Return the sort key of _URGENCY and _SINCE, because RETURNING guarantees no order."""
    if task.state is S.QUEUED:
        assert task.confirmed_at is not None
        return (2, task.confirmed_at, task.id)
    return (0 if task.state is S.RENDERED else 1, task.run_at, task.id)
