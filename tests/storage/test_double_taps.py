"""Two processes handle two presses on one button at once: one card, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from bot.core.errors import CardOpened
from bot.core.task import AspectRatio, FilmPlace, Frame, Task, TaskKind, TaskState
from storage import Storage
from storage.tables import tasks
from tests.support.factories import ANN, CHAT, NOON, draft, task_in

S = TaskState
TERMS: dict[str, Any] = {"user_id": ANN, "lang": "en", "model": "m", "price": Decimal(41)}
Press = Callable[[Storage, Task, int], Awaitable[Task | None]]


async def another_ratio(storage: Storage, source: Task, number: int, **more: Any) -> Task | None:
    wish = {**TERMS, "now": NOON, **more}
    return await storage.callback_actions.draft_from(source.id, update_id=number, **wish)


async def go_on(storage: Storage, source: Task, number: int) -> Task | None:
    frame = Frame(file_id=f"last frame {number}", kind="photo")  # sent anew by each press
    return await another_ratio(
        storage, source, number, words=False, frame=frame, frame_message_id=number,
        film=FilmPlace.AFTER,
    )  # fmt: skip


async def drawing(storage: Storage, source: Task, number: int) -> Task | None:
    return await storage.pictures.draw(source.id, update_id=number, now=NOON, **TERMS)


async def from_picture(storage: Storage, source: Task, number: int) -> Task | None:
    return await storage.pictures.use(source.id, update_id=number, now=NOON, **TERMS)


async def scene(storage: Storage, source: Task, number: int) -> Task | None:
    return await draft(storage, message_id=77, source_id=-number)


PRESSES: list[Press] = [another_ratio, go_on, drawing, from_picture, scene]


@pytest.mark.parametrize("press", PRESSES)
async def test_presses_in_two_processes_open_one_card(
    storage: Storage, other: Storage, press: Press
) -> None:
    source = await task_in(storage, S.DELIVERED)
    drawn = press is from_picture
    async with storage.database.transaction() as connection:
        kind = TaskKind.PICTURE if drawn else TaskKind.VIDEO
        await connection.execute(sa.update(tasks).values(kind=kind.value, video_file_id="file"))
    before = len(await storage.tasks.latest(ANN, limit=50))
    presses = [
        press(process, source, number) for number, process in enumerate((storage, other) * 3, 1)
    ]
    ended = await asyncio.gather(*presses, return_exceptions=True)
    assert len([one for one in ended if isinstance(one, Task)]) == 1, ended
    assert len([one for one in ended if isinstance(one, CardOpened)]) == 5
    assert len(await storage.tasks.latest(ANN, limit=50)) == before + 1


async def test_orders_of_two_processes_take_the_same_card(
    storage: Storage, other: Storage
) -> None:
    source = await task_in(storage, S.DELIVERED)
    cards = await asyncio.gather(
        another_ratio(storage, source, 1, takes_open=True),
        another_ratio(other, source, 2, takes_open=True),
    )
    assert cards[0] == cards[1]
    assert cards[0] is not None
    orders = [
        process.tasks.confirm(
            cards[0].id, user_id=ANN, aspect_ratio=AspectRatio.TALL, update_id=number, now=NOON
        )
        for number, process in enumerate((storage, other), 1)
    ]
    assert (await asyncio.gather(*orders)).count(None) == 1


async def test_half_a_minute_later_another_card_opens(storage: Storage) -> None:
    source = await task_in(storage, S.DELIVERED)
    first = await another_ratio(storage, source, 1)
    for seconds in (0, 29):
        with pytest.raises(CardOpened):
            await another_ratio(storage, source, 2, now=NOON + timedelta(seconds=seconds))
    later = await another_ratio(storage, source, 3, now=NOON + timedelta(seconds=30))
    assert first is not None
    assert later is not None
    assert later.id != first.id


@pytest.mark.parametrize("change", ["price", "model"])
async def test_other_terms_are_another_card(storage: Storage, change: str) -> None:
    source = await task_in(storage, S.DELIVERED)
    assert await another_ratio(storage, source, 1)
    value = Decimal(42) if change == "price" else "other"
    assert await another_ratio(storage, source, 2, **{change: value})


async def test_what_continues_is_found_before_anything_is_fetched(storage: Storage) -> None:
    source = await task_in(storage, S.DELIVERED)

    async def is_open() -> bool:
        return await storage.callback_actions.continued(
            source.id, user_id=ANN, chat=CHAT, now=NOON
        )

    await another_ratio(storage, source, 1, words=False)  # another prompt, no next part
    assert not await is_open()
    made = await go_on(storage, source, 2)
    assert made is not None
    assert await is_open()
    await storage.tasks.cancel(made.id, user_id=ANN, now=NOON)
    assert not await is_open()
