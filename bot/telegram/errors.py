"""The only place for Telegram's errors: every call raises a TelegramError of `bot.core.errors`.

The text of an error never holds the token.
"""

from __future__ import annotations

import re

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
    TelegramFileAway,
    TelegramFlood,
    TelegramLater,
    TelegramLost,
    TelegramMoved,
    TelegramNothingToCopy,
    TelegramNotModified,
    TelegramRejected,
    TelegramTooLarge,
    TelegramTopicGone,
    TelegramUnauthorized,
    TelegramUnreachable,
)
from bot.runtime import metrics, proxy

# The descriptions are undocumented. These are from the sources of the Bot API server (Client.cpp)
# and of tdlib (MessageContent.cpp, DialogManager.cpp, MessagesManager.cpp); names in capitals come
# from Telegram's list of errors of messages.sendMedia, and the server passes them on unchanged.
_UNREACHABLE = (
    # the chat
    "chat not found",
    "user not found",
    "group chat was deactivated",
    "group chat was upgraded",
    "group chat was deleted",
    "user is deactivated",
    "input_user_deactivated",
    "user_deleted",
    "user_is_blocked",
    "user_is_bot",
    "you_blocked_user",
    "peer_id_invalid",
    "chat_id_invalid",
    "channel_invalid",
    "channel_private",
    "channel_public_group_na",
    "chat_forbidden",
    "bot is not a member",
    "bot was kicked",
    "bot was blocked",
    "can't initiate conversation",
    "user_banned_in_channel",
    "allow_payment_required",
    "privacy_premium_required",
    "business_peer_invalid",
    "business_peer_usage_missing",
    "business_connection_invalid",
    "business_connection_not_allowed",
    "business connection not found",
    # the rights there
    "not enough rights to send",
    "have no rights to send",
    "have no write access",
    "need administrator rights in the channel",
    "chat_admin_required",
    "chat_write_forbidden",
    "chat_restricted",
    "chat_guest_send_forbidden",
)
_TOPIC_GONE = (
    "message thread not found",
    "topic_closed",
    "topic_deleted",
    "topic_id_invalid",
)
_FORBIDDEN_KIND = re.compile(r"chat_send_[a-z]+_forbidden")
"""No messages of this kind: CHAT_SEND_VIDEOS_FORBIDDEN, CHAT_SEND_PLAIN_FORBIDDEN and others."""
_WAIT = re.compile(r"(?:slowmode|flood|flood_premium)_wait_(\d+)")
"""Seconds, as Telegram names them to the Bot API server."""

# of copyMessage, about the message and not about who should get it
_NOTHING_TO_COPY = ("message to copy not found", "message can't be copied", "message_id_invalid")
_TOO_LARGE = ("file is too big", "request entity too large", "file too large")

_DELETED_AT_ONCE = "sent message was immediately deleted"
"""A moderating bot of the chat was faster than the answer: it would delete a repeat too. The Bot
API server reports it as a 500.
"""

_LONGEST_WAIT = 86_400.0
"""Seconds; a longer wait would go past the last date that Python knows."""
_WAIT_WITHOUT_A_TIME = 30.0


def classify(exc: BaseException) -> TelegramError | None:
    """Return the TelegramError of a failed call; None when the exception is not about Telegram.

    The text never contains the token: descriptions come from Telegram; a network error is reduced
    to its type, because its text contains the address.
    """
    match exc:
        case TelegramError():
            return exc
        case TelegramRetryAfter():
            wait = min(max(float(exc.retry_after), 1.0), _LONGEST_WAIT)
            return TelegramFlood("flood control", retry_after=wait)
        case TelegramMigrateToChat():
            return TelegramMoved("the group has moved", chat_id=exc.migrate_to_chat_id)
        case TelegramUnauthorizedError():
            return TelegramUnauthorized(
                f"BOT_TOKEN: Telegram does not accept it ({exc.message}); @BotFather shows it"
            )
        case TelegramNotFound() if isinstance(exc.method, GetMe | GetUpdates):
            return TelegramUnauthorized(
                "BOT_TOKEN: the server of TELEGRAM_API_URL does not know it (Not Found)"
            )
        case TelegramConflictError():
            return TelegramConflict(exc.message)
        case TelegramForbiddenError():
            return TelegramUnreachable(str(exc.message))
        case TelegramEntityTooLarge():
            return TelegramTooLarge(exc.message)
        case TelegramServerError() if _DELETED_AT_ONCE in str(exc.message).lower():
            return TelegramUnreachable(exc.message)
        case TelegramServerError():
            return TelegramLater(exc.message)
        case TelegramNetworkError() | ClientDecodeError():
            cause = exc.__cause__ if isinstance(exc, TelegramNetworkError) else None
            kind = type(cause or exc).__name__
            if isinstance(cause, aiohttp.ClientConnectorError) or proxy.is_at_fault(cause):
                return TelegramLater(f"no connection ({kind})")
            return TelegramLost(f"the answer was lost ({kind})")
        case TelegramAPIError() if "too many requests" in str(exc.message).lower():
            return error_of_http_status(429)
        case TelegramAPIError():
            # The description is optional (Bot API: "Making requests").
            return _bad_request(str(exc.message))
        case Exception() if proxy.is_at_fault(exc):
            return TelegramLater(f"no connection through the proxy ({type(exc).__name__})")
        case aiohttp.ClientError() | TimeoutError() | OSError() | AiogramError():
            return TelegramLost(f"the answer was lost ({type(exc).__name__})")
        case _:
            return None


def error_of_http_status(status: int) -> TelegramError | None:
    """Return the error of an answer of which only the status is known: it comes from a proxy, or
    has no description. None if the status alone proves nothing.
    """
    if status == 413:
        return TelegramTooLarge("the request is too large (HTTP 413)")
    if status == 429:
        return TelegramFlood("flood control without a time", retry_after=_WAIT_WITHOUT_A_TIME)
    if 300 <= status < 400:
        return TelegramLater(f"TELEGRAM_API_URL: its server redirects (HTTP {status})")
    return None


def _bad_request(message: str) -> TelegramError:
    words = message.lower()
    if "message is not modified" in words:
        return TelegramNotModified(message)
    if wait := _WAIT.search(words):
        return TelegramLater(message, retry_after=float(wait[1]))
    if any(part in words for part in _TOPIC_GONE):
        return TelegramTopicGone(message)
    if any(part in words for part in _UNREACHABLE) or _FORBIDDEN_KIND.search(words):
        return TelegramUnreachable(message)
    if any(part in words for part in _TOO_LARGE):
        return TelegramTooLarge(message)
    if "file is temporarily unavailable" in words:
        return TelegramFileAway(message)
    if any(part in words for part in _NOTHING_TO_COPY):
        return TelegramNothingToCopy(message)
    return TelegramRejected(message)


class ErrorMiddleware(BaseRequestMiddleware):
    """Makes every call raise only TelegramErrors."""

    async def __call__(
        self,
        make_request: NextRequestMiddlewareType[TelegramType],
        bot: Bot,
        method: TelegramMethod[TelegramType],
    ) -> Response[TelegramType]:
        try:
            return await make_request(bot, method)
        except TypeError:
            # aiogram fails on a 5xx without a description.
            raise TelegramLost("a server error without a description") from None
        except Exception as exc:
            error = classify(exc)
            if error is None:
                raise
            if isinstance(error, TelegramFlood):
                metrics.flood_wait(error.retry_after)
            raise error from None
