"""Films: places, versions, and who may join one. The same on both databases."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.core.film import FilmProblem
from bot.core.notices import Notice, NoticeKind
from bot.core.task import AspectRatio, FilmPlace, Frame, Task, TaskState
from storage import Film, Storage
from tests.storage.test_callback_actions import again
from tests.support.factories import ANN, BOB, CHAT, MINUTE, NOON, SECOND, leased, task_in

S = TaskState
LAST = Frame(file_id="last", kind="photo")


async def delivered(storage: Storage, task: Task) -> Task:
    """Make this draft on the usual way."""
    confirmed = await storage.tasks.confirm(
        task.id, user_id=ANN, aspect_ratio=AspectRatio.TALL, update_id=90_000 + task.id, now=NOON
    )
    assert confirmed is not None
    held = await leased(storage, owner=f"way {task.id}")
    for state in (S.SUBMITTING, S.GENERATING, S.RENDERED, S.DELIVERED):
        extra: dict[str, Any] = {"provider_id": f"p{task.id}"} if state is S.GENERATING else {}
        extra |= {"video_file_id": f"v{task.id}"} if state is S.DELIVERED else {}
        after = held.to(state, run_at=NOON, **extra)
        assert await storage.tasks.save(held, after, now=NOON)
        held = after
    return held


async def part_after(storage: Storage, source: Task, update_id: int) -> Task:
    made = await again(storage, source, update_id, frame=LAST, film=FilmPlace.AFTER)
    assert made is not None
    return made


async def film_of(storage: Storage, count: int = 3) -> list[Task]:
    first = await delivered(storage, await task_in(storage, S.DRAFT))
    parts = [first]
    for number in range(1, count):
        parts.append(await delivered(storage, await part_after(storage, parts[-1], number)))
    return parts


async def film(storage: Storage) -> Film:
    found = await storage.films.get(1)
    assert found is not None
    return found


async def shown(storage: Storage) -> list[int]:
    return [part.id for part in (await film(storage)).parts]


async def test_a_film_begins_with_the_first_part_that_goes_on(
    storage: Storage, other: Storage
) -> None:
    first = await delivered(storage, await task_in(storage, S.DRAFT))
    second = await part_after(storage, first, 1)
    assert (second.film_id, second.film_place) == (1, 2)
    assert await shown(other) == [first.id], "a draft is no part yet"
    assert await part_after(other, first, 1) == second, "the same press"
    await delivered(storage, second)
    assert await shown(other) == [first.id, second.id]


async def test_variants_and_retries_keep_the_place(storage: Storage) -> None:
    first = await delivered(storage, await task_in(storage, S.DRAFT))
    await part_after(storage, first, 1)
    made = await again(storage, first, 2, film=FilmPlace.SAME)
    assert made is not None
    assert await storage.tasks.choose(made.id, user_id=ANN, variants=2)
    assert await storage.tasks.confirm(
        made.id, user_id=ANN, aspect_ratio=AspectRatio.TALL, update_id=7, now=NOON
    )
    variants = await storage.tasks.variants(made.id)
    assert [(one.film_id, one.film_place) for one in variants] == 2 * [(1, 1)]


async def test_the_version_that_took_the_place_last_is_shown(storage: Storage) -> None:
    first, second, third = await film_of(storage)
    version = await again(storage, second, 5, film=FilmPlace.SAME, now=NOON + SECOND)
    assert version is not None
    assert await shown(storage) == [first.id, second.id, third.id]
    version = await delivered(storage, version)
    assert await shown(storage) == [first.id, version.id, third.id]
    assert (await film(storage)).versions == ((first.id,), (second.id, version.id), (third.id,))
    assert not await storage.films.choose(1, second.id, user_id=BOB, now=NOON + MINUTE)
    assert await storage.films.choose(1, second.id, user_id=ANN, now=NOON + MINUTE)
    assert await shown(storage) == [first.id, second.id, third.id]
    # going on from a version shows it
    await part_after(storage, version, 6)
    await again(storage, version, 7, film=FilmPlace.AFTER, now=NOON + 2 * MINUTE)
    assert await shown(storage) == [first.id, version.id, third.id]


async def test_a_place_is_taken_out_with_its_versions_by_its_owner(storage: Storage) -> None:
    first, second, third = await film_of(storage)
    assert not await storage.films.take_out(1, second.id, user_id=BOB)
    assert await storage.films.take_out(1, second.id, user_id=ANN)
    assert not await storage.films.take_out(1, second.id, user_id=ANN)
    assert await shown(storage) == [first.id, third.id]
    kept = await storage.tasks.get(second.id)
    assert kept is not None
    assert (kept.state, kept.film_id) == (S.DELIVERED, None)


# --- joining -------------------------------------------------------------------------------


async def want(storage: Storage, **changes: Any) -> bool:
    wish: dict[str, Any] = {
        "user_id": ANN,
        "chat": CHAT,
        "lang": "ru",
        "reply_to": 7,
        "now": NOON,
    } | changes
    return await storage.films.want(1, **wish)


async def claim(storage: Storage, owner: str = "one", now: Any = NOON) -> list[int]:
    found = await storage.films.claim(owner=owner, now=now, lease_for=MINUTE, limit=5)
    return [one.id for one in found]


async def test_a_film_is_requested_once_and_held_by_one(storage: Storage, other: Storage) -> None:
    await film_of(storage)
    assert not await want(storage, user_id=BOB)
    assert sorted(await asyncio.gather(want(storage), want(other))) == [False, True]
    held = await asyncio.gather(claim(storage, "one"), claim(other, "two"))
    assert sorted(held) == [[], [1]]
    owner = "one" if held[0] else "two"
    stranger = "two" if held[0] else "one"
    joined = await film(storage)
    assert not await storage.films.joined(stranger, joined, "film")
    assert not await storage.films.extend(stranger, 1, until=NOON + MINUTE)
    assert await storage.films.extend(owner, 1, until=NOON + 2 * MINUTE)
    assert await claim(other, stranger, NOON + MINUTE) == []
    assert await storage.films.joined(owner, joined, "film")
    assert (await film(other)).file_id == "film"
    assert await claim(other, stranger, NOON + 5 * MINUTE) == []


async def test_a_lease_that_ran_out_is_taken_over(storage: Storage) -> None:
    await film_of(storage)
    await want(storage)
    assert await claim(storage, "one") == [1]
    assert await claim(storage, "two", NOON + MINUTE) == [1]
    assert not await storage.films.later("one", 1, NOON)
    assert await storage.films.later("two", 1, NOON + 3 * MINUTE)
    assert await claim(storage, "two", NOON + 2 * MINUTE) == []
    [found] = await storage.films.claim(
        owner="two", now=NOON + 3 * MINUTE, lease_for=MINUTE, limit=1
    )
    assert (found.attempts, found.chat, found.lang, found.reply_to) == (3, CHAT, "ru", 7)
    assert found.wanted_at == NOON


async def test_with_other_parts_it_is_another_film(storage: Storage) -> None:
    parts = await film_of(storage)
    await want(storage)
    await claim(storage)
    assert await storage.films.joined("one", await film(storage), "film")
    await delivered(storage, await part_after(storage, parts[-1], 9))
    assert (await film(storage)).file_id is None
    assert await storage.films.take_out(1, (await shown(storage))[-1], user_id=ANN)
    assert (await film(storage)).file_id == "film", "the same parts are the same film"


async def test_an_end_without_a_film_is_told_in_the_same_commit(storage: Storage) -> None:
    await film_of(storage)
    await want(storage)
    await claim(storage)
    told = Notice(
        kind=NoticeKind.FILM_NOT_JOINED,
        chat=CHAT,
        lang="en",
        params={"film": 1, "problem": FilmProblem.SIZE.value, "part": 2},
    )
    assert not await storage.films.give_up("two", 1, told, now=NOON)
    assert await storage.outbox.count() == 0
    assert await storage.films.give_up("one", 1, told, now=NOON)
    assert await storage.outbox.count() == 1
    assert await claim(storage, "two", NOON + MINUTE) == []
    assert await want(storage), "it can be requested again"


@pytest.mark.parametrize("which", [0, 1])
async def test_what_is_deleted_is_in_no_film(storage: Storage, which: int) -> None:
    parts = await film_of(storage, 2)
    await want(storage)
    await claim(storage)
    await storage.films.joined("one", await film(storage), "film")
    assert await storage.privacy.erase_task(parts[which].id, user_id=ANN)
    assert await shown(storage) == [parts[1 - which].id]
    gone = await storage.privacy.forget(drafts_before=NOON, orders_before=NOON + SECOND)
    assert gone == [parts[1 - which].id]
    assert await storage.films.get(1) is None
