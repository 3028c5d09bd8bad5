"""Connections through an http or socks5 proxy: the only module that knows aiohttp-socks.

It must not know who connects or to whom. The library is imported only when a proxy is set.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

_OF_PROXIES = ("aiohttp_socks", "python_socks")


def is_at_fault(exc: BaseException | None) -> bool:
    """Whether the error shows that a proxy was unreachable or refused to connect, so that nothing
    was sent.
    """
    return exc is not None and type(exc).__module__.partition(".")[0] in _OF_PROXIES


def connector(
    url: str,
    *,
    check: Callable[[str, int], Awaitable[None]] | None = None,
    **settings: Any,
) -> aiohttp.TCPConnector:
    """Return a connector; the proxy resolves names, since it may know names that this machine does
    not.

    `check` is called before each connection, with host and port; its exception ends the request.
    """
    from aiohttp_socks import ProxyConnector, ProxyError

    class Checked(ProxyConnector):
        async def _connect_via_proxy(self, host: str, port: int, *args: Any, **kwargs: Any) -> Any:
            if check is not None:
                await check(host, port)
            try:
                return await super()._connect_via_proxy(host, port, *args, **kwargs)
            except OSError as exc:
                if is_at_fault(exc):
                    raise
                # TLS behind the proxy failed: no request was sent either.
                raise ProxyError(type(exc).__name__) from exc

    made: aiohttp.TCPConnector = Checked.from_url(url, rdns=True, **settings)
    return made
