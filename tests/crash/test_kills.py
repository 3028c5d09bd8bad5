"""Short campaigns: the same as `make crash`, with fewer kills."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.crash import campaign, steps, sweep
from tests.crash.actors import Kind, People, Plan
from tests.crash.campaign import beside, drain
from tests.crash.environment import open_environment, open_provider
from tests.crash.observer import Observer
from tests.crash.processes import Launcher
from tests.crash.steps import JOURNEYS, WISH, lead
from tests.support.postgres import PostgresServer
from tests.support.process_harness import free_port, until

pytestmark = pytest.mark.campaign


async def test_people_are_served_while_the_bot_is_killed_ten_times(
    launcher: Launcher, tmp_path: Path
) -> None:
    plan = campaign.Plan(seed=1, kills=10, orders=12, people=6)
    report = await campaign.run(plan, launcher, tmp_path)
    assert report.violations == []
    assert report.kills >= 8
    assert report.numbers.videos > 0


async def test_people_are_served_by_two_bots_that_are_killed_in_turn(
    launcher: Launcher, tmp_path: Path, postgres: PostgresServer
) -> None:
    plan = campaign.Plan(seed=2, kills=10, orders=12, people=6, workers=2)
    url = await postgres.create()
    report = await campaign.run(plan, launcher, tmp_path, database_url=url)
    assert report.violations == []
    assert report.kills >= 8
    assert report.numbers.videos > 0


async def test_a_kill_at_a_named_step_and_another_in_the_recovery_break_no_promise(
    launcher: Launcher, tmp_path: Path
) -> None:
    results = await steps.run(launcher, tmp_path, seed=1, journeys=("photo", "unknown"), only=4)
    assert results.violations == []
    assert results.kills >= 12


async def test_a_kill_around_an_album_loses_none_of_its_videos(
    launcher: Launcher, tmp_path: Path
) -> None:
    results = await steps.run(
        launcher, tmp_path, seed=1, journeys=("album",), like="sendMediaGroup"
    )
    assert results.violations == []
    assert results.kills >= 4
    assert all(result.telegram_calls.count("sendMediaGroup") for result in results.ended)
    assert all(result.numbers.videos == 2 for result in results.ended)


@pytest.mark.parametrize("like", ["update inbox done", "update tasks lease", "answerCallback"])
async def test_a_kill_around_a_shared_commit_loses_neither_change(
    like: str, launcher: Launcher, tmp_path: Path
) -> None:
    """A card and the end of its prompt, an order and its lease, a step and the end of a press."""
    results = await steps.run(launcher, tmp_path, seed=1, journeys=("photo",), like=like)
    assert results.violations == []
    assert results.kills >= 4


async def test_any_call_may_fail_once(launcher: Launcher, tmp_path: Path) -> None:
    swept = await sweep.run(launcher, tmp_path, every=11, first=7)
    assert swept.violations == []
    assert len(swept.ended) - len(swept.missed) >= 5


async def test_a_film_is_made_part_by_part(launcher: Launcher, tmp_path: Path) -> None:
    result = await lead(JOURNEYS["film"], launcher, tmp_path)
    assert result.violations == []
    assert (result.numbers.charges, result.numbers.videos) == (3, 3)


@pytest.mark.parametrize("deaths", [(45, 30), (90, 20)])
async def test_a_film_that_is_killed_twice_has_no_part_twice_or_out_of_order(
    launcher: Launcher, tmp_path: Path, deaths: tuple[int, int]
) -> None:
    result = await lead(JOURNEYS["film"], launcher, tmp_path, deaths)
    assert result.violations == []
    assert len(result.deaths) == 2
    assert result.numbers.charges + result.numbers.unknown >= 1


async def test_an_order_with_a_lost_answer_is_repeated_only_by_its_button(
    launcher: Launcher, tmp_path: Path
) -> None:
    result = await lead(JOURNEYS["unknown"], launcher, tmp_path)
    assert result.violations == []
    came = result.numbers
    assert (came.unknown, came.again, came.charges, came.videos) == (1, 1, 2, 1)
    assert result.provider_calls.count("create") == 2


async def test_an_order_that_was_not_accepted_is_retried_automatically(
    launcher: Launcher, tmp_path: Path
) -> None:
    result = await lead(JOURNEYS["not accepted"], launcher, tmp_path)
    assert result.violations == []
    came = result.numbers
    assert (came.unknown, came.charges, came.videos) == (0, 1, 1)
    assert result.provider_calls.count("create") == 2


async def test_an_order_waits_while_the_provider_refuses_connections(
    launcher: Launcher, tmp_path: Path
) -> None:
    async with open_environment(tmp_path, launcher) as environment:
        port = free_port()
        people = People(environment.telegram, random.Random(1), 1)
        observer = Observer(environment.database_url)
        late = open_provider()
        async with beside(people.watch()):
            life = await environment.start(WISH, GPTUNNEL_BASE_URL=f"http://127.0.0.1:{port}/v1")
            order = await people.order(60, kind=Kind.TEXT, plan=Plan.PRESS)
            await until(lambda: "not accepted, again in" in life.lines, 60)
            try:
                await late.start(port=port)
                await until(lambda: late.charges, 60)
                sent = environment.telegram.calls_of
                await until(lambda: sent("sendVideo", chat_id=order.person.id), 60)
                assert await drain(environment, observer, environment.start) == []
            finally:
                await late.stop()
        assert len(late.charges) == 1
