"""The client of the Bot API: aiogram's session with middlewares for errors, rates and metrics.

It must not know tasks, texts or the database.
"""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import aiohttp
from aiogram import Bot
from aiogram.client.session.middlewares.base import (
    BaseRequestMiddleware,
    NextRequestMiddlewareType,
)
from aiogram.client.telegram import TelegramAPIServer
from aiogram.methods import (
    GetFile,
    GetUpdates,
    Response,
    TelegramMethod,
)
from aiogram.methods.base import TelegramType
from pydantic import SecretStr

from bot.core.clock import Sleep
from bot.core.errors import (
    TelegramLater,
    TelegramRejected,
    TelegramTooLarge,
)
from bot.runtime import metrics, proxy
from bot.telegram import rich_messages
from bot.telegram.answer_types import KeepAnswerTypes
from bot.telegram.errors import ErrorMiddleware
from bot.telegram.private_topics import PrivateTopics
from bot.telegram.rate_limits import RateLimiter, RateLimitMiddleware, SharedLimiter
from bot.telegram.session import Session

REQUEST_SECONDS = 30
"""Seconds for an ordinary call; uploads and the long poll set their own timeouts."""


class CountMiddleware(BaseRequestMiddleware):
    """Counts how each call ended; it runs outside of ErrorMiddleware."""

    async def __call__(
        self,
        make_request: NextRequestMiddlewareType[TelegramType],
        bot: Bot,
        method: TelegramMethod[TelegramType],
    ) -> Response[TelegramType]:
        with metrics.telegram_call(method.__api_method__):
            return await make_request(bot, method)


class GetRawUpdates(GetUpdates):
    """getUpdates without parsing: one update that aiogram cannot parse must not hide the
    others.
    """

    __returning__ = Any  # type: ignore[assignment]


def connect(
    token: SecretStr,
    api_url: str,
    pace: RateLimiter,
    *,
    local: bool = False,
    proxy_url: str = "",
    seconds: float = REQUEST_SECONDS,
    sleep: Sleep = asyncio.sleep,
    line: SharedLimiter | None = None,
) -> Bot:
    """Return the bot with a session that applies the errors and rate limits; `seconds` per call.

    `local`: the server runs with --local, on this machine. `line`: the limit shared by several
    processes.
    """
    session = Session(
        api=TelegramAPIServer.from_base(api_url, is_local=local),
        proxy=proxy_url or None,
        timeout=seconds,
        limit=100,
        json_loads=rich_messages.loads,
    )
    session.middleware(PrivateTopics())
    session.middleware(RateLimitMiddleware(pace, sleep, line))
    session.middleware(CountMiddleware())
    session.middleware(ErrorMiddleware())
    session.middleware(KeepAnswerTypes())
    return Bot(token.get_secret_value(), session=session)


async def fetch_file(bot: Bot, file_id: str, *, limit: int) -> bytes:
    """Return the bytes of a file by its `file_id` (Bot API: getFile; 20 MB at most).

    Raises TelegramTooLarge over `limit` bytes and the other TelegramErrors; TelegramRejected when
    Telegram no longer has the file, among them TelegramFileAway when that is not sure.
    """
    content = io.BytesIO()
    await download_file(bot, file_id, content, limit=limit)
    return content.getvalue()


async def download_file(bot: Bot, file_id: str, target: BinaryIO, *, limit: int) -> int:
    """Write a file of Telegram into an open file; return its bytes. Memory use does not grow with
    it. Raises what `fetch_file` raises; the file may then hold a part."""
    file = await bot(GetFile(file_id=file_id))
    if not file.file_path:
        raise TelegramRejected("the file has no path")
    if bot.session.api.is_local:
        return await asyncio.to_thread(_copy_file, Path(file.file_path), target, limit)
    # A "#" or "?" of a file's name would end the path.
    url = bot.session.api.file_url(bot.token, quote(file.file_path))
    size = 0
    try:
        async with asyncio.timeout(REQUEST_SECONDS * 2):
            async for chunk in bot.session.stream_content(url, timeout=REQUEST_SECONDS * 2):
                size += len(chunk)
                if size > limit:
                    raise TelegramTooLarge(f"the file is over {limit} bytes")
                target.write(chunk)
    except aiohttp.ClientResponseError as exc:
        if exc.status in (400, 403, 404, 410):
            if Path(file.file_path).is_absolute():
                # Such a server does not serve files (telegram-bot-api #26); the file is there.
                raise TelegramLater(
                    "TELEGRAM_LOCAL: the server of TELEGRAM_API_URL runs with --local"
                ) from None
            raise TelegramRejected(f"the file cannot be had (HTTP {exc.status})") from None
        raise TelegramLater(f"the file cannot be had now (HTTP {exc.status})") from None
    except Exception as exc:
        if not isinstance(exc, aiohttp.ClientError | OSError) and not proxy.is_at_fault(exc):
            raise
        raise TelegramLater(f"the file cannot be had now ({type(exc).__name__})") from None
    return size


def _copy_file(path: Path, target: BinaryIO, limit: int) -> int:
    """Copy a file that a server with --local stored; this process must be able to see its
    folder.
    """
    size = 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                size += len(chunk)
                if size > limit:
                    raise TelegramTooLarge(f"the file is over {limit} bytes")
                target.write(chunk)
    except OSError as exc:
        # The operator has to fix this (TELEGRAM_LOCAL, permissions, mounts); nothing is lost
        # meanwhile.
        raise TelegramLater(f"a local file cannot be read ({type(exc).__name__})") from exc
    return size
