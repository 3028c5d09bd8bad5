"""Tunnels against a real SSH server on loopback and a stand-in for cloudflared."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import asyncssh
import httpx
import pytest

from bot.runtime.http_server import HttpServer, frame_url
from bot.runtime.public_address import PublicAddress
from bot.runtime.tunnel import Hold, Report, Tunnel, TunnelClosed
from bot.runtime.tunnel.cloudflared import Cloudflared
from bot.runtime.tunnel.printed import Printed, follows
from bot.runtime.tunnel.ssh import Ssh
from tests.support import cloudflared
from tests.support.process_harness import free_port, until
from tests.support.ssh_service import SshService

TOKEN = "Frame-token_of_43_characters-0123456789ABCD"


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    async def frame(token: str) -> bytes | None:
        return b"jpeg" if token == TOKEN else None

    server = HttpServer("127.0.0.1", 0, frames=frame)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def service() -> AsyncIterator[SshService]:
    service = SshService(free_port())
    await service.start()
    yield service
    await service.kill()


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> cloudflared.Cloudflared:
    installed = cloudflared.install(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{installed.folder}:{os.environ['PATH']}")
    return installed


def ssh(service: SshService, server: HttpServer, pins: Path, public_url: str = "") -> Ssh:
    return Ssh(
        server=service.url, host="127.0.0.1", port=server.port, pins=pins, public_url=public_url
    )


class Waits:
    """Waiting costs nothing, and is written down."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0.01)


@asynccontextmanager
async def running(
    hold: Hold,
    probe: Callable[[str], Awaitable[bool]],
    waits: Waits | None = None,
) -> AsyncIterator[PublicAddress]:
    address = PublicAddress(changes=True)
    tunnel = Tunnel("it", hold, probe, address, sleep=waits or Waits())
    task = asyncio.ensure_future(tunnel.run())  # noqa: TID251 - ended here
    try:
        yield address
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def fetched(address: PublicAddress) -> bytes:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(frame_url(address.url, TOKEN))).content


# -- what is printed ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("INF |  https://red-fox-runs.trycloudflare.com       |", "https://red-fox-runs.trycloudflare.com"),
        ("abc.lhr.life tunneled with tls termination, https://abc.lhr.life", "https://abc.lhr.life"),
        ("\x1b[32mForwarding HTTP traffic from https://abc.serveo.net\x1b[0m", "https://abc.serveo.net"),
        ("http://rnx-1-2.a.free.pinggy.link", "http://rnx-1-2.a.free.pinggy.link"),
        ("open at <https://one.example:8443/>.", "https://one.example:8443"),
        ("INF |  http://127.0.0.1:41000 |", "http://127.0.0.1:41000"),
    ],
)  # fmt: skip
def test_an_address_is_found_in_every_printed_form(line: str, found: str) -> None:
    assert Printed().addresses(line + "\r\n") == [found]


@pytest.mark.parametrize(
    "line",
    [
        "subject to the Cloudflare Online Services Terms of Use (https://www.cloudflare.com/website-terms/)",
        "by following: https://developers.cloudflare.com/cloudflare-one/connections/connect-apps",
        'ERR Post "https://api.trycloudflare.com/tunnel": dial tcp: lookup api.trycloudflare.com',
        "INF Settings: map[no-autoupdate:true protocol:quic url:http://127.0.0.1:8080]",
        'ERR error="dial tcp" originService=http://127.0.0.1:8080',
        "custom domains go to https://admin.localhost.run/",
        "Follow your favourite reverse tunnel at [https://twitter.com/localhost_run].",
        "at [http://localhost:3000/docs/faq#generating-an-ssh-key].",
        "Upgrade at https://dashboard.pinggy.io",
        "see https://github.com/cloudflare/cloudflared",
        "",
    ],
)  # fmt: skip
def test_other_links_are_not_taken_for_the_address(line: str) -> None:
    assert Printed().addresses(line + "\n") == []


def test_an_address_in_pieces_is_read_when_its_line_is_complete() -> None:
    printed = Printed()
    assert printed.addresses("first\n  https://a.trycl") == []
    assert printed.addresses("oudflare.com") == []
    assert printed.addresses(" |\nnext") == ["https://a.trycloudflare.com"]
    assert printed.last == "https://a.trycloudflare.com |"


def test_in_one_session_only_another_name_at_the_same_service_follows() -> None:
    assert follows("https://b.lhr.life", "https://a.lhr.life")
    assert follows("https://a.pinggy.link", "http://a.pinggy.link")
    assert not follows("http://a.pinggy.link", "https://a.pinggy.link")
    assert not follows("https://a.lhr.life", "https://a.lhr.life")
    assert not follows("https://visitor.example", "https://a.lhr.life")


# -- ssh ------------------------------------------------------------------------------------------


