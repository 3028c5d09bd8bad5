"""Clients of the provider: httpx over aiohttp, an eighth of httpx's own cost per call
(docs/performance.md). They must not know what is asked, nor what an answer means.
"""

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
    """Carries the key; what is set in the environment for others does not count."""
    return httpx.AsyncClient(
        base_url=base_url,
        headers={"Authorization": api_key, "Accept": "application/json"},
        transport=transport(proxy_url),
        timeout=timeout,
        trust_env=False,
    )


def transport(proxy_url: str = "", **connector: Any) -> AiohttpTransport:
    """What is below a client, and enough for whoever asks one thing again and again. No cookies.

    `connector`: what aiohttp.TCPConnector is told of its connections.
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
    """One for all: each reads the root certificates anew, 1 MB and 20 ms."""
    return httpx.create_ssl_context()
