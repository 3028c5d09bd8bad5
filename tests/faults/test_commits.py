"""The number of commits for a video: each writing commit is an fsync."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from bot.sandbox.telegram.people import Person
from bot.sandbox.telegram.state import Json
from tests.support.app_harness import AppHarness, OpenAppHarness

Commits = list[list[str]]
"""For each commit that wrote something: the beginnings of its statements."""


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


async def order(harness: AppHarness, people: list[Person]) -> int:
    """Let each person write a prompt, press and get the video; return the number of commits,
    without those for the balance, which is read at most once a minute."""
    began = harness.time()
    with counted() as done:
        for person in people:
            await person.send_text("a red fox")
        await harness.until(lambda: all(_cards(person) for person in people))
        await harness.pass_(5)
        for person in people:
            await person.press(_cards(person)[-1], "9:16")
        await harness.until(lambda: set(harness.states()) == {"delivered"})
        await harness.pass_(5)
    readings = [commit for commit in done if commit == ["INSERT INTO provider_account"]]
    assert len(readings) <= 1 + (harness.time() - began).total_seconds() / 60
    return len(done) - len(readings)


async def _known(harness: AppHarness) -> Person:
    person = harness.person()
    await person.send_text("/start")
    await harness.settle()
    return person


def _cards(person: Person) -> list[Json]:
    return [m for m in person.chat.messages.values() if "9:16" in str(m.get("reply_markup"))]


async def test_videos_ordered_together_take_at_most_eight_commits_each(
    make_harness: OpenAppHarness,
) -> None:
    async with make_harness() as harness:
        people = [await _known(harness) for _ in range(20)]
        assert await order(harness, people) <= 8 * len(people)


async def test_a_video_ordered_alone_has_its_own_commits(
    make_harness: OpenAppHarness,
) -> None:
    """Each of the two updates is kept and leased as it comes in; the draft, and that its card is
    shown and the prompt done; the order with the worker's lease; four for the states of the task,
    one of which says that the press is done.
    """
    async with make_harness() as harness:
        harness.provider.create_latency = 0.1  # a press is answered before an order is
        assert await order(harness, [await _known(harness)]) <= 9
