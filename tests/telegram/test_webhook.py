"""Answers to Telegram's calls, over real sockets, with a database that can fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiogram import Dispatcher
from aiogram.types import WebhookInfo

from bot.core.errors import StorageUnavailable, TelegramLater, TelegramRejected
from bot.runtime.health import Health
from bot.runtime.http_server import HttpServer
from bot.runtime.public_address import PublicAddress
from bot.telegram.inbox import Inbox
from bot.telegram.webhook import BODY_LIMIT, PATH, SECRET_HEADER, Webhook
from storage import InboxState, IncomingUpdate, Storage, open_storage
from tests.support.databases import with_tables
from tests.support.process_harness import until

SECRET = "canary-secret"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PUBLIC = "https://bot.example/sub"


class StopLoop(Exception):
    """Ends a loop without an end."""


@dataclass
class Telegram:
    """Answers a bot's calls in order; what runs out ends the loop."""

    answers: list[Any] = field(default_factory=list)
    calls: list[Any] = field(default_factory=list)

    async def __call__(self, method: Any) -> Any:
        self.calls.append(method)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class Rig:
    hook: Webhook
    storage: Storage
    telegram: Telegram
    health: Health
    slept: list[float]
    seconds: list[float]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    slept: list[float] = []
    seconds = [0.0]

    async def sleep(wait: float) -> None:
        slept.append(wait)
        if len(slept) > 20:
            raise StopLoop

    async with open_storage(with_tables(tmp_path / "bot.db")) as storage:
        health = Health(storage.database.writable, now=lambda: seconds[0])
        telegram: Any = Telegram()
        hook = Webhook(
            telegram,
            Inbox(telegram, Dispatcher(), storage, clock=lambda: NOON, owner="one").take,
            clock=lambda: NOON,
            health=health,
            address=PublicAddress(PUBLIC),
            secret=SECRET,
            allowed_updates=["message"],
            sleep=sleep,
        )
        yield Rig(hook, storage, telegram, health, slept, seconds)


@pytest.fixture
async def http(rig: Rig) -> AsyncIterator[httpx.AsyncClient]:
    async def no_frame(token: str) -> None:
        return None

    server = HttpServer(
        "127.0.0.1", 0, frames=no_frame, health=rig.health.report, routes=rig.hook.routes
    )
    await server.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        yield client
    await server.stop()


async def bring(http: httpx.AsyncClient, body: bytes, secret: str | bytes | None = SECRET) -> int:
    headers = {} if secret is None else {SECRET_HEADER: secret}
    answer = await http.post(PATH, content=body, headers=headers)  # type: ignore[arg-type]
    return answer.status_code


def update(number: int = 7) -> bytes:
    message = {"chat": {"id": 5}, "text": "a cat \u0000"}
    return json.dumps({"update_id": number, "message": message}).encode()


async def pending(rig: Rig) -> int:
    return (await rig.storage.inbox.counts())[InboxState.PENDING]


async def test_an_update_is_a_row_before_it_is_confirmed(
    rig: Rig, http: httpx.AsyncClient
) -> None:
    rig.seconds[0] = 100.0
    assert await bring(http, update()) == 200
    [row] = await rig.storage.inbox.claim(
        owner="a", now=NOON, lease_for=timedelta(minutes=1), limit=9
    )
    assert (row.update_id, row.chat_key) == (7, "5")
    assert (await rig.health.report()).ages["updates"] == 0.0


async def test_an_update_with_a_broken_character_is_accepted(
    rig: Rig, http: httpx.AsyncClient
) -> None:
    assert await bring(http, update().replace(b"cat", b"\xd0")) == 200
    assert await pending(rig) == 1


async def test_the_same_update_again_is_confirmed_and_kept_once(
    rig: Rig, http: httpx.AsyncClient
) -> None:
    assert [await bring(http, update()) for _ in range(3)] == [200] * 3
    assert await pending(rig) == 1


@pytest.mark.parametrize(
    "secret",
    [None, "", "canary-secre", "canary-secrets", "CANARY-SECRET", "тайна".encode(), b"\xff\xfe"],
)
async def test_without_the_secret_nothing_is_accepted(
    rig: Rig, http: httpx.AsyncClient, secret: str | bytes | None
) -> None:
    assert await bring(http, update(), secret) == 401
    assert await pending(rig) == 0


async def test_an_oversized_update_is_not_read_completely(
    rig: Rig, http: httpx.AsyncClient
) -> None:
    assert await bring(http, b" " * (BODY_LIMIT + 1)) == 413

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 65536

    answer = await http.post(PATH, content=endless(), headers={SECRET_HEADER: SECRET})
    assert answer.status_code == 413
    assert await bring(http, update() + b" " * (BODY_LIMIT - 1000)) == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"update_id": true}', b"[" * 9000])
