"""Download a finished video from the provider's link.

The link is untrusted: it must not make this program read its own machine or network, fill the
disk, or wait forever. It must not know tasks; the worker decides what a failure means for one.

    DownloadError
    ├── DownloadRefused   never: the link points to a forbidden address
    ├── DownloadGone      this link is dead; another one may work
    ├── DownloadTooLarge  over the limit, and will be next time
    └── DownloadFailed    again later
        └── NotStored     our disk is full or broken
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, NoReturn, TypeVar
from urllib.parse import quote

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from bot.core.errors import BotError
from bot.media import content_coding
from bot.runtime import proxy

REDIRECTS = 5
_MOVED = {301, 302, 303, 307, 308}
_GONE = {403, 404, 410}
# Bytes that occur in text: all but the control characters that a binary file begins with
_TEXT = bytes({9, 10, 12, 13, 27, *range(32, 256)})
_T = TypeVar("_T")
_Take = Callable[[aiohttp.ClientResponse, asyncio.Timeout], Awaitable[_T]]
_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_HEADERS = {"Accept": "video/mp4, */*", "Accept-Encoding": "identity"}

# Of IPv6 only the range assigned to the internet: this excludes loopback, link-local, unique
# local, multicast, and mapped IPv4 and other NAT64, which can hide any address.
_WORLD = ipaddress.ip_network("2000::/3")
# How a network without IPv4 reaches an IPv4 address, which is then checked (RFC 6052, 2.1).
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Inside the range above, the forms that carry an IPv4 address: Teredo and 6to4.
_TUNNELS = tuple(map(ipaddress.ip_network, ("2001::/32", "2002::/16", "192.88.99.0/24")))


class DownloadError(BotError):
    """The video was not downloaded. The text names at most the host: a path or query may hold
    keys."""


class DownloadRefused(DownloadError):
    """The link's scheme or address is forbidden."""


class DownloadGone(DownloadError):
    """HTTP 403, 404 or 410: links expire (provider.md: "The video")."""


class DownloadTooLarge(DownloadError):
    """The file is over the limit."""


class DownloadFailed(DownloadError):
    """Temporary: the network, the server, or our disk."""


class NotStored(DownloadFailed):
    """Our disk did not take it; the host is fine."""


def is_public(address: str) -> bool:
    """Whether an IP address, in canonical form, belongs to the open internet."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if ip.version == 6 and ip in _NAT64:
        ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return (
        ip.is_global
        and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)
        and (ip.version == 4 or ip in _WORLD)
        and not any(ip in net for net in _TUNNELS if net.version == ip.version)
    )


class GuardedResolver(AbstractResolver):
    """Resolve a name only if all of its addresses are `allowed`; a mixture counts as an attack."""

    def __init__(self, inner: AbstractResolver, allowed: Callable[[str], bool]) -> None:
        self._inner = inner
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Resolve. Raises DownloadRefused, and what `inner` raises."""
        found = await self._inner.resolve(host, port, family)
        if not all(self._allowed(result["host"]) for result in found):
            raise DownloadRefused(f"{host}: leads to an address that is not public")
        return found

    async def close(self) -> None:
        await self._inner.close()


def guarded_connector(
    inner: AbstractResolver, allowed: Callable[[str], bool] = is_public
) -> aiohttp.TCPConnector:
    """A connector that opens no connection to an address that is not `allowed`.

    The address is checked when the connection is opened. So neither another spelling in the link
    nor a name that resolves differently the next time can avoid the check: a name is resolved
    once.
    """

    def dial(address: Any) -> socket.socket:
        family, kind, protocol, _, where = address
        if not allowed(str(where[0])):
            raise DownloadRefused(f"{where[0]}: not a public address")
        return socket.socket(family, kind, protocol)

    return aiohttp.TCPConnector(
        resolver=GuardedResolver(inner, allowed),
        socket_factory=dial,
        use_dns_cache=False,
        force_close=True,
    )


