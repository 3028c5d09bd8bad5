"""Tests import aiogram in the same way as the bot; `LEAN=0` runs them with the normal import."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module

import pytest

from bot.runtime.lazy_aiogram import import_aiogram

import_aiogram()

from aiogram.client.session.aiohttp import AiohttpSession  # noqa: E402 - what was just imported

from bot.core.catalog import CATALOG  # noqa: E402
from tests.support.campaigns import mark_campaigns  # noqa: E402
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


def pytest_sessionstart(session: pytest.Session) -> None:
    """Import all test files, each worker in another order, before pytest does.

    Otherwise all workers compile the same file at the same moment; so each compiles a part and
    finds the others already compiled.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if not worker or sys.dont_write_bytecode:
        return
    root, given = session.config.rootpath, session.config.args
    files = sorted(file for one in given for file in (root / one).rglob("test_*.py"))
    first = len(files) * int(worker) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    for file in files[first:] + files[:first]:
        with suppress(Exception, pytest.skip.Exception):  # the collection tells it
            import_module(".".join(file.relative_to(root).with_suffix("").parts))


@pytest.hookimpl(tryfirst=True)  # before the marks are selected
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the long repetitions."""
    mark_campaigns(items)


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
