"""The one home of Telegram's errors: every call raises one of `bot.core.errors`' TelegramErrors.

The text of an error never holds the token.
"""

from __future__ import annotations

import aiohttp
from aiogram import Bot
from aiogram.client.session.middlewares.base import (
    BaseRequestMiddleware,
    NextRequestMiddlewareType,
)
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
    GetMe,
    GetUpdates,
    Response,
    TelegramMethod,
)
from aiogram.methods.base import TelegramType

from bot.core.errors import (
    TelegramConflict,
    TelegramError,
    TelegramFlood,
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

# The descriptions are undocumented; these are from the sources of the Bot API server and tdlib.
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
    """Return the TelegramError of a failed call; None when the exception is not about Telegram.

    The text never holds the token: descriptions are Telegram's own, and of network errors only the
    kind is kept, because their texts contain the address.
    """
    match exc:
        case TelegramError():
            return exc
        case TelegramRetryAfter():
            return TelegramFlood("flood control", retry_after=float(exc.retry_after))
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
            return TelegramFlood("flood control without a time", retry_after=30.0)
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
    """Makes every call raise TelegramErrors, and nothing else."""

    async def __call__(
        self,
        make_request: NextRequestMiddlewareType[TelegramType],
        bot: Bot,
        method: TelegramMethod[TelegramType],
    ) -> Response[TelegramType]:
        try:
            return await make_request(bot, method)
        except TypeError:
            # aiogram searches the description of a 5xx that has none.
            raise TelegramLost("a server error without a description") from None
        except Exception as exc:
            error = classify(exc)
            if error is None:
                raise
            if isinstance(exc, TelegramRetryAfter):
                metrics.flood_wait(exc.retry_after)
            raise error from None
