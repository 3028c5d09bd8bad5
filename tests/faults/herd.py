"""Outages of an hour: while they last one task in turn tries, and what waited follows in turn.

Each scenario checks the emulators' records and returns its figures in words, for make outages and
for test_herd.py.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from bot.core.gate import SPREAD_SECONDS
from bot.core.task import AspectRatio, TaskState
from bot.sandbox.faults import Fault
from bot.sandbox.gptunnel.models import MODELS
from bot.sandbox.gptunnel.records import Made, Mode, Task
from bot.sandbox.telegram.people import Person
from bot.telegram.rate_limits import RateLimiter
from storage.tables import tasks
from tests.support.app_harness import AppHarness

MODEL = "seedance-1-lite-480P-5s"
HOUR = 3600.0
AWAY = Fault(on="*", act="answer", status=502, body="<html>Bad gateway</html>", times=0)


def job(harness: AppHarness, name: str, clip: bytes | None) -> Task:
    """A job at the provider; without a clip it is pending for a day."""
    work: asyncio.Future[Made] = asyncio.get_running_loop().create_future()
    work.set_result(Made(clip or b"x"))
    now = harness.time.unix()
    made = Task(
        id=name,
        model=MODELS[MODEL],
        prompt="a red fox",
        ratio="9:16",
        image=None,
        created_at=now,
        ready_at=now if clip else now + 24 * HOUR,
        work=work,
        end=Mode.WELL if clip else None,
    )
    harness.provider.tasks[name] = made
    return made


async def insert(harness: AppHarness, state: TaskState, rows: Iterable[dict[str, Any]]) -> None:
    """Write tasks that were ordered one second after the other and nobody holds."""
    now = harness.time()
    common = {
        "lang": "en",
        "model": MODEL,
        "price_kopecks": Decimal(17),
        "prompt": "a red fox",
        "aspect_ratio": AspectRatio.TALL,
        "card_is_media": False,
        "state": state,
        "created_at": now,
        "submitted_at": now,
        "accepted_at": now,
        "run_at": now,
        "deadline_at": now + timedelta(days=1),
        "overdue": False,
        "attempts": 0,
        "claims": 0,
        "fence": 0,
    }
    values = [
        {
            **common,
            "message_id": number,
            "source_message_id": number,
            "confirmed_at": now + timedelta(seconds=number),
            **row,
        }
        for number, row in enumerate(rows, start=1)
    ]
    for row in values:
        row["source_chat_id"] = row["chat_id"]
        row["confirmed_by"] = row["user_id"]
    async with harness.storage.database.transaction() as connection:
        await connection.execute(sa.insert(tasks), values)
    harness.parts.worker.wake()


def those_who_started(harness: AppHarness, count: int) -> list[Person]:
    people = [harness.person(name=f"P{number}") for number in range(count)]
    for person in people:
        person.chat.started = True
    return people


async def an_hour(harness: AppHarness) -> None:
    """In parts: each has its limit of real seconds."""
    for _ in range(12):
        await harness.pass_(HOUR / 12)


def per_second(moments: list[float]) -> Counter[int]:
    return Counter(int(at - moments[0]) for at in moments)


async def questions(harness: AppHarness, count: int) -> str:
    """Let so many tasks be open for an hour without answers."""
    key = harness.provider.faults.add(AWAY)
    ids = [job(harness, f"{number:024x}", None).id for number in range(count)]
    await insert(
        harness,
        TaskState.GENERATING,
        ({"user_id": 1, "chat_id": 1, "provider_id": one} for one in ids),
    )
    await an_hour(harness)
    during = len(harness.asked("result"))
    harness.provider.faults.remove(key)
    for _ in range(8):
        await harness.pass_(SPREAD_SECONDS / 4)
    asked = [call for call in harness.asked("result")[during:] if "answer" not in call.outcome]
    minute = per_second([call.at for call in asked if call.at < asked[0].at + 60])
    firsts = {call.body["task_id"]: call.at - asked[0].at for call in reversed(asked)}
    figures = (
        f"{during} questions in the hour; then at most {max(minute.values())} a second,"
        f" {minute.total()} in the first minute; every task within {max(firsts.values()):.0f} s"
    )
    assert during <= 20 + HOUR / 60 + 10
    assert max(minute.values()) <= count / SPREAD_SECONDS + 10
    assert len(firsts) == count
    assert max(firsts.values()) <= SPREAD_SECONDS + 1
    return figures


async def downloads(harness: AppHarness, clip: bytes, count: int) -> str:
    """Let the host of so many videos be away for an hour."""
    people = those_who_started(harness, count)
    made = job(harness, "f" * 24, clip)
    url = harness.provider.look(made)["url"]
    key = harness.provider.faults.add(AWAY.model_copy(update={"on": "download"}))
    await insert(
        harness,
        TaskState.RENDERED,
        (
            {"user_id": p.id, "chat_id": p.id, "video_url": url, "rendered_at": harness.time()}
            for p in people
        ),
    )
    await an_hour(harness)
    during = len(harness.asked("download"))
    harness.provider.faults.remove(key)
    await harness.until(lambda: set(harness.states()) == {"delivered"}, within=90)
    fetched = [call.at for call in harness.asked("download")[during:]]
    rate = max(per_second(fetched).values())
    figures = f"{during} fetches in the hour; then at most {rate} a second"
    assert during <= 20 + HOUR / 60 + 10
    assert rate <= 12
    assert len(fetched) == count
    return figures


async def telegram(harness: AppHarness, clip: bytes, count: int, fault: Fault = AWAY) -> str:
    """Let Telegram be away for an hour with so many videos ready."""
    harness.telegram.limit()
    waiting = harness.person(name="Waiting")
    harness.provider.delay = 10 * HOUR
    await harness.order(waiting)
    await harness.until(lambda: harness.states() == ["generating"])
    people = those_who_started(harness, count)
    url = harness.provider.look(job(harness, "f" * 24, clip))["url"]
    key = harness.telegram.faults.add(fault)
    await insert(
        harness,
        TaskState.RENDERED,
        (
            {"user_id": p.id, "chat_id": p.id, "video_url": url, "rendered_at": harness.time()}
            for p in people
        ),
    )
    await an_hour(harness)
    calls = len(harness.telegram.calls)
    tried = len(harness.sent("sendVideo"))
    harness.telegram.faults.remove(key)
    await harness.until(lambda: harness.states().count("delivered") == count, within=180)
    await harness.pass_(60)
    after = harness.telegram.calls[calls:]
    sent = [call for call in after if call.method == "sendVideo"]
    chats = [int(call.params["chat_id"]) for call in sent]
    order = [[p.id for p in people].index(chat) for chat in chats]
    paced = [call for call in after if call.method.startswith(("send", "edit", "delete"))]
    seen = per_second([call.started for call in paced if call.method != "sendChatAction"])
    edits = [call.started for call in after if call.method.startswith("edit")]
    took = sent[-1].started - sent[0].started
    figures = (
        f"{tried} tries in the hour; then {len(sent)} videos in {took:.0f} s, at most"
        f" {max(seen.values())} calls a second; {len(harness.telegram.refused)} answers 429"
    )
    assert harness.telegram.refused == []  # by the published rates, which the emulator enforces
    assert tried <= 20 + HOUR / 60 + 10
    assert sorted(chats) == sorted(p.id for p in people)  # each once
    # The first is the try that found Telegram back; the others keep their order within a batch.
    assert max(abs(place - number) for place, number in enumerate(order[1:], start=1)) <= 7
    calls, window = RateLimiter.ALL
    for start in seen:  # in any ten seconds no more than our own limit lets through
        most = calls * (10 / window + 1)
        assert sum(seen[second] for second in range(start, start + 10)) <= most
    assert edits
    assert min(edits) >= sent[-1].started
    return figures
