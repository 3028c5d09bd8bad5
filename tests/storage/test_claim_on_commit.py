"""Claims, status messages and finished updates that share the commit of another change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bot.core.caps import Cap, Limit, OrderRules
from bot.core.errors import LimitReached
from bot.core.task import AspectRatio, Task, TaskState
from storage import Claim, InboxState, IncomingUpdate, Storage
from tests.support.factories import (
    ANN,
    BOB,
    CHAT,
    MINUTE,
    NOON,
    PHOTO,
    SECOND,
    draft,
    leased,
    queued,
)

S = TaskState


@dataclass
class Worker:
    """Takes whatever there is a place for."""

    slots: int | None = None
    taken: list[Task] = field(default_factory=list)

    def claim(self) -> Claim | None:
        return Claim(owner="here", now=NOON, lease_for=MINUTE, limit=9, slots=self.slots)

    async def take(self, tasks: Sequence[Task]) -> None:
        self.taken += tasks


async def press(storage: Storage, task: Task, **more: Any) -> Task | None:
    return await storage.tasks.confirm(
        task.id,
        user_id=task.user_id,
        aspect_ratio=AspectRatio.TALL,
        update_id=7,
        now=NOON,
        **more,
    )


async def update(storage: Storage, number: int = 7) -> None:
    await storage.inbox.add(
        [IncomingUpdate(update_id=number, chat_key="1", payload="{}")], now=NOON
    )


async def done(storage: Storage) -> int:
    return (await storage.inbox.counts())[InboxState.DONE]


async def test_a_free_worker_leases_the_order_in_its_commit(
    storage: Storage, other: Storage
) -> None:
    task, worker = await draft(storage), Worker(slots=1)
    ordered = await press(storage, task, claim_on_commit=worker)
    assert ordered
    assert worker.taken == [ordered]
    assert (ordered.state, ordered.lease_owner, ordered.fence) == (S.QUEUED, "here", 1)
    assert await other.tasks.get(task.id) == ordered
    assert (
        await press(storage, task, claim_on_commit=worker) == ordered
    )  # the same update once more
    assert worker.taken == [ordered]


async def test_variants_are_leased_as_far_as_there_are_slots(
    storage: Storage,
) -> None:
    task, worker = await draft(storage), Worker(slots=2)
    assert await storage.tasks.choose(task.id, user_id=ANN, variants=4)
    await press(storage, task, claim_on_commit=worker)
    assert len(worker.taken) == 2
    assert task.id in [taken.id for taken in worker.taken]


async def test_the_longest_waiting_order_is_leased_first(storage: Storage) -> None:
    task = await draft(storage)
    older = await queued(storage, now=NOON - SECOND)
    worker = Worker(slots=1)
    ordered = await press(storage, task, claim_on_commit=worker)
    assert [taken.id for taken in worker.taken] == [older.id]
    assert ordered
    assert ordered.lease_owner is None
    assert await storage.tasks.queue_position(task.id) == 2


async def test_a_refused_order_leases_nothing(storage: Storage) -> None:
    await queued(storage, user_id=BOB)
    task, worker = await draft(storage), Worker()
    storage.tasks.terms = OrderRules(caps={Cap.GLOBAL_AT_ONCE: Limit(videos=1)})
    with pytest.raises(LimitReached):
        await press(storage, task, claim_on_commit=worker)
    assert worker.taken == []
    assert await leased(storage)


async def test_a_worker_that_takes_no_tasks_leaves_orders_to_others(storage: Storage) -> None:
    class Stopped(Worker):
        def claim(self) -> None:
            return None

    task, worker = await draft(storage), Stopped()
    ordered = await press(storage, task, claim_on_commit=worker)
    assert ordered
    assert ordered.lease_owner is None
    assert worker.taken == []
    assert (await leased(storage)).id == task.id


@pytest.mark.parametrize(
    ("pressed", "is_media"), [((70, False), True), ((71, False), False), ((71, True), True)]
)
async def test_the_pressed_message_shows_the_order_from_its_commit_on(
    storage: Storage, pressed: tuple[int, bool], is_media: bool
) -> None:
    """The row records whether the card shows a picture."""
    task, worker = await draft(storage), Worker()
    await storage.tasks.card_shown(task, card_message_id=70, is_media=True)
    await press(storage, task, shown=(*pressed, CHAT.chat_id), claim_on_commit=worker)
    [taken] = worker.taken
    assert (taken.card_message_id, taken.card_is_media) == (pressed[0], is_media)


async def test_a_pressed_message_of_another_chat_does_not_show_the_order(
    storage: Storage,
) -> None:
    """Its group became a supergroup, where this number is another message."""
    task, worker = await draft(storage), Worker()
    await storage.tasks.card_shown(task, card_message_id=70, is_media=True)
    await press(storage, task, shown=(71, False, -5), claim_on_commit=worker)
    [taken] = worker.taken
    assert (taken.card_message_id, taken.card_is_media) == (70, True)


async def test_an_order_with_a_photo_is_the_consent(storage: Storage) -> None:
    wordy, pictured = await draft(storage), await draft(storage, user_id=BOB, frame=PHOTO)
    await press(storage, wordy)
    await press(storage, pictured)
    assert not await storage.privacy.consented(ANN)
    assert await storage.privacy.consented(BOB)


async def test_a_card_is_recorded_with_the_end_of_its_update(storage: Storage) -> None:
    await update(storage)
    task = await draft(storage)
    await storage.tasks.card_shown(task, card_message_id=70)
    assert await done(storage) == 0
    await storage.tasks.card_shown(task, card_message_id=70, ends=(7, NOON))
    assert await done(storage) == 1


async def test_finished_updates_are_marked_with_the_next_step_of_any_task(
    storage: Storage,
) -> None:
    await update(storage)
    await queued(storage)
    task = await leased(storage)
    storage.inbox.ended.add(7)
    after = task.to(S.SUBMITTING, run_at=NOON)
    assert not await storage.tasks.save(replace(task, fence=9), after, now=NOON)
    assert storage.inbox.ended == {7}  # nothing was written
    assert await done(storage) == 0
    assert await storage.tasks.save(task, after, now=NOON)
    assert storage.inbox.ended == set()
    assert await done(storage) == 1


async def test_finished_updates_are_marked_once(storage: Storage) -> None:
    await update(storage)
    storage.inbox.ended.add(7)
    await storage.inbox.done([7], now=NOON)
    assert storage.inbox.ended == set()
