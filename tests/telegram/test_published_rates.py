"""The emulator enforces Telegram's published rates when asked to; our own pacing keeps to them."""

from __future__ import annotations

import heapq
import random
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bot.sandbox.telegram.emulator import TelegramEmulator
from bot.sandbox.telegram.limits import BURST, PublishedLimits
from bot.telegram.rate_limits import RateLimiter

TOKEN = "1234567:AAtest-token-of-the-emulator-00000"


def accepted(limits: PublishedLimits, chat: int | str | None, now: float) -> int:
    return limits.seconds("sendMessage", {} if chat is None else {"chat_id": chat}, now)


def test_thirty_a_second_in_all() -> None:
    limits = PublishedLimits()
    waits = [accepted(limits, chat, 100.0) for chat in range(1, 32)]
    assert waits == [0] * 30 + [1]
    assert accepted(limits, 99, 100.9) == 1
    assert accepted(limits, 99, 101.0) == 0


def test_one_a_second_in_a_chat_after_a_short_burst() -> None:
    limits = PublishedLimits()
    assert [accepted(limits, 5, 100.0) for _ in range(BURST + 1)] == [0] * BURST + [1]
    assert accepted(limits, 6, 100.0) == 0
    assert accepted(limits, 5, 101.0) == 0
    assert accepted(limits, 5, 101.5) == 1


@pytest.mark.parametrize("group", [-5, "@channel"])
def test_twenty_a_minute_in_a_group(group: int | str) -> None:
    limits = PublishedLimits()
    assert [accepted(limits, group, 100.0 + 2 * n) for n in range(20)] == [0] * 20
    assert accepted(limits, group, 140.0) == 20
    assert accepted(limits, group, 160.0) == 0


def test_only_messages_count_and_an_album_as_its_videos() -> None:
    limits = PublishedLimits()
    for method in ("sendChatAction", "deleteMessage", "answerCallbackQuery", "getFile"):
        assert all(limits.seconds(method, {"chat_id": 5}, 100.0) == 0 for _ in range(50))
    album = {"chat_id": 5, "media": [{}] * 5}
    assert limits.seconds("sendMediaGroup", album, 100.0) == 0
    assert limits.seconds("sendMessage", {"chat_id": 5}, 100.0) > 0


@pytest.mark.parametrize("seed", range(5))
def test_our_own_pacing_is_never_refused(seed: int) -> None:
    """Bursts and rushes to few and many chats and groups, each call at the time it is given."""
    dice, now = random.Random(seed), [1000.0]
    pace, limits = RateLimiter(lambda: now[0]), PublishedLimits()
    chats = [*range(1, 60), *range(-6, 0)]
    calls: list[tuple[float, int, int]] = []
    for number in range(3000):
        if dice.random() < 0.02:
            now[0] += dice.choice((0.01, 0.5, 3.0, 30.0))
        chat = dice.choice(chats if dice.random() < 0.6 else chats[:3] + chats[-2:])
        heapq.heappush(calls, (now[0] + pace.wait(chat), number, chat))
    refused = 0
    while calls:
        at, _, chat = heapq.heappop(calls)
        refused += accepted(limits, chat, at) > 0
    assert refused == 0


@pytest.fixture
async def emulator(tmp_path: Path) -> AsyncIterator[TelegramEmulator]:
    async with TelegramEmulator(token=TOKEN, limited=True, clock=lambda: 100.0) as emulator:
        yield emulator


async def test_the_emulator_answers_too_many_calls_as_telegram_does(
    emulator: TelegramEmulator,
) -> None:
    person = emulator.add_person()
    person.chat.started = True
    url = f"{emulator.url}/bot{TOKEN}/sendMessage"
    async with aiohttp.ClientSession() as session:
        for _ in range(BURST):
            async with session.post(url, json={"chat_id": person.id, "text": "x"}) as answer:
                assert answer.status == 200
        async with session.post(url, json={"chat_id": person.id, "text": "x"}) as answer:
            said = await answer.json()
    assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
    assert said["parameters"] == {"retry_after": 1}
    assert len(emulator.refused) == 1
    assert len(person.chat.messages) == BURST


async def test_nothing_is_refused_when_nobody_asked_for_it() -> None:
    async with TelegramEmulator(token=TOKEN, clock=lambda: 100.0) as emulator:
        assert emulator.api.limits is None
