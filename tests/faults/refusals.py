"""Telegram's error answers, by name, grouped by what the bot must do."""

from __future__ import annotations

from bot.sandbox.faults import Fault
from bot.sandbox.telegram.errors import NOT_MODIFIED
from tests.faults.answers import broken, http, refusal

LATER: dict[str, tuple[Fault, float]] = {
    "429 for 3 s": (refusal(429, "Too Many Requests: retry after 3", retry_after=3), 3),
    "429 for 10 000 s": (
        refusal(429, "Too Many Requests: retry after 10000", retry_after=10_000),
        10_000,
    ),
    "429 without a time": (refusal(429, "Too Many Requests"), 30),
    "500 without a description": (refusal(500, None), 1),
    "500": (refusal(500, "Internal Server Error"), 1),
    "502 HTML": (http(502), 1),
    "200 HTML": (http(200), 1),
    "401": (refusal(401, "Unauthorized"), 1),
    "409": (refusal(409, "Conflict: terminated by other getUpdates request"), 1),
    "reset before": (broken("reset_before"), 1),
}
"""Nothing was done and a later repeat works: the fault, and the least seconds until then."""

TAKEN: dict[str, Fault] = {
    "reset after it was taken": broken("reset_after"),
    "502 after it was taken": http(502, act="answer_after"),
    "half of the answer": broken("truncate"),
}
"""The call was carried out, but the answer was lost."""

UNREACHABLE: dict[str, Fault] = {
    "blocked": refusal(403, "Forbidden: bot was blocked by the user"),
    "deactivated": refusal(403, "Forbidden: user is deactivated"),
    "chat not found": refusal(400, "Bad Request: chat not found"),
    "no rights": refusal(400, "Bad Request: not enough rights to send text messages to the chat"),
}
"""The chat is closed to this bot."""

CLOSED: dict[str, Fault] = {
    words: refusal(400, f"Bad Request: {words}")
    for words in (
        "TOPIC_CLOSED",
        "TOPIC_DELETED",
        "message thread not found",
        "CHAT_SEND_VIDEOS_FORBIDDEN",
        "CHAT_SEND_PLAIN_FORBIDDEN",
        "CHAT_SEND_MEDIA_FORBIDDEN",
        "CHAT_RESTRICTED",
        "CHAT_WRITE_FORBIDDEN",
        "CHAT_ADMIN_REQUIRED",
        "USER_BANNED_IN_CHANNEL",
        "not enough rights to send videos to the chat",
        "have no write access to the chat",
        "need administrator rights in the channel chat",
    )
} | {
    "kicked": refusal(403, "Forbidden: bot was kicked from the supergroup chat"),
    "deleted at once": refusal(500, "Internal Server Error: sent message was immediately deleted"),
}
"""The chat of an order takes no messages, or no videos, or deletes them at once."""

REJECTED: dict[str, Fault] = {
    "message to edit is gone": refusal(400, "Bad Request: message to edit not found"),
    "message to reply to is gone": refusal(400, "Bad Request: message to be replied not found"),
    "not modified": refusal(400, f"Bad Request: {NOT_MODIFIED}"),
    "can't parse entities": refusal(400, "Bad Request: can't parse entities: byte offset 4"),
    "query is too old": refusal(400, "Bad Request: query is too old and response timeout expired"),
    "413": refusal(413, "Request Entity Too Large"),
    "404": refusal(404, "Not Found"),
}
"""This request will never be accepted."""

AWAY = refusal(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
"""A file to download is gone, or cannot be had now."""
