"""Fixtures of the handler harness (tests/support/handler_harness.py)."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiogram import Bot, Dispatcher

from bot.core.access import Access
from bot.core.prices import PriceView
from bot.core.stars import StarsPackages
from handlers.context import Offer
from storage import open_storage
from tests.support.handler_harness import MODEL, Clock, FakeTelegram, HandlerHarness, Person
from tests.support.shared_caches import kept_routers


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables, made once."""
    path = tmp_path_factory.mktemp("handlers") / "empty.db"

    async def make() -> None:
        async with open_storage(f"sqlite+aiosqlite:///{path}"):
            pass

    asyncio.run(make())
    return path


@pytest.fixture
def dispatcher() -> Iterator[Dispatcher]:
    """A dispatcher with all handlers."""
    with kept_routers() as routers:
        dispatcher = Dispatcher(disable_fsm=True)
        dispatcher.include_router(routers())
        yield dispatcher


@pytest.fixture
async def harness(
    dispatcher: Dispatcher, empty_database: Path, tmp_path: Path
) -> AsyncIterator[HandlerHarness]:
    path = tmp_path / "bot.db"
    shutil.copy(empty_database, path)
    telegram, clock = FakeTelegram(), Clock()
    bot = Bot("42:TEST", session=telegram)
    async with open_storage(f"sqlite+aiosqlite:///{path}") as storage:
        harness = HandlerHarness(bot, dispatcher, telegram, storage, clock, path)
        dispatcher.workflow_data.update(
            storage=storage,
            clock=clock,
            access=Access(is_open=True),
            stars_packages=StarsPackages(),
            wake=lambda: harness.woken.append(clock()),
            claim_on_commit=harness.claim_on_commit,
            try_now=lambda: harness.tried.append(clock()),
            forget_files=harness.forget_files,
            find_job=harness.find_job,
            take_over=harness.take_over,
            admins_changed=harness.admins_changed,
            balance=harness.balance,
            prices=PriceView(show="always"),
            offer=Offer(model=MODEL, photos_on=True),
        )
        yield harness


@pytest.fixture
def ann(harness: HandlerHarness) -> Person:
    return Person(harness)


@pytest.fixture
def boris(harness: HandlerHarness) -> Person:
    return Person(harness, user_id=8, lang="ru")
