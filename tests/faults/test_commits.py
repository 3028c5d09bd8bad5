"""How often a video's life goes to the disk: each writing commit is an fsync."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from bot.sandbox.telegram.people import Person
from bot.sandbox.telegram.state import Json
from tests.faults.house import House, OpenHouse

Commits = list[list[str]]
"""Of each commit that wrote something, what it wrote: the beginnings of its statements."""


@contextmanager
def counted() -> Iterator[Commits]:
    done: Commits = []
    writes: dict[int, list[str]] = {}

    def wrote(connection: Any, cursor: Any, text: str, *_: Any) -> None:
        if not text.startswith(("SELECT", "PRAGMA")):
            changes = connection.exec_driver_sql("SELECT total_changes()").scalar()
            before = connection.info.get("changes", 0)
            connection.info["changes"] = changes
            if changes != before:
                writes.setdefault(id(connection), []).append(" ".join(text.split()[:3]))

    def committed(connection: Any) -> None:
        if found := writes.pop(id(connection), None):
            done.append(found)

    sa.event.listen(sa.Engine, "after_cursor_execute", wrote)
    sa.event.listen(sa.Engine, "commit", committed)
    try:
        yield done
    finally:
        sa.event.remove(sa.Engine, "after_cursor_execute", wrote)
        sa.event.remove(sa.Engine, "commit", committed)


async def order(house: House, people: list[Person]) -> int:
    """Each writes a prompt, looks at the card, presses and gets the video; how many commits that
    took in all.
    """
    with counted() as done:
        for person in people:
            await person.send_text("a red fox")
        await house.until(lambda: all(_cards(person) for person in people))
        await house.pass_(5)
        for person in people:
            await person.press(_cards(person)[-1], "9:16")
        await house.until(lambda: set(house.states()) == {"delivered"})
        await house.pass_(5)
    return len(done)


async def _known(house: House) -> Person:
    person = house.person()
    await person.send_text("/start")
    await house.settle()
    return person


def _cards(person: Person) -> list[Json]:
    return [m for m in person.chat.messages.values() if "9:16" in str(m.get("reply_markup"))]


async def test_videos_that_are_ordered_together_take_eight_commits_each_at_most(
    a_house: OpenHouse,
) -> None:
    async with a_house() as house:
        people = [await _known(house) for _ in range(20)]
        assert await order(house, people) <= 8 * len(people)


async def test_a_video_that_is_ordered_alone_shares_its_commits_with_nobody(
    a_house: OpenHouse,
) -> None:
    """Each of the two updates is kept and leased as it comes in; the draft, and that its card is
    shown and the prompt done; the order with the worker's lease; four for the states of the task,
    one of which says that the press is done.
    """
    async with a_house() as house:
        house.provider.create_latency = 0.1  # a press is answered before an order is
        assert await order(house, [await _known(house)]) <= 9
