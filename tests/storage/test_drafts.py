"""Drafts grow out of several messages, change until they are ordered, and do not mix."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from bot.core.caps import Cap, Limit, OrderRules
from bot.core.errors import LimitReached
from bot.core.task import AspectRatio, Chat, Frame, TaskState
from storage import Storage, open_storage
from storage.tables import tasks
from storage.tasks.drafts import JOIN_WITHIN
from tests.support.factories import ANN, BOB, CHAT, NOON, PHOTO, draft, wish

OTHER = Frame(file_id="AgACAgJ", kind="photo")


async def waiting(storage: Storage, **changes: Any) -> int:
    """A photo without words; the number of its draft."""
    task = await storage.tasks.draft_from_frame(**wish(frame=PHOTO, prompt=None) | changes)
    assert task.prompt is None
    return task.id


# --- the photo after the words ---------------------------------------------------------------


async def test_a_photo_right_after_a_prompt_belongs_to_it(storage: Storage) -> None:
    words = await draft(storage, message_id=1)
    photo = wish(frame=PHOTO, prompt=None, message_id=2, now=NOON + timedelta(minutes=1))
    joined = await storage.tasks.draft_from_frame(**photo)
    assert joined == replace(
        words, frame=PHOTO, frame_message_id=2, revision=words.revision + 1
    )  # the words' own message is still the one that is answered
    assert await storage.tasks.draft_from_frame(**photo) == joined
    assert len(await storage.tasks.latest(ANN)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": "it waves"},
        {"now": NOON + JOIN_WITHIN},
        {"user_id": BOB},
        {"chat": Chat(chat_id=ANN, message_thread_id=4)},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_an_unrelated_photo_stays_separate(
    storage: Storage, changes: dict[str, Any]
) -> None:
    words = await draft(storage)
    own = await storage.tasks.draft_from_frame(**wish(frame=PHOTO, prompt=None) | changes)
    assert own.id != words.id
    assert await storage.tasks.get(words.id) == words


async def test_a_photo_belongs_to_the_last_prompt_while_it_is_a_draft(
    storage: Storage,
) -> None:
    first = await draft(storage)
    second = await draft(storage)
    joined = await storage.tasks.draft_from_frame(**wish(frame=PHOTO, prompt=None))
    assert joined.id == second.id
    assert await waiting(storage) not in (first.id, second.id)
    third = await draft(storage)  # takes the photo that waits
    fourth = await draft(storage)
    await storage.tasks.cancel(fourth.id, user_id=ANN, now=NOON)
    assert await waiting(storage) not in (third.id, fourth.id)


# --- albums ----------------------------------------------------------------------------------


async def test_an_album_is_one_draft_with_its_first_picture(storage: Storage) -> None:
    made = [
        await storage.tasks.draft_from_frame(
            **wish(frame=frame, prompt=None, media_group_id="g", message_id=number)
        )
        for number, frame in enumerate((PHOTO, OTHER, OTHER), 1)
    ]
    assert made[0] == made[1] == made[2]
    assert (made[0].frame, made[0].frame_message_id) == (PHOTO, 1)
    elsewhere = wish(frame=OTHER, prompt=None, media_group_id="g", chat=Chat(chat_id=-5))
    assert (await storage.tasks.draft_from_frame(**elsewhere)).id != made[0].id


@pytest.mark.parametrize("captioned", [1, 2, 3])
async def test_the_caption_of_any_picture_is_that_of_the_album(
    storage: Storage, captioned: int
) -> None:
    for number in (1, 2, 3):
        values = wish(
            frame=PHOTO if number == 1 else OTHER,
            prompt="it waves" if number == captioned else None,
            media_group_id="g",
            message_id=number,
        )
        task = await storage.tasks.draft_from_frame(**values)
        assert await storage.tasks.draft_from_frame(**values) == task
    assert (task.prompt, task.frame, task.message_id) == ("it waves", PHOTO, captioned)
    assert len(await storage.tasks.latest(ANN)) == 1


async def test_an_album_after_its_prompt_belongs_to_it(storage: Storage) -> None:
    words = await draft(storage, message_id=1)
    for number in (2, 3):
        values = wish(frame=PHOTO, prompt=None, media_group_id="g", message_id=number)
        task = await storage.tasks.draft_from_frame(**values)
        assert (task.id, task.prompt, task.frame_message_id) == (words.id, words.prompt, 2)


async def test_an_album_that_was_ordered_is_not_ordered_again(storage: Storage) -> None:
    values = wish(frame=PHOTO, prompt="it waves", media_group_id="g", message_id=1)
    task = await storage.tasks.draft_from_frame(**values)
    await storage.tasks.confirm(
        task.id, user_id=ANN, aspect_ratio=AspectRatio.TALL, update_id=1, now=NOON
    )
    late = wish(frame=OTHER, prompt="late", media_group_id="g", message_id=2)
    found = await storage.tasks.draft_from_frame(**late)
    assert (found.id, found.prompt, found.frame) == (task.id, "it waves", PHOTO)


# --- answers to photos and cards -------------------------------------------------------------


async def test_a_reply_to_a_photo_is_its_prompt(storage: Storage) -> None:
    older = await waiting(storage, message_id=1)
    newer = await waiting(storage, message_id=2)
    task = await draft(storage, replied_to=1, frame=PHOTO)
    assert task.id == older
    again = await draft(storage, replied_to=1, frame=PHOTO)  # once more about the same photo
    assert again.id not in (older, newer)
    assert (again.frame, again.frame_message_id) == (PHOTO, None)
    assert (await draft(storage)).id == newer


async def test_a_reply_to_a_card_changes_its_prompt(storage: Storage) -> None:
    task = await storage.tasks.draft_from_frame(**wish(frame=PHOTO, prompt="it waves"))
    await storage.tasks.card_shown(task, card_message_id=70, is_media=True)
    changed = await draft(storage, replied_to=70, prompt="it runs", message_id=9)
    assert (changed.id, changed.prompt, changed.frame) == (task.id, "it runs", PHOTO)
    assert (changed.message_id, changed.revision, changed.card_revision) == (9, 1, 0)
    assert (await draft(storage, replied_to=70, prompt="it runs", message_id=9)) == changed
    strangers = await draft(storage, replied_to=70, user_id=BOB)
    assert (strangers.id != task.id, strangers.frame) == (True, None)


async def test_a_reply_to_an_ordered_card_uses_the_same_photo(
    storage: Storage,
) -> None:
    task = await storage.tasks.draft_from_frame(**wish(frame=PHOTO, prompt="it waves"))
    await storage.tasks.card_shown(task, card_message_id=70, is_media=True)
    await storage.tasks.confirm(
        task.id, user_id=ANN, aspect_ratio=AspectRatio.TALL, update_id=1, now=NOON
    )
    new = await draft(storage, replied_to=70, prompt="it runs")
    assert (new.id != task.id, new.frame, new.prompt) == (True, PHOTO, "it runs")


async def test_a_card_that_comes_after_the_end_changes_nothing(storage: Storage) -> None:
    task = await draft(storage)
    ended = await storage.tasks.cancel(task.id, user_id=ANN, now=NOON)
    await storage.tasks.card_shown(task, card_message_id=70)
    assert await storage.tasks.get(task.id) == ended


# --- changes ---------------------------------------------------------------------------------


async def test_an_edited_message_changes_its_draft_once(storage: Storage) -> None:
    task = await draft(storage, message_id=5)
    edit: dict[str, Any] = {"user_id": ANN, "chat": CHAT, "message_id": 5, "prompt": "a dog"}
    changed = await storage.tasks.edited(**edit)
    assert changed == replace(task, prompt="a dog", revision=1)
    assert await storage.tasks.edited(**edit) == changed
    assert await storage.tasks.edited(**edit | {"message_id": 6}) is None
    assert await storage.tasks.edited(**edit | {"user_id": BOB, "prompt": "mine"}) == changed


async def test_an_edited_message_changes_nothing_that_was_ordered(storage: Storage) -> None:
    task = await draft(storage, message_id=5)
    await storage.tasks.confirm(
        task.id, user_id=ANN, aspect_ratio=AspectRatio.TALL, update_id=1, now=NOON
    )
    edited = await storage.tasks.edited(user_id=ANN, chat=CHAT, message_id=5, prompt="a dog")
    assert edited is not None
    assert (edited.prompt, edited.revision) == ("a cat", 0)


async def test_an_edited_photo_is_the_new_picture(storage: Storage) -> None:
    await storage.tasks.draft_from_frame(**wish(frame=PHOTO, prompt="it waves", message_id=5))
    edited = await storage.tasks.edited(
        user_id=ANN, chat=CHAT, message_id=5, prompt="it waves", frame=OTHER
    )
    assert edited is not None
    assert (edited.frame, edited.prompt, edited.revision) == (OTHER, "it waves", 1)


async def test_only_the_owner_of_a_draft_chooses_its_options(storage: Storage) -> None:
    task = await draft(storage)
    choice: dict[str, Any] = {
        "user_id": ANN,
        "model": "seedance-1-lite-720P-5s",
        "price": Decimal(41),
    }
    chosen = await storage.tasks.choose(task.id, **choice)
    assert chosen == replace(task, model="seedance-1-lite-720P-5s", price=Decimal(41), revision=1)
    assert await storage.tasks.choose(task.id, **choice) == chosen
    assert await storage.tasks.choose(task.id, **choice | {"user_id": BOB}) is None
    await storage.tasks.cancel(task.id, user_id=ANN, now=NOON)
    assert await storage.tasks.choose(task.id, user_id=ANN, variants=2) is None


async def test_a_rewritten_prompt_applies_only_to_its_revision(
    storage: Storage,
) -> None:
    task = await draft(storage)
    words = {"prompt": "A cat, at dawn", "original": "a cat", "rewritten": "A cat, at dawn"}
    await storage.tasks.choose(task.id, user_id=ANN, variants=2)
    assert await storage.tasks.choose_wording(task.id, user_id=ANN, revision=0, **words) is None
    done = await storage.tasks.choose_wording(task.id, user_id=ANN, revision=1, **words)
    assert done is not None
    assert (done.prompt, done.original, done.revision) == ("A cat, at dawn", "a cat", 2)


async def test_a_persons_defaults_are_kept(storage: Storage) -> None:
    await storage.users.see(ANN, lang="ru", name="Ann", now=NOON)
    await storage.users.set_defaults(ANN, ratio="9:16", model="seedance-1-lite-720P-5s")
    await storage.users.see(ANN, lang="ru", name="Ann", now=NOON)
    user = await storage.users.get(ANN)
    assert user is not None
    assert (user.ratio, user.model) == ("9:16", "seedance-1-lite-720P-5s")
    await storage.users.set_defaults(ANN, ratio=None)
    user = await storage.users.get(ANN)
    assert user is not None
    assert (user.ratio, user.model) == (None, "seedance-1-lite-720P-5s")


# --- several at once -------------------------------------------------------------------------


async def ordered(storage: Storage, variants: int) -> list[int]:
    """A draft that was ordered so often; the numbers of its orders."""
    task = await storage.tasks.draft_from_frame(**wish(frame=PHOTO, prompt="it waves"))
    assert await storage.tasks.choose(task.id, user_id=ANN, variants=variants)
    press: dict[str, Any] = {
        "user_id": ANN,
        "aspect_ratio": AspectRatio.TALL,
        "update_id": 7,
        "now": NOON,
    }
    first = await storage.tasks.confirm(task.id, **press)
    assert await storage.tasks.confirm(task.id, **press) == first
    return [task.id for task in reversed(await storage.tasks.latest(ANN))]


async def test_each_variant_is_a_separate_order_once(storage: Storage) -> None:
    first, second, third = await ordered(storage, 3)
    for number in (second, third):
        task = await storage.tasks.get(number)
        assert task is not None
        assert (task.state, task.prompt, task.frame) == (TaskState.QUEUED, "it waves", PHOTO)
        assert (task.aspect_ratio, task.price) == (AspectRatio.TALL, Decimal("16.4"))
        assert (task.variant_of, task.variants, task.card_message_id) == (first, 1, None)
        assert [event.state for event in await storage.tasks.events(number)] == [TaskState.QUEUED]
    slots = [await storage.tasks.queue_position(number) for number in (first, second, third)]
    assert slots == [1, 2, 3]


async def test_cancelling_cancels_all_variants_that_still_wait(storage: Storage) -> None:
    first, second, third = await ordered(storage, 3)
    async with storage.database.transaction() as connection:
        await connection.execute(
            sa.update(tasks).where(tasks.c.id == third).values(state=TaskState.SUBMITTING)
        )
    assert await storage.tasks.cancel(first, user_id=BOB, now=NOON) is None
    assert await storage.tasks.cancel(first, user_id=ANN, now=NOON)
    states = [task and task.state for task in [await storage.tasks.get(n) for n in
              (first, second, third)]]  # fmt: skip
    assert states == [TaskState.CANCELLED, TaskState.CANCELLED, TaskState.SUBMITTING]


async def test_a_cap_exceeded_by_the_variants_allows_none(url: str) -> None:
    terms = OrderRules(caps={Cap.USER_AT_ONCE: Limit(videos=2)})
    async with open_storage(url, terms) as storage:
        task = await draft(storage)
        await storage.tasks.choose(task.id, user_id=ANN, variants=3)
        press: dict[str, Any] = {
            "user_id": ANN,
            "aspect_ratio": AspectRatio.TALL,
            "update_id": 7,
            "now": NOON,
        }
        with pytest.raises(LimitReached):
            await storage.tasks.confirm(task.id, **press)
        assert [one.state for one in await storage.tasks.latest(ANN)] == [TaskState.DRAFT]
        await storage.tasks.choose(task.id, user_id=ANN, variants=2)
        assert await storage.tasks.confirm(task.id, **press)
        assert len(await storage.tasks.latest(ANN)) == 2


async def test_cancelling_keeps_the_variants_of_other_cards(storage: Storage) -> None:
    first = await ordered(storage, 2)
    second = (await ordered(storage, 2))[2:]
    assert await storage.tasks.cancel(first[0], user_id=ANN, now=NOON)
    for task_ids, state in ((first, TaskState.CANCELLED), (second, TaskState.QUEUED)):
        for task_id in task_ids:
            task = await storage.tasks.get(task_id)
            assert task is not None
            assert task.state is state
