"""`/metrics` and `/healthz` answer within 3 s while the database answers nobody, and say so."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sqlite3
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest

from bot.operator.metrics_endpoint import MetricsEndpoint
from bot.runtime.bounded import Bounded
from bot.runtime.health import Health
from bot.runtime.http_server import HttpServer
from storage import Storage, open_storage
from tests.support.factories import NOON
from tests.support.postgres import PostgresServer, postgres

__all__ = ["postgres"]

WITHIN = 3.0


@pytest.fixture(autouse=True)
def _dropped_connections() -> Iterator[None]:
    """Collect the connections that a silent server kept from being closed, within this file."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


async def balance() -> None:
    """The provider is as silent as the database."""
    await asyncio.Event().wait()


@asynccontextmanager
async def serving(storage: Storage) -> AsyncIterator[httpx.AsyncClient]:
    scrape = MetricsEndpoint(storage, balance, clock=lambda: NOON, token="")
    health = Health(storage.database.writable, limits={})
    server = HttpServer("127.0.0.1", 0, health=health.report, routes=scrape.routes)
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=server.local_url, trust_env=False) as client:
            yield client
    finally:
        await server.stop()


async def both(client: httpx.AsyncClient) -> tuple[str, list[str]]:
    async with asyncio.timeout(WITHIN):
        metrics, health = await asyncio.gather(client.get("/metrics"), client.get("/healthz"))
    assert health.status_code == (200 if health.json()["ok"] else 503)
    return metrics.text, health.json()["reasons"]


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Another process keeps the only write lock of the file."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@contextmanager
def frozen(postgres: PostgresServer) -> Iterator[None]:
    """Every process of the server stands still, as on a host that is swapping."""
    family = [postgres.pid]
    for status in Path("/proc").glob("[0-9]*/stat"):
        parent = status.read_text().rpartition(")")[2].split()[1]
        if int(parent) == postgres.pid:
            family.append(int(status.parent.name))
    for pid in family:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in family:
            os.kill(pid, signal.SIGCONT)


async def test_with_a_held_file(tmp_path: Path) -> None:
    async with (
        open_storage(f"sqlite+aiosqlite:///{tmp_path}/bot.db") as storage,
        serving(storage) as client,
    ):
        said, reasons = await both(client)
        assert "bot_database_up 1.0" in said
        assert reasons == []
    async with (
        open_storage(f"sqlite+aiosqlite:///{tmp_path}/bot.db") as storage,
        serving(storage) as client,
    ):
        with held(tmp_path / "bot.db"):
            for _ in range(2):
                said, reasons = await both(client)
                assert "bot_database_up 0.0" in said
                assert reasons == ["database: no answer within 2 s"]


async def test_with_a_frozen_server(postgres: PostgresServer) -> None:
    async with open_storage(await postgres.create()) as storage, serving(storage) as client:
        with frozen(postgres):
            for _ in range(2):
                said, reasons = await both(client)
                assert "bot_database_up 0.0" in said
                assert reasons == ["database: no answer within 2 s"]


async def test_a_question_is_not_asked_twice_at_the_same_time() -> None:
    asked = 0
    answer = asyncio.Event()

    async def question() -> int:
        nonlocal asked
        asked += 1
        await answer.wait()
        return asked

    bounded = Bounded(question, 0.01)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await bounded()
    answer.set()
    assert await bounded() == 1
    assert await bounded() == 2


async def test_an_error_that_nobody_waited_for_is_no_complaint_of_the_loop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def question() -> None:
        await asyncio.sleep(0.01)
        raise ZeroDivisionError

    bounded = Bounded(question, 0.001)
    with pytest.raises(TimeoutError):
        await bounded()
    await asyncio.sleep(0.03)
    del bounded
    assert caplog.records == []