async def test_an_invalid_update_is_refused(
    rig: Rig, http: httpx.AsyncClient, body: bytes
) -> None:
    assert await bring(http, body) == 400
    assert await pending(rig) == 0


async def test_without_the_database_telegram_keeps_the_update(
    rig: Rig, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(rows: list[IncomingUpdate], *, now: datetime) -> int:
        raise StorageUnavailable("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(rig.storage.inbox, "add", away)
        assert await bring(http, update()) == 503
    assert await bring(http, update()) == 200
    assert await pending(rig) == 1


async def test_only_post_is_accepted(http: httpx.AsyncClient) -> None:
    assert (await http.get(PATH, headers={SECRET_HEADER: SECRET})).status_code == 404


# -- the watch -----------------------------------------------------------------------------------


def info(
    url: str = PUBLIC + PATH, waiting: int = 0, failed: datetime | None = None
) -> WebhookInfo:
    return WebhookInfo(
        url=url,
        has_custom_certificate=False,
        pending_update_count=waiting,
        last_error_date=failed,
        last_error_message="Connection refused" if failed else None,
    )


async def watch(rig: Rig, *answers: Any) -> list[str]:
    """The calls that were made until the answers ran out."""
    rig.telegram.answers = list(answers)
    with pytest.raises(IndexError):
        await rig.hook.run()
    return [type(call).__name__ for call in rig.telegram.calls[:-1]]


async def test_the_webhook_is_set_with_the_secret_and_keeps_pending_updates(rig: Rig) -> None:
    assert await watch(rig, True, info()) == ["SetWebhook", "GetWebhookInfo"]
    call = rig.telegram.calls[0]
    assert (call.url, call.secret_token) == (PUBLIC + PATH, SECRET)
    assert call.allowed_updates == ["message"]
    assert call.drop_pending_updates is False
    assert (await rig.health.report()).ages["updates"] is not None


async def test_a_webhook_deleted_by_somebody_is_set_again(rig: Rig) -> None:
    made = await watch(rig, True, info(), info(url=""), True, info(url="https://other"), True)
    assert made == ["SetWebhook", *["GetWebhookInfo"] * 2, "SetWebhook", "GetWebhookInfo",
                    "SetWebhook"]  # fmt: skip


async def test_failed_deliveries_make_the_bot_unhealthy(rig: Rig) -> None:
    rig.seconds[0] = 1000.0
    broken = info(waiting=3, failed=NOON - timedelta(seconds=5))
    await watch(rig, True, broken, broken)
    report = await rig.health.report()
    assert report.ages["updates"] is None
    assert report.troubles["updates"] == "Telegram cannot deliver 3 updates: Connection refused"


@pytest.mark.parametrize(
    "well",
    [
        info(waiting=3),
        info(waiting=0, failed=NOON - timedelta(seconds=5)),
        info(waiting=3, failed=NOON - timedelta(hours=5)),
    ],
)
async def test_an_old_error_or_a_short_queue_is_healthy(rig: Rig, well: WebhookInfo) -> None:
    await watch(rig, True, well)
    assert (await rig.health.report()).ages["updates"] is not None


async def test_an_unreachable_telegram_is_asked_again(rig: Rig) -> None:
    away = TelegramLater("flood control", retry_after=40)
    made = await watch(rig, away, away, True, away, info())
    assert made == ["SetWebhook"] * 3 + ["GetWebhookInfo"] * 2
    assert rig.slept[0] == 40


async def test_an_address_refused_by_telegram_ends_the_program(rig: Rig) -> None:
    rig.telegram.answers = [TelegramRejected("bad webhook: An HTTPS URL must be provided")]
    with pytest.raises(TelegramRejected, match="HTTPS"):
        await rig.hook.run()


async def test_the_address_of_a_tunnel_is_awaited_and_followed(rig: Rig) -> None:
    address = PublicAddress(changes=True)
    rig.hook._address = address
    refused = TelegramRejected("bad webhook: Failed to resolve host")
    rig.telegram.answers = [True, refused]
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        running = group.create_task(rig.hook.run())
        await until(lambda: rig.health._troubles)
        assert rig.telegram.calls == []
        for number in (1, 2):
            rig.telegram.answers = [True, info(url=f"https://a{number}.example{PATH}")]
            address.set(f"https://a{number}.example", "")
            await until(lambda: not rig.telegram.answers)
        rig.telegram.answers = [refused, True, info()]
        address.set("https://a3.example", "")
        await until(lambda: not rig.telegram.answers)
        running.cancel()
    urls = [call.url for call in rig.telegram.calls if type(call).__name__ == "SetWebhook"]
    assert urls == [f"https://a{n}.example{PATH}" for n in (1, 2, 3, 3)]


async def test_a_server_without_webhook_info_still_delivers_updates(
    rig: Rig,
) -> None:
    mute = TelegramRejected("Not Found: method not found")
    assert await watch(rig, True, mute, mute, info()) == ["SetWebhook", *["GetWebhookInfo"] * 3]
