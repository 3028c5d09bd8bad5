"""The provider's list of prices against what people are shown."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.core.catalog import CATALOG, read
from bot.core.catalog_file import Taken, write
from bot.core.errors import ProviderBusy
from bot.operator.price_check import ACT, compare, differences, take_over
from bot.provider.client import Gptunnel
from bot.sandbox.gptunnel.server import GptunnelEmulator
from storage import Storage, open_storage
from tests.storage.conftest import sqlite_template

__all__ = ["sqlite_template"]

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ADMINS = frozenset({1, 2})
LITE, LONG = CATALOG["seedance-1-lite-480P-5s"], CATALOG["seedance-1-lite-480P-10s"]


class Provider:
    """Gives the list that a test puts here; None: it does not answer."""

    listed: dict[str, Decimal] | None = None

    async def prices(self) -> dict[str, Decimal]:
        if self.listed is None:
            raise ProviderBusy("no list")
        return self.listed


@pytest.fixture
def path(sqlite_template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(sqlite_template, tmp_path / "bot.db"))


@pytest.fixture
async def storage(path: Path) -> AsyncIterator[Storage]:
    async with open_storage(f"sqlite+aiosqlite:///{path}") as opened:
        yield opened


def told(path: Path) -> list[tuple[int, str]]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT chat_id, params FROM outbox ORDER BY id").fetchall()
    return [(chat, json.loads(params)["lines"]) for chat, params in rows]


async def run(provider: Provider, storage: Storage) -> None:
    await compare(provider, storage, [LITE, LONG], ADMINS, lambda: NOON)


def test_differences_name_the_model_and_both_prices() -> None:
    listed = {LITE.id: Decimal("18.5"), "other": Decimal(1)}
    assert differences([LITE, LONG], listed) == [
        "seedance-1-lite-480P-10s: 34 → –",
        "seedance-1-lite-480P-5s: 17 → 18.5",
    ]
    assert differences([LITE], {LITE.id: Decimal("17.00")}) == []


async def test_a_difference_is_reported_once_and_again_when_it_returns(
    storage: Storage, path: Path
) -> None:
    provider = Provider()
    same = {LITE.id: LITE.price, LONG.id: LONG.price}
    other = same | {LITE.id: Decimal(18)}
    provider.listed = same
    await run(provider, storage)
    assert told(path) == []
    for _ in range(3):  # restarts
        provider.listed = other
        await run(provider, storage)
    line = "seedance-1-lite-480P-5s: 17 → 18"
    assert told(path) == [(1, line), (2, line)]
    for listed in (same, other):
        provider.listed = listed
        await run(provider, storage)
    assert told(path) == [(1, line), (2, line)] * 2
    assert [act.act for act in await storage.audit.latest()] == [ACT] * 3


async def test_a_missing_answer_is_not_reported(storage: Storage, path: Path) -> None:
    await run(Provider(), storage)
    assert told(path) == []
    assert await storage.audit.latest() == []


async def test_the_list_of_the_provider_is_read_exactly() -> None:
    emulator = GptunnelEmulator(api_key="key")
    await emulator.start()
    client = Gptunnel.connect(emulator.base_url, "key")
    try:
        listed = await client.prices()
    finally:
        await client.close()
        await emulator.stop()
    assert differences(CATALOG.values(), listed) == []


@pytest.mark.parametrize(
    "body",
    [
        {"code": 99}, {"models": []}, {"models": "x"}, {"models": [{"id": "a"}]}, "no JSON",
        {"models": [{"id": LITE.id, "price": 1e40}, {"id": 5, "price": 1}, None]},
    ],
)  # fmt: skip
async def test_an_answer_that_is_not_a_list_counts_as_none(body: Any) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(body)

    app = web.Application()
    app.router.add_get("/media/models", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    client = Gptunnel.connect(f"http://127.0.0.1:{port}", "key")
    try:
        with pytest.raises(ProviderBusy):
            await client.prices()
    finally:
        await client.close()
        await runner.cleanup()


# --- the file of the operator --------------------------------------------------------------------


def listed(**changes: str | None) -> dict[str, Decimal]:
    prices = {LITE.id: "17", "kling-v2-5-1080P-5s": "60", "other-thing": "1"} | changes
    return {id_: Decimal(price) for id_, price in prices.items() if price is not None}


def buttons(path: Path) -> list[bool]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT params FROM outbox ORDER BY id").fetchall()
    return [bool(json.loads(params).get("takes")) for (params,) in rows]


async def test_price_changes_have_a_button_only_with_a_catalog_file(
    storage: Storage, path: Path, tmp_path: Path
) -> None:
    file = tmp_path / "catalog.toml"
    write(file, listed(), replace=False)
    provider = Provider()
    provider.listed = listed(**{LITE.id: "18", "wan-2.5-720p-5s": "55"})
    await compare(provider, storage, read(file), {1}, lambda: NOON, path=file)
    lines = f"{LITE.id}: 17 → 18\nwan-2.5-720p-5s: – → 55"
    assert told(path) == [(1, lines)]
    assert buttons(path) == [True]
    provider.listed = listed(**{LITE.id: "19"})
    await compare(provider, storage, [LITE], {1}, lambda: NOON)
    assert buttons(path) == [True, False]


async def test_a_lower_price_is_reported_without_a_button(
    storage: Storage, path: Path, tmp_path: Path
) -> None:
    file = tmp_path / "catalog.toml"
    write(file, listed(), replace=False)
    provider = Provider()
    provider.listed = listed(**{LITE.id: "16"})
    await compare(provider, storage, read(file), {1}, lambda: NOON, path=file)
    assert buttons(path) == [False]


async def test_taking_prices_over_changes_the_file_and_reloads_it(tmp_path: Path) -> None:
    file, provider, read_again = tmp_path / "catalog.toml", Provider(), list[int]()
    write(file, listed(), replace=False)

    async def take() -> Taken:
        return await take_over(provider, file, lambda: read_again.append(1), keep=frozenset())

    assert await take() is Taken.NO_ANSWER
    provider.listed = listed()
    assert await take() is Taken.NOTHING
    provider.listed = listed(**{LITE.id: "18"})
    assert await take() is Taken.DONE
    assert {model.id: model.price for model in read(file)}[LITE.id] == 18
    assert await take() is Taken.NOTHING
    file.write_text("no catalog")
    assert await take() is Taken.NOT_WRITTEN
    assert file.read_text() == "no catalog"
