"""After an outage of an hour, what waited follows in turn: questions, downloads, and videos to
Telegram. `make outages` does the same with more of them (tests/faults/herd.py)."""

from __future__ import annotations

import pytest

from bot.core.task import TaskState
from bot.sandbox.faults import Fault
from tests.faults import herd
from tests.faults.herd import AWAY, HOUR, insert, job, those_who_started
from tests.support.app_harness import AppHarness, OpenAppHarness

pytestmark = pytest.mark.campaign


async def test_open_tasks_are_asked_about_in_turn_after_an_hour(harness: AppHarness) -> None:
    await herd.questions(harness, 600)


async def test_while_a_host_of_videos_is_away_one_fetch_in_turn_tries_it(
    harness: AppHarness, clip: bytes
) -> None:
    await herd.downloads(harness, clip, 40)


@pytest.mark.parametrize("act", ["answer", "reset_before"])
async def test_an_hour_without_telegram_loses_nothing_and_results_go_first(
    make_harness: OpenAppHarness, clip: bytes, act: str
) -> None:
    fault = AWAY if act == "answer" else Fault(on="*", act="reset_before", times=0)
    async with make_harness(task_deadline_seconds=86_400) as harness:
        await herd.telegram(harness, clip, 40, fault)


async def test_people_are_told_at_the_deadline_and_asked_about_soon_after_the_outage(
    make_harness: OpenAppHarness,
) -> None:
    async with make_harness(task_deadline_seconds=900) as harness:
        people = [harness.person(name=f"P{number}") for number in range(5)]
        for person in people:
            await harness.order(person)
        await harness.until(lambda: set(harness.states()) == {"generating"})
        key = harness.provider.faults.add(AWAY)
        await harness.pass_(HOUR)
        assert len(harness.rows("SELECT 1 FROM tasks WHERE overdue")) == 5
        during = len(harness.asked("result"))
        assert during <= 5 * 3 + HOUR / 60 + 10
        harness.provider.faults.remove(key)
        await harness.until(lambda: set(harness.states()) == {"delivered"}, within=65)
        assert [len(harness.videos(person.chat)) for person in people] == [1] * 5


async def test_another_host_of_videos_is_not_held_up(harness: AppHarness, clip: bytes) -> None:
    people = those_who_started(harness, 31)
    away, fine = (harness.provider.look(job(harness, c * 24, clip))["url"] for c in "ef")
    files = {"file": away.rpartition("/")[2]}
    harness.provider.faults.add(AWAY.model_copy(update={"on": "download", "match": files}))
    urls = [away] * 30 + [fine.replace("127.0.0.1", "localhost")]
    await insert(
        harness,
        TaskState.RENDERED,
        (
            {"user_id": p.id, "chat_id": p.id, "video_url": url, "rendered_at": harness.time()}
            for p, url in zip(people, urls, strict=True)
        ),
    )
    await harness.until(lambda: harness.state(31) == "delivered", within=5)
    assert harness.states().count("rendered") == 30
