"""Suggestions and requests for photos, on both databases."""

from __future__ import annotations

from bot.core.suggestions import Suggestion
from bot.core.task import AspectRatio, Chat
from storage import Storage
from storage.photo_requests import WAITS
from tests.support.factories import ANN, BOB, CHAT, MINUTE, NOON, PHOTO, SECOND, draft, wish

FOUND = [Suggestion("Снег", "It snows"), Suggestion("Ветер", "Wind")]
TOPIC = Chat(chat_id=ANN, message_thread_id=7)


async def wordless(storage: Storage) -> int:
    task = await storage.tasks.draft_from_frame(**wish(prompt=None, frame=PHOTO))
    return task.id


async def test_suggestions_are_kept_for_a_photo_that_waits(
    storage: Storage, other: Storage
) -> None:
    photo = await wordless(storage)
    assert await storage.suggestions.keep(photo, FOUND[:1])
    assert await storage.suggestions.keep(photo, FOUND)
    assert await other.suggestions.of(photo) == tuple(FOUND)
    text = await draft(storage, user_id=BOB, chat=Chat(chat_id=BOB))
    assert not await storage.suggestions.keep(text.id, FOUND)
    assert not await storage.suggestions.keep(999, FOUND)
    assert await storage.suggestions.of(text.id) == ()


async def test_a_suggestion_is_taken_by_the_owner_and_only_instead_of_a_suggestion(
    storage: Storage,
) -> None:
    photo = await wordless(storage)
    suggested = ["It snows", "Wind"]

    async def take(prompt: str, user_id: int = ANN) -> str | None:
        task = await storage.tasks.take_suggestion(
            photo, user_id=user_id, prompt=prompt, label="Снег", suggested=suggested
        )
        return None if task is None else task.prompt

    assert await take("It snows", BOB) is None
    assert await take("It snows") == "It snows"
    assert await take("It snows") == "It snows"
    task = await storage.tasks.get(photo)
    assert task is not None
    assert (task.revision, task.original, task.rewritten) == (1, "Снег", "It snows")
    assert await take("Wind") == "Wind"
    changed = await storage.tasks.choose_wording(
        photo, user_id=ANN, prompt="My own", original="My own", rewritten="x"
    )
    assert changed is not None
    assert await take("It snows") is None


async def ask(storage: Storage, chat: Chat = CHAT, user_id: int = ANN) -> int:
    return await storage.photo_requests.add(
        user_id=user_id, chat=chat, prompt="It snows", ratio=AspectRatio.TALL, model="m", now=NOON
    )


async def test_a_request_belongs_to_a_person_and_a_place(storage: Storage, other: Storage) -> None:
    first, second = await ask(storage), await ask(storage)
    elsewhere = await ask(storage, TOPIC)
    assert first < second < elsewhere
    found = await other.photo_requests.open(ANN, CHAT, NOON + MINUTE)
    assert found is not None
    assert (found.id, found.prompt, found.ratio, found.model) == (
        second, "It snows", AspectRatio.TALL, "m",
    )  # fmt: skip
    assert await storage.photo_requests.open(BOB, CHAT, NOON) is None
    assert await storage.photo_requests.open(ANN, CHAT, NOON + WAITS + SECOND) is None
    assert not await storage.photo_requests.cancel(second, user_id=BOB)
    assert await storage.photo_requests.cancel(second, user_id=ANN)
    assert not await storage.photo_requests.cancel(second, user_id=ANN)


async def test_one_photo_takes_a_request(storage: Storage, other: Storage) -> None:
    await ask(storage)
    request = await storage.photo_requests.open(ANN, CHAT, NOON)
    first = await storage.tasks.draft_from_frame(**wish(prompt=None, frame=PHOTO, request=request))
    late = await other.tasks.draft_from_frame(**wish(prompt=None, frame=PHOTO, request=request))
    assert (first.prompt, first.aspect_ratio) == ("It snows", AspectRatio.TALL)
    assert (late.prompt, late.aspect_ratio) == (None, None)


async def test_a_request_moves_with_its_group_and_grows_old(storage: Storage) -> None:
    group, new = Chat(chat_id=-5), Chat(chat_id=-1005)
    await ask(storage, group)
    await storage.tasks.migrate_chat(-5, -1005)
    assert await storage.photo_requests.open(ANN, group, NOON) is None
    assert await storage.photo_requests.open(ANN, new, NOON) is not None
    await storage.privacy.forget(drafts_before=NOON + SECOND, orders_before=NOON)
    assert await storage.photo_requests.open(ANN, new, NOON) is None
