"""The virtual loop: time jumps, a killed process never goes on, a frozen one goes on later."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest

from tests.simulation.fate import EventLog, Fate
from tests.simulation.loop import Mortal, Stalled, VirtualLoop, owned_by


def run(main: Coroutine[Any, Any, Any]) -> VirtualLoop:
    loop = VirtualLoop()
    task = loop.create_task(main)
    try:
        loop.run_until_complete(task)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.close()
    return loop


def test_an_hour_passes_at_once() -> None:
    before = time.monotonic()
    loop = run(asyncio.sleep(3600))
    assert loop.now == pytest.approx(3600)
    assert time.monotonic() - before < 60


def test_a_wait_for_nothing_is_noticed() -> None:
    with pytest.raises(Stalled):
        run(asyncio.Event().wait())


def test_a_loop_without_a_wait_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.simulation.loop.SPINS", 100)

    async def spin() -> None:
        while True:  # noqa: ASYNC110 - the fault itself
            await asyncio.sleep(0)

    with pytest.raises(Stalled):
        run(spin())


def test_no_finally_of_a_killed_process_runs() -> None:
    said: list[str] = []
    process = Mortal()

    async def work() -> None:
        try:
            await asyncio.sleep(1)
            said.append("went on")
        finally:
            said.append("tidied up")

    async def world() -> None:
        task = loop.create_task(work(), context=owned_by(process))
        await asyncio.sleep(0.5)
        process.alive = False
        await asyncio.sleep(10)
        assert said == []
        process.alive = True  # as a burial does
        loop.thaw(process)
        task.cancel()
        await asyncio.wait([task])

    loop = VirtualLoop()
    loop.run_until_complete(world())
    loop.close()
    assert said == ["tidied up"]


def test_a_frozen_process_goes_on_where_it_was_and_sees_the_later_time() -> None:
    woken: list[float] = []
    process = Mortal()

    async def work() -> None:
        await asyncio.sleep(1)
        woken.append(loop.time())

    async def world() -> None:
        task = loop.create_task(work(), context=owned_by(process))
        await asyncio.sleep(0.5)
        process.frozen = True
        await asyncio.sleep(40)
        loop.thaw(process)
        await task

    loop = VirtualLoop()
    loop.run_until_complete(world())
    loop.close()
    assert woken == [pytest.approx(40.5)]


def test_a_fault_that_is_left_out_moves_no_other() -> None:
    def faults(only: list[str] | None) -> list[str]:
        fate = Fate(7, only)
        for _ in range(200):
            fate.fault("commit", [("kill", 0.05), ("full", 0.05)])
            fate.fault("create", [("lost", 0.1)])
        return fate.happened

    drawn = faults(None)
    assert len(drawn) > 20
    assert faults(drawn[::2]) == drawn[::2]


def test_the_digest_is_about_every_event_and_its_time() -> None:
    now = 0.0
    one, other, later = (EventLog(lambda: now) for _ in range(3))
    for log in (one, other):
        log.note("p1", "starts")
    assert one.digest() == other.digest()
    other.note("p1", "committed")
    assert one.digest() != other.digest()
    now = 1.0
    later.note("p1", "starts")
    assert one.digest() != later.digest()
