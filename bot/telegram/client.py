"""The wire to Telegram: the one home of its errors, its rates and its secrets.

aiogram's session with two request middlewares: one turns everything that can go wrong into
`bot.core.errors`' TelegramErrors, without the token; one keeps to the published rates. It must
not know tasks, texts or the database.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.session.middlewares.base import (
    BaseRequestMiddleware,
    NextRequestMiddlewareType,
)
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    AiogramError,
    ClientDecodeError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.methods import (
    DeleteMessage,
    GetFile,
    GetMe,
    GetUpdates,
    Response,
    SendChatAction,
    SendMediaGroup,
    TelegramMethod,
)
from aiogram.methods.base import TelegramType
from pydantic import SecretStr

from bot.core.clock import Sleep
from bot.core.errors import (
    TelegramConflict,
    TelegramError,
    TelegramLater,
    TelegramLost,
    TelegramMoved,
    TelegramNotModified,
    TelegramRejected,
    TelegramTooLarge,
    TelegramUnauthorized,
    TelegramUnreachable,
)
from bot.runtime import metrics, proxy

REQUEST_SECONDS = 30
"""The whole of an ordinary call; uploads and the long poll name their own."""

# The descriptions are not documented; these are read in the Bot API server's and tdlib's sources.
_UNREACHABLE = (
    "chat not found",
    "user not found",
    "group chat was deactivated",
    "group chat was upgraded",
    "user is deactivated",
    "peer_id_invalid",
    "not enough rights to send",
    "have no rights to send",
    "chat_write_forbidden",
    "chat_restricted",
    "bot is not a member",
    "bot was kicked",
)
_TOO_LARGE = ("file is too big", "request entity too large", "file too large")


def classify(exc: BaseException) -> TelegramError | None:
    """What to do about an error of a call to Telegram; None when it is not one.

    The text never holds the token: descriptions are Telegram's own, and of network errors only the
    kind is kept, because their texts carry the address.
    """
    match exc:
        case TelegramError():
            return exc
        case TelegramRetryAfter():
            return TelegramLater("flood control", retry_after=float(exc.retry_after))
        case TelegramMigrateToChat():
            return TelegramMoved("the group has moved", chat_id=exc.migrate_to_chat_id)
        case TelegramUnauthorizedError():
            return TelegramUnauthorized(exc.message)
        case TelegramNotFound() if isinstance(exc.method, GetMe | GetUpdates):
            return TelegramUnauthorized("Not Found: the token is not one of this server's")
        case TelegramConflictError():
            return TelegramConflict(exc.message)
        case TelegramForbiddenError():
            return TelegramUnreachable(exc.message)
        case TelegramEntityTooLarge():
            return TelegramTooLarge(exc.message)
        case TelegramServerError():
            return TelegramLater(exc.message)
        case TelegramNetworkError() | ClientDecodeError():
            cause = exc.__cause__ if isinstance(exc, TelegramNetworkError) else None
            kind = type(cause or exc).__name__
            if isinstance(cause, aiohttp.ClientConnectorError) or proxy.is_at_fault(cause):
                return TelegramLater(f"no connection ({kind})")
            return TelegramLost(f"the answer was lost ({kind})")
        case TelegramBadRequest():
            return _bad_request(exc.message)
        case TelegramAPIError() if "too many requests" in str(exc.message).lower():
            return TelegramLater("flood control without a time", retry_after=30.0)
        case TelegramAPIError():
            return TelegramRejected(str(exc.message))
        case Exception() if proxy.is_at_fault(exc):
            return TelegramLater(f"no connection through the proxy ({type(exc).__name__})")
        case aiohttp.ClientError() | TimeoutError() | OSError() | AiogramError():
            return TelegramLost(f"the answer was lost ({type(exc).__name__})")
        case _:
            return None


def _bad_request(message: str) -> TelegramError:
    words = message.lower()
    if "message is not modified" in words:
        return TelegramNotModified(message)
    if any(part in words for part in _UNREACHABLE):
        return TelegramUnreachable(message)
    if any(part in words for part in _TOO_LARGE):
        return TelegramTooLarge(message)
    return TelegramRejected(message)


class ErrorMiddleware(BaseRequestMiddleware):
    """Every call raises TelegramErrors, and nothing else."""

    async def __call__(
        self,
        make_request: NextRequestMiddlewareType[TelegramType],
        bot: Bot,
        method: TelegramMethod[TelegramType],
    ) -> Response[TelegramType]:
        try:
            return await make_request(bot, method)
        except TypeError:
            # aiogram looks for a word in the description of a 5xx that has none.
            raise TelegramLost("a server error without a description") from None
        except Exception as exc:
            error = classify(exc)
            if error is None:
                raise
            if isinstance(exc, TelegramRetryAfter):
                metrics.flood_wait(exc.retry_after)
            raise error from None


class CountMiddleware(BaseRequestMiddleware):
    """Tells the metrics how each call ended; it stands outside of ErrorMiddleware."""

    async def __call__(
        self,
        make_request: NextRequestMiddlewareType[TelegramType],
        bot: Bot,
        method: TelegramMethod[TelegramType],
    ) -> Response[TelegramType]:
        with metrics.telegram_call(method.__api_method__):
            return await make_request(bot, method)


class Pace:
    """Telegram's rates: about 30 a second in all, 1 a second in a chat, 20 a minute in a group.

    Short bursts are let through, as Telegram does (docs/telegram.md: limits). Each key has the
    moment from which it is free again; a call takes its place in line and waits for its turn.
    """

    ALL = (1 / 28, 1.0)
    """Seconds for each call, and how many seconds of them may come at once."""
    PRIVATE = (1.0, 3.0)
    GROUP = (3.0, 15.0)
    KEPT = 10_000

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._free: dict[int | str, float] = {}

    def wait(self, chat_id: int | str | None) -> float:
        """Seconds until the next call to this chat may go out; it counts as gone."""
        return max(self._line("all", self.ALL, take=True), self._chat(chat_id, take=True))

    def behind(self, wait: float) -> None:
        """Other processes are ahead: the last call may go out only after so many seconds."""
        _, burst = self.ALL
        self._free["all"] = max(self._free.get("all", 0.0), self._clock() + wait + burst)

    def busy(self, chat_id: int | str | None) -> bool:
        """Whether a call that nobody waits for should not be made now.

        Half of the burst is left to videos and answers.
        """
        each, burst = self.ALL
        ahead = self._line("all", (each, burst / 2), take=False)
        return max(ahead, self._chat(chat_id, take=False)) > 0

    def _chat(self, chat_id: int | str | None, *, take: bool) -> float:
        if chat_id is None:
            return 0.0
        group = isinstance(chat_id, str) or chat_id < 0
        return self._line(chat_id, self.GROUP if group else self.PRIVATE, take=take)

    def _line(self, key: int | str, distribution: tuple[float, float], *, take: bool) -> float:
        each, burst = distribution
        now = self._clock()
        free = max(self._free.get(key, 0.0), now)
        if take:
            if len(self._free) >= self.KEPT:
                self._free = {k: at for k, at in self._free.items() if at > now}
            self._free[key] = free + each
        return max(free + each - now - burst, 0.0)


Line = Callable[[float, float], Awaitable[float]]
"""A line in which every process of this bot stands: takes a place, of which there is one every so
many seconds, and so many seconds of them at once; gives the seconds until its turn."""


_MESSAGES = ("send", "edit", "copy", "forward", "delete")  # and sendChatAction, which is none
YIELD_SECONDS, YIELDS = 0.25, 12
"""How long a deletion lets other calls go first before it looks again, and how often."""


class PaceMiddleware(BaseRequestMiddleware):
    """Each call that a chat sees waits for its turn."""

    def __init__(self, pace: Pace, sleep: Sleep = asyncio.sleep, line: Line | None = None) -> None:
        self._pace = pace
        self._sleep = sleep
        self._line = line

    async def __call__(
        self,
        make_request: NextRequestMiddlewareType[TelegramType],
        bot: Bot,
        method: TelegramMethod[TelegramType],
    ) -> Response[TelegramType]:
        if isinstance(method, DeleteMessage):
            await self._give_way()
        if method.__api_method__.startswith(_MESSAGES) and not isinstance(method, SendChatAction):
            # Telegram counts each message of an album.
            messages = len(method.media) if isinstance(method, SendMediaGroup) else 1
            chat_id = getattr(method, "chat_id", None)
            wait = max(self._pace.wait(chat_id) for _ in range(messages))
            each, burst = Pace.ALL
            if self._line is not None and (ahead := await self._line(each * messages, burst)):
                self._pace.behind(ahead)
                wait = max(wait, ahead)
            if wait > 0:
                await self._sleep(wait)
        return await make_request(bot, method)

    async def _give_way(self) -> None:
        """To videos and answers, for a while: what goes away may go a little later."""
        for _ in range(YIELDS):
            if not self._pace.busy(None):
                return
            await self._sleep(YIELD_SECONDS)


class GetRawUpdates(GetUpdates):
    """getUpdates as it comes: one update that aiogram cannot parse must not hide the others."""

    __returning__ = Any  # type: ignore[assignment]


def connect(
    token: SecretStr,
    api_url: str,
    pace: Pace,
    *,
    local: bool = False,
    proxy_url: str = "",
    seconds: float = REQUEST_SECONDS,
    sleep: Sleep = asyncio.sleep,
    line: Line | None = None,
) -> Bot:
    """The bot over a session that keeps the rules of this module; `seconds` for a call.

    `local`: the server runs with --local, on this machine. `line`: where there are more processes.
    """
    session = AiohttpSession(
        api=TelegramAPIServer.from_base(api_url, is_local=local),
        proxy=proxy_url or None,
        timeout=seconds,
        limit=100,
    )
    session.middleware(PaceMiddleware(pace, sleep, line))
    session.middleware(CountMiddleware())
    session.middleware(ErrorMiddleware())
    return Bot(token.get_secret_value(), session=session)


async def fetch_file(bot: Bot, file_id: str, *, limit: int) -> bytes:
    """The bytes of a file by its `file_id` (Bot API: getFile; 20 MB at most).

    Raises TelegramTooLarge over `limit` bytes and the other TelegramErrors; TelegramRejected when
    Telegram no longer has it.
    """
    file = await bot(GetFile(file_id=file_id))
    if not file.file_path:
        raise TelegramRejected("the file has no path")
    if bot.session.api.is_local:
        return await asyncio.to_thread(_read_file, Path(file.file_path), limit)
    url = bot.session.api.file_url(bot.token, file.file_path)
    data = bytearray()
    try:
        async with asyncio.timeout(REQUEST_SECONDS * 2):
            async for chunk in bot.session.stream_content(url, timeout=REQUEST_SECONDS * 2):
                data += chunk
                if len(data) > limit:
                    raise TelegramTooLarge(f"the file is over {limit} bytes")
    except aiohttp.ClientResponseError as exc:
        if exc.status in (400, 403, 404, 410):
            raise TelegramRejected(f"the file cannot be had (HTTP {exc.status})") from None
        raise TelegramLater(f"the file cannot be had now (HTTP {exc.status})") from None
    except Exception as exc:
        if not isinstance(exc, aiohttp.ClientError | OSError) and not proxy.is_at_fault(exc):
            raise
        raise TelegramLater(f"the file cannot be had now ({type(exc).__name__})") from None
    return bytes(data)


def _read_file(path: Path, limit: int) -> bytes:
    """What a server with --local has stored; its folder must be seen from here."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as exc:
        # The operator's to mend (TELEGRAM_LOCAL, rights, mounts): nothing is lost meanwhile.
        raise TelegramLater(f"a local file cannot be read ({type(exc).__name__})") from exc
    if len(data) > limit:
        raise TelegramTooLarge(f"the file is over {limit} bytes")
    return data
