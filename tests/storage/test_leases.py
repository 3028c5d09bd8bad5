"""What a worker does with tasks: claims, fences, heartbeats, saves, places, late ids."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from bot.core.notices import Notice, NoticeKind
from bot.core.task import ACTIVE, ENDED, IllegalTransition, Reason, Task, TaskState
from storage import Storage
from storage.due import VALID
from storage.tables import tasks
from storage.tasks.leases import HEAD_START, NEEDS_FRAME
from tests.storage.test_plans import listening
from tests.support.factories import (
    ANN,
    MINUTE,
    NOON,
    PHOTO,
    SECOND,
    draft,
    leased,
    queued,
    task_in,
)

S = TaskState


async def claim(
    storage: Storage,
    *,
    owner: str = "one",
    now: datetime = NOON,
    limit: int = 100,
    slots: int | None = None,
) -> list[Task]:
    return await storage.tasks.claim_due(
        owner=owner, now=now, lease_for=MINUTE, limit=limit, slots=slots
    )


async def now_as(storage: Storage, task: Task) -> Task:
    found = await storage.tasks.get(task.id)
    assert found is not None
    return found


async def test_a_claim_is_committed_before_it_is_returned(
    storage: Storage, other: Storage
) -> None:
    task = await queued(storage)
    [lease] = await claim(storage)
    assert lease == await now_as(other, task)
    assert lease == replace(task, lease_owner="one", lease_until=NOON + MINUTE, fence=1, claims=1)
    assert await claim(other, owner="two", now=NOON + MINUTE - SECOND) == []
    [taken_over] = await claim(other, owner="two", now=NOON + MINUTE)
    assert (taken_over.lease_owner, taken_over.fence, taken_over.claims) == ("two", 2, 2)


async def test_of_two_workers_each_takes_its_share(storage: Storage, other: Storage) -> None:
    for number in range(9):
        await queued(storage, prompt=f"{number}")
    terms = {"now": NOON, "lease_for": MINUTE, "limit": 100, "slots": None, "workers": 2}

    async def take(place: Storage, owner: str, **changes: object) -> int:
        return len(await place.tasks.claim_due(**(terms | {"owner": owner} | changes)))  # type: ignore[arg-type]

    assert [await take(storage, "one") for _ in range(3)] == [5, 0, 0]
    assert [await take(other, "two") for _ in range(2)] == [4, 0]
    # alone again, it takes the rest too, once the leases of the other one are over
    assert await take(storage, "one", workers=1, now=NOON + MINUTE - SECOND) == 0
    assert await take(storage, "one", workers=1, now=NOON + MINUTE) == 9


async def test_the_share_of_the_queue_is_a_share_of_the_slots(
    storage: Storage, other: Storage
) -> None:
    for number in range(9):
        await queued(storage, prompt=f"{number}")
    claims = [
        await place.tasks.claim_due(
            owner=owner, now=NOON, lease_for=MINUTE, limit=100, slots=4, workers=2
        )
        for place, owner in ((storage, "one"), (storage, "one"), (other, "two"))
    ]
    assert [len(claim) for claim in claims] == [2, 0, 2]


@pytest.mark.parametrize("state", sorted(S))
async def test_only_states_with_work_to_do_are_claimed(storage: Storage, state: TaskState) -> None:
    task = await task_in(storage, state)
    later = NOON + 2 * MINUTE
    claimed = [lease.id for lease in await claim(storage, now=later)]
    assert claimed == ([task.id] if state in ACTIVE else [])


async def test_a_task_is_claimed_only_when_it_is_due(storage: Storage) -> None:
    await draft(storage)
    assert await storage.due.next("tasks", NOON) == NOON + VALID
    await queued(storage)
    assert await storage.due.next("tasks", NOON - SECOND) == NOON
    lease = await leased(storage)
    assert await storage.due.next("tasks", NOON + MINUTE - SECOND) == NOON + MINUTE
    later = lease.again(run_at=NOON + 2 * MINUTE)
    assert await storage.tasks.save(lease, later, now=NOON, keep_lease=False)
    assert await storage.due.next("tasks", NOON + 2 * MINUTE - SECOND) == NOON + 2 * MINUTE
    assert await claim(storage, now=NOON + 2 * MINUTE - SECOND) == []
    [again] = await claim(storage, now=NOON + 2 * MINUTE)
    assert again.attempts == 1


async def test_the_most_urgent_come_first(storage: Storage) -> None:
    late = await queued(storage, now=NOON - SECOND)
    early = await queued(storage, now=NOON - MINUTE)
    rendered = await task_in(storage, S.RENDERED)
    generating = await task_in(storage, S.GENERATING)
    later = NOON + 2 * MINUTE
    order = [rendered.id, generating.id, early.id, late.id]
    first = [lease.id for lease in await claim(storage, now=later, limit=3)]
    rest = [lease.id for lease in await claim(storage, now=later, limit=3)]
    assert first + rest == order


async def test_a_step_is_saved_with_its_event_and_its_notices(
    storage: Storage, other: Storage
) -> None:
    task = await queued(storage)
    lease = await leased(storage)
    failed = lease.to(S.FAILED, run_at=NOON, reason=Reason.UNSAFE_PROMPT, detail="code 1002")
    notice = Notice(
        kind=NoticeKind.FAILED, chat=task.chat, lang="ru", task_id=task.id,
        reply_to=task.message_id, params={"reason": "unsafe_prompt"},
    )  # fmt: skip
    at = NOON + SECOND
    assert await storage.tasks.save(lease, failed, now=at, notices=[notice])
    found = await now_as(other, task)
    assert found == replace(failed, ended_at=at, lease_owner=None, lease_until=None)
    assert (await other.tasks.events(task.id))[-1].at == at
    [waiting] = await other.outbox.claim(owner="m", now=at, lease_for=MINUTE, limit=9)
    assert waiting.notice == notice


async def test_a_lost_lease_writes_nothing(storage: Storage, other: Storage) -> None:
    task = await queued(storage)
    [stale] = await claim(storage, owner="one")
    [fresh] = await claim(other, owner="two", now=NOON + MINUTE)
    notice = Notice(kind=NoticeKind.FAILED, chat=task.chat, lang="ru", task_id=task.id)
    for after in (
        stale.to(S.SUBMITTING, run_at=NOON),
        stale.to(S.FAILED, run_at=NOON),
        stale.again(run_at=NOON),
    ):
        assert not await storage.tasks.save(stale, after, now=NOON, notices=[notice])
    assert await now_as(other, task) == fresh
    assert await other.outbox.count() == 0
    assert [event.state for event in await other.tasks.events(task.id)] == [S.DRAFT, S.QUEUED]
    assert await other.tasks.save(fresh, fresh.to(S.SUBMITTING, run_at=NOON), now=NOON)


async def test_a_repeated_save_after_a_lost_answer_is_recognised(storage: Storage) -> None:
    await queued(storage)
    lease = await leased(storage)
    after = lease.to(TaskState.SUBMITTING, run_at=NOON)
    assert await storage.tasks.save(lease, after, now=NOON)
    assert await storage.tasks.save(lease, after, now=NOON)
    events = await storage.tasks.events(lease.id)
    assert [event.state for event in events].count(TaskState.SUBMITTING) == 1
    [other] = await claim(storage, now=NOON + 2 * MINUTE)
    assert other.fence > lease.fence
    assert not await storage.tasks.save(lease, after, now=NOON)


@pytest.mark.parametrize("slots", [9, None])
async def test_a_kept_video_is_left_to_its_disk_for_a_while(
    storage: Storage, slots: int | None
) -> None:
    task = await task_in(storage, TaskState.UNDELIVERABLE)
    assert await storage.tasks.redeliver(task.id, user_id=task.user_id, now=NOON)

    async def claimed(disk: str | None, now: datetime) -> int:
        found = await storage.tasks.claim_due(
            owner="w", now=now, lease_for=MINUTE, limit=9, slots=slots, disk=disk
        )
        await storage.tasks.release("w", [(one.id, one.fence) for one in found])
        return len(found)

    assert await claimed("here", NOON) == 1  # nobody keeps it
    async with storage.database.transaction() as connection:
        await connection.execute(sa.update(tasks).values(kept_by="there"))
    assert await claimed("here", NOON + HEAD_START - SECOND) == 0
    assert await claimed("there", NOON + HEAD_START - SECOND) == 1
    assert await claimed(None, NOON + HEAD_START - SECOND) == 1  # a process that is alone
    assert await claimed("here", NOON + HEAD_START) == 1


async def test_an_expired_lease_still_writes_while_nobody_took_the_task(
    storage: Storage,
) -> None:
    await queued(storage)
    lease = await leased(storage)
    late = NOON + 10 * MINUTE
    assert await storage.tasks.save(lease, lease.to(S.SUBMITTING, run_at=late), now=late)


async def test_a_holder_saves_step_after_step_under_one_lease(storage: Storage) -> None:
    task = await queued(storage)
    lease = await leased(storage)
    step = lease.to(S.SUBMITTING, run_at=NOON, submitted_at=NOON)
    assert await storage.tasks.save(lease, step, now=NOON)
    next_step = step.to(S.GENERATING, run_at=NOON + SECOND, provider_id="p")
    assert not await storage.tasks.save(lease, lease.to(S.FAILED, run_at=NOON), now=NOON)
    assert await storage.tasks.save(step, next_step, now=NOON)
    found = await now_as(storage, task)
    assert found == next_step
    assert found.lease_owner == "one"


@pytest.mark.parametrize("state", sorted(ENDED))
async def test_an_ended_task_never_changes(storage: Storage, state: TaskState) -> None:
    ended = await task_in(storage, state)
    assert ended.ended_at is not None
    holder = replace(ended, state=S.QUEUED)
    assert not await storage.tasks.save(holder, holder.to(S.SUBMITTING, run_at=NOON), now=NOON)
    with pytest.raises(IllegalTransition):
        await storage.tasks.save(ended, replace(ended, state=S.QUEUED), now=NOON)
    assert not await storage.tasks.record_late_id(ended.id, "late", now=NOON)
    assert await claim(storage, now=NOON + 9 * MINUTE) == []
    assert await now_as(storage, ended) == ended


async def test_an_ended_task_accepts_no_prompt(storage: Storage) -> None:
    ended = await task_in(storage, S.DELIVERED)
    assert not await storage.tasks.save(ended, replace(ended, detail="late"), now=NOON)
    assert await now_as(storage, ended) == ended


async def test_a_save_does_not_overwrite_other_columns(storage: Storage) -> None:
    task = await queued(storage)
    lease = await leased(storage)
    await storage.tasks.set_card(task.id, card_message_id=5, is_media=True)
    assert await storage.tasks.save(lease, lease.again(run_at=NOON), now=NOON)
    found = await now_as(storage, task)
    assert (found.card_message_id, found.card_is_media, found.attempts) == (5, True, 1)


async def test_a_lease_ends_when_the_holder_releases_it(storage: Storage) -> None:
    await queued(storage)
    lease = await leased(storage)
    assert await storage.tasks.save(lease, lease.again(run_at=NOON), now=NOON, keep_lease=False)
    [again] = await claim(storage, owner="two")
    assert again.fence == lease.fence + 1


async def test_a_heartbeat_renews_only_held_leases(storage: Storage, other: Storage) -> None:
    tasks = [await queued(storage) for _ in range(4)]
    leases = await claim(storage)
    await storage.tasks.cancel(tasks[0].id, user_id=ANN, now=NOON)
    stale = (leases[1].id, leases[1].fence - 1)
    held = [(leases[0].id, leases[0].fence), stale, *((t.id, t.fence) for t in leases[2:])]
    until = NOON + 5 * MINUTE
    kept = await storage.tasks.extend("one", held, now=NOON, until=until)
    assert kept == {tasks[2].id, tasks[3].id}
    assert await other.tasks.extend("two", held, now=NOON, until=until) == set()
    taken = await claim(other, owner="two", now=NOON + MINUTE)
    assert [task.id for task in taken] == [tasks[1].id]


async def test_a_heartbeat_carries_thousands_of_leases(storage: Storage) -> None:
    await queued(storage)
    lease = await leased(storage)
    held = [(lease.id, lease.fence), *((100_000 + n, 1) for n in range(20_000))]
    until = NOON + 5 * MINUTE
    assert await storage.tasks.extend("one", held, now=NOON, until=until) == {lease.id}
    assert (await now_as(storage, lease)).lease_until == until
    assert await storage.tasks.extend("one", [], now=NOON, until=until) == set()


async def test_a_clean_stop_releases_the_tasks_and_counts_no_claim(storage: Storage) -> None:
    await queued(storage)
    lease = await leased(storage)
    await storage.tasks.release("two", [(lease.id, lease.fence)])
    assert await now_as(storage, lease) == lease
    await storage.tasks.release("one", [(lease.id, lease.fence)])
    [again] = await claim(storage, owner="two")
    assert (again.claims, again.fence) == (1, lease.fence + 1)


async def test_ten_thousand_leases_are_given_back_in_one_statement(
    storage: Storage, other: Storage
) -> None:
    await queued(storage)
    lease = await leased(storage)
    count = sa.select(sa.literal(1).label("n")).cte("numbers", recursive=True)
    numbers = count.union_all(sa.select(count.c.n + 1).where(count.c.n < 9_999))
    copied = [column for column in tasks.c if column.name != "id"]
    values = [
        numbers.c.n + 1_000_000 if column.name == "source_message_id" else column
        for column in copied
    ]
    async with storage.database.transaction() as connection:
        copies = sa.select(*values).select_from(tasks.join(numbers, sa.true()))
        await connection.execute(
            sa.insert(tasks).from_select([column.name for column in copied], copies)
        )
        held = (await connection.execute(sa.select(tasks.c.id, tasks.c.fence))).all()
        # other workers have these two by now
        theirs = [row.id for row in held[-2:]]
        gone = sa.case((tasks.c.id == theirs[0], "two"), else_=tasks.c.lease_owner)
        await connection.execute(
            sa.update(tasks)
            .where(tasks.c.id.in_(theirs))
            .values(lease_owner=gone, fence=tasks.c.fence + 1)
        )
    with listening() as said:
        await storage.tasks.release("one", [(row.id, row.fence) for row in held])
    assert [text for text, _ in said if "UPDATE tasks" in text] == [said[0][0]]
    async with other.database.transaction() as connection:
        still = await connection.scalars(
            sa.select(tasks.c.id).where(tasks.c.lease_until.is_not(None))
        )
        assert len(held) == 10_000
        assert set(still.all()) == set(theirs)
    assert (await now_as(storage, lease)).claims == 0


@pytest.mark.parametrize("state", [S.SUBMITTING, S.UNKNOWN])
async def test_a_late_id_is_recorded_whoever_holds_the_task(
    storage: Storage, other: Storage, state: TaskState
) -> None:
    task = await task_in(storage, state)
    holders = await claim(other, owner="two", now=NOON + 2 * MINUTE)
    at = NOON + 3 * MINUTE
    assert await storage.tasks.record_late_id(task.id, "paid", now=at)
    found = await now_as(other, task)
    assert (found.state, found.provider_id, found.accepted_at, found.run_at) == (
        S.GENERATING, "paid", at, at,
    )  # fmt: skip
    assert (found.lease_owner, found.reason) == (None, None)
    assert (await other.tasks.events(task.id))[-1].state is S.GENERATING
    for holder in holders:
        assert not await other.tasks.save(holder, holder.to(S.UNKNOWN, run_at=at), now=at)
    assert await storage.tasks.record_late_id(task.id, "paid", now=at)
    assert not await storage.tasks.record_late_id(task.id, "another", now=at)
    assert await now_as(other, task) == found


@pytest.mark.parametrize("state", sorted(set(S) - {S.SUBMITTING, S.UNKNOWN}))
async def test_no_other_state_accepts_a_late_id(storage: Storage, state: TaskState) -> None:
    task = await task_in(storage, state)
    assert not await storage.tasks.record_late_id(task.id, "late", now=NOON)
    assert await now_as(storage, task) == task


@pytest.mark.parametrize("state", sorted(set(S) - {S.DRAFT}))
async def test_the_frame_is_deleted_in_the_commit_that_ends_its_need(
    storage: Storage, other: Storage, state: TaskState
) -> None:
    task = await queued(storage, frame=PHOTO)
    assert await storage.frames.publish(
        task, token="secret", jpeg=b"jpeg", expires_at=NOON + MINUTE
    )
    if state is S.CANCELLED:
        await storage.tasks.cancel(task.id, user_id=ANN, now=NOON)
    elif state is not S.QUEUED:
        lease = await leased(storage)
        for step in (S.SUBMITTING, S.GENERATING, S.RENDERED, state):
            if state in {S.UNKNOWN, S.FAILED} and step in {S.GENERATING, S.RENDERED}:
                continue
            after = lease.to(step, run_at=NOON)
            assert await storage.tasks.save(lease, after, now=NOON)
            if step is state:
                break
            lease = after
    assert (await now_as(storage, task)).state is state
    kept = await other.frames.get("secret", NOON)
    assert kept == (b"jpeg" if state in NEEDS_FRAME else None)


async def test_an_unknown_order_keeps_its_frame_until_the_link_expires(
    storage: Storage,
) -> None:
    await queued(storage)
    lease = await leased(storage)
    until = NOON + MINUTE
    assert await storage.frames.publish(lease, token="out", jpeg=b"jpeg", expires_at=until)
    sent = lease.to(S.SUBMITTING, run_at=NOON)
    assert await storage.tasks.save(lease, sent, now=NOON)
    assert await storage.tasks.save(sent, sent.to(S.UNKNOWN, run_at=NOON), now=NOON)
    assert await storage.frames.get("out", NOON) == b"jpeg"
    assert await storage.frames.forget_expired(until) == 1


async def test_the_queue_waits_for_a_slot_at_the_provider(storage: Storage) -> None:
    waiting = [await queued(storage, now=NOON + n * SECOND) for n in range(4)]
    at = NOON + 10 * SECOND
    first = await claim(storage, now=at, slots=2)
    assert [task.id for task in first] == [waiting[0].id, waiting[1].id]
    assert await claim(storage, now=at, slots=2) == []
    sent = first[0].to(S.SUBMITTING, run_at=at)
    assert await storage.tasks.save(first[0], sent, now=at)
    assert await claim(storage, now=at, slots=2) == []
    gone = sent.to(S.FAILED, run_at=at)
    assert await storage.tasks.save(sent, gone, now=at)
    assert [task.id for task in await claim(storage, now=at, slots=2)] == [waiting[2].id]
    assert await claim(storage, now=at, slots=0) == []
    assert [task.id for task in await claim(storage, now=at)] == [waiting[3].id]


async def test_a_slow_holder_keeps_its_slot(storage: Storage, other: Storage) -> None:
    """Else it would wake up and send one more than the provider takes."""
    held = await queued(storage, now=NOON)
    [zombie] = await claim(storage, slots=1)
    late = NOON + 2 * MINUTE
    sooner = await queued(other, now=NOON - SECOND)
    [taken_over] = await claim(other, owner="two", now=late, slots=1)
    assert taken_over.id == held.id
    assert not await storage.tasks.save(zombie, zombie.to(S.SUBMITTING, run_at=late), now=late)
    await other.tasks.release("two", [(taken_over.id, taken_over.fence)])
    assert [task.id for task in await claim(other, now=late, slots=1)] == [sooner.id]


async def test_polling_and_sending_never_wait_for_a_slot(storage: Storage) -> None:
    generating = await task_in(storage, S.GENERATING)
    rendered = await task_in(storage, S.RENDERED)
    later = NOON + 2 * MINUTE
    claimed = await claim(storage, now=later, slots=1)
    assert [task.id for task in claimed] == [rendered.id, generating.id]


async def test_a_time_is_stored_to_the_microsecond(storage: Storage, other: Storage) -> None:
    exact = NOON + timedelta(microseconds=1)
    task = await queued(storage, now=exact)
    assert (await now_as(other, task)).run_at == exact
    assert await claim(storage, now=NOON) == []
    assert len(await claim(storage, now=exact)) == 1


async def test_a_finished_video_uses_no_slot(storage: Storage) -> None:
    await task_in(storage, S.RENDERED)
    waiting = await queued(storage, now=NOON + 2 * MINUTE)
    claimed = await claim(storage, now=NOON + 2 * MINUTE, slots=1)
    assert waiting.id in [task.id for task in claimed]


@pytest.mark.parametrize("claims", [0, 1, 2])
async def test_a_stop_uncounts_one_claim_and_never_goes_below_zero(
    storage: Storage, claims: int
) -> None:
    task = await queued(storage)
    for number in range(claims or 1):
        lease = await leased(storage, now=NOON + 2 * number * MINUTE)
    if not claims:  # a step was completed meanwhile
        after = lease.to(S.SUBMITTING, run_at=NOON)
        assert await storage.tasks.save(lease, after, now=NOON)
    await storage.tasks.release("one", [(lease.id, lease.fence)])
    assert (await now_as(storage, task)).claims == max(claims - 1, 0)


async def test_only_active_tasks_become_due(storage: Storage) -> None:
    await draft(storage, now=NOON + SECOND)
    assert await storage.due.next("tasks", NOON) == NOON + VALID
    await queued(storage, now=NOON + 2 * SECOND)
    assert await storage.due.next("tasks", NOON) == NOON + 2 * SECOND


async def test_a_claim_never_exceeds_its_limit_over_both_kinds(
    storage: Storage,
) -> None:
    await task_in(storage, S.RENDERED)
    later = NOON + 2 * MINUTE
    for _ in range(3):
        await queued(storage, now=later)
    assert len(await claim(storage, now=later, limit=2, slots=9)) == 2


async def test_a_late_id_resets_the_task_and_its_holder_loses_it(
    storage: Storage,
) -> None:
    task = await queued(storage)
    lease = await leased(storage)
    sent = lease.to(S.SUBMITTING, run_at=NOON, attempts=3)
    assert await storage.tasks.save(lease, sent, now=NOON)
    [held] = await claim(storage, now=NOON + 2 * MINUTE)
    lost = held.to(
        S.UNKNOWN, run_at=NOON, reason=Reason.ANSWER_LOST, detail="reset", claims=2, attempts=2
    )
    assert await storage.tasks.save(held, lost, now=NOON)
    assert await storage.tasks.record_late_id(task.id, "late", now=NOON)
    found = await now_as(storage, task)
    assert (found.reason, found.detail) == (None, None)
    assert (found.attempts, found.claims) == (0, 0)
    assert found.fence > held.fence
