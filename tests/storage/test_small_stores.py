"""Notices, frames, people and durations."""

from __future__ import annotations

import asyncio

import pytest

from bot.core.notices import Notice, NoticeKind
from bot.core.task import ALLOWED, Chat, TaskState
from storage import Storage
from storage.due import VALID
from storage.durations import KEPT
from tests.support.factories import ANN, BOB, CHAT, MINUTE, NOON, SECOND, leased, queued, task_in

S = TaskState


def notice(kind: NoticeKind = NoticeKind.HELD) -> Notice:
    chat = Chat(chat_id=-5, message_thread_id=7, business_connection_id="biz")
    return Notice(
        kind=kind, chat=chat, lang="en", reply_to=9, params={"seconds": 2.5, "who": "Аня"}
    )


async def test_a_notice_waits_until_it_was_sent(storage: Storage, other: Storage) -> None:
    await storage.outbox.add([notice(kind) for kind in NoticeKind], now=NOON)
    waiting = await other.outbox.claim(owner="one", now=NOON, lease_for=MINUTE, limit=99)
    assert [each.notice for each in waiting] == [notice(kind) for kind in NoticeKind]
    assert await storage.outbox.claim(owner="two", now=NOON, lease_for=MINUTE, limit=99) == []
    for each in waiting[1:]:
        await storage.outbox.done(each.id)
    assert await other.outbox.count() == 1
    [again] = await storage.outbox.claim(
        owner="two", now=NOON + MINUTE, lease_for=MINUTE, limit=99
    )
    assert (again.id, again.attempts) == (waiting[0].id, 2)


async def test_a_notice_can_be_postponed_renewed_and_released(storage: Storage) -> None:
    async def claim(seconds: int, owner: str = "one") -> list[int]:
        found = await storage.outbox.claim(
            owner=owner, now=NOON + seconds * SECOND, lease_for=MINUTE, limit=9
        )
        return [each.attempts for each in found]

    assert await storage.due.next("outbox", NOON - SECOND) == NOON - SECOND + VALID
    await storage.outbox.add([notice()], now=NOON)
    assert await storage.due.next("outbox", NOON - SECOND) == NOON
    assert await claim(0) == [1]
    await storage.outbox.later(1, NOON + 5 * SECOND)
    assert await storage.due.next("outbox", NOON) == NOON + 5 * SECOND
    assert (await claim(4), await claim(5)) == ([], [2])
    assert await storage.outbox.extend("two", [1], until=NOON) == set()
    assert await storage.outbox.extend("one", [1], until=NOON + 5 * MINUTE) == {1}
    assert await claim(100, "two") == []
    await storage.outbox.release("two")
    assert await claim(100, "two") == []
    await storage.outbox.release("one")
    assert await claim(100, "two") == [2]


async def test_a_frame_is_available_until_it_expires(storage: Storage, other: Storage) -> None:
    task = await queued(storage)
    until = NOON + MINUTE
    jpeg = bytes(range(256)) * 4_000
    assert await storage.frames.publish(task, token="a", jpeg=jpeg, expires_at=until)
    assert await other.frames.get("a", until - SECOND) == jpeg
    assert await other.frames.get("a", until) is None
    assert await other.frames.get("b", NOON) is None


async def test_a_new_frame_replaces_the_old_one(storage: Storage) -> None:
    task = await queued(storage)
    for token in ("a", "b"):
        assert await storage.frames.publish(
            task, token=token, jpeg=token.encode(), expires_at=NOON + MINUTE
        )
    assert await storage.frames.get("a", NOON) is None
    assert await storage.frames.get("b", NOON) == b"b"


async def test_a_stale_holder_does_not_replace_the_next_holders_frame(
    storage: Storage,
) -> None:
    await queued(storage)
    first = await leased(storage, owner="one")
    second = await leased(storage, owner="two", now=NOON + 2 * MINUTE)
    until = NOON + 9 * MINUTE
    assert await storage.frames.publish(second, token="new", jpeg=b"new", expires_at=until)
    assert not await storage.frames.publish(first, token="old", jpeg=b"old", expires_at=until)
    assert await storage.frames.get("new", NOON) == b"new"


async def test_expired_frames_are_deleted(storage: Storage) -> None:
    for n in (1, 2):
        task = await queued(storage)
        await storage.frames.publish(task, token=str(n), jpeg=b"x", expires_at=NOON + n * MINUTE)
    assert await storage.frames.forget_expired(NOON + MINUTE) == 1
    assert await storage.frames.get("2", NOON) == b"x"


