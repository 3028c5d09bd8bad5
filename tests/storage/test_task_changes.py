"""People's operations on tasks: drafts, one tap, cancelling, ordering again, sending again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core.notices import Notice, NoticeKind
from bot.core.task import ENDED, AspectRatio, Chat, Reason, TaskState
from storage import Storage
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
    task_in,
    wish,
)

S = TaskState
WIDE = AspectRatio.WIDE


async def test_a_text_becomes_a_draft_with_all_its_fields(
    storage: Storage, other: Storage
) -> None:
    chat = Chat(chat_id=-5, message_thread_id=7, business_connection_id="biz")
    made = await storage.tasks.draft_from_text(
        **wish(chat=chat, message_id=9, prompt="кот 🐈", price=Decimal("16.40"))
    )
    assert await other.tasks.get(made.id) == made
    assert (made.state, made.chat, made.message_id, made.prompt) == (S.DRAFT, chat, 9, "кот 🐈")
    assert made.price == Decimal("16.4")
    assert made.created_at == NOON
    assert [event.state for event in await other.tasks.events(made.id)] == [S.DRAFT]


async def test_the_same_message_again_is_the_same_task(storage: Storage) -> None:
    words = wish(prompt="a cat", message_id=5)
    photo = wish(frame=PHOTO, prompt="it waves", message_id=6)
    first = await storage.tasks.draft_from_text(**words)
    second = await storage.tasks.draft_from_frame(**photo)
    await storage.tasks.cancel(first.id, user_id=ANN, now=NOON)
    again = await storage.tasks.draft_from_text(**words)
    assert (again.id, again.state) == (first.id, S.CANCELLED)
    assert await storage.tasks.draft_from_frame(**photo) == second
    assert len(await storage.tasks.latest(ANN)) == 2


async def test_the_next_text_completes_the_photo_that_waits(storage: Storage) -> None:
    older = await storage.tasks.draft_from_frame(**wish(frame=PHOTO, prompt=None, message_id=1))
    newer = await storage.tasks.draft_from_frame(**wish(frame=PHOTO, prompt=None, message_id=2))
    words = wish(prompt="it flies", message_id=3)
    done = await storage.tasks.draft_from_text(**words)
    assert (done.id, done.prompt, done.frame) == (newer.id, "it flies", PHOTO)
    assert (done.message_id, done.frame_message_id) == (3, 2)
    assert await storage.tasks.draft_from_text(**words) == done
    assert (
        await storage.tasks.draft_from_frame(**wish(frame=PHOTO, prompt=None, message_id=2))
        == done
    )
    assert (await storage.tasks.draft_from_text(**wish(prompt="and this"))).id == older.id
    assert (await storage.tasks.draft_from_text(**wish(prompt="new"))).frame is None


async def test_a_photo_waits_for_a_prompt_of_its_person_and_place(storage: Storage) -> None:
    group = Chat(chat_id=-7, message_thread_id=3)
    waiting = await storage.tasks.draft_from_frame(**wish(frame=PHOTO, prompt=None, chat=group))
    for elsewhere in (
        {"user_id": BOB, "chat": group},
        {"chat": replace(group, message_thread_id=None)},
        {"chat": replace(group, chat_id=-8)},
        {"chat": replace(group, business_connection_id="biz")},
    ):
        assert (await draft(storage, **elsewhere)).id != waiting.id
    assert (await draft(storage, chat=group)).id == waiting.id


async def test_a_photo_with_a_caption_or_a_cancelled_one_waits_for_nothing(
    storage: Storage,
) -> None:
    await storage.tasks.draft_from_frame(**wish(frame=PHOTO, prompt="with words"))
    bare = await storage.tasks.draft_from_frame(**wish(frame=PHOTO, prompt=None))
    await storage.tasks.cancel(bare.id, user_id=ANN, now=NOON)
    assert (await draft(storage)).frame is None


async def test_concurrent_copies_of_a_message_make_one_task(
    storage: Storage, other: Storage
) -> None:
    await storage.tasks.draft_from_frame(**wish(frame=PHOTO, prompt=None))
    await storage.tasks.draft_from_frame(**wish(frame=PHOTO, prompt=None))
    words = wish(prompt="once")
    made = await asyncio.gather(
        *(which.tasks.draft_from_text(**words) for which in (storage, other) * 10)
    )
    assert len({task.id for task in made}) == 1
    waiting = [task for task in await other.tasks.latest(ANN) if task.prompt is None]
    assert len(waiting) == 1


async def test_the_card_is_recorded(storage: Storage, other: Storage) -> None:
    task = await draft(storage)
    await storage.tasks.set_card(task.id, card_message_id=77, is_media=True)
    found = await other.tasks.get(task.id)
    assert found == replace(task, card_message_id=77, card_is_media=True)


async def test_one_tap_queues_the_task(storage: Storage, other: Storage) -> None:
    task = await draft(storage)
    later = NOON + SECOND
    confirmed = await storage.tasks.confirm(
        task.id, user_id=ANN, aspect_ratio=WIDE, update_id=9, now=later
    )
    assert confirmed is not None
    assert confirmed == await other.tasks.get(task.id)
    assert (confirmed.state, confirmed.aspect_ratio) == (S.QUEUED, WIDE)
    assert confirmed.run_at == confirmed.confirmed_at == later
    assert [(e.state, e.at) for e in await other.tasks.events(task.id)] == [
        (S.DRAFT, NOON),
        (S.QUEUED, later),
    ]


async def test_a_hundred_concurrent_taps_queue_it_once(storage: Storage, other: Storage) -> None:
    task = await draft(storage)
    taps = await asyncio.gather(
        *(
            (storage, other)[n % 2].tasks.confirm(
                task.id, user_id=ANN, aspect_ratio=WIDE, update_id=n, now=NOON
            )
            for n in range(100)
        )
    )
    assert sum(tap is not None for tap in taps) == 1
    assert [event.state for event in await storage.tasks.events(task.id)] == [
        S.DRAFT,
        S.QUEUED,
    ]


async def test_a_repeated_confirmation_returns_the_task_again(
    storage: Storage,
) -> None:
    task = await draft(storage)

    async def press(update_id: int, user_id: int = ANN) -> TaskState | None:
        found = await storage.tasks.confirm(
            task.id, user_id=user_id, aspect_ratio=WIDE, update_id=update_id, now=NOON
        )
        return None if found is None else found.state

    assert [await press(1), await press(1), await press(2)] == [S.QUEUED, S.QUEUED, None]
    assert await press(1, user_id=BOB) is None
    assert len(await storage.tasks.events(task.id)) == 2


async def test_a_stranger_confirms_and_cancels_nothing(storage: Storage) -> None:
    task = await draft(storage)
    for attempt in (
        storage.tasks.confirm(task.id, user_id=BOB, aspect_ratio=WIDE, update_id=1, now=NOON),
        storage.tasks.cancel(task.id, user_id=BOB, now=NOON),
        storage.tasks.cancel_latest(user_id=BOB, chat=CHAT, update_id=1, now=NOON),
    ):
        assert await attempt is None
    assert await storage.tasks.get(task.id) == task


async def test_a_photo_without_words_cannot_be_confirmed(storage: Storage) -> None:
    task = await storage.tasks.draft_from_frame(**wish(frame=PHOTO, prompt=None))
    assert (
        await storage.tasks.confirm(task.id, user_id=ANN, aspect_ratio=WIDE, update_id=1, now=NOON)
        is None
    )


@pytest.mark.parametrize("state", sorted(S))
async def test_only_an_unsubmitted_task_can_be_cancelled(
    storage: Storage, state: TaskState
) -> None:
    task = await task_in(storage, state)
    cancelled = await storage.tasks.cancel(task.id, user_id=ANN, now=NOON + SECOND)
    found = await storage.tasks.get(task.id)
    if state in {S.DRAFT, S.QUEUED}:
        assert found == cancelled
        assert found is not None
        assert (found.state, found.ended_at) == (S.CANCELLED, NOON + SECOND)
    else:
        assert cancelled is None
        assert found == task


async def test_cancelling_ends_the_lease_of_the_worker(storage: Storage, other: Storage) -> None:
    await queued(storage)
    lease = await leased(storage)
    assert await other.tasks.cancel(lease.id, user_id=ANN, now=NOON) is not None
    assert not await storage.tasks.save(lease, lease.to(S.SUBMITTING, run_at=NOON), now=NOON)
    assert await storage.tasks.extend("one", [(lease.id, lease.fence)], now=NOON, until=NOON) == (
        set()
    )
    found = await other.tasks.get(lease.id)
    assert found is not None
    assert (found.state, found.lease_owner) == (S.CANCELLED, None)


async def test_cancel_without_a_number_means_the_newest_in_this_chat(storage: Storage) -> None:
    elsewhere = await draft(storage, chat=Chat(chat_id=-9))
    old = await draft(storage)
    await task_in(storage, S.GENERATING)
    new = await queued(storage)
    later_elsewhere = await draft(storage, chat=Chat(chat_id=-9))
    gone = [
        await storage.tasks.cancel_latest(user_id=ANN, chat=CHAT, update_id=number, now=NOON)
        for number in range(3)
    ]
    assert [task and task.id for task in gone] == [new.id, old.id, None]
    for untouched in (elsewhere, later_elsewhere):
        assert await storage.tasks.get(untouched.id) == untouched


async def test_an_unknown_task_is_retried_once(storage: Storage, other: Storage) -> None:
    first = await storage.tasks.draft_from_frame(**wish(frame=PHOTO, prompt="fly"))
    await storage.tasks.confirm(first.id, user_id=ANN, aspect_ratio=WIDE, update_id=1, now=NOON)
    lease = await leased(storage)
    tried = lease.to(S.SUBMITTING, run_at=NOON)
    assert await storage.tasks.save(lease, tried, now=NOON)
    lost = tried.to(S.UNKNOWN, run_at=NOON, reason=Reason.ANSWER_LOST)
    assert await storage.tasks.save(tried, lost, now=NOON)

    async def again(update_id: int, user_id: int = ANN) -> int | None:
        retry = await other.tasks.retry_unknown(
            first.id, user_id=user_id, update_id=update_id, now=NOON + MINUTE
        )
        return None if retry is None else retry.id

    assert await again(2, user_id=BOB) is None
    taps = await asyncio.gather(*(again(n) for n in range(2, 12)))
    [retry_id] = {tap for tap in taps if tap is not None}
    assert taps.count(None) == 9
    assert await again(2 + taps.index(retry_id)) == retry_id
    retry = await storage.tasks.get(retry_id)
    assert retry is not None
    assert (retry.state, retry.retry_of, retry.prompt, retry.frame, retry.aspect_ratio) == (
        S.QUEUED, first.id, "fly", PHOTO, WIDE,
    )  # fmt: skip
    assert (retry.message_id, retry.price, retry.chat) == (
        first.message_id, first.price, first.chat,
    )  # fmt: skip
    assert (retry.provider_id, retry.reason, retry.card_message_id) == (None, None, None)
    before = await storage.tasks.get(first.id)
    assert before is not None
    assert before.state is S.UNKNOWN


@pytest.mark.parametrize("state", sorted(set(S) - {S.UNKNOWN}))
async def test_only_an_unknown_task_is_retried(storage: Storage, state: TaskState) -> None:
    task = await task_in(storage, state)
    assert await storage.tasks.retry_unknown(task.id, user_id=ANN, update_id=1, now=NOON) is None
    assert len(await storage.tasks.latest(ANN)) == 1


@pytest.mark.parametrize("state", sorted(S))
async def test_only_a_kept_video_is_sent_again(storage: Storage, state: TaskState) -> None:
    task = await task_in(storage, state)
    assert await storage.tasks.redeliver(task.id, user_id=BOB, now=NOON) is None
    sent = await storage.tasks.redeliver(task.id, user_id=ANN, now=NOON + MINUTE)
    if state is S.UNDELIVERABLE:
        assert sent is not None
        assert (sent.state, sent.run_at, sent.reason) == (S.RENDERED, NOON + MINUTE, None)
        assert (await leased(storage, now=NOON + MINUTE)).id == task.id
    else:
        assert sent is None
        assert await storage.tasks.get(task.id) == task


async def test_the_position_in_the_queue_follows_the_time_of_the_tap(storage: Storage) -> None:
    waiting = await draft(storage)
    second = await queued(storage, now=NOON + 2 * SECOND)
    first = await queued(storage, now=NOON + SECOND)
    third = await queued(storage, now=NOON + 2 * SECOND)
    slots = [await storage.tasks.queue_position(t.id) for t in (first, second, third, waiting)]
    assert slots == [1, 2, 3, None]
    await storage.tasks.cancel(first.id, user_id=ANN, now=NOON)
    assert await storage.tasks.queue_position(third.id) == 2
    assert await storage.tasks.queue_position(404) is None


async def test_history_is_a_persons_own_newest_first_in_pages(storage: Storage) -> None:
    mine = [await draft(storage) for _ in range(5)]
    elsewhere = await draft(storage, chat=Chat(chat_id=-9))
    await draft(storage, user_id=BOB, chat=Chat(chat_id=BOB))
    found = await storage.tasks.latest(ANN, limit=3)
    assert found == [elsewhere, mine[4], mine[3]]
    assert await storage.tasks.latest(ANN, before=mine[3].id) == mine[2::-1]
    assert await storage.tasks.latest(ANN, chat=CHAT, limit=1) == [mine[4]]
    assert await storage.tasks.latest(ANN, states={S.DELIVERED}) == []


async def test_tasks_are_counted_by_state(storage: Storage) -> None:
    for state in (S.DRAFT, S.DELIVERED, S.DELIVERED):
        await task_in(storage, state)
    counts = await storage.tasks.counts()
    assert counts == dict.fromkeys(S, 0) | {S.DRAFT: 1, S.DELIVERED: 2}


async def test_open_tasks_follow_a_migrated_group(storage: Storage) -> None:
    old, new = Chat(chat_id=-5), Chat(chat_id=-1005)
    words = wish(prompt="a cat", chat=old, message_id=7)
    task = await storage.tasks.draft_from_text(**words)
    await storage.tasks.set_card(task.id, card_message_id=8, is_media=True)
    ended = await task_in(storage, S.DELIVERED, chat=old)
    assert await storage.tasks.migrate_chat(-5, -1005) == 1
    moved = await storage.tasks.get(task.id)
    assert moved is not None
    assert (moved.chat, moved.reply_to, moved.card_message_id) == (new, None, None)
    assert await storage.tasks.get(ended.id) == ended
    # the new group counts its messages afresh: its seventh is another message
    assert (await draft(storage, chat=new, message_id=7)).id != task.id
    assert (await storage.tasks.draft_from_text(**words)).id == task.id


@pytest.mark.parametrize("state", sorted(ENDED))
async def test_a_press_on_an_old_card_does_not_change_an_ended_task(
    storage: Storage, state: TaskState
) -> None:
    task = await task_in(storage, state)
    await storage.tasks.set_card(task.id, card_message_id=99, is_media=True)
    assert await storage.tasks.get(task.id) == task


# --- of several, the one that was meant ------------------------------------------------------


async def test_cancel_in_a_group_affects_only_the_persons_own_task(
    storage: Storage,
) -> None:
    group = Chat(chat_id=-7)
    mine = await draft(storage, chat=group)
    theirs = await draft(storage, chat=group, user_id=BOB)
    cancelled = await storage.tasks.cancel_latest(user_id=ANN, chat=group, update_id=1, now=NOON)
    assert cancelled is not None
    assert cancelled.id == mine.id
    assert await storage.tasks.get(theirs.id) == theirs


async def test_the_pressed_one_of_two_unknown_tasks_is_retried(
    storage: Storage,
) -> None:
    first = await task_in(storage, S.UNKNOWN, prompt="one")
    second = await task_in(storage, S.UNKNOWN, prompt="two")
    again = storage.tasks.retry_unknown
    retry = await again(second.id, user_id=ANN, update_id=1, now=NOON)
    assert retry is not None
    assert (retry.prompt, retry.retry_of) == ("two", second.id)
    # The very update gives the same one to nobody else, and answers for no other task.
    assert await again(second.id, user_id=BOB, update_id=1, now=NOON) is None
    other = await queued(storage)
    assert other.confirmed_by is not None
    assert await again(second.id, user_id=ANN, update_id=other.confirmed_by, now=NOON) is None
    assert await again(first.id, user_id=ANN, update_id=2, now=NOON) is not None


async def test_a_video_sent_again_has_no_old_reason(storage: Storage) -> None:
    task = await task_in(storage, S.RENDERED)
    [lease] = await storage.tasks.claim_due(
        owner="w", now=NOON, lease_for=MINUTE, limit=1, slots=None
    )
    complaint = {"reason": Reason.CHAT_UNREACHABLE, "detail": "away", "attempts": 2, "claims": 3}
    kept = lease.to(S.UNDELIVERABLE, run_at=NOON, **complaint)
    assert await storage.tasks.save(lease, kept, now=NOON)
    sent = await storage.tasks.redeliver(task.id, user_id=ANN, now=NOON)
    assert sent is not None
    assert (sent.reason, sent.detail, sent.attempts, sent.claims) == (None, None, 0, 0)


async def test_waiting_notices_follow_a_migrated_group(storage: Storage, other: Storage) -> None:
    old, new = Chat(chat_id=-5, message_thread_id=3), Chat(chat_id=-1005)
    there = Notice(kind=NoticeKind.OVERDUE, chat=old, lang="ru", reply_to=9)
    elsewhere = Notice(kind=NoticeKind.OVERDUE, chat=CHAT, lang="ru", reply_to=9)
    await storage.outbox.add([there, elsewhere], now=NOON)
    task = await storage.tasks.draft_from_text(**wish(prompt="a cat", chat=Chat(chat_id=-5)))
    await storage.tasks.set_card(task.id, card_message_id=8, is_media=True)
    assert await storage.tasks.migrate_chat(-5, -1005) == 1
    waiting = await other.outbox.claim(owner="w", now=NOON, lease_for=MINUTE, limit=9)
    assert [(one.notice.chat, one.notice.reply_to) for one in waiting] == [
        (new, None), (CHAT, 9),
    ]  # fmt: skip
    moved = await other.tasks.get(task.id)
    assert moved is not None
    assert not moved.card_is_media


async def test_positions_are_listed_without_tasks_being_worked_on(
    storage: Storage,
) -> None:
    second = await queued(storage, now=NOON + 2 * SECOND)
    first = await queued(storage, now=NOON + SECOND)
    third = await queued(storage, now=NOON + 2 * SECOND)
    fourth = await queued(storage, now=NOON + 3 * SECOND)
    await draft(storage)
    in_hand = await leased(storage, now=NOON + SECOND)
    assert in_hand.id == first.id
    assert await storage.tasks.waiting(limit=3) == [(second, 2), (third, 3)]
    assert await storage.tasks.waiting(limit=9) == [(second, 2), (third, 3), (fourth, 4)]


async def test_the_holder_of_a_cancelled_task_loses_it(storage: Storage) -> None:
    await queued(storage)
    held = await leased(storage)
    cancelled = await storage.tasks.cancel(held.id, user_id=ANN, now=NOON)
    assert cancelled is not None
    assert cancelled.fence > held.fence
    assert cancelled.lease_owner is None
