"""HTTP clients of the provider: httpx over aiohttp, at an eighth of httpx's own cost per call
(docs/performance.md). They must not know the calls or what an answer means."""

from __future__ import annotations

import ssl
from functools import cache
from typing import Any

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from bot.runtime import proxy


def client(
    base_url: str, api_key: str, timeout: httpx.Timeout, *, proxy_url: str = ""
) -> httpx.AsyncClient:
    """Return a client that ignores proxies from the environment, since requests carry the key."""
    return httpx.AsyncClient(
        base_url=base_url,
        headers={"Authorization": api_key, "Accept": "application/json"},
        transport=transport(proxy_url),
        timeout=timeout,
        trust_env=False,
    )


def transport(proxy_url: str = "", **connector: Any) -> AiohttpTransport:
    """Return the transport below a client, enough for repeated simple calls. No cookies.

    `connector`: arguments of aiohttp.TCPConnector.
    """
    connector["ssl"] = _tls()

    def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=proxy.connector(proxy_url, **connector)
            if proxy_url
            else aiohttp.TCPConnector(**connector),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    return AiohttpTransport(verify=_tls(), client=session)


@cache
def _tls() -> ssl.SSLContext:
    """Return the shared TLS context: each new one reads the root certificates, 1 MB and 20 ms."""
    return httpx.create_ssl_context()
