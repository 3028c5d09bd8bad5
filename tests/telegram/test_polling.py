"""Polling for updates: an old webhook is deleted, and nothing waits for that."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiogram import Dispatcher

from bot.core.errors import (
    TelegramConflict,
    TelegramLost,
    TelegramRejected,
    TelegramUnauthorized,
)
from bot.runtime.health import Health
from bot.telegram.inbox import Inbox
from bot.telegram.polling import IDLE_SECONDS, Polling
from bot.telegram.updates import incoming
from storage import Storage, open_storage
from tests.support.databases import with_tables

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ACTIVE = TelegramConflict("can't use getUpdates method while webhook is active")


class StopLoop(BaseException):
    """Ends a loop without an end."""


@dataclass
class Telegram:
    """Answers a bot's calls in order; what runs out ends the loop."""

    answers: list[Any] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    async def __call__(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        if not self.answers:
            raise StopLoop
        self.calls.append(type(method).__name__)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with open_storage(with_tables(tmp_path / "bot.db")) as opened:
        yield opened


def inbox(storage: Storage) -> Inbox:
    bot: Any = None
    return Inbox(bot, Dispatcher(), storage, clock=lambda: NOON, owner="one")


async def read(
    storage: Storage, *answers: Any, seconds: float = 25.0, slept: list[float] | None = None
) -> list[str]:
    """Return the calls made until no answers were left. Time passes by the given seconds during
    each call."""
    telegram: Any = Telegram(list(answers))

    async def sleep(seconds: float) -> None:
        if slept is not None:
            slept.append(seconds)

    polling = Polling(
        telegram,
        inbox(storage).take,
        clock=lambda: NOON + timedelta(seconds=seconds * len(telegram.calls)),
        health=Health(storage.database.writable),
        allowed_updates=["message"],
        sleep=sleep,
    )
    with pytest.raises(StopLoop):
        await polling.run()
    return list(telegram.calls)


async def test_an_old_webhook_is_deleted_once(storage: Storage) -> None:
    assert await read(storage, True, [], ACTIVE, []) == ["DeleteWebhook"] + ["GetRawUpdates"] * 3


@pytest.mark.parametrize("away", [TelegramRejected("not found"), TelegramLost("a time-out")])
async def test_updates_are_read_even_if_the_webhook_was_not_deleted(
    storage: Storage, away: Exception
) -> None:
    calls = await read(storage, away, [], ACTIVE, True, [])
    assert calls == ["DeleteWebhook", *["GetRawUpdates"] * 2, "DeleteWebhook", "GetRawUpdates"]


async def test_a_server_that_does_not_wait_for_updates_is_not_asked_without_pause(
    storage: Storage,
) -> None:
    slept: list[float] = []
    await read(storage, True, [], [], seconds=0.001, slept=slept)
    assert slept == [IDLE_SECONDS] * 2
    slept.clear()
    await read(storage, True, [], [], slept=slept)
    assert slept == []


async def test_a_server_that_forgets_no_update_is_not_asked_without_pause(
    storage: Storage,
) -> None:
    slept: list[float] = []
    same = [{"update_id": 7, "message": {}}]
    await read(storage, True, same, same, same, [{"update_id": 8, "message": {}}], slept=slept)
    assert slept == [IDLE_SECONDS] * 2


async def test_a_refused_token_ends_polling_at_the_first_call(storage: Storage) -> None:
    telegram: Any = Telegram([TelegramUnauthorized("Unauthorized")])
    polling = Polling(
        telegram,
        inbox(storage).take,
        clock=lambda: NOON,
        health=Health(storage.database.writable),
        allowed_updates=[],
    )
    with pytest.raises(TelegramUnauthorized):
        await polling.run()


def test_only_a_checkout_is_urgent() -> None:
    checkout, message = ({"update_id": 1, kind: {}} for kind in ("pre_checkout_query", "message"))
    [first, second] = [incoming(checkout), incoming(message)]
    assert first is not None
    assert second is not None
    assert (first.is_urgent, second.is_urgent) == (True, False)


@pytest.mark.parametrize("number", [-1, 1 << 63, True, "7", None])
def test_an_object_without_update_id_is_not_an_update(number: object) -> None:
    assert incoming({"update_id": number, "message": {}}) is None


@pytest.mark.parametrize(
    "text", ["\ud83d", "\udc00\ud83d", "\0", "\\u0000", "🦊", "\\\0", "\\\\u0000", "\0\0"]
)
async def test_every_text_can_be_stored(storage: Storage, text: str) -> None:
    row = incoming({"update_id": 7, "pre_checkout_query": {"id": text, "payload": text}})
    assert row is not None
    row.payload.encode()
    assert "\0" not in row.chat_key + row.payload
    kept = json.loads(row.payload)["pre_checkout_query"]["payload"]
    assert kept == text or "\ufffd" in kept
    assert await storage.inbox.add([row], now=NOON) == 1
