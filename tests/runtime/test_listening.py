"""The addresses on which the HTTP servers listen: IPv4, IPv6, and both at once."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from aiohttp import web

from bot.operator.metrics_endpoint import MetricsEndpoint
from bot.runtime.health import HealthReport
from bot.runtime.http_server import HttpServer, frame_url, host_and_port, local_url
from bot.settings import Settings
from bot.wiring.runtime import wire_servers
from storage import Storage

TOKEN = "Frame-token_of_43_characters-0123456789ABCD"
V4, V6 = "127.0.0.1", "::1"


async def frame(token: str) -> bytes | None:
    return b"jpeg" if token == TOKEN else None


async def healthy() -> HealthReport:
    return HealthReport(reasons=(), ages={}, database=True)


class Healthy:
    report = staticmethod(healthy)


async def answers(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            return (await client.get(url)).status_code == 200
        except httpx.ConnectError:
            return False


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        ("::", {V4, V6}),
        ("0.0.0.0", {V4}),
        (V4, {V4}),
        (V6, {V6}),
    ],
)
async def test_a_listener_is_reached_over_the_protocols_of_its_address(
    host: str, reached: set[str]
) -> None:
    server = HttpServer(host, 0, frames=frame)
    await server.start()
    try:
        found = {
            one
            for one in (V4, V6)
            if await answers(frame_url("http://" + host_and_port(one, server.port), TOKEN))
        }
        assert found == reached
        assert await server.leads_here(server.local_url)
    finally:
        await server.stop()


async def test_the_operators_listener_serves_both_protocols_too() -> None:
    settings = Settings.model_construct(http_host="::", http_port=0, admin_http_port=0)
    servers = wire_servers(
        settings, frames=frame, health=cast(Any, Healthy()), scrape=[], webhook=[]
    )
    for server, path in zip(servers, (f"/frames/{TOKEN}.jpg", "/healthz"), strict=True):
        assert server is not None
        await server.start()
        try:
            for host in (V4, V6):
                assert await answers(f"http://{host_and_port(host, server.port)}{path}"), host
        finally:
            await server.stop()


async def test_a_port_that_is_taken_for_either_protocol_is_reported() -> None:
    for family, host in ((socket.AF_INET, V4), (socket.AF_INET6, V6)):
        with socket.create_server((host, 0), family=family) as taken:
            server = HttpServer("::", taken.getsockname()[1], frames=frame)
            with pytest.raises(OSError, match="in use"):
                await server.start()


async def test_a_port_is_free_again_after_stop() -> None:
    server = HttpServer("::", 0, frames=frame)
    await server.start()
    port = server.port
    await server.stop()
    again = HttpServer("::", port, frames=frame)
    await again.start()
    await again.stop()


async def test_a_machine_without_both_protocols_in_one_socket_listens_on_ipv6(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    server = HttpServer("::", 0, frames=frame)
    await server.start()
    try:
        assert server.local_url == f"http://[::1]:{server.port}"
        assert await server.leads_here(server.local_url)
    finally:
        await server.stop()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80"),
        ("2001:db8::7", "http://[2001:db8::7]:80"),
        ("10.0.0.7", "http://10.0.0.7:80"),
        ("localhost", "http://localhost:80"),
    ],
)
def test_this_machine_reaches_the_listener_by_an_address_of_its_own(host: str, url: str) -> None:
    assert local_url(host, 80) == url


def test_a_link_keeps_the_brackets_of_an_ipv6_address() -> None:
    assert frame_url("https://[2001:db8::7]:8443/", "t") == (
        "https://[2001:db8::7]:8443/frames/t.jpg"
    )


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> MetricsEndpoint:
    endpoint = MetricsEndpoint(
        cast(Storage, None), healthy, clock=lambda: pytest.fail("asked"), token=""
    )

    async def nothing() -> None:
        return None

    monkeypatch.setattr(endpoint, "_ask_database", nothing)
    monkeypatch.setattr(endpoint, "_ask_balance", nothing)
    return endpoint


@pytest.mark.parametrize(
    ("remote", "status"),
    [
        ("10.0.0.7", 200),
        ("::ffff:10.0.0.7", 200),
        ("::1", 200),
        ("fd00::7", 200),
        ("9.9.9.9", 404),
        ("::ffff:9.9.9.9", 404),
        ("2620:fe::9", 404),
    ],
)
async def test_metrics_know_a_private_network_in_the_addresses_of_both_protocols(
    endpoint: MetricsEndpoint, remote: str, status: int
) -> None:
    """A socket for both protocols gives IPv4 addresses as `::ffff:…` (RFC 4291, 2.5.5.2)."""
    request = cast(web.Request, SimpleNamespace(remote=remote, headers={}))
    assert (await endpoint.answer(request)).status == status
