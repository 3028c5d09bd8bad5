"""Work that kills its worker every time is set aside and reported, and affects nothing else."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crash.actors import Kind, Order, People, Plan
from tests.crash.campaign import beside
from tests.crash.environment import Environment, open_environment
from tests.crash.observer import Observer
from tests.crash.processes import Launcher, Wish
from tests.support.process_harness import until

pytestmark = pytest.mark.campaign

CLAIMS = 4
BEING_MADE = "SELECT id FROM tasks WHERE state = 'generating'"
ON_THE_WAY = "SELECT id FROM tasks WHERE state = 'rendered'"
WISH = Wish(lease_seconds=1.0, poison=CLAIMS)


async def _die_at(environment: Environment, point: str, lives: int) -> None:
    """Let this many processes die at the point, if they reach it; the next one runs normally."""
    for number in range(lives):
        journal = environment.folder / f"points-{number}"
        life = await environment.start(replace(WISH, journal=journal, die_at=(point, 1)))
        await life.ended
    await environment.start(WISH)


def _videos(environment: Environment, order: Order) -> int:
    return len(
        [
            call
            for call in environment.telegram.calls_of("sendVideo", chat_id=order.person.id)
            if call.ok
        ]
    )


def _told(environment: Environment, order: Order) -> list[str]:
    """The words that answer the order's message."""
    return [
        call.params["text"]
        for call in environment.telegram.calls_of("sendMessage", chat_id=order.person.id)
        if call.ok and call.params["reply_parameters"]["message_id"] in order.messages
    ]


async def test_a_task_that_kills_its_worker_is_set_aside_and_the_others_are_not(
    launcher: Launcher, tmp_path: Path
) -> None:
    async with open_environment(tmp_path, launcher) as environment:
        environment.provider.delay = 12.0  # they are being made all the while
        people = People(environment.telegram, random.Random(1), 7)
        observer = Observer(environment.database_url)
        async with beside(people.watch()):
            first = await environment.start(WISH)
            good = await asyncio.gather(
                *(people.order(60, kind=Kind.TEXT, plan=Plan.PRESS) for _ in range(6))
            )
            while len(await observer.rows(BEING_MADE)) < 6:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.05)
            await first.kill()
            dying = asyncio.create_task(  # noqa: TID251 - awaited below
                _die_at(environment, "commit [insert frames] before", CLAIMS)
            )
            poison = await people.order(60, kind=Kind.PHOTO, plan=Plan.PRESS)
            await dying
            await until(lambda: len(_told(environment, poison)) == 1, 60)
            await until(lambda: all(_videos(environment, order) for order in good), 60)
            while await observer.rows(ON_THE_WAY):  # noqa: ASYNC110 - sent, not yet written down
                await asyncio.sleep(0.05)
        assert _videos(environment, poison) == 0
        states = await observer.rows("SELECT state, reason FROM tasks ORDER BY state")
        assert [row["state"] for row in states] == ["delivered"] * 6 + ["failed"]
        assert states[-1]["reason"] == "set_aside"
        assert len(environment.provider.charges) == 6


async def test_an_update_that_kills_its_handler_is_set_aside_and_its_chat_continues(
    launcher: Launcher, tmp_path: Path
) -> None:
    async with open_environment(tmp_path, launcher) as environment:
        people = People(environment.telegram, random.Random(1), 1)
        observer = Observer(environment.database_url)
        async with beside(people.watch()):
            await people.order(0.01, kind=Kind.PHOTO)
            await _die_at(environment, "sendPhoto before", CLAIMS)
            good = await people.order(60, kind=Kind.TEXT, plan=Plan.PRESS)
            await until(lambda: _videos(environment, good) == 1, 60)
        assert environment.telegram.calls_of("sendPhoto") == []
        rows = await observer.rows("SELECT error, payload FROM inbox WHERE state = 'set_aside'")
        assert [row["error"] for row in rows] == ["its handler was killed again and again"]
        assert "photo" in rows[0]["payload"]
