"""All errors of calls to Telegram, classified by what to do; and the rate limits."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from aiogram.exceptions import (
    AiogramError,
    ClientDecodeError,
    RestartingTelegram,
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
    EditMessageText,
    GetMe,
    GetUpdates,
    SendChatAction,
    SendMediaGroup,
    SendMessage,
)
from aiogram.types import InputMediaVideo
from aiohttp import web
from pydantic import SecretStr
from python_socks import ProxyError

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
from bot.telegram.client import GetRawUpdates, connect, fetch_file
from bot.telegram.errors import classify
from bot.telegram.rate_limits import RateLimiter, RateLimitMiddleware

SEND: Any = SendMessage(chat_id=1, text="x")


def caused(exc: Exception, cause: Exception) -> Exception:
    exc.__cause__ = cause
    return exc


def refused() -> aiohttp.ClientConnectorError:
    key: Any = type("Key", (), {"host": "h", "port": 1, "ssl": True})()
    return aiohttp.ClientConnectorError(key, OSError(111, "refused"))


@pytest.mark.parametrize(
    ("raised", "means"),
    [
        (TelegramRetryAfter(SEND, "x", 17), TelegramFlood),
        (TelegramMigrateToChat(SEND, "x", -100), TelegramMoved),
        (TelegramUnauthorizedError(SEND, "x"), TelegramUnauthorized),
        (TelegramNotFound(GetMe(), "Not Found"), TelegramUnauthorized),
        (TelegramNotFound(GetUpdates(), "Not Found"), TelegramUnauthorized),
        (TelegramNotFound(SEND, "Not Found"), TelegramRejected),
        (TelegramConflictError(SEND, "x"), TelegramConflict),
        (TelegramForbiddenError(SEND, "bot was blocked by the user"), TelegramUnreachable),
        (TelegramEntityTooLarge(SEND, "x"), TelegramTooLarge),
        (TelegramServerError(SEND, "x"), TelegramLater),
        (RestartingTelegram(SEND, "x"), TelegramLater),
        (
            TelegramServerError(
                SEND, "Internal Server Error: sent message was immediately deleted"
            ),
            TelegramUnreachable,
        ),
        (TelegramNetworkError(SEND, "x"), TelegramLost),
        (caused(TelegramNetworkError(SEND, "x"), refused()), TelegramLater),
        (caused(TelegramNetworkError(SEND, "x"), TimeoutError()), TelegramLost),
        (ClientDecodeError("x", ValueError(), "<html>"), TelegramLost),
        (TelegramAPIError(SEND, "Too Many Requests: slow down"), TelegramFlood),
        (TelegramAPIError(SEND, "something new"), TelegramRejected),
        (aiohttp.ClientPayloadError("x"), TelegramLost),
        (TimeoutError(), TelegramLost),
        (ConnectionResetError(), TelegramLost),
        (AiogramError("x"), TelegramLost),
        (TelegramMoved("x", chat_id=1), TelegramMoved),
    ],
)
def test_each_error_has_one_meaning(raised: Exception, means: type[TelegramError]) -> None:
    assert type(classify(raised)) is means


@pytest.mark.parametrize(
    ("words", "means"),
    [
        ("Bad Request: message is not modified: specified new message", TelegramNotModified),
        ("Bad Request: chat not found", TelegramUnreachable),
        ("Bad Request: user not found", TelegramUnreachable),
        ("Bad Request: group chat was deactivated", TelegramUnreachable),
        ("Bad Request: PEER_ID_INVALID", TelegramUnreachable),
        ("Bad Request: not enough rights to send videos to the chat", TelegramUnreachable),
        ("Bad Request: CHAT_WRITE_FORBIDDEN", TelegramUnreachable),
        ("Bad Request: file is too big", TelegramTooLarge),
        ("Bad Request: message to copy not found", TelegramNothingToCopy),
        ("Bad Request: the message can't be copied", TelegramNothingToCopy),
        ("Bad Request: MESSAGE_ID_INVALID", TelegramNothingToCopy),
        (
            "Bad Request: wrong file_id or the file is temporarily unavailable",
            TelegramFileAway,
        ),
        ("Bad Request: message to edit not found", TelegramRejected),
        ("Bad Request: message to be replied not found", TelegramRejected),
        ("Bad Request: can't parse entities", TelegramRejected),
        ("Bad Request: query is too old and response timeout expired", TelegramRejected),
        ("Bad Request: message thread not found", TelegramTopicGone),
        ("Bad Request: TOPIC_CLOSED", TelegramTopicGone),
        ("Bad Request: TOPIC_DELETED", TelegramTopicGone),
        *[
            (f"Bad Request: {words}", TelegramUnreachable)
            for words in (
                "CHAT_SEND_VIDEOS_FORBIDDEN",
                "CHAT_SEND_PLAIN_FORBIDDEN",
                "CHAT_SEND_MEDIA_FORBIDDEN",
                "CHAT_SEND_DOCS_FORBIDDEN",
                "CHAT_RESTRICTED",
                "CHAT_GUEST_SEND_FORBIDDEN",
                "CHAT_ADMIN_REQUIRED",
                "CHANNEL_PRIVATE",
                "USER_BANNED_IN_CHANNEL",
                "YOU_BLOCKED_USER",
                "ALLOW_PAYMENT_REQUIRED_5",
                "have no write access to the chat",
                "not enough rights to send documents to the",
                "need administrator rights in the channel chat",
                "BUSINESS_PEER_INVALID",
            )
        ],
        ("Bad Request: SLOWMODE_WAIT_17", TelegramLater),
        ("Bad Request: SLOWMODE_MULTI_MSGS_DISABLED", TelegramRejected),
        ("Bad Request: message can't be deleted", TelegramRejected),
    ],
)
def test_bad_requests_are_classified_by_their_description(
    words: str, means: type[TelegramError]
) -> None:
    assert type(classify(TelegramBadRequest(SEND, words))) is means


def test_a_wait_that_telegram_names_is_kept() -> None:
    later = classify(TelegramBadRequest(SEND, "Bad Request: SLOWMODE_WAIT_17"))
    assert isinstance(later, TelegramLater)
    assert later.retry_after == 17


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (TelegramRetryAfter(SEND, "x", 17), "flood control"),
        (TelegramMigrateToChat(SEND, "x", -100), "the group has moved"),
        (
            TelegramUnauthorizedError(SEND, "Unauthorized"),
            "BOT_TOKEN: Telegram does not accept it (Unauthorized); @BotFather shows it",
        ),
        (
            TelegramNotFound(GetMe(), "?"),
            "BOT_TOKEN: the server of TELEGRAM_API_URL does not know it (Not Found)",
        ),
        (TelegramConflictError(SEND, "Conflict: two"), "Conflict: two"),
        (TelegramForbiddenError(SEND, "Forbidden: blocked"), "Forbidden: blocked"),
        (TelegramEntityTooLarge(SEND, "Too Large"), "Too Large"),
        (TelegramServerError(SEND, "Internal"), "Internal"),
        (TelegramBadRequest(SEND, "Bad Request: Chat not found"), "Bad Request: Chat not found"),
        (TelegramBadRequest(SEND, "Bad: File is too big"), "Bad: File is too big"),
        (TelegramBadRequest(SEND, "message is not modified"), "message is not modified"),
        (TelegramBadRequest(SEND, "whatever"), "whatever"),
        (TelegramAPIError(SEND, "Too Many Requests"), "flood control without a time"),
        (TelegramAPIError(SEND, "new"), "new"),
        (TelegramNetworkError(SEND, "x"), "the answer was lost (TelegramNetworkError)"),
        (
            caused(TelegramNetworkError(SEND, "x"), refused()),
            "no connection (ClientConnectorError)",
        ),
        (TimeoutError(), "the answer was lost (TimeoutError)"),
        (ProxyError("secret"), "no connection through the proxy (ProxyError)"),
    ],
)
def test_an_error_contains_telegrams_description(raised: Exception, words: str) -> None:
    assert str(classify(raised)) == words


def test_a_flood_without_a_time_waits_half_a_minute() -> None:
    flood = classify(TelegramAPIError(SEND, "Too Many Requests"))
    assert isinstance(flood, TelegramLater)
    assert flood.retry_after == 30


def test_a_proxy_error_means_that_nothing_was_sent() -> None:
    wrapped = classify(caused(TelegramNetworkError(SEND, "x"), ProxyError("secret")))
    assert type(wrapped) is TelegramLater


def test_an_error_carries_its_parameters() -> None:
    flood = classify(TelegramRetryAfter(SEND, "x", 17))
    assert isinstance(flood, TelegramLater)
    assert flood.retry_after == 17
    moved = classify(TelegramMigrateToChat(SEND, "x", -1009))
    assert isinstance(moved, TelegramMoved)
    assert moved.chat_id == -1009


async def answered(method: Any, status: int, body: bytes, **headers: str) -> Any:
    """What a call returns when a server answers it like this."""

    async def handle(request: web.Request) -> web.Response:
        if request.path == "/elsewhere":
            return web.Response(body=b'{"ok": true, "result": []}')
        return web.Response(status=status, body=body, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    bot = connect(SecretStr("123:canary"), url, RateLimiter())
    try:
        return await bot(method)
    finally:
        await bot.session.close()
        await runner.cleanup()


OF_A_PROXY = "<html>Доступ ограничен</html>".encode("cp1251")


@pytest.mark.parametrize(
    ("status", "body", "means"),
    [
        (200, OF_A_PROXY, TelegramLost),
        (502, OF_A_PROXY, TelegramLost),
        (403, OF_A_PROXY, TelegramLost),
        (413, b"<html>413 Request Entity Too Large</html>", TelegramTooLarge),
        (429, b"<html>429</html>", TelegramFlood),
        (429, b'{"ok": false, "error_code": 429}', TelegramFlood),
        (429, b'{"ok": false, "parameters": {"retry_after": 1.5}}', TelegramFlood),
        (400, b'{"ok": false, "error_code": 400}', TelegramRejected),
        (403, b'{"ok": false, "error_code": 403}', TelegramUnreachable),
        (409, b'{"ok": false, "error_code": 409}', TelegramConflict),
        (420, b'{"ok": false, "description": "FLOOD_WAIT_12"}', TelegramLater),
        (200, b'{"ok": false, "description": "bot was blocked by the user"}', TelegramUnreachable),
        (301, b"", TelegramLater),
        (308, b"", TelegramLater),
    ],
)
async def test_an_answer_that_is_not_as_documented_is_classified(
    status: int, body: bytes, means: type[TelegramError]
) -> None:
    for method in (GetRawUpdates(), SEND):
        with pytest.raises(TelegramError) as caught:
            await answered(method, status, body, Location="/elsewhere")
        assert type(caught.value) is means


async def test_one_broken_character_hides_no_page_of_updates() -> None:
    page = b'\xef\xbb\xbf{"ok": true, "result": [{"update_id": 1, "x": "\xd0"}]}'
    assert await answered(GetRawUpdates(), 200, page) == [{"update_id": 1, "x": "\ufffd"}]


@pytest.mark.parametrize("method", [SEND, EditMessageText(chat_id=1, message_id=9, text="x")])
async def test_a_message_that_was_sent_counts_also_when_what_it_replies_to_cannot_be_parsed(
    method: Any,
) -> None:
    """Otherwise it would count as lost, and be sent again and again."""
    chat = {"id": 1, "type": "private"}
    origin = {"type": "hidden_user", "date": 0}
    said = {"message_id": 3, "date": 0, "chat": chat, "forward_origin": origin, "text": "a fox"}
    sent = {"message_id": 9, "date": 0, "chat": chat, "text": "x", "reply_to_message": said}
    answer = await answered(method, 200, json.dumps({"ok": True, "result": sent}).encode())
    assert (answer.message_id, answer.reply_to_message.text) == (9, "a fox")
    assert answer.reply_to_message.forward_origin is None
    for bad in ({"message_id": 9}, {}, "x", None):
        with pytest.raises(TelegramLost):
            await answered(method, 200, json.dumps({"ok": True, "result": bad or [1]}).encode())


@pytest.mark.parametrize(
    "name", ["cat #1.jpg", "what?.jpg", "100%.jpg", "a%20b+c.jpg", "кот é.jpg"]
)
async def test_a_file_is_fetched_whatever_its_name(name: str) -> None:
    """A Bot API server of one's own may keep the names of people's files."""
    path = f"documents/{name}"

    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("/getFile"):
            file = {"file_id": "a", "file_unique_id": "b", "file_path": path}
            return web.json_response({"ok": True, "result": file})
        return web.Response(body=b"x", status=200 if request.path.endswith(f"/{path}") else 404)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    bot = connect(SecretStr("123456789:canary"), site.name, RateLimiter())
    try:
        assert await fetch_file(bot, "a", limit=10) == b"x"
    finally:
        await bot.session.close()
        await runner.cleanup()


@pytest.mark.parametrize(("seconds", "kept"), [(-5, 1), (10_000, 10_000), (10**11, 86_400)])
def test_a_pause_is_kept_within_what_can_be_waited(seconds: int, kept: float) -> None:
    flood = classify(TelegramRetryAfter(SEND, "x", seconds))
    assert isinstance(flood, TelegramFlood)
    assert flood.retry_after == kept


@pytest.mark.parametrize("bug", [KeyError("x"), ValueError("x"), asyncio.CancelledError()])
def test_bugs_of_the_program_are_not_telegram_errors(bug: BaseException) -> None:
    assert classify(bug) is None


class Ticks:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class ChatsAlone(RateLimiter):
    """The limits of chats, without that of all together."""

    ALL, BUSY, SHARED = (1000, 1.0), 1000, (1 / 1000, 1.0)


def test_a_private_chat_takes_a_burst_and_then_one_a_second() -> None:
    pace = ChatsAlone(Ticks())
    waits = [pace.wait(5) for _ in range(6)]
    assert waits[:3] == [0, 0, 0]
    assert waits[3:] == [pytest.approx(1), pytest.approx(2), pytest.approx(3)]


def test_a_group_takes_twenty_a_minute() -> None:
    ticks, sent = Ticks(), []
    pace = ChatsAlone(ticks)
    for _ in range(60):
        at = ticks.now + pace.wait(-5)
        sent.append(at)
    assert all(later - first >= 60 for first, later in zip(sent, sent[20:], strict=False))


def test_all_chats_together_keep_to_the_rate() -> None:
    pace = RateLimiter(Ticks())
    sent = [pace.wait(chat) for chat in range(1, 281)]
    assert sent[:29] == [0] * 29
    assert sent[-1] == pytest.approx(9 * 1.12)
    assert all(later - first > 1.1 for first, later in zip(sent, sent[29:], strict=False))


def test_turns_become_free_with_time() -> None:
    ticks = Ticks()
    pace = ChatsAlone(ticks)
    for _ in range(4):
        pace.wait(5)
    assert pace.busy(5)
    ticks.now += 10
    assert not pace.busy(5)
    assert pace.wait(5) == 0


def test_a_check_reserves_no_turn() -> None:
    pace = RateLimiter(Ticks())
    assert not any(pace.busy(5) for _ in range(100))
    assert pace.wait(5) == 0


def test_other_chats_do_not_wait_for_a_busy_one() -> None:
    pace = ChatsAlone(Ticks())
    for _ in range(10):
        pace.wait(5)
    assert pace.busy(5)
    assert not pace.busy(6)
    assert pace.wait(None) == 0


def test_the_total_rate_can_be_busy() -> None:
    pace = RateLimiter(Ticks())
    for chat in range(1, 30):
        pace.wait(chat)
    assert pace.busy(1_000)
    assert pace.busy(None)


async def test_unimportant_calls_to_a_chat_wait_as_long_as_telegram_asked() -> None:
    ticks = Ticks()
    pace = ChatsAlone(ticks)
    bot: Any = None

    async def refuse(bot: Any, method: Any) -> Any:
        raise TelegramFlood("flood control", retry_after=300)

    middleware = RateLimitMiddleware(pace)
    with pytest.raises(TelegramFlood):
        await middleware(refuse, bot, SendMessage(chat_id=5, text="x"))
    ticks.now += 299
    assert pace.busy(5)
    assert not pace.busy(6)
    assert not pace.busy(None)
    assert pace.wait(5) == 0  # videos and answers ask for themselves
    ticks.now += 2
    assert not pace.busy(5)


@pytest.mark.parametrize("ends", [1.0, 60.0])
async def test_a_deletion_waits_for_other_calls_but_not_forever(ends: float) -> None:
    """`ends`: so long new calls keep the line full."""
    ticks, gone = Ticks(), asyncio.Event()
    pace, begin = RateLimiter(ticks), ticks.now

    def fill() -> None:
        while not pace.busy(None):
            pace.wait(None)

    async def sleep(seconds: float) -> None:
        ticks.now += seconds
        if ticks.now - begin < ends:
            fill()

    async def request(bot: Any, method: Any) -> Any:
        gone.set()

    fill()
    bot: Any = None
    middleware = RateLimitMiddleware(pace, sleep)
    await middleware(request, bot, DeleteMessage(chat_id=5, message_id=7))
    assert gone.is_set()
    assert ticks.now - begin == pytest.approx(min(ends + 0.5, 3.0), abs=0.6)


async def waits(*methods: Any, ahead: float = 0.0) -> list[float]:
    """How long each of these calls waits, at one moment; `ahead`: other processes' calls."""
    slept: list[float] = []
    slots: list[float] = []

    async def sleep(seconds: float) -> None:
        slept[-1] += seconds

    async def line(each: float, burst: float) -> float:
        assert burst == ChatsAlone.SHARED[1]
        slots.append(each)
        return ahead

    async def request(bot: Any, method: Any) -> Any:
        return method

    middleware = RateLimitMiddleware(ChatsAlone(Ticks()), sleep, line if ahead else None)
    for method in methods:
        slept.append(0.0)
        bot: Any = None
        assert await middleware(request, bot, method) is method
    assert slots == [pytest.approx(n / 1000) for n in map(_messages, methods) if n and ahead]
    return [round(seconds, 6) for seconds in slept]


