"""Drafts created by buttons; history; deletion of old rows. The same on both databases."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from bot.core.notices import Notice, NoticeKind
from bot.core.task import AspectRatio, Chat, Frame, Task, TaskState
from storage import IncomingUpdate, Storage
from storage.tables import inbox
from tests.support.factories import ANN, BOB, CHAT, MINUTE, NOON, PHOTO, draft, queued, task_in

S = TaskState
DAY = timedelta(days=1)
TERMS: dict[str, Any] = {
    "lang": "en",
    "model": "seedance-1-lite-720P-5s",
    "price": Decimal(41),
    "now": NOON,
}


def update(number: int, payload: str = "{}") -> IncomingUpdate:
    return IncomingUpdate(update_id=number, chat_key=str(number), payload=payload)


async def again(storage: Storage, source: Task, update_id: int = 1, **changes: Any) -> Task | None:
    wish = {"user_id": ANN, **TERMS, **changes}
    return await storage.callback_actions.draft_from(source.id, update_id=update_id, **wish)


async def test_a_press_creates_one_draft_with_the_same_prompt_and_current_price(
    storage: Storage, other: Storage
) -> None:
    source = await task_in(storage, S.DELIVERED)
    made = await again(storage, source)
    assert made is not None
    assert made.state is S.DRAFT
    assert (made.prompt, made.aspect_ratio) == (source.prompt, source.aspect_ratio)
    assert (made.model, made.price, made.lang) == ("seedance-1-lite-720P-5s", Decimal(41), "en")
    assert (made.provider_id, made.confirmed_at, made.card_message_id) == (None, None, None)
    assert await again(other, source) == made
    assert await other.callback_actions.made(1) == made
    assert len(await other.tasks.latest(ANN)) == 2
    assert [event.state for event in await other.tasks.events(made.id)] == [S.DRAFT]


async def test_nobody_creates_a_draft_from_another_persons_order(storage: Storage) -> None:
    source = await task_in(storage, S.DELIVERED)
    assert await again(storage, source, user_id=BOB) is None
    assert await storage.callback_actions.made(1) is None
    mine = await again(storage, source)
    assert mine is not None
    assert await again(storage, source, user_id=BOB) is None


async def test_a_draft_without_a_prompt_takes_the_next_text_once(storage: Storage) -> None:
    source = await task_in(storage, S.DELIVERED)
    frame = Frame(file_id="last", kind="photo")
    made = await again(storage, source, words=False, frame=frame)
    assert made is not None
    assert (made.prompt, made.frame) == (None, frame)
    completed = await draft(storage, message_id=7_000_001, prompt="it flies away")
    assert (completed.id, completed.prompt, completed.frame) == (made.id, "it flies away", frame)
    assert await draft(storage, message_id=7_000_001, prompt="it flies away") == completed


async def test_an_unavailable_photo_is_left_out(storage: Storage) -> None:
    first = await storage.tasks.draft_from_frame(
        user_id=ANN, chat=CHAT, message_id=7_000_002, lang="ru", model="m", price=Decimal(1),
        frame=PHOTO, prompt="fly", now=NOON,
    )  # fmt: skip
    made = await again(storage, first, frameless=True)
    assert made is not None
    assert (made.frame, made.prompt) == (None, "fly")
    kept = await again(storage, first, update_id=2)
    assert kept is not None
    assert kept.frame == PHOTO


async def test_an_identical_open_order_is_recognised(storage: Storage) -> None:
    source = await task_in(storage, S.DELIVERED)
    made = await again(storage, source)
    assert made is not None

    async def running(update_id: int) -> Task | None:
        ratio = source.aspect_ratio
        return await storage.callback_actions.running(source.id, ratio=ratio, update_id=update_id)

    assert await running(2) is None  # a card that nobody confirmed
    assert source.aspect_ratio is not None
    confirmed = await storage.tasks.confirm(
        made.id, user_id=ANN, aspect_ratio=source.aspect_ratio, update_id=1, now=NOON
    )
    assert await running(2) == confirmed
    assert await running(1) is None  # that press itself
    wide = AspectRatio.WIDE
    assert await storage.callback_actions.running(source.id, ratio=wide, update_id=2) is None
    await storage.tasks.cancel(made.id, user_id=ANN, now=NOON)
    assert await running(2) is None


async def test_the_newest_identical_open_order_below_the_video_is_returned(
    storage: Storage,
) -> None:
    source, elsewhere = await task_in(storage, S.DELIVERED), await task_in(storage, S.DELIVERED)
    ratio = source.aspect_ratio
    assert ratio is not None

    async def press(update_id: int, below: Task, **changes: Any) -> Task:
        made = await again(storage, below, update_id, **changes)
        assert made is not None
        if made.prompt is None:
            made = await draft(storage, message_id=7_100_000 + update_id, prompt="other words")
        confirmed = await storage.tasks.confirm(
            made.id, user_id=ANN, aspect_ratio=ratio, update_id=update_id, now=NOON
        )
        assert confirmed is not None
        return confirmed

    async def running() -> Task | None:
        return await storage.callback_actions.running(source.id, ratio=ratio, update_id=99)

    await press(1, elsewhere)
    await press(2, source, words=False)
    await press(3, source, frame=PHOTO)
    assert await running() is None
    await press(4, source)
    newest = await press(5, source)
    assert await running() == newest
    pictured = await task_in(storage, S.DELIVERED, frame=PHOTO)
    same = await press(6, pictured)
    assert same.frame == PHOTO
    assert await storage.callback_actions.running(pictured.id, ratio=ratio, update_id=99) == same


async def test_the_update_that_cancelled_cancels_no_other(storage: Storage) -> None:
    old, new = await draft(storage), await draft(storage)
    wish: dict[str, Any] = {"user_id": ANN, "chat": CHAT, "now": NOON}
    first = await storage.tasks.cancel_latest(update_id=5, **wish)
    assert first is not None
    assert first.id == new.id
    assert await storage.tasks.cancel_latest(update_id=5, **wish) == first
    assert await storage.tasks.get(old.id) == old


async def test_a_video_is_uploaded_as_a_file_once(storage: Storage, other: Storage) -> None:
    task = await task_in(storage, S.DELIVERED)
    assert await storage.callback_actions.document(task.id) is None
    await storage.callback_actions.keep_document(task.id, "doc")
    await storage.callback_actions.keep_document(task.id, "other")
    assert await other.callback_actions.document(task.id) == "doc"
    await storage.callback_actions.keep_document(999_999, "of nothing")


async def test_presses_are_deleted_when_telegram_no_longer_repeats_them(storage: Storage) -> None:
    source = await task_in(storage, S.DELIVERED)
    await again(storage, source)
    assert await storage.callback_actions.forget(before=NOON) == 0
    assert await storage.callback_actions.forget(before=NOON + MINUTE) == 1
    assert await storage.callback_actions.made(1) is None


# --- history ---------------------------------------------------------------------------------


async def test_history_has_pages_of_orders_the_newest_first(storage: Storage) -> None:
    ordered = [await queued(storage) for _ in range(7)]
    await draft(storage)
    await queued(storage, user_id=BOB)
    first = await storage.history.page(ANN, 0, size=5)
    assert [task.id for task in first.tasks] == [task.id for task in ordered[:1:-1]]
    assert (first.number, first.pages) == (0, 2)
    last = await storage.history.page(ANN, 9, size=5)
    assert (last.number, [task.id for task in last.tasks]) == (1, [ordered[1].id, ordered[0].id])
    nothing = await storage.history.page(999, 0, size=5)
    assert (nothing.tasks, nothing.pages) == ([], 1)


async def test_videos_are_found_by_words_in_any_case_and_language(storage: Storage) -> None:
    for prompt in ("Рыжая Лиса бежит", "лиса спит", "a cat"):
        task = await task_in(storage, S.RENDERED, prompt=prompt)
        [lease] = await storage.tasks.claim_due(
            owner="w", now=NOON, lease_for=MINUTE, limit=1, slots=None
        )
        sent = lease.to(S.DELIVERED, run_at=NOON, video_file_id=f"file {task.id}")
        assert await storage.tasks.save(lease, sent, now=NOON)
    await task_in(storage, S.FAILED, prompt="лиса летит")

    async def found(words: str, user_id: int = ANN, **more: Any) -> list[str | None]:
        videos = await storage.history.videos(user_id, words, **{"limit": 10, **more})
        return [video.prompt for video in videos]

    assert await found("ЛИСА") == ["лиса спит", "Рыжая Лиса бежит"]
    assert await found("бежит лиса") == ["Рыжая Лиса бежит"]
    assert await found("") == ["a cat", "лиса спит", "Рыжая Лиса бежит"]
    assert await found("", limit=1) == ["a cat"]
    [newest] = await storage.history.videos(ANN, "", limit=1)
    assert await found("", before=newest.id) == ["лиса спит", "Рыжая Лиса бежит"]
    assert await found("лиса", user_id=BOB) == []


# --- forgetting ------------------------------------------------------------------------------


async def test_an_order_that_is_over_can_be_erased_by_its_owner(storage: Storage) -> None:
    over, unknown = await task_in(storage, S.DELIVERED), await task_in(storage, S.UNKNOWN)
    going_on = await queued(storage)
    assert not await storage.privacy.erase_task(over.id, user_id=BOB)
    assert not await storage.privacy.erase_task(going_on.id, user_id=ANN)
    assert not await storage.privacy.erase_task(unknown.id, user_id=ANN)
    assert await storage.privacy.erase_task(over.id, user_id=ANN)
    assert await storage.tasks.get(over.id) is None
    assert await storage.tasks.get(going_on.id) == going_on


async def test_a_person_is_deleted_with_all_their_data(storage: Storage, other: Storage) -> None:
    for user_id in (ANN, BOB):
        await storage.users.see(user_id, lang="ru", name="N", now=NOON)
        await cancelled_with_photo(storage, user_id)
    assert await storage.privacy.consented(ANN)
    theirs = await queued(storage, user_id=BOB)
    running = await task_in(storage, S.GENERATING)
    assert await storage.frames.publish(running, token="t", jpeg=b"j", expires_at=NOON + MINUTE)
    done = await task_in(storage, S.DELIVERED)
    await again(storage, done)
    await storage.callback_actions.keep_document(done.id, "doc")
    notice = Notice(kind=NoticeKind.OVERDUE, chat=CHAT, lang="ru", task_id=running.id)
    await storage.outbox.add([notice], now=NOON)
    updates = {
        1: {"update_id": 1, "message": {"from": {"id": ANN}, "text": "mine"}},
        2: {"update_id": 2, "message": {"from": {"id": BOB}, "text": f"not of {ANN}"}},
    }
    rows = [update(number, json.dumps(raw)) for number, raw in updates.items()]
    await storage.inbox.add(rows, now=NOON)
    for number in updates:
        await storage.inbox.set_aside(number, error="x", now=NOON)
    await storage.durations.add("m", 1, 2, now=NOON)

    erased = await storage.privacy.erase_person(ANN, now=NOON)
    assert {running.id, done.id} <= {task.id for task in erased}
    assert await other.tasks.latest(ANN) == []
    assert await other.users.get(ANN) is None
    assert not await other.privacy.consented(ANN)
    assert await other.frames.get("t", NOON) is None
    assert await other.outbox.count() == 0
    assert await other.tasks.events(running.id) == []
    assert await other.durations.recent("m") == [(1, 2)]
    assert theirs.id in [task.id for task in await other.tasks.latest(BOB)]
    assert await other.privacy.consented(BOB)
    assert await other.users.get(BOB) is not None
    assert await texts_of(other) == [None, json.dumps(updates[2])]


async def cancelled_with_photo(storage: Storage, user_id: int) -> None:
    """They ordered a video of a photo once, which is their consent."""
    task = await queued(storage, user_id=user_id, frame=PHOTO)
    assert await storage.tasks.cancel(task.id, user_id=user_id, now=NOON)


async def texts_of(storage: Storage) -> list[str | None]:
    async with storage.database.transaction() as connection:
        rows = await connection.execute(sa.select(inbox.c.payload).order_by(inbox.c.update_id))
        return [row.payload for row in rows.all()]


async def test_a_worker_that_held_an_erased_task_writes_nothing(storage: Storage) -> None:
    await queued(storage)
    [lease] = await storage.tasks.claim_due(
        owner="w", now=NOON, lease_for=MINUTE, limit=1, slots=None
    )
    await storage.privacy.erase_person(ANN, now=NOON)
    assert not await storage.tasks.save(lease, lease.to(S.SUBMITTING, run_at=NOON), now=NOON)
    assert not await storage.tasks.record_late_id(lease.id, "p", now=NOON)


async def test_only_expired_rows_are_deleted(storage: Storage) -> None:
    old, new = NOON, NOON + 50 * DAY
    drafts = [await draft(storage, now=when) for when in (old, new)]
    over = [await task_in(storage, state) for state in (S.FAILED, S.DELIVERED, S.UNKNOWN)]
    active = await queued(storage)
    assert await storage.privacy.forget(drafts_before=NOON, orders_before=NOON) == []
    gone = await storage.privacy.forget(
        drafts_before=NOON + 30 * DAY, orders_before=NOON + 90 * DAY
    )
    assert sorted(gone) == sorted([drafts[0].id, *(task.id for task in over)])
    assert await storage.tasks.get(drafts[1].id) == drafts[1]
    assert await storage.tasks.get(active.id) == active


async def test_old_updates_set_aside_are_deleted(storage: Storage) -> None:
    await storage.inbox.add([update(1), update(2)], now=NOON)
    await storage.inbox.set_aside(1, error="x", now=NOON)
    assert await storage.privacy.forget_updates(before=NOON) == 0
    assert await storage.privacy.forget_updates(before=NOON + DAY) == 1
    assert [str(number) for number in (await storage.inbox.counts()).values()] == ["1", "0", "0"]


async def test_drafts_of_different_chats_are_separate(storage: Storage) -> None:
    source = await task_in(storage, S.DELIVERED)
    made = await again(storage, source, words=False)
    elsewhere = await draft(storage, chat=Chat(chat_id=-9), prompt="not for that one")
    assert made is not None
    assert elsewhere.id != made.id


async def test_reservations_of_waiting_orders_are_returned(storage: Storage) -> None:
    generating = await task_in(storage, S.GENERATING)
    waiting = await queued(storage)
    await storage.privacy.erase_person(ANN, now=NOON)
    entries = [
        [row.kind.value for row in await storage.ledger.of_task(task.id)]
        for task in (waiting, generating)
    ]
    assert entries == [["reservation", "return"], ["reservation", "charge"]]


async def test_a_changed_prompt_keeps_the_chosen_model(storage: Storage) -> None:
    source = await task_in(storage, S.DELIVERED)
    made = await again(storage, source, words=False)
    assert made is not None
    completed = await draft(storage, prompt="a dog", model="m", price=Decimal(1))
    assert (completed.id, completed.model, completed.price) == (made.id, made.model, made.price)