@pytest.mark.parametrize("state", sorted(state for state in S if S.FAILED not in ALLOWED[state]))
async def test_nothing_is_published_for_a_task_that_needs_no_frame(
    storage: Storage, state: TaskState
) -> None:
    task = await task_in(storage, state)
    assert not await storage.frames.publish(
        task, token="late", jpeg=b"x", expires_at=NOON + MINUTE
    )
    assert await storage.frames.get("late", NOON) is None


async def test_a_person_is_known_after_the_first_update(storage: Storage, other: Storage) -> None:
    assert await storage.users.get(ANN) is None
    seen = await storage.users.see(ANN, lang="en", name="Ann", now=NOON)
    assert seen == await other.users.get(ANN)
    later = await storage.users.see(ANN, lang="ru", name="Аня", now=NOON + MINUTE)
    assert (later.lang, later.name, later.created_at, later.seen_at) == (
        "ru", "Аня", NOON, NOON + MINUTE,
    )  # fmt: skip


async def test_a_language_that_was_chosen_stays(storage: Storage) -> None:
    assert not await storage.users.set_lang(ANN, "en")
    await storage.users.see(ANN, lang="ru", name="Ann", now=NOON)
    assert await storage.users.set_lang(ANN, "en")
    seen = await storage.users.see(ANN, lang="ru", name="Ann", now=NOON)
    assert (seen.lang, seen.lang_chosen) == ("en", True)


async def test_each_refusal_by_moderation_is_counted(storage: Storage, other: Storage) -> None:
    await storage.users.see(ANN, lang="ru", name="Ann", now=NOON)
    await storage.users.see(BOB, lang="ru", name="Bob", now=NOON)
    counted = await asyncio.gather(
        *(which.users.count_refusal(ANN) for which in (storage, other) * 20)
    )
    assert sorted(counted) == list(range(1, 41))
    assert await storage.users.count_refusal(404) == 0
    bob = await storage.users.get(BOB)
    assert bob is not None
    assert bob.strikes == 0


async def test_the_newest_durations_of_each_model_are_kept_in_order(storage: Storage) -> None:
    for n in range(KEPT + 5):
        await storage.durations.add("lite", n, n + 0.5, now=NOON)
    await storage.durations.add("pro", 1.25, 2.5, now=NOON)
    recent = await storage.durations.recent("lite", limit=KEPT + 100)
    assert recent == [(float(n), n + 0.5) for n in range(5, KEPT + 5)]
    assert await storage.durations.recent("lite", limit=2) == recent[-2:]
    assert await storage.durations.recent("pro") == [(1.25, 2.5)]
    assert await storage.durations.recent("none") == []


async def test_a_deleted_task_is_deleted_with_its_dependent_rows(
    storage: Storage, other: Storage
) -> None:
    import sqlalchemy as sa

    from storage.tables import tasks

    task = await queued(storage)
    await storage.frames.publish(task, token="a", jpeg=b"x", expires_at=NOON + MINUTE)
    told = Notice(kind=NoticeKind.OVERDUE, chat=CHAT, lang="ru", task_id=task.id)
    await storage.outbox.add([told], now=NOON)
    async with storage.database.transaction() as connection:
        await connection.execute(sa.delete(tasks).where(tasks.c.id == task.id))
    assert await other.tasks.events(task.id) == []
    assert await other.frames.get("a", NOON) is None
    assert await other.outbox.count() == 0
    assert (await queued(storage)).id > task.id  # old buttons never meet a new task


async def test_an_object_expires_with_its_task_its_time_or_its_row(
    storage: Storage, other: Storage
) -> None:
    waits, ended = await queued(storage), await task_in(storage, S.FAILED)
    until = NOON + 5 * MINUTE
    for key, task_id in (("waits", waits.id), ("ended", ended.id), ("gone", 10_000)):
        await storage.frame_objects.note(key, task_id, expires_at=until)
    assert sorted(await other.frame_objects.over(NOON)) == ["ended", "gone"]
    assert await other.frame_objects.over(NOON, limit=1) != []
    assert sorted(await other.frame_objects.over(until)) == ["ended", "gone", "waits"]
    for key in ("ended", "gone"):
        await storage.frame_objects.forget(key)
    assert await other.frame_objects.over(NOON) == []
    assert await other.frame_objects.over(until) == ["waits"]