def _messages(method: Any) -> int:
    if isinstance(method, SendMediaGroup):
        return len(method.media)
    return 1 if isinstance(method, SendMessage) else 0


async def test_visible_calls_wait_for_their_turn() -> None:
    assert await waits(*[SEND] * 5) == [0, 0, 0, 1, 2]
    assert await waits(*[SEND] * 3, SendMessage(chat_id=2, text="x")) == [0, 0, 0, 0]


async def test_invisible_calls_reserve_no_turn() -> None:
    action: Any = SendChatAction(chat_id=1, action="upload_video")
    assert await waits(*[action, GetMe()] * 50, *[SEND] * 4) == [0] * 103 + [1]


async def test_an_album_counts_as_its_videos() -> None:
    album: Any = SendMediaGroup(chat_id=1, media=[InputMediaVideo(media="x")] * 3)
    assert await waits(album, SEND) == [0, 1]
    assert await waits(album, album) == [0, 3]
    assert await waits(album, ahead=0.5) == [0.5]


async def test_calls_of_other_processes_are_waited_for() -> None:
    assert await waits(GetMe(), SEND, SEND, ahead=2.0) == [0, 2, 2]


def test_a_call_stands_behind_those_of_other_processes() -> None:
    ticks = Ticks()
    pace = ChatsAlone(ticks)
    pace.behind(2.0)
    assert pace.busy(5)
    assert [pace.wait(5), pace.wait(6)] == [2, 2]
    ticks.now += 2
    assert not pace.busy(6)
    assert pace.wait(6) == 0


@pytest.mark.parametrize("channel", ["@channel", "-5", -5])
def test_a_channel_by_name_counts_as_a_group(channel: str | int) -> None:
    pace = ChatsAlone(Ticks())
    waits = [pace.wait(channel) for _ in range(6)]
    assert waits[:4] == [0] * 4
    assert waits[4] == pytest.approx(4)


def test_a_turn_that_is_nearly_free_is_still_busy() -> None:
    ticks = Ticks()
    pace = ChatsAlone(ticks)
    for _ in range(3):
        pace.wait(5)
    ticks.now += 0.5
    assert pace.busy(5)
    ticks.now += 0.5
    assert not pace.busy(5)


def test_old_chats_are_forgotten() -> None:
    ticks = Ticks()
    pace = RateLimiter(ticks)
    for chat in range(1, RateLimiter.KEPT + 1):
        pace.wait(chat)
        ticks.now += 1
    pace.wait(0)
    assert len(pace._free) < 100
