"""A database of an earlier version is migrated, also when the migration is killed half-way."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

import storage
from bot.core.task import TaskState
from bot.sandbox.telegram import Person
from storage import Database, migrate
from tests.crash.environment import Environment, open_environment
from tests.crash.observer import Observer
from tests.crash.processes import Launcher, Wish
from tests.support.postgres import PostgresServer
from tests.support.process_harness import until

pytestmark = pytest.mark.campaign

S = TaskState
NOW = datetime.now(UTC)  # noqa: TID251 - the bot that takes over has the real clock
WISH = Wish(lease_seconds=2.0, idle_seconds=0.5)
AT_ONCE = 6
"""Versions at once: PostgreSQL takes 100 connections, and each bot has some ten."""
AFTER = {
    **{state: state for state in S},
    S.DRAFT: S.DELIVERED,  # its old button is pressed
    S.QUEUED: S.DELIVERED,
    S.SUBMITTING: S.UNKNOWN,
    S.GENERATING: S.DELIVERED,
    S.RENDERED: S.DELIVERED,
}
"""The outcome of a task in each state, once a worker runs again."""


def _revisions() -> list[str]:
    """All versions, the oldest first, including the newest."""
    config = Config()
    folder = Path(storage.__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder))
    found = ScriptDirectory.from_config(config).walk_revisions()
    return [script.revision for script in found][::-1]


async def _ask(environment: Environment, url: str, body: dict[str, Any], **headers: str) -> Any:
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json=body, headers=headers) as answer,
    ):
        return await answer.json()


async def _order(environment: Environment) -> dict[str, Any]:
    """A job at the provider, which an earlier version ordered."""
    answer: dict[str, Any] = await _ask(
        environment,
        f"{environment.provider.base_url}/media/create",
        {"model": "seedance-1-lite-480P-5s", "prompt": "a fox, instant-test", "ar": "16:9"},
        Authorization=environment.provider.api_key,
    )
    return answer


async def _card(environment: Environment, person: Person, task_id: int) -> dict[str, Any]:
    """A card that an earlier version sent."""
    button = {"text": "16:9", "callback_data": f"r|{task_id}|16:9"}
    answer = await _ask(
        environment,
        f"{environment.telegram.url}/bot{environment.telegram.token}/sendMessage",
        {
            "chat_id": person.id,
            "text": "A card",
            "reply_markup": {"inline_keyboard": [[button]]},
        },
    )
    card: dict[str, Any] = answer["result"]
    return card


def _row(table: sa.Table, **known: Any) -> dict[str, Any]:
    """A row of a table of that version; columns unknown to this test are as empty as possible."""
    usual: dict[type, Any] = {int: 0, str: "", bool: False, float: 0.0, dict: {}, datetime: NOW}
    return {
        column.name: known.get(column.name, None if column.nullable else usual.get(kind))
        for column in table.columns
        for kind in [column.type.python_type]
        if column.name in known or (column.server_default is None and not column.primary_key)
    } | {name: value for name, value in known.items() if name in table.c}


async def _fill(environment: Environment, person: Person) -> None:
    """A task in every state, a waiting update and a waiting notice, as that version wrote them."""
    job, made = await _order(environment), await _order(environment)
    database = await Database.open(environment.database_url)

    def fill(connection: Connection) -> None:
        tables = sa.MetaData()
        tables.reflect(connection)
        tasks, events = tables.tables["tasks"], tables.tables["task_events"]
        for number, state in enumerate(S, 1):
            known = {
                "id": number,
                "user_id": person.id,
                "chat_id": person.id,
                "message_id": number,
                "source_chat_id": person.id,
                "source_message_id": number,
                "lang": "en",
                "model": "seedance-1-lite-480P-5s",
                "price_kopecks": 1700,
                "prompt": f"order in {state}",
                "state": state.value,
                "aspect_ratio": None if state is S.DRAFT else "16:9",
                "created_at": NOW,
                "run_at": NOW,
                "confirmed_at": None if state is S.DRAFT else NOW,
                "submitted_at": NOW,
                "rendered_at": NOW,
                "provider_id": job["id"] if state is S.GENERATING else None,
                "video_url": made["url"] if state is S.RENDERED else None,
            }
            connection.execute(sa.insert(tasks).values(_row(tasks, **known)))
            event = _row(events, task_id=number, state=state.value, at=NOW)
            connection.execute(sa.insert(events).values(event))
        if connection.dialect.name == "postgresql":
            connection.execute(
                sa.text("SELECT setval(pg_get_serial_sequence('tasks', 'id'), 100)")
            )
        update = {
            "update_id": 1,
            "message": {
                "message_id": 500,
                "date": int(NOW.timestamp()),
                "chat": {"id": person.id, "type": "private"},
                "from": person.user,
                "text": "written before the upgrade",
            },
        }
        inbox, outbox = tables.tables["inbox"], tables.tables["outbox"]
        connection.execute(
            sa.insert(inbox).values(
                _row(
                    inbox,
                    update_id=1,
                    chat_key=str(person.id),
                    payload=json.dumps(update),
                    state="pending",
                )
            )
        )
        connection.execute(
            sa.insert(outbox).values(
                _row(
                    outbox,
                    task_id=list(S).index(S.UNKNOWN) + 1,
                    kind="unknown",
                    chat_id=person.id,
                    lang="en",
                    params={"price": "17"},
                )
            )
        )

    try:
        async with database.transaction() as connection:
            await connection.run_sync(fill)
    finally:
        await database.close()


async def _version(observer: Observer) -> str:
    [row] = await observer.rows("SELECT version_num FROM alembic_version")
    version: str = row["version_num"]
    return version


async def _kill_in_mid_migration(
    environment: Environment, old: str, new: str, observer: Observer
) -> int:
    """Kill the start later and later until it has migrated; return the number of kills."""
    kills, points = 0, 1
    while True:
        journal = environment.folder / f"points-{points}"
        life = await environment.start(Wish(lease_seconds=2.0, journal=journal, die_after=points))
        assert await life.ended == -9, life.lines
        version = await _version(observer)
        assert version in (old, new)
        if version == new:
            return kills
        kills, points = kills + 1, points * 2


@pytest.fixture(params=["sqlite", "postgres"])
def server(request: pytest.FixtureRequest) -> PostgresServer | None:
    """None: an SQLite file will do."""
    if request.param == "sqlite":
        return None
    running: PostgresServer = request.getfixturevalue("postgres")
    return running


async def test_every_version_is_migrated_with_tasks_in_every_state(
    server: PostgresServer | None, launcher: Launcher, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        grounds = []
        for revision in _revisions()[:-1]:
            folder = tmp_path / revision
            folder.mkdir()
            url = await server.create() if server else ""
            environment = await stack.enter_async_context(
                open_environment(folder, launcher, database_url=url)
            )
            database = await Database.open(environment.database_url)
            await migrate(database, revision)
            await database.close()
            grounds.append((environment, revision))
        slots = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as side_by_side:
            for environment, revision in grounds:
                side_by_side.create_task(_take_over(environment, revision, slots), name=revision)


async def _take_over(environment: Environment, revision: str, slots: asyncio.Semaphore) -> None:
    async with slots:
        await _migrate_and_continue(environment, revision)
        for life in environment.living:
            await life.kill()


async def _migrate_and_continue(environment: Environment, revision: str) -> None:
    newest = _revisions()[-1]
    person = environment.telegram.add_person()
    await person.send_text("hello")  # so that the bot may write
    await _fill(environment, person)
    observer = Observer(environment.database_url)
    assert await _kill_in_mid_migration(environment, revision, newest, observer) >= 2
    await environment.start(WISH)
    card = await _card(environment, person, 1)
    await person.press(card, "16:9")
    expected = {number: AFTER[state].value for number, state in enumerate(S, 1)}
    found: dict[int, str] = {}

    async def settled() -> bool:
        rows = await observer.rows("SELECT id, state FROM tasks")
        found.update({row["id"]: row["state"] for row in rows if row["id"] in expected})
        return found == expected

    for _ in range(300):
        if await settled():
            break
        await asyncio.sleep(0.3)
    assert found == expected
    assert await _version(observer) == newest
    [pending] = await observer.rows("SELECT COUNT(*) AS n FROM inbox WHERE state = 'pending'")
    assert pending["n"] == 0
    await until(lambda: _replies_to(environment, 500))
    # the waiting notice, and the one about the task that the takeover found
    await until(lambda: len(_buttons(environment, "u|")) == 2)
    # two of the earlier version, one that was queued, one from the old card
    assert len(environment.provider.charges) == 4


def _replies_to(environment: Environment, message_id: int) -> list[Any]:
    return [
        call
        for call in environment.telegram.calls_of("sendMessage")
        if (call.params.get("reply_parameters") or {}).get("message_id") == message_id
    ]


def _buttons(environment: Environment, start: str) -> set[str]:
    """Return the buttons that were sent, each once: a killed process may have sent one twice."""
    found = re.compile(f'"({re.escape(start)}[^"]*)"')
    return {
        data
        for call in environment.telegram.calls_of("sendMessage")
        for data in found.findall(json.dumps(call.params.get("reply_markup") or {}))
    }
