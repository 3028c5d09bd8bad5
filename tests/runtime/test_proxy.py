"""Connections through a proxy: http and socks5, every client over real sockets."""

from __future__ import annotations

import io
import socket
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from aiogram.methods import GetMe
from aiohttp.abc import AbstractResolver, ResolveResult
from pydantic import SecretStr

from bot.core.errors import ProviderBusy, TelegramLater, TelegramLost
from bot.media.download import Downloader, DownloadFailed, DownloadRefused
from bot.provider.client import Gptunnel
from bot.sandbox.gptunnel.server import GptunnelEmulator
from bot.sandbox.telegram.emulator import TelegramEmulator
from bot.telegram import client as telegram_client
from bot.telegram.client import fetch_file
from bot.telegram.rate_limits import RateLimiter
from tests.support.process_harness import free_port
from tests.support.proxy_servers import tiny_proxy

KINDS = pytest.mark.parametrize("kind", ["http", "socks5"])
LOGINS = pytest.mark.parametrize("login", [None, ("anna", "canary word")], ids=["open", "login"])


@pytest.fixture
async def api() -> AsyncIterator[TelegramEmulator]:
    async with TelegramEmulator() as emulator:
        yield emulator


@pytest.fixture
async def provider() -> AsyncIterator[GptunnelEmulator]:
    emulator = GptunnelEmulator()
    await emulator.start()
    yield emulator
    await emulator.stop()


def escaped(url: str) -> str:
    return url.replace(" ", "%20")


@KINDS
@LOGINS
async def test_telegram_is_reached_through_its_proxy_files_included(
    api: TelegramEmulator, kind: str, login: tuple[str, str] | None
) -> None:
    async with tiny_proxy(kind, login=login) as proxy:
        bot = telegram_client.connect(
            SecretStr(api.token), api.url, RateLimiter(), proxy_url=escaped(proxy.url)
        )
        try:
            assert (await bot(GetMe())).id == bot.id
            stored = api.world.files.add("document", b"some bytes", name="a.txt")
            assert await fetch_file(bot, stored.file_id, limit=100) == b"some bytes"
        finally:
            await bot.session.close()
        assert set(proxy.asked) == {("127.0.0.1", urlsplit(api.url).port)}


@KINDS
async def test_a_proxy_that_does_not_let_through_means_that_nothing_was_sent(
    api: TelegramEmulator, provider: GptunnelEmulator, kind: str
) -> None:
    async with tiny_proxy(kind, refuses=True) as proxy:
        for url in (proxy.url, f"{kind}://127.0.0.1:{free_port()}"):
            bot = telegram_client.connect(
                SecretStr(api.token), api.url, RateLimiter(), proxy_url=url
            )
            client = Gptunnel.connect(provider.base_url, provider.api_key, proxy_url=url)
            try:
                with pytest.raises(TelegramLater) as caught:
                    await bot(GetMe())
                assert not isinstance(caught.value, TelegramLost)
                assert api.token not in str(caught.value)
                with pytest.raises(ProviderBusy):
                    await client.create(model="m", prompt="p", ar="1:1")
            finally:
                await client.close()
                await bot.session.close()
        assert provider.calls == []
        assert api.api.calls == []


@KINDS
@LOGINS
async def test_the_provider_is_reached_through_its_proxy(
    provider: GptunnelEmulator, kind: str, login: tuple[str, str] | None
) -> None:
    async with tiny_proxy(kind, login=login) as proxy:
        client = Gptunnel.connect(
            provider.base_url, provider.api_key, proxy_url=escaped(proxy.url)
        )
        try:
            assert await client.balance() == 5000
            job = await client.create(model="seedance-1-lite-480P-5s", prompt="a proxy", ar="16:9")
            assert (await client.result(job.id)).id == job.id
        finally:
            await client.close()
    assert set(proxy.asked) == {("127.0.0.1", urlsplit(provider.base_url).port)}
    assert len(provider.charges) == 1


async def test_a_proxy_in_front_of_a_broken_tls_means_that_no_order_was_sent(
    provider: GptunnelEmulator,
) -> None:
    async with tiny_proxy("socks5") as proxy:
        url = provider.base_url.replace("http://", "https://")
        client = Gptunnel.connect(url, provider.api_key, proxy_url=proxy.url)
        try:
            with pytest.raises(ProviderBusy, match="no connection"):
                await client.create(model="m", prompt="p", ar="1:1")
        finally:
            await client.close()
    assert provider.calls == []


class Names(AbstractResolver):
    """Leads every name to one address."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host=self._address, port=port, family=socket.AF_INET,
                proto=0, flags=0,
            )
        ]  # fmt: skip

    async def close(self) -> None:
        return


@KINDS
async def test_results_come_through_the_provider_s_proxy(
    provider: GptunnelEmulator, kind: str
) -> None:
    async with tiny_proxy(kind) as proxy:
        download = Downloader(allow_private=True, proxy_url=proxy.url)
        with pytest.raises(DownloadFailed):  # 404 with JSON: it came through
            await download(f"{provider.origin}/v1/balance", io.BytesIO())
    assert proxy.asked == [("127.0.0.1", urlsplit(provider.origin).port)]


@pytest.mark.parametrize(
    ("link", "leads_to"),
    [
        ("https://video.example/a.mp4", "10.0.0.7"),
        ("https://127.0.0.1/a.mp4", "127.0.0.1"),
        ("https://[::1]/a.mp4", "::1"),
    ],
)
async def test_the_proxy_gets_no_request_for_a_private_address(link: str, leads_to: str) -> None:
    async with tiny_proxy("socks5") as proxy:
        download = Downloader(proxy_url=proxy.url, resolver=lambda: Names(leads_to))
        with pytest.raises(DownloadRefused):
            await download(link, io.BytesIO())
    assert proxy.asked == []
