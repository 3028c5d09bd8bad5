"""Tests have aiogram as the bot has it; `LEAN=0` runs them with aiogram as it comes."""

import gc

from bot.runtime.lazy_aiogram import import_aiogram

import_aiogram()

from aiogram.client.session.aiohttp import AiohttpSession  # noqa: E402 - what was just imported

from tests.support.fork_server import share_certificates  # noqa: E402
from tests.support.launcher import end_fork_server  # noqa: E402

share_certificates()


async def _close_at_once(session: AiohttpSession) -> None:
    """Without the quarter of a second that aiogram gives TLS to end: there is none on loopback."""
    if session._session is not None and not session._session.closed:
        await session._session.close()


AiohttpSession.close = _close_at_once  # type: ignore[assignment, method-assign]


def pytest_collection_finish() -> None:
    """What is imported stays: no look for garbage goes through it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 100)


def pytest_unconfigure() -> None:
    """A worker of pytest-xdist is not left in the usual way."""
    end_fork_server()
