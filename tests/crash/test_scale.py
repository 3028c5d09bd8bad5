"""Several processes on one PostgreSQL: a short form of `make scale`, and what each role does."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import sqlalchemy as sa

from bot.core.clock import utc_now
from storage import open_storage
from storage.tables import tasks
from tests.crash import scale
from tests.crash.actors import Kind, People, Plan
from tests.crash.campaign import beside, drain
from tests.crash.claims import Claims
from tests.crash.environment import Environment, open_environment
from tests.crash.observer import Observer
from tests.crash.processes import UP, BotRun, Launcher, Wish
from tests.crash.verdict import Disturbances, Verdict
from tests.support.factories import queued
from tests.support.postgres import PostgresServer, running_postgres
from tests.support.process_harness import until

pytestmark = pytest.mark.campaign

PATIENT = Wish(lease_seconds=60.0, idle_seconds=60.0)
"""Checks for work of others once a minute: everything sooner is due to an event."""


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@asynccontextmanager
async def people_ordering(
    launcher: Launcher, folder: Path, url: str, people: int = 4
) -> AsyncIterator[tuple[Environment, People]]:
    async with open_environment(folder, launcher, database_url=url) as environment:
        persons = People(environment.telegram, random.Random(1), people)
        async with beside(persons.watch()):
            yield environment, persons


async def up(environment: Environment, wish: Wish = PATIENT, **settings: str) -> BotRun:
    life = await environment.start(wish, **settings)
    await until(lambda: UP in life.lines, 60)
    return life


async def asked(life: BotRun, path: str, method: str = "GET") -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"http://127.0.0.1:{life.port}{path}") as answer,
    ):
        json = answer.content_type == "application/json"
        return answer.status, await answer.json() if json else None


@pytest.mark.parametrize("updates", ["polling", "webhook"])
async def test_people_are_served_by_roles_that_are_killed_and_cut_off(
    launcher: Launcher, tmp_path: Path, postgres: PostgresServer, updates: str
) -> None:
    plan = replace(scale.plan(3, kills=6, orders=14, updates=updates), life_seconds=(1.0, 3.0))
    report = await scale.run(plan, launcher, tmp_path, database_url=await postgres.create())
    assert report.violations == []
    assert report.campaign.kills >= 4
    assert report.campaign.cuts
    assert report.campaign.numbers.videos
    assert report.claims > 3 * report.campaign.numbers.videos


async def test_each_role_does_its_part_and_wakes_the_other_at_once(
    launcher: Launcher, tmp_path: Path, postgres: PostgresServer
) -> None:
    async with people_ordering(launcher, tmp_path, await postgres.create()) as (
        environment,
        people,
    ):
        worker = await up(environment, ROLE="worker")
        await until(lambda: "chores: done here" in worker.lines, 60)
        intake = await up(environment, ROLE="intake", UPDATES="webhook")
        order = await people.order(60, kind=Kind.PHOTO, plan=Plan.PRESS)
        sent = partial(environment.telegram.calls_of, "sendVideo", chat_id=order.person.id)
        await until(lambda: environment.provider.charges, 30)  # not by the check of every minute
        await until(sent, 30)
        parts = {}
        for life in (worker, intake):
            status, health = await asked(life, "/healthz")
            assert (status, (await asked(life, "/readyz"))[0]) == (200, 200)
            parts[life.pid] = set(health["seconds_since"])
        assert parts[worker.pid] == {"worker", "loop"}
        assert parts[intake.pid] == {"updates", "loop"}
        assert (await asked(worker, "/telegram", "POST"))[0] == 404
        assert (await asked(intake, "/telegram", "POST"))[0] == 401


async def test_one_process_polls_for_updates_and_another_takes_over_after_a_kill(
    launcher: Launcher, tmp_path: Path, postgres: PostgresServer
) -> None:
    async with people_ordering(launcher, tmp_path, await postgres.create()) as (
        environment,
        people,
    ):
        wish = Wish()
        first = await up(environment, wish, ROLE="intake")
        await until(lambda: "updates: done here" in first.lines, 60)
        second = await up(environment, wish, ROLE="intake")
        status, _ = await asked(second, "/readyz")
        assert status == 200  # it has nothing to ask, and is ready
        assert "updates: done here" not in second.lines
        await first.kill()
        await until(lambda: "updates: done here" in second.lines, 60)
        order = await people.order(60, kind=Kind.TEXT, plan=Plan.LEAVE)
        await until(
            lambda: environment.telegram.calls_of("sendMessage", chat_id=order.person.id), 30
        )


async def test_the_tasks_of_a_stopped_worker_continue_at_once(
    launcher: Launcher, tmp_path: Path, postgres: PostgresServer
) -> None:
    async with people_ordering(launcher, tmp_path, await postgres.create()) as (
        environment,
        people,
    ):
        environment.provider.delay = 3.2  # within the first questions
        first, second = await up(environment), await up(environment)
        order = await people.order(60, kind=Kind.TEXT, plan=Plan.PRESS)
        await until(lambda: "accepted as" in first.lines + second.lines, 60)
        if "accepted as" in second.lines:
            first, second = second, first
        assert await first.stop() == 0
        sent = partial(environment.telegram.calls_of, "sendVideo", chat_id=order.person.id)
        await until(sent, 45)  # its lease would be a minute, like the next check
        assert len(environment.provider.charges) == 1


async def test_a_restart_of_the_database_loses_nothing_and_ends_no_process(
    launcher: Launcher, tmp_path: Path, own_postgres: PostgresServer
) -> None:
    async with people_ordering(launcher, tmp_path, await own_postgres.create(), 8) as (
        environment,
        people,
    ):
        environment.provider.delay = lambda: random.uniform(0.5, 4.0)
        lives = [await up(environment, Wish()) for _ in range(2)]
        disturbances = Disturbances()
        observer = Observer(environment.database_url)
        async with asyncio.TaskGroup() as group:
            for number in range(16):
                group.create_task(people.order(120))
                if number in (5, 11):
                    await asyncio.sleep(1.0)
                    await own_postgres.restart()
                    disturbances.cuts.append(time.time())
                await asyncio.sleep(0.2)
        assert not any(life.ended.done() for life in lives)
        assert await drain(environment, observer, environment.start) == []
        verdict = Verdict(environment, people.orders, disturbances)
        assert verdict.violations == []
        assert verdict.numbers.videos
        assert verdict.numbers.unknown == 0  # the writes of SUBMITTING and of the id are retried


async def test_a_row_leased_to_two_workers_is_noticed(postgres: PostgresServer) -> None:
    url = await postgres.create()
    async with open_storage(url) as storage:
        claims = Claims(url)
        await claims.watch()
        await queued(storage, now=utc_now())
        await queued(storage, now=utc_now())

        async def claim(owner: str, seconds: float) -> list[int]:
            found = await storage.tasks.claim_due(
                owner=owner,
                now=utc_now(),
                lease_for=timedelta(seconds=seconds),
                limit=1,
                slots=None,
            )
            return [task.id for task in found]

        [held], [lapsed] = await claim("two", 60.0), await claim("one", 0.0)
        assert await claim("three", 60.0) == [lapsed]  # nobody held it any more
        assert await claims.doubles() == []
        async with storage.database.transaction() as connection:
            await connection.execute(
                sa.update(tasks)
                .where(tasks.c.id == held)
                .values(lease_owner="thief", fence=tasks.c.fence + 1)
            )
        assert await claims.doubles() == [f"tasks {held}: thief took it from two"]
        assert await claims.seen() == 4