async def test_a_killed_ssh_server_comes_back_under_another_address(
    service: SshService, server: HttpServer, tmp_path: Path
) -> None:
    async with running(ssh(service, server, tmp_path / "pins"), server.leads_here) as address:
        assert address.is_awaited
        await until(lambda: address.url)
        assert await fetched(address) == b"jpeg"
        assert address.state == f"it: open at {service.addresses[0]}"
        first = address.url
        await service.kill()
        await until(lambda: not address.url)
        assert address.is_awaited
        await service.start()
        await until(lambda: address.url)
        assert address.url == service.addresses[-1] != first
        assert await fetched(address) == b"jpeg"
        assert not address.leads(frame_url(first, TOKEN))
        assert service.asked == [("localhost", 80)] * 2


async def test_a_new_address_in_the_same_session_is_used_from_then_on(
    service: SshService, server: HttpServer, tmp_path: Path
) -> None:
    async with running(ssh(service, server, tmp_path / "pins"), server.leads_here) as address:
        await until(lambda: address.url)
        first = address.url
        [session] = service.sessions
        session.stdout.write("visitor says https://evil.example\r\n")
        port = await service.another()
        session.stdout.write(f"now https://x.example.org/help and http://127.0.0.1:{port}\r\n")
        await until(lambda: address.url != first)
        assert address.url == f"http://127.0.0.1:{port}"


