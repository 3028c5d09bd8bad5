"""A fault does to a real client exactly what it says, as often as it says."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from pydantic import ValidationError

from bot.sandbox.faults import Fault, Faults, suffer

GOOD = {"ok": True, "filling": "x" * 2000}


class Server:
    """One call named `pay`; counts how often it took effect."""

    def __init__(self, url: str, faults: Faults) -> None:
        self.url = url
        self.faults = faults
        self.effects = 0
        self.arrived = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.arrived.set()
        fault = self.faults.take("pay", dict(request.query))
        return await suffer(request, fault, self._effect)

    async def _effect(self) -> web.Response:
        self.effects += 1
        return web.json_response(GOOD)


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server("", Faults())
    app = web.Application()
    app.router.add_post("/pay", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/pay"
    try:
        yield server
    finally:
        await runner.cleanup()


async def ask(url: str, *, patience: float = 5) -> tuple[int, bytes, dict[str, str]]:
    limits = aiohttp.ClientTimeout(total=patience)
    async with aiohttp.ClientSession(timeout=limits) as session, session.post(url) as answer:
        return answer.status, await answer.read(), dict(answer.headers)


async def test_without_a_fault_the_real_answer_comes() -> None:
    async with serving() as server:
        status, body, _ = await ask(server.url)
    assert (status, json.loads(body), server.effects) == (200, GOOD, 1)


@pytest.mark.parametrize(
    ("body", "content", "kind"),
    [
        ({"code": 6}, b'{"code": 6}', "application/json"),
        ("<h1>Bad Gateway</h1>", b"<h1>Bad Gateway</h1>", "text/html"),
        (b"\xff\x00", b"\xff\x00", "application/octet-stream"),
        (None, b"", "application/octet-stream"),
    ],
)
async def test_a_canned_answer_replaces_the_effect(
    body: object, content: bytes, kind: str
) -> None:
    async with serving() as server:
        server.faults.add(
            Fault.model_validate(
                {
                    "on": "pay",
                    "act": "answer",
                    "status": 502,
                    "headers": {"Retry-After": "3"},
                    "body": body,
                }
            )
        )
        status, got, headers = await ask(server.url)
    assert (status, got, headers["Retry-After"], server.effects) == (502, content, "3", 0)
    assert headers["Content-Type"].startswith(kind)


async def test_a_given_content_type_is_kept() -> None:
    async with serving() as server:
        server.faults.add(
            Fault(on="pay", act="answer", headers={"content-type": "video/mp4"}, body="<html>")
        )
        _, _, headers = await ask(server.url)
    assert headers["Content-Type"] == "video/mp4"


@pytest.mark.parametrize(
    ("act", "effects"), [("reset_before", 0), ("reset_after", 1), ("hang_before", 0)]
)
async def test_the_client_loses_the_answer_before_or_after_the_effect(
    act: str, effects: int
) -> None:
    async with serving() as server:
        server.faults.add(Fault.model_validate({"on": "pay", "act": act, "delay": 0.01}))
        with pytest.raises(aiohttp.ClientError) as caught:
            await ask(server.url)
        assert "reset by peer" in str(caught.value)
        assert server.effects == effects
        assert (await ask(server.url))[0] == 200


async def test_a_hang_after_the_effect_lasts_until_the_client_gives_up() -> None:
    async with serving() as server:
        server.faults.add(Fault(on="pay", act="hang_after"))
        with pytest.raises(TimeoutError):
            await ask(server.url, patience=0.1)
        assert server.effects == 1


async def test_a_false_answer_may_follow_the_effect() -> None:
    async with serving() as server:
        server.faults.add(Fault(on="pay", act="answer_after", status=504, body="<h1>504</h1>"))
        status, _, _ = await ask(server.url)
    assert (status, server.effects) == (504, 1)


async def test_a_slow_answer_is_complete_and_comes_in_pieces() -> None:
    async with serving() as server:
        server.faults.add(Fault(on="pay", act="slow", rate=40_000))
        _, body, _ = await ask(server.url)
    assert json.loads(body) == GOOD


async def test_an_answer_at_one_byte_a_second_outlasts_the_client() -> None:
    async with serving() as server:
        server.faults.add(Fault(on="pay", act="slow", rate=1))
        with pytest.raises(TimeoutError):
            await ask(server.url, patience=0.1)


async def test_a_truncated_answer_promises_more_than_it_gives() -> None:
    async with serving() as server:
        server.faults.add(Fault(on="pay", act="truncate"))
        with pytest.raises(aiohttp.ClientPayloadError):
            await ask(server.url)
        assert server.effects == 1


def taken(faults: Faults, *calls: str) -> list[bool]:
    return [faults.take(call) is not None for call in calls]


def test_a_fault_lets_calls_through_first_and_ends_after_its_times() -> None:
    faults = Faults()
    faults.add(Fault(on="pay", act="reset_before", skip=2, times=2))
    assert taken(faults, *["pay"] * 6) == [False, False, True, True, False, False]
    assert faults.list() == {}


def test_a_fault_without_times_stays_until_it_is_removed() -> None:
    faults = Faults()
    key = faults.add(Fault(on="pay", act="reset_before", times=0))
    assert taken(faults, *["pay"] * 5) == [True] * 5
    assert faults.remove(key)
    assert not faults.remove(key)
    assert taken(faults, "pay") == [False]


def test_only_the_named_call_is_affected_and_a_star_means_every_call() -> None:
    faults = Faults()
    faults.add(Fault(on="pay", act="reset_before"))
    assert taken(faults, "look", "pay") == [False, True]
    faults.add(Fault(on="*", act="reset_before", skip=1))
    assert taken(faults, "look", "pay") == [False, True]


@pytest.mark.parametrize(
    ("params", "suffers"),
    [
        ({"chat_id": "5", "silent": "true"}, True),
        ({"chat_id": 5, "silent": True, "text": "?"}, True),
        ({"chat_id": "6", "silent": "true"}, False),
        ({"chat_id": "5"}, False),
    ],
)
def test_parameters_must_be_equal_whether_typed_or_text(
    params: dict[str, object], suffers: bool
) -> None:
    faults = Faults()
    faults.add(Fault(on="send", act="reset_before", match={"chat_id": 5, "silent": True}))
    assert (faults.take("send", params) is not None) == suffers


def test_the_older_of_two_faults_goes_first() -> None:
    faults = Faults()
    faults.add(Fault(on="pay", act="answer", status=500))
    faults.add(Fault(on="*", act="answer", status=502))
    assert [getattr(faults.take("pay"), "status", None) for _ in range(3)] == [500, 502, None]


def test_clear_switches_everything_off() -> None:
    faults = Faults()
    faults.add(Fault(on="*", act="reset_before", times=0))
    faults.clear()
    assert taken(faults, "pay") == [False]


@pytest.mark.parametrize("body", [b"\xff\x00mp4", "text", {"code": 1001}, None, [1, "a"], 7])
def test_a_fault_survives_a_json_round_trip(body: bytes | str | None) -> None:
    fault = Fault(on="download", act="answer", body=body, match={"chat_id": 1}, delay=1.5)
    assert Fault.model_validate_json(fault.model_dump_json()) == fault


@pytest.mark.parametrize(
    "wrong",
    [
        {"on": "pay"},
        {"on": "pay", "act": "explode"},
        {"on": "", "act": "answer"},
        {"on": "pay", "act": "answer", "status": 9},
        {"on": "pay", "act": "answer", "delay": -1},
        {"on": "pay", "act": "answer", "body": {"base64": "*"}},
        {"on": "pay", "act": "answer", "typo": 1},
    ],
)
def test_an_invalid_fault_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Fault.model_validate(wrong)


async def test_a_server_stops_at_once_although_a_call_hangs() -> None:
    async def ask_and_lose(url: str) -> None:
        with pytest.raises(aiohttp.ClientError):
            await ask(url)

    async with asyncio.TaskGroup() as clients, serving() as server:
        server.faults.add(Fault(on="pay", act="hang_before"))
        asking = clients.create_task(ask_and_lose(server.url))
        await server.arrived.wait()
        assert not asking.done()
