"""Tests import aiogram in the same way as the bot; `LEAN=0` runs them with the normal import."""

import gc
from collections.abc import Iterator

import pytest

from bot.runtime.lazy_aiogram import import_aiogram

import_aiogram()

from aiogram.client.session.aiohttp import AiohttpSession  # noqa: E402 - what was just imported

from bot.core.catalog import CATALOG  # noqa: E402
from tests.support.fork_server import share_certificates  # noqa: E402
from tests.support.launcher import end_fork_server  # noqa: E402
from tests.support.shared_caches import share_signatures, share_statements  # noqa: E402

share_certificates()
share_signatures()
share_statements()


async def _close_at_once(session: AiohttpSession) -> None:
    """Close aiogram's session without its wait for TLS, which is not used on loopback."""
    if session._session is not None and not session._session.closed:
        await session._session.close()


AiohttpSession.close = _close_at_once  # type: ignore[assignment, method-assign]


def pytest_collection_finish() -> None:
    """Exclude imported objects from garbage collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 100)


def pytest_unconfigure() -> None:
    """End the fork server: a worker of pytest-xdist does not exit normally."""
    end_fork_server()


@pytest.fixture(autouse=True)
def _same_catalog() -> Iterator[None]:
    """Put the catalog of this process back: settings with a CATALOG_FILE change it."""
    before = dict(CATALOG)
    yield
    if before != CATALOG:
        CATALOG.clear()
        CATALOG.update(before)
