"""The worker's operations on tasks: claim, renew, save. Every write of a holder is fenced.

It must not know the steps. No transaction here is held across the network. The file is long on
purpose: the order of locks in a claim and a write is read in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NotRequired, Protocol, TypedDict, Unpack

import sqlalchemy as sa

from bot.core.alerts import Switch
from bot.core.notices import Notice
from bot.core.task import ACTIVE, ALLOWED, ENDED, IllegalTransition, Task, TaskState
from storage.breaker import read_breaker
from storage.durations import add_duration
from storage.engine import Connection, Database
from storage.inbox import note_done
from storage.journal import note_state
from storage.money.ledger import settle
from storage.outbox import insert_notices
from storage.provider_account import has_readings_due, note_create
from storage.rows import UNLEASED, free, next_due, task_from, values_of
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


async def add_event(connection: Connection, task: Task, now: datetime) -> None:
    """Write the state's event and its ledger entries in the same commit, and go on with the film
    that the task is a part of."""
    await connection.execute(
        sa.insert(task_events).values(task_id=task.id, state=task.state, at=now)
    )
    await settle(connection, task, now)
    note_state(connection, task, now)
    for changed in await follow(connection, task, now):
        await add_event(connection, changed, now)
        await drop_frame(connection, changed)


async def drop_frame(connection: Connection, task: Task) -> None:
    """Delete the published frame in the commit after which it is not needed."""
    if task.frame is not None and task.state not in NEEDS_FRAME:
        await connection.execute(sa.delete(frames).where(frames.c.task_id == task.id))


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
            return await self._claim_due(connection, claim)

    async def _claim_due(self, connection: Connection, terms: Claim) -> list[Task]:
        """Claim, as part of a transaction."""
        now, limit, slots, disk = (
            terms["now"], terms["limit"], terms["slots"], terms.get("disk"),
        )  # fmt: skip
        if (workers := terms.get("workers", 1)) > 1:
            limit = min(limit, await _share(connection, terms, workers))
        claim = {
            "lease_owner": terms["owner"],
            "lease_until": now + terms["lease_for"],
            "fence": tasks.c.fence + 1,
            "claims": tasks.c.claims + 1,
        }
        here = sa.or_(
            tasks.c.kept_by.is_(None), tasks.c.kept_by == disk, tasks.c.run_at <= now - HEAD_START
        )
        begun = [] if disk is None else [here]
        if slots is None:
            claimed = await _claim(connection, now, claim, limit, *begun)
        else:
            await self._database.lock(connection, "places")
            claimed = await _claim(connection, now, claim, limit, sa.not_(_WAITING), *begun)
            room, which = slots - await _slots_taken(connection), [_WAITING]
            if room > 0:
                room, held = await _room(connection, room, now)
                which += held
            claimed += await _claim(
                connection, now, claim, min(room, limit - len(claimed)), *which
            )
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
            written = [
                after
                for lease, after in changes
                if await _save(connection, lease, after, now, keep_lease=True)
            ]
            if written:
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
            row = (
                await connection.execute(
                    sa.update(tasks)
                    .where(
                        tasks.c.id == task_id,
                        tasks.c.provider_id.is_(None),
                        in_states({S.SUBMITTING, S.UNKNOWN}),
                    )
                    .values(
                        state=S.GENERATING,
                        provider_id=provider_id,
                        accepted_at=now,
                        run_at=now,
                        attempts=0,
                        claims=0,
                        reason=None,
                        detail=None,
                        fence=tasks.c.fence + 1,
                        **UNLEASED,
                    )
                    .returning(*tasks.c)
                )
            ).one_or_none()
            if row is not None:
                await add_event(connection, task_from(row), now)
                return True
            known: str | None = await connection.scalar(
                sa.select(tasks.c.provider_id).where(tasks.c.id == task_id)
            )
            return known == provider_id

    async def extend(
        self, owner: str, held: Iterable[HeldTask], *, now: datetime, until: datetime
    ) -> set[int]:
        """Renew the leases of these tasks until `until`; return which are still held.

        An expired lease is renewed too, unless another worker took the task.
        """
        return await self._write_held(owner, held, {"lease_until": until})

    async def release(self, owner: str, held: Iterable[HeldTask]) -> None:
        """Release leases at a clean stop: other workers may take them, and no claim is counted."""
        claims = sa.case((tasks.c.claims > 0, tasks.c.claims - 1), else_=0)
        await self._write_held(owner, held, {"claims": claims, **UNLEASED})

    async def _write_held(
        self, owner: str, held: Iterable[HeldTask], values: dict[str, object]
    ) -> set[int]:
        """Write in one statement what is still held with these fences; return which."""
        # one parameter, however many: both databases refuse more than some 32 000
        fences = sa.bindparam(None, dict(held), type_=sa.JSON)
        each = sa.func.json_each(fences).table_valued("key", "value")
        pairs = sa.select(
            sa.cast(each.c.key, sa.BigInteger),
            sa.cast(sa.cast(each.c.value, sa.Text), sa.BigInteger),
        )
        async with self._database.transaction() as connection:
            rows = await connection.scalars(
                sa.update(tasks)
                .where(
                    tasks.c.lease_owner == owner,
                    sa.tuple_(tasks.c.id, tasks.c.fence).in_(pairs),
                )
                .values(values)
                .returning(tasks.c.id)
            )
            return set(rows.all())

    async def next_due(self, now: datetime) -> datetime | None:
        """Return when, after `now`, the first task becomes claimable; None if none waits."""
        async with self._database.transaction() as connection:
            return await next_due(connection, tasks, now, in_states(ACTIVE))


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
    written = await connection.execute(
        sa.update(tasks)
        .where(
            tasks.c.id == lease.id,
            tasks.c.state == lease.state,
            sa.not_(in_states(ENDED)),
            tasks.c.fence == lease.fence,
        )
        .values(changes)
    )
    if written.rowcount != 1:
        return False
    if after.state is not lease.state:
        await add_event(connection, after, now)
        await drop_frame(connection, after)
        await note_create(connection, lease, after, now, call_ended=call_ended)
    return True


async def _claim(
    connection: Connection,
    now: datetime,
    claim: Mapping[str, object],
    limit: int,
    *conditions: sa.ColumnElement[bool],
) -> list[Task]:
    if limit <= 0:
        return []
    due = (
        sa.select(tasks.c.id)
        .where(in_states(ACTIVE), *conditions, tasks.c.run_at <= now, free(tasks, now))
        .order_by(_URGENCY, _SINCE, tasks.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    rows = await connection.execute(
        sa.update(tasks)
        .where(tasks.c.id.in_(sa.select(due.c.id)))
        .values(claim)
        .returning(*tasks.c)
    )
    return [task_from(row) for row in rows.all()]


async def _is_written(connection: Connection, lease: Task, after: Task) -> bool:
    """Return whether the same change of state was already written under this fence."""
    found = await connection.scalar(
        sa.select(tasks.c.id).where(
            tasks.c.id == lease.id,
            tasks.c.fence == lease.fence,
            tasks.c.state == after.state,
            sa.literal(after.state is not lease.state),
        )
    )
    return found is not None


async def _room(
    connection: Connection, room: int, now: datetime
) -> tuple[int, list[sa.ColumnElement[bool]]]:
    """Return how many queued tasks may be claimed and of which kind: none while an admin holds the
    queue, none with a photo while photos are held, and while the provider is away none but the one
    that goes first."""
    breaker = sa.select(sa.literal("breaker")).where(provider_breaker.c.id == 1)
    submits = sa.select(switches.c.name).where(
        switches.c.name.in_([Switch.SUBMITS.value, Switch.PHOTOS.value])
    )
    stopped = set((await connection.scalars(submits.union_all(breaker))).all())
    which: list[sa.ColumnElement[bool]] = []
    if Switch.PHOTOS.value in stopped:
        which.append(tasks.c.frame_file_id.is_(None))
    if Switch.SUBMITS.value in stopped:
        return 0, which
    if "breaker" in stopped:
        known = await read_breaker(connection)
        if known is None or not known.has_room(now):
            return (1 if known is None else 0), which
        return (0 if await has_readings_due(connection) else 1), which
    return room, which


async def _share(connection: Connection, terms: Claim, workers: int) -> int:
    """Return how many more tasks this worker may take: its part of those that are leased or due,
    less what it holds. Of queued ones only as many count as there are slots."""
    now, count = terms["now"], sa.func.count()
    leased = sa.and_(tasks.c.lease_until.is_not(None), tasks.c.lease_until > now)
    found = (
        await connection.execute(
            sa.select(
                count.filter(leased, tasks.c.lease_owner == terms["owner"]).label("mine"),
                count.filter(leased).label("leased"),
                count.filter(sa.or_(leased, tasks.c.run_at <= now)).label("open"),
            ).where(in_states(ACTIVE))
        )
    ).one()
    whole: int = found.open if terms["slots"] is None else min(found.open, terms["slots"])
    share = -(-max(whole, int(found.leased)) // workers)
    return max(0, share - int(found.mine))


async def _slots_taken(connection: Connection) -> int:
    """Return the condition for tasks at the provider, and for queued ones that a worker may be
    about to submit.
    """
    taken: int = await connection.scalar(
        sa.select(sa.func.count())
        .select_from(tasks)
        .where(in_states(ACTIVE), tasks.c.state != S.RENDERED, sa.not_(_WAITING))
    )
    return taken


def _urgency(task: Task) -> tuple[int, datetime, int]:
    """Return the sort key of _URGENCY and _SINCE, because RETURNING guarantees no order."""
    if task.state is S.QUEUED:
        assert task.confirmed_at is not None
        return (2, task.confirmed_at, task.id)
    return (0 if task.state is S.RENDERED else 1, task.run_at, task.id)