async def test_the_first_key_is_pinned_and_told_and_another_one_is_refused(
    service: SshService, server: HttpServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pins, waits = tmp_path / "data" / "pins", Waits()
    async with running(ssh(service, server, pins), server.leads_here) as address:
        await until(lambda: address.url)
    name = f"[127.0.0.1]:{service.port}"
    public = service.key.export_public_key("openssh").decode().strip()
    assert pins.read_text() == f"{name} {public}\n"
    assert stat.S_IMODE(pins.stat().st_mode) == 0o600
    [told] = [line for line in caplog.messages if "is pinned" in line]
    assert service.key.get_fingerprint() in told

    await service.kill()
    for kind in ("ssh-ed25519", "ecdsa-sha2-nistp256"):  # the same kind, and another one
        service.key = asyncssh.generate_private_key(kind)
        await service.start()
        async with running(ssh(service, server, pins), server.leads_here, waits) as address:
            await until(lambda: len(waits.seconds) >= 3)
            assert not address.url
            assert f"the key of {name} is not the one in {pins}" in address.state
        assert waits.seconds[:3] == [1, 2, 4]
        waits.seconds.clear()
        await service.kill()
    assert pins.read_text().count("\n") == 1


async def test_a_host_of_ones_own_prints_nothing_and_its_public_url_is_the_address(
    service: SshService, server: HttpServer, tmp_path: Path
) -> None:
    service.prints = False
    service.public = free_port()
    public = f"http://127.0.0.1:{service.public}"
    hold = ssh(service, server, tmp_path / "pins", public)
    async with running(hold, server.leads_here) as address:
        await until(lambda: address.url)
        assert address.url == public
        assert await fetched(address) == b"jpeg"
        await service.kill()
        await until(lambda: not address.url)
        await service.start()
        await until(lambda: address.url == public)
    assert service.asked == [("localhost", server.port)] * 2
    assert service.sessions == []


async def test_an_unreachable_server_is_retried_with_growing_pauses(
    server: HttpServer, tmp_path: Path
) -> None:
    service, waits = SshService(1), Waits()  # nobody listens there
    async with running(
        ssh(service, server, tmp_path / "pins"), server.leads_here, waits
    ) as address:
        await until(lambda: len(waits.seconds) >= 9)
        assert address.is_awaited
        assert address.state.startswith("it: ")
    assert waits.seconds[:9] == [1, 2, 4, 8, 16, 32, 64, 120, 120]


async def test_a_silent_server_is_given_up(
    service: SshService, server: HttpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.runtime.tunnel.ssh.ALIVE_SECONDS", 0.05)
    writers: list[asyncio.StreamWriter] = []
    frozen = asyncio.Event()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while (data := await reader.read(1 << 16)) and not frozen.is_set():
            writer.write(data)
        await asyncio.Event().wait()  # as without a network cable: nobody closes the connection

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inward, outward = await asyncio.open_connection("127.0.0.1", service.port)
        await asyncio.gather(pump(reader, outward), pump(inward, writer))

    line = await asyncio.start_server(visit, "127.0.0.1", 0)
    hold = replace(
        ssh(service, server, tmp_path / "pins"),
        server=f"ssh://nokey@127.0.0.1:{line.sockets[0].getsockname()[1]}",
    )
    waits = Waits()
    async with running(hold, server.leads_here, waits) as address:
        await until(lambda: address.url)
        frozen.set()
        await until(lambda: waits.seconds)
        line.close()
    for writer in writers:
        writer.transport.abort()


async def test_asyncssh_is_imported_only_for_such_a_tunnel() -> None:
    words = (
        "import sys; from bot.runtime.lazy_aiogram import import_aiogram; import_aiogram(); "
        "import bot.app; sys.exit('asyncssh' in sys.modules)"
    )
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", words)
    assert await child.wait() == 0


# -- cloudflared ----------------------------------------------------------------------------------


async def test_a_killed_cloudflared_comes_back_under_another_address(
    program: cloudflared.Cloudflared, server: HttpServer
) -> None:
    environment = {"PATH": os.environ["PATH"]}
    async with running(Cloudflared(server.local_url, environment), server.leads_here) as address:
        await until(lambda: address.url)
        assert await fetched(address) == b"jpeg"
        first = address.url
        os.kill(program.pid(), signal.SIGKILL)
        await until(lambda: address.url not in ("", first))
        assert await fetched(address) == b"jpeg"
    assert len(program.runs) == 2
    assert set(program.runs[0]["environment"]) <= {"PATH", "LC_CTYPE"}  # type: ignore[call-overload]
    await until(lambda: not is_alive(program.pid()))  # it ended with the tunnel


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_the_reason_of_a_failed_cloudflared_is_logged(
    program: cloudflared.Cloudflared, server: HttpServer
) -> None:
    program.refuse()
    environment, waits = {"PATH": os.environ["PATH"]}, Waits()
    async with running(
        Cloudflared(server.local_url, environment), server.leads_here, waits
    ) as address:
        await until(lambda: len(waits.seconds) >= 2)
        assert "ended with 1" in address.state
        assert "error code: 1015" in address.state
        program.refuse(False)
        await until(lambda: address.url)


async def test_a_missing_program_is_retried() -> None:
    with pytest.raises(TunnelClosed, match="FileNotFoundError"):
        await Cloudflared("http://127.0.0.1:1", {"PATH": "/nowhere"})(lambda address: None)


# -- watching -------------------------------------------------------------------------------------


class Fake:
    """A tunnel whose address leads here as long as a test likes."""

    def __init__(self) -> None:
        self.leads = True
        self.opened = 0
        self.probed: list[str] = []

    async def hold(self, report: Report) -> None:
        self.opened += 1
        report(f"https://a{self.opened}.example")
        await asyncio.Event().wait()

    async def probe(self, address: str) -> bool:
        self.probed.append(address)
        await asyncio.sleep(0)
        return self.leads


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    import bot.runtime.tunnel as module

    for name, seconds in (
        ("TRUST_SECONDS", 0.05), ("RETRY_SECONDS", 0.01), ("WATCH_SECONDS", 0.01),
        ("FIRST_SECONDS", 0.05),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, seconds)


async def test_a_stop_just_when_the_connection_fails_is_not_lost() -> None:
    opened = asyncio.Event()

    async def hold(report: Report) -> None:
        opened.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise TunnelClosed("the connection failed") from None

    async with asyncio.timeout(30), running(hold, Fake().probe):
        await opened.wait()


@pytest.mark.usefixtures("quick")
async def test_an_address_that_stops_leading_here_is_opened_again() -> None:
    fake = Fake()
    async with running(fake.hold, fake.probe) as address:
        await until(lambda: address.url == "https://a1.example")
        fake.leads = False
        await until(lambda: fake.opened >= 2)
        fake.leads = True
        await until(lambda: address.url == f"https://a{fake.opened}.example")


@pytest.mark.usefixtures("quick")
async def test_an_address_that_never_led_here_is_used_and_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A network may not lead back to itself, and the provider is elsewhere."""
    fake = Fake()
    fake.leads = False
    async with running(fake.hold, fake.probe) as address:
        await until(lambda: address.url)
        looks = len(fake.probed)
        await until(lambda: len(fake.probed) > looks + 6)
        assert (address.url, fake.opened) == ("https://a1.example", 1)
    assert "cannot be fetched from this machine" in caplog.text


@pytest.mark.usefixtures("quick")
async def test_a_server_that_prints_no_address_is_tried_again() -> None:
    async def silent(report: Report) -> None:
        await asyncio.Event().wait()

    waits = Waits()
    async with running(silent, Fake().probe, waits) as address:
        await until(lambda: len(waits.seconds) >= 2)
        assert "no address within" in address.state


async def test_another_server_behind_the_address_is_not_taken_for_this_one(
    server: HttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def no_frame(token: str) -> None:
        return None

    other = HttpServer("127.0.0.1", 0, frames=no_frame)
    await other.start()
    with caplog.at_level(logging.DEBUG):
        assert await server.leads_here(server.local_url)
        assert not await server.leads_here(other.local_url)
    gone = other.local_url
    await other.stop()
    assert not await server.leads_here(gone)
    assert not await server.leads_here("nothing")
    assert "frames" not in caplog.text