@dataclass(frozen=True)
class Downloader:
    """`downloader(url, file)`.

    `allow_private` permits plain http and any address, for the sandbox and for tests. `max_bytes`
    is the largest file; `seconds` is the total time; in every `stall_seconds` at least
    `stall_bytes` must arrive. `proxy_url` is the proxy; it resolves names by itself, which only
    its owner can control.
    """

    allow_private: bool = False
    max_bytes: int = 100_000_000
    seconds: float = 600.0
    stall_seconds: float = 30.0
    stall_bytes: int = 64 * 1024
    proxy_url: str = ""
    resolver: Callable[[], AbstractResolver] = aiohttp.ThreadedResolver

    async def __call__(self, url: str, file: BinaryIO) -> int:
        """Write the content of `url` into `file` from its current position; return the number of
        bytes.

        Memory use does not depend on the size. Raises DownloadErrors; the file may then hold a
        part.
        """
        return await self._fetch(url, partial(self._save, file=file))

    async def head(self, url: str, **headers: str) -> tuple[int, Mapping[str, str]]:
        """Return the HTTP status and headers of a GET without reading the body; `headers` are sent
        with it.

        Raises DownloadErrors.
        """
        return await self._fetch(url, _head, **headers)

    async def _fetch(self, url: str, take: _Take[_T], **headers: str) -> _T:
        link = self._link(url)
        session = aiohttp.ClientSession(
            connector=self._connector(),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS | headers,
            # A compressed bomb exceeds the limit only after unpacking.
            auto_decompress=False,
            requote_redirect_url=False,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        try:
            async with session, asyncio.timeout(self.seconds):
                return await self._follow(session, link, take)
        except aiohttp.InvalidURL:
            raise DownloadRefused("not a link") from None
        except TimeoutError:
            raise DownloadFailed(f"{link.raw_host}: too slow") from None
        except Exception as exc:
            if not isinstance(exc, aiohttp.ClientError) and not proxy.is_at_fault(exc):
                raise
            # Only the error's type: its text may contain the address.
            raise DownloadFailed(f"{link.raw_host}: {type(exc).__name__}") from None

    def _connector(self) -> aiohttp.TCPConnector:
        if self.proxy_url:
            check = None if self.allow_private else self._check
            return proxy.connector(self.proxy_url, check=check, force_close=True)
        if self.allow_private:
            return aiohttp.TCPConnector(resolver=self.resolver(), force_close=True)
        return guarded_connector(self.resolver())

    async def _check(self, host: str, port: int) -> None:
        """Refuse a name that resolves to a private address here, also when a proxy is used."""
        try:
            found = await self.resolver().resolve(host, port, socket.AF_UNSPEC)
        except OSError as exc:
            raise DownloadFailed(f"{host}: no such name ({type(exc).__name__})") from None
        if not all(is_public(result["host"]) for result in found):
            raise DownloadRefused(f"{host}: leads to an address that is not public")

    async def _follow(self, session: aiohttp.ClientSession, link: URL, take: _Take[_T]) -> _T:
        for _ in range(REDIRECTS + 1):
            async with (
                asyncio.timeout(self.stall_seconds) as patience,
                session.get(link, allow_redirects=False) as answer,
            ):
                if answer.status not in _MOVED:
                    return await take(answer, patience)
                link = self._link(answer.headers.get("Location", ""), base=link)
        raise DownloadFailed(f"{link.raw_host}: over {REDIRECTS} redirects")

    async def _save(
        self, answer: aiohttp.ClientResponse, patience: asyncio.Timeout, *, file: BinaryIO
    ) -> int:
        host = answer.url.raw_host
        if answer.status in _GONE:
            raise DownloadGone(f"{host}: HTTP {answer.status}")
        if not _is_whole(answer):
            raise DownloadFailed(f"{host}: HTTP {answer.status}")
        if (answer.content_length or 0) > self.max_bytes:
            raise DownloadTooLarge(f"{answer.content_length} bytes")
        loop = asyncio.get_running_loop()
        codings = content_coding.listed(answer.headers.getall("Content-Encoding", ()))
        arrived = size = credited = 0
        decoder: content_coding.Decoder | None = None
        async for chunk in answer.content.iter_any():
            try:
                decoder = decoder or content_coding.decoder(codings, chunk)
                for part in decoder.feed(chunk):
                    if size == 0 and _is_page(answer.content_type, part):
                        raise DownloadFailed(f"{host}: a page instead of a video")
                    size += len(part)
                    if size > self.max_bytes:
                        raise DownloadTooLarge(f"over {self.max_bytes} bytes")
                    _write(file, part)
            except content_coding.CannotDecode as exc:
                raise DownloadFailed(f"{host}: {exc}") from None
            arrived += len(chunk)
            if arrived - credited >= self.stall_bytes:
                credited = arrived
                patience.reschedule(loop.time() + self.stall_seconds)
        if size == 0:
            raise DownloadFailed(f"{host}: empty")
        if decoder is not None and not decoder.is_complete:
            raise DownloadFailed(f"{host}: a part of a compressed file")
        return size

    def _link(self, text: str, *, base: URL | None = None) -> URL:
        """Return the link if it may be requested, with only spaces and letters that are not ASCII
        escaped. Raises DownloadRefused.
        """
        text = text.strip()
        # Checked before parsing, because parsers tolerate different things.
        if not text or any(char < " " or char == "\x7f" for char in text):
            _refuse("not a link")
        try:
            # The rest stays unchanged: a signed link breaks when it is rewritten. Bytes of a
            # redirect that are not UTF-8 are escaped as browsers escape them (aiohttp #10047).
            text = quote(text.encode("utf-8", "surrogateescape"), safe=_ASCII)
            link = URL(text, encoded=True)
            link = base.join(link) if base is not None else link
            host, _ = link.raw_host, link.port
            # The resolver fails on a name with a part that is empty or over 63 characters.
            (host or "").encode("idna")
        except ValueError:
            _refuse("not a link")
        if "%" in (host or ""):
            _refuse("not a link")
        if link.scheme not in (("http", "https") if self.allow_private else ("https",)):
            _refuse(f"the scheme {link.scheme[:10]!r} is not allowed")
        if not host:
            _refuse("a link without a host")
        if link.raw_user is not None or link.raw_password is not None:
            _refuse(f"{host}: a link with a name or password")
        return link


async def _head(
    answer: aiohttp.ClientResponse, patience: asyncio.Timeout
) -> tuple[int, Mapping[str, str]]:
    return answer.status, answer.headers


def _is_whole(answer: aiohttp.ClientResponse) -> bool:
    """Return whether the answer is the whole file; some servers send it as the range of all bytes
    (RFC 9110, 14.4), although no range was asked for.
    """
    if answer.status == 200:
        return True
    found = re.fullmatch(r"bytes 0-(\d+)/(\d+)", answer.headers.get("Content-Range", "").strip())
    return answer.status == 206 and found is not None and int(found[1]) + 1 == int(found[2])


def _is_page(content_type: str, start: bytes) -> bool:
    """Return whether the answer is a page instead of a video. Servers send files of a kind that
    they do not know as text, so the first bytes decide, as in browsers (MIME Sniffing Standard,
    7.2: text or binary)."""
    is_text = content_type.startswith("text/") and not start[:512].translate(None, _TEXT)
    return is_text or start.lstrip().startswith(b"<")


def _write(file: BinaryIO, chunk: bytes) -> None:
    try:
        file.write(chunk)
    except OSError as exc:
        raise NotStored(f"cannot be stored: {exc.strerror}") from None


def _refuse(why: str) -> NoReturn:
    raise DownloadRefused(why)
