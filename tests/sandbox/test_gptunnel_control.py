"""The switches of the GPTunnel emulator, as a page presses them; and the emulator as a whole."""

import io
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import av
import pytest

from bot.sandbox.gptunnel import GptunnelEmulator, Mode

KEY = {"Authorization": "sandbox-key"}


@pytest.fixture
async def emulator() -> AsyncIterator[GptunnelEmulator]:
    emulator = GptunnelEmulator()
    await emulator.start()
    yield emulator
    await emulator.stop()


@pytest.fixture
async def session(emulator: GptunnelEmulator) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(emulator.origin) as session:
        yield session


async def post(session: aiohttp.ClientSession, path: str, body: Any) -> tuple[int, Any]:
    async with session.post(path, json=body, headers=KEY) as answer:
        return answer.status, await answer.json()


async def get(session: aiohttp.ClientSession, path: str) -> Any:
    async with session.get(path) as answer:
        assert answer.status == 200
        return await answer.json()


async def test_an_order_becomes_a_real_video_of_the_model_and_ratio(
    session: aiohttp.ClientSession, emulator: GptunnelEmulator
) -> None:
    order = {"model": "seedance-1-lite-480P-2s", "prompt": "море", "ar": "9:16"}
    _, created = await post(session, "/v1/media/create", order)
    await emulator.settled()
    state = await get(session, "/sandbox/state")
    [task] = state["tasks"]
    assert (task["id"], task["status"]) == (created["id"], "done")
    async with session.get(task["url"]) as answer:
        assert answer.content_type == "video/mp4"
        video = await answer.read()
    with av.open(io.BytesIO(video), "r") as file:
        assert (file.streams.video[0].width, file.streams.video[0].height) == (480, 864)
        assert file.duration == 2_000_000
        assert not file.streams.audio
    assert [(charge["task_id"], charge["price"]) for charge in state["charges"]] == [
        (created["id"], 6.8)
    ]
    assert state["balance"] == 4993.2


async def test_the_delay_is_set_and_shown(
    session: aiohttp.ClientSession, emulator: GptunnelEmulator
) -> None:
    status, state = await post(session, "/sandbox/delay", {"seconds": 5})
    assert (status, state["delay"], emulator.delay) == (200, 5, 5)
    _, state = await post(session, "/sandbox/delay", {"create_seconds": 0.2})
    assert (state["delay"], state["create_delay"]) == (5, 0.2)


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode is not Mode.WELL])
async def test_a_mode_is_switched_on_and_cleared(
    session: aiohttp.ClientSession, emulator: GptunnelEmulator, mode: Mode
) -> None:
    _, state = await post(session, "/sandbox/fault", {"mode": mode})
    assert (state["mode"], emulator.mode) == (mode, mode)
    _, state = await post(session, "/sandbox/fault", {"mode": "clear"})
    assert (state["mode"], emulator.mode) == ("well", Mode.WELL)


async def test_a_fault_is_added_listed_applied_and_removed(
    session: aiohttp.ClientSession,
) -> None:
    fault = {"on": "balance", "act": "answer", "status": 502, "body": "<h1>Oh</h1>", "times": 2}
    _, added = await post(session, "/sandbox/fault", fault)
    async with session.get("/v1/balance", headers=KEY) as answer:
        assert (answer.status, await answer.text()) == (502, "<h1>Oh</h1>")
    shown = (await get(session, "/sandbox/state"))["faults"][added["id"]]
    assert (shown["on"], shown["times"]) == ("balance", 1)
    async with session.delete(f"/sandbox/fault/{added['id']}") as answer:
        assert (answer.status, (await answer.json())["faults"]) == (200, {})
    async with session.delete(f"/sandbox/fault/{added['id']}") as answer:
        assert answer.status == 404
    async with session.get("/v1/balance", headers=KEY) as answer:
        assert answer.status == 200


async def test_clearing_also_removes_the_faults(
    session: aiohttp.ClientSession, emulator: GptunnelEmulator
) -> None:
    await post(session, "/sandbox/fault", {"on": "*", "act": "reset_before", "times": 0})
    _, state = await post(session, "/sandbox/fault", {"mode": "clear"})
    assert state["faults"] == {}
    assert emulator.faults.list() == {}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("delay", {"seconds": -1}),
        ("delay", {"hours": 1}),
        ("delay", []),
        ("fault", {"mode": "drunk"}),
        ("fault", {"on": "create"}),
        ("fault", {"mode": "fails", "on": "create"}),
        ("fault", []),
    ],
)
async def test_an_invalid_setting_is_a_400_with_the_problem(
    session: aiohttp.ClientSession, path: str, body: Any
) -> None:
    status, answer = await post(session, f"/sandbox/{path}", body)
    assert status == 400
    assert answer["errors"]


async def test_invalid_json_is_a_400_and_a_form_is_a_415(
    session: aiohttp.ClientSession,
) -> None:
    for kind, status in [("application/json", 400), ("text/plain", 415)]:
        async with session.post(
            "/sandbox/fault", data="{", headers={"Content-Type": kind}
        ) as answer:
            assert answer.status == status


async def test_the_calls_are_shown_without_those_of_the_switches(
    session: aiohttp.ClientSession,
) -> None:
    await post(session, "/v1/media/create", {})
    [call] = await get(session, "/sandbox/calls")
    assert (call["name"], call["outcome"]) == ("create", "code 3")


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://127.0.0.1:8081", True),
        ("http://localhost:5000", True),
        ("http://127.0.0.1.evil.test", False),
        ("https://evil.test", False),
        ("null", False),
    ],
)
async def test_only_pages_on_loopback_may_use_the_switches(
    session: aiohttp.ClientSession, origin: str, allowed: bool
) -> None:
    async with session.options("/sandbox/fault", headers={"Origin": origin}) as answer:
        given = answer.headers.get("Access-Control-Allow-Origin")
    assert given == (origin if allowed else None)


async def test_two_emulators_live_side_by_side(emulator: GptunnelEmulator) -> None:
    second = GptunnelEmulator()
    await second.start()
    try:
        assert second.base_url != emulator.base_url
        assert second.base_url.endswith("/v1")
    finally:
        await second.stop()


async def test_a_taken_port_is_an_error_and_leaves_nothing_behind(
    emulator: GptunnelEmulator,
) -> None:
    second = GptunnelEmulator()
    with pytest.raises(OSError, match="address already in use"):
        await second.start(port=int(emulator.origin.rpartition(":")[2]))
    await second.stop()
