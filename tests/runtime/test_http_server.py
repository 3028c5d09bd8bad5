"""The bot's own server, asked over real sockets."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx
import pytest
from aiohttp import web

from bot import __version__
from bot.core.errors import StorageUnavailable
from bot.runtime.health import Health, HealthReport
from bot.runtime.http_server import HttpServer, frame_url
from tests.support.process_harness import free_port

TOKEN = "Frame-token_of_43_characters-0123456789ABCD"
JPEG = b"\xff\xd8" + bytes(range(256)) * 40 + b"\xff\xd9"


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Database:
    """Answers as it is told, and counts the questions."""

    def __init__(self) -> None:
        self.works = True
        self.asked = 0

    async def writable(self) -> bool:
        self.asked += 1
        return self.works


class Frames:
    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {TOKEN: JPEG}
        self.asked: list[str] = []
        self.works = True

    async def __call__(self, token: str) -> bytes | None:
        self.asked.append(token)
        if not self.works:
            raise StorageUnavailable("not now")
        return self.kept.get(token)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def frames() -> Frames:
    return Frames()


@pytest.fixture
async def health(clock: Clock, database: Database) -> Health:
    return Health(database.writable, now=clock)


@pytest.fixture
async def server(frames: Frames, health: Health) -> AsyncIterator[HttpServer]:
    async def ping(request: web.Request) -> web.StreamResponse:
        return web.Response(text="pong")

    server = HttpServer(
        "127.0.0.1",
        0,
        frames=frames,
        health=health.report,
        routes=[web.post("/ping", ping)],
        write_seconds=0.2,
        idle_seconds=0.2,
    )
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def http(server: HttpServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        yield client


# -- frames ------------------------------------------------------------------------------------


async def test_a_temporarily_unavailable_frame_answers_503(
    http: httpx.AsyncClient, frames: Frames
) -> None:
    frames.works = False
    assert (await http.get(frame_url(str(http.base_url), TOKEN))).status_code == 503


async def test_a_frame_is_served_under_its_link(http: httpx.AsyncClient) -> None:
    answer = await http.get(frame_url(str(http.base_url), TOKEN))
    assert answer.status_code == 200
    assert answer.content == JPEG
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-length"] == str(len(JPEG))
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_head_request_gets_no_body(http: httpx.AsyncClient) -> None:
    answer = await http.head(f"/frames/{TOKEN}.jpg")
    assert answer.status_code == 200
    assert answer.headers["content-length"] == str(len(JPEG))
    assert answer.content == b""


async def test_a_deleted_frame_answers_404_at_once(
    http: httpx.AsyncClient, frames: Frames
) -> None:
    frames.kept.clear()
    answer = await http.get(f"/frames/{TOKEN}.jpg")
    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/frames/short.jpg",
        f"/frames/{TOKEN}",
        f"/frames/{TOKEN}.png",
        f"/frames/{TOKEN}x.jpg",
        f"/frames/{TOKEN[:-3]}%00a.jpg",
        "/frames/../../etc/passwd",
        "/frames/",
        "/",
        "/favicon.ico",
        "/metrics",
    ],
)
async def test_any_other_path_is_not_found_without_a_query(
    http: httpx.AsyncClient, frames: Frames, path: str
) -> None:
    assert (await http.get(path)).status_code == 404
    assert frames.asked == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_frames_can_only_be_read(http: httpx.AsyncClient, method: str) -> None:
    assert (await http.request(method, f"/frames/{TOKEN}.jpg")).status_code == 404


async def test_the_server_does_not_identify_itself(http: httpx.AsyncClient) -> None:
    for path in (f"/frames/{TOKEN}.jpg", "/healthz", "/nowhere"):
        assert "server" not in (await http.get(path)).headers


async def test_links_are_in_no_log(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("httpx").setLevel(logging.WARNING)
        logging.getLogger("httpcore").setLevel(logging.WARNING)
        await http.get(f"/frames/{TOKEN}.jpg")
    assert TOKEN not in caplog.text


def test_tokens_have_the_shape_that_is_served() -> None:
    assert len(TOKEN) == len(secrets.token_urlsafe(32))


def test_a_link_is_made_of_the_public_address_and_the_token() -> None:
    wanted = f"https://bot.example/sub/frames/{TOKEN}.jpg"
    assert frame_url("https://bot.example/sub", TOKEN) == wanted
    assert frame_url("https://bot.example/sub/", TOKEN) == wanted


async def test_other_routes_can_be_added(http: httpx.AsyncClient) -> None:
    assert (await http.post("/ping")).text == "pong"


async def test_missing_routes_are_not_found(frames: Frames, health: Health) -> None:
    public = HttpServer("127.0.0.1", 0, frames=frames)
    admin = HttpServer("127.0.0.1", 0, health=health.report)
    shown = {}
    for name, one in (("public", public), ("admin", admin)):
        await one.start()
        async with httpx.AsyncClient(base_url=one.local_url) as client:
            paths = ("/healthz", "/readyz", f"/frames/{TOKEN}.jpg")
            shown[name] = [(await client.get(path)).status_code for path in paths]
        await one.stop()
    assert shown == {"public": [404, 404, 200], "admin": [200, 503, 404]}


# -- slow clients ------------------------------------------------------------------------------


async def test_a_client_that_never_ends_its_request_is_disconnected(server: HttpServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()


async def test_a_client_that_does_not_read_its_frame_is_disconnected(
    server: HttpServer, frames: Frames
) -> None:
    frames.kept[TOKEN] = bytes(32 * 1024 * 1024)  # more than the sockets' buffers hold
    with socket.socket() as client:
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, ("127.0.0.1", server.port))
        await loop.sock_sendall(
            client, f"GET /frames/{TOKEN}.jpg HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        )
        taken = 0
        async with asyncio.timeout(20):
            with suppress(ConnectionResetError):
                while data := await loop.sock_recv(client, 4096):
                    taken += len(data)
                    await asyncio.sleep(0.001)  # a sip at a time: the whole would take minutes
    assert 0 < taken < len(frames.kept[TOKEN])


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /healthz HTTP/1.1\r\n\r\n",  # without a Host
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Encoding: gzip\r\n"
        b"Connection: close\r\n\r\nabcd",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00" * 20 + b"\r\n\r\n",
    ],
)
async def test_what_scanners_send_is_refused_without_a_line_in_the_log(
    server: HttpServer, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request_)
        async with asyncio.timeout(10):
            status = (await reader.read()).split()[1]
        writer.close()
    assert status in (b"400", b"404")
    assert caplog.text == ""


async def test_a_fault_of_the_program_is_an_error_in_the_log(
    http: httpx.AsyncClient, frames: Frames, caplog: pytest.LogCaptureFixture
) -> None:
    frames.kept = None  # type: ignore[assignment]
    assert (await http.get(f"/frames/{TOKEN}.jpg")).status_code == 500
    assert "AttributeError" in caplog.text


async def test_a_client_that_disconnects_early_is_no_error(
    health: Health, caplog: pytest.LogCaptureFixture
) -> None:
    asked, gone, answered = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(token: str) -> bytes:
        asked.set()
        await gone.wait()
        answered.set()
        return b"jpeg"

    server = HttpServer("127.0.0.1", 0, frames=slow, health=health.report)
    await server.start()
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(f"GET /frames/{TOKEN}.jpg HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    async with asyncio.timeout(10):
        await asked.wait()
        writer.transport.abort()
        await asyncio.sleep(0.05)  # for the server to hear of it
        gone.set()
        await answered.wait()
    await server.stop()
    assert not caplog.records


async def test_the_port_is_free_again_after_stop(frames: Frames, health: Health) -> None:
    first = HttpServer("127.0.0.1", free_port(), frames=frames, health=health.report)
    await first.start()
    port = first.port
    with pytest.raises(OSError, match=str(port)):
        await HttpServer("127.0.0.1", port, frames=frames, health=health.report).start()
    await first.stop()
    second = HttpServer("127.0.0.1", port, frames=frames, health=health.report)
    await second.start()
    await second.stop()


# -- health ------------------------------------------------------------------------------------


async def asked(http: httpx.AsyncClient) -> tuple[int, list[str]]:
    answer = await http.get("/healthz")
    return answer.status_code, answer.json()["reasons"]


def all_alive(health: Health) -> None:
    for part in ("updates", "worker", "loop"):
        health.mark(part)


async def test_the_report_is_good_while_every_component_sends_heartbeats(
    http: httpx.AsyncClient, health: Health, clock: Clock
) -> None:
    all_alive(health)
    clock.seconds += 9
    answer = await http.get("/healthz")
    assert answer.status_code == 200
    assert answer.json() == {
        "version": __version__,
        "ok": True,
        "reasons": [],
        "seconds_since": {"updates": 9.0, "worker": 9.0, "loop": 9.0},
        "database_writable": True,
    }


@pytest.mark.parametrize(("part", "limit"), [("updates", 120), ("worker", 60), ("loop", 10)])
async def test_a_component_without_heartbeats_is_named(
    http: httpx.AsyncClient, health: Health, clock: Clock, part: str, limit: int
) -> None:
    all_alive(health)
    clock.seconds += limit + 1
    for other in {"updates", "worker", "loop"} - {part}:
        health.mark(other)
    status, reasons = await asked(http)
    assert status == 503
    assert reasons == [f"{part}: no sign of life for {limit + 1} s (at most {limit})"]
    health.mark(part)
    assert await asked(http) == (200, [])


async def test_a_reported_problem_is_shown_until_the_next_heartbeat(
    http: httpx.AsyncClient, health: Health, clock: Clock
) -> None:
    health.trouble("updates", "the answer was lost (TimeoutError)")
    ready = (await http.get("/readyz")).json()["reasons"]
    assert "updates: has not begun: the answer was lost (TimeoutError)" in ready
    all_alive(health)
    clock.seconds += 5
    health.trouble("updates", "another poller")
    assert await asked(http) == (200, [])
    clock.seconds += 120
    _, [reason, *_] = await asked(http)
    assert reason == "updates: no sign of life for 125 s (at most 120): another poller"
    all_alive(health)
    clock.seconds += 121
    assert (await asked(http))[1][0] == "updates: no sign of life for 121 s (at most 120)"


async def test_a_component_that_never_started_is_named_after_its_limit(
    http: httpx.AsyncClient, health: Health, clock: Clock
) -> None:
    assert (await asked(http))[0] == 200
    assert (await health.report()).ages == {"updates": None, "worker": None, "loop": None}
    clock.seconds += 121
    status, reasons = await asked(http)
    assert status == 503
    assert [reason.split(":")[0] for reason in reasons] == ["updates", "worker", "loop"]


async def test_a_read_only_database_is_named(
    http: httpx.AsyncClient, health: Health, database: Database
) -> None:
    all_alive(health)
    database.works = False
    assert await asked(http) == (503, ["database: not writable"])


async def test_many_reports_cause_one_write(
    http: httpx.AsyncClient, health: Health, database: Database, clock: Clock
) -> None:
    all_alive(health)
    await asyncio.gather(*(asked(http) for _ in range(20)))
    assert database.asked == 1
    clock.seconds += 6
    await asked(http)
    assert database.asked == 2


async def test_a_database_that_hangs_is_not_writable(clock: Clock) -> None:
    async def hangs() -> bool:
        clock.seconds += 6
        raise TimeoutError

    report = await Health(hangs, now=clock).report()
    assert report == HealthReport(
        reasons=("database: no answer within 2 s",),
        ages={"updates": None, "worker": None, "loop": None},
        database=False,
    )


async def test_heartbeats_are_due_only_once_they_are_expected(
    http: httpx.AsyncClient, health: Health, clock: Clock
) -> None:
    health.rest("updates")
    health.mark("worker")
    health.mark("loop")
    assert (await health.report()).not_ready == ()
    clock.seconds += 59
    health.mark("loop")
    assert (await asked(http))[0] == 200
    health.expect("updates")
    clock.seconds += 121
    health.mark("worker")
    health.mark("loop")
    assert [reason.split(":")[0] for reason in (await asked(http))[1]] == ["updates"]
    health.mark("updates")
    assert (await asked(http))[0] == 200
    health.rest("updates")
    assert set((await health.report()).ages) == {"worker", "loop"}


async def test_a_heartbeat_of_an_unknown_component_is_a_bug(health: Health) -> None:
    with pytest.raises(KeyError):
        health.mark("udpates")
