"""The guarded download: gets a video from an honest server and nothing from any other."""

import asyncio
import gzip
import io
import socket
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from bot.media.download import (
    Downloader,
    DownloadError,
    DownloadFailed,
    DownloadGone,
    DownloadRefused,
    DownloadTooLarge,
    guarded_connector,
    is_public,
)
from bot.sandbox.faults import Fault, Faults, suffer

VIDEO = b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 800
SECRET = "sig=SECRET"


class Host:
    """A server of one video under `/video.mp4`; `faults` by the name `video`; what was asked."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.asked: list[web.Request] = []
        self.redirects: dict[str, str] = {}
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/video.mp4?{SECRET}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        if request.path in self.redirects:
            return web.Response(status=302, headers={"Location": self.redirects[request.path]})

        async def video() -> web.Response:
            return web.Response(body=VIDEO, content_type="video/mp4")

        return await suffer(request, self.faults.take("video"), video)

    def answers(self, **fault: object) -> None:
        self.faults.add(Fault.model_validate({"on": "video", "act": "answer", **fault}))


class Names(AbstractResolver):
    """A DNS that gives the next list of addresses at each question, the last one for ever; with
    none, it knows no name."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.questions: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.questions.append(host)
        if not self.answers:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in found
        ]

    async def close(self) -> None:
        pass


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    host = Host()
    app = web.Application()
    app.router.add_get("/{path:.*}", host.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host.port = runner.addresses[0][1]
    yield host
    await runner.cleanup()


@pytest.fixture
def file() -> io.BytesIO:
    return io.BytesIO()


@pytest.fixture
def full() -> Iterator[BinaryIO]:
    """A file on a disk without space."""
    with Path("/dev/full").open("wb", buffering=0) as opened:
        yield cast("BinaryIO", opened)


LOCAL = Downloader(allow_private=True)


async def failure(kind: type[DownloadError], url: str, downloader: Downloader = LOCAL) -> str:
    with pytest.raises(DownloadError) as caught:
        await downloader(url, io.BytesIO())
    assert caught.type is kind, caught.value
    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None
    return str(caught.value)


# --- what comes -------------------------------------------------------------------------------


async def test_a_video_is_written_whole_and_its_size_told(host: Host, file: io.BytesIO) -> None:
    assert await LOCAL(host.url, file) == len(VIDEO)
    assert file.getvalue() == VIDEO


async def test_a_signed_link_is_requested_unchanged(host: Host, file: io.BytesIO) -> None:
    signed = "/a%2Fb/video.mp4?X-Amz-Credential=K%2F2026%2Fs3&sig=a%2Bb%3D&x=~'"
    await LOCAL(f"http://127.0.0.1:{host.port}{signed}", file)
    assert host.asked[0].raw_path == signed


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("/my video.mp4?name=a b", "/my%20video.mp4?name=a%20b"),
        ("/видео.mp4", "/%D0%B2%D0%B8%D0%B4%D0%B5%D0%BE.mp4"),
        ("/%D0%B2.mp4?x=50%&y=%2F", "/%D0%B2.mp4?x=50%&y=%2F"),
    ],
)
async def test_a_link_that_is_not_escaped_is_requested_as_browsers_do(
    host: Host, file: io.BytesIO, written: str, asked: str
) -> None:
    await LOCAL(f" http://127.0.0.1:{host.port}{written}\n", file)
    host.redirects["/video.mp4"] = written
    await LOCAL(host.url, file)
    assert [request.raw_path for request in host.asked] == [asked, f"/video.mp4?{SECRET}", asked]


async def test_bytes_of_a_redirect_are_kept(file: io.BytesIO) -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b" ")[1])
        if len(asked) == 1:
            writer.write(b"HTTP/1.1 302 Found\r\nLocation: /synspr\xf8ve\r\n\r\n")
        else:
            writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + VIDEO)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await LOCAL(f"http://127.0.0.1:{port}/synsproeve", file) == len(VIDEO)
    assert asked == [b"/synsproeve", b"/synspr%F8ve"]


@pytest.mark.parametrize("kind", ["text/plain", "text/html; charset=utf-8", "x/y"])
async def test_a_video_is_known_by_its_content(host: Host, file: io.BytesIO, kind: str) -> None:
    """A server that does not know .mp4 files sends them as text."""
    host.answers(body=VIDEO, headers={"Content-Type": kind})
    assert await LOCAL(host.url, file) == len(VIDEO)
    assert file.getvalue() == VIDEO


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(VIDEO)),
        ("x-gzip", gzip.compress(VIDEO)),
        ("gzip", gzip.compress(VIDEO[:999]) + gzip.compress(VIDEO[999:]) + bytes(100)),
        ("deflate", zlib.compress(VIDEO)),
        ("aws-chunked, gzip", gzip.compress(VIDEO)),
        ("gzip", VIDEO),
        ("br", VIDEO),
        ("aws-chunked", VIDEO),
        ("utf-8", VIDEO),
        ("IDENTITY", VIDEO),
        ("", VIDEO),
    ],
    ids=["gzip", "x-gzip", "members", "deflate", "both", "not gzip", "not br", "chunked", "utf-8",
         "identity", "empty"],
)  # fmt: skip
async def test_what_a_store_says_about_compression_is_undone(
    host: Host, file: io.BytesIO, coding: str, body: bytes
) -> None:
    """Stores return the word that an upload declared, like `aws-chunked`, for plain bytes."""
    host.answers(body=body, headers={"Content-Type": "video/mp4", "Content-Encoding": coding})
    assert await LOCAL(host.url, file) == len(VIDEO)
    assert file.getvalue() == VIDEO


async def test_a_compressed_bomb_is_stopped_at_the_limit(host: Host, file: io.BytesIO) -> None:
    bomb = gzip.compress(VIDEO + bytes(200_000_000))
    assert len(bomb) < 1_000_000
    host.answers(body=bomb, headers={"Content-Encoding": "gzip"})
    with pytest.raises(DownloadTooLarge):
        await Downloader(allow_private=True, max_bytes=1_000_000)(host.url, file)
    assert len(file.getvalue()) <= 1_000_000


async def test_a_range_of_all_bytes_is_the_whole_file(host: Host, file: io.BytesIO) -> None:
    size = len(VIDEO)
    whole = {"Content-Type": "video/mp4", "Content-Range": f"bytes 0-{size - 1}/{size}"}
    host.answers(status=206, body=VIDEO, headers=whole)
    assert await LOCAL(host.url, file) == size


async def test_requests_do_not_identify_the_bot(host: Host, file: io.BytesIO) -> None:
    host.redirects["/video.mp4"] = "/next.mp4"
    await LOCAL(host.url, file)
    for request in host.asked:
        assert not {"Authorization", "Cookie", "Referer"} & set(request.headers)


async def test_redirects_are_followed_relative_and_absolute(host: Host, file: io.BytesIO) -> None:
    host.redirects["/video.mp4"] = "/two"
    host.redirects["/two"] = f"http://127.0.0.1:{host.port}/three"
    assert await LOCAL(host.url, file) == len(VIDEO)
    assert [request.path for request in host.asked] == ["/video.mp4", "/two", "/three"]


async def test_a_redirect_loop_ends(host: Host) -> None:
    host.redirects["/video.mp4"] = "/video.mp4"
    assert "redirects" in await failure(DownloadFailed, host.url)
    assert len(host.asked) == 6


# --- what does not ----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_a_dead_link_raises_download_gone(host: Host, status: int) -> None:
    host.answers(status=status)
    await failure(DownloadGone, host.url)


@pytest.mark.parametrize("status", [204, 206, 400, 401, 408, 429, 500, 502, 503, 504])
async def test_other_answers_raise_download_failed(host: Host, status: int) -> None:
    host.answers(status=status, body=VIDEO if status == 206 else None)
    assert str(status) in await failure(DownloadFailed, host.url)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"body": "<html>Sign in</html>"}, "page"),
        ({"body": "Видео ещё не готово\r\n"}, "page"),
        ({"body": b"\n <!DOCTYPE html>", "headers": {"Content-Type": "video/mp4"}}, "page"),
        ({"body": "Expired", "headers": {"Content-Type": "text/plain"}}, "page"),
        ({"body": b"", "headers": {"Content-Type": "video/mp4"}}, "empty"),
        ({"body": bytes(999), "headers": {"Content-Encoding": "br"}}, "compressed with br"),
        ({"body": gzip.compress(VIDEO), "headers": {"Content-Encoding": "gzip, br"}}, "gzip, br"),
        (
            {"body": gzip.compress(VIDEO)[:-9], "headers": {"Content-Encoding": "gzip"}},
            "a part of",
        ),
        (
            {
                "body": gzip.compress(VIDEO)[:40] + b"?" * 99,
                "headers": {"Content-Encoding": "gzip"},
            },
            "damaged",
        ),
        ({"body": gzip.compress(b"<html>"), "headers": {"Content-Encoding": "gzip"}}, "page"),
        ({"status": 206, "body": VIDEO, "headers": {"Content-Range": "bytes 0-9/20"}}, "206"),
        ({"status": 206, "body": VIDEO, "headers": {"Content-Range": "bytes 5-9/10"}}, "206"),
        ({"act": "truncate"}, "ClientPayloadError"),
        ({"act": "reset_before", "times": 0}, "ClientOSError"),
    ],
)
async def test_an_incomplete_video_fails(host: Host, fault: dict[str, object], words: str) -> None:
    host.answers(**fault)
    assert words in await failure(DownloadFailed, host.url)


async def test_an_unreachable_server_fails() -> None:
    await failure(DownloadFailed, f"http://127.0.0.1:1/video.mp4?{SECRET}")


async def test_an_unknown_name_fails() -> None:
    nowhere = Downloader(resolver=Names)
    assert "DNS" in await failure(DownloadFailed, f"https://files.test/v.mp4?{SECRET}", nowhere)


async def test_a_file_over_the_limit_is_refused_before_it_is_read(
    host: Host, file: io.BytesIO
) -> None:
    with pytest.raises(DownloadTooLarge):
        await Downloader(allow_private=True, max_bytes=len(VIDEO) - 1)(host.url, file)
    assert file.getvalue() == b""
    assert await Downloader(allow_private=True, max_bytes=len(VIDEO))(host.url, file)


async def test_a_file_that_hides_its_length_is_stopped_at_the_limit(file: io.BytesIO) -> None:
    async def stream(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        for _ in range(1000):
            await answer.write(bytes(10_000))
        return answer

    app = web.Application()
    app.router.add_get("/", stream)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        with pytest.raises(DownloadTooLarge):
            await Downloader(allow_private=True, max_bytes=50_000)(url, file)
    finally:
        await runner.cleanup()
    assert len(file.getvalue()) <= 50_000


@pytest.mark.parametrize(
    ("fault", "limits"),
    [
        ({"act": "hang_before"}, {"stall_seconds": 0.05}),
        ({"act": "hang_before"}, {"seconds": 0.05}),
        ({"act": "slow", "rate": 10}, {"stall_seconds": 0.3}),
        ({"act": "slow", "rate": 100_000}, {"seconds": 0.3, "stall_bytes": 1}),
    ],
)
async def test_a_stalled_download_is_cancelled(
    host: Host, fault: dict[str, object], limits: dict[str, float]
) -> None:
    host.answers(**fault)
    impatient = Downloader(allow_private=True, **cast("dict[str, Any]", limits))
    assert "too slow" in await failure(DownloadFailed, host.url, impatient)


async def test_progress_extends_the_download(host: Host, file: io.BytesIO) -> None:
    host.answers(act="slow", rate=200_000)
    patient = Downloader(allow_private=True, stall_seconds=0.6, stall_bytes=10_000)
    assert await patient(host.url, file) == len(VIDEO)


async def test_a_full_disk_is_a_failure_with_its_reason(host: Host, full: BinaryIO) -> None:
    with pytest.raises(DownloadFailed, match="No space left"):
        await LOCAL(host.url, full)


# --- what is never asked ----------------------------------------------------------------------


@pytest.mark.parametrize("downloader", [LOCAL, Downloader()])
@pytest.mark.parametrize(
    "url",
    [
        "",
        "video.mp4",
        "/etc/passwd",
        "//files.test/v.mp4",
        "file:///etc/passwd",
        "data:video/mp4;base64,AAAA",
        "ftp://files.test/v.mp4",
        "gopher://files.test/",
        "javascript:alert(1)",
        "https://",
        "https:///v.mp4",
        "https://user:password@files.test/v.mp4",
        "https://user@files.test/v.mp4",
        "https://files.test:99999/v.mp4",
        "https://files.test:x/v.mp4",
        "https://[::1/v.mp4",
        "https://files.test/v.mp4\r\nHost: other",
        "https://files .test/v.mp4",
        "https://фильм.test/v.mp4",
        "https://files..test/v.mp4",
        "https://.test/v.mp4",
        f"https://{'a' * 64}.test/v.mp4",
        "https://files%2etest/v.mp4",
    ],
)
async def test_a_link_of_another_kind_is_refused(url: str, downloader: Downloader) -> None:
    await failure(DownloadRefused, url, downloader)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "localhost",
        "0.0.0.0",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "10.0.0.1",
        "169.254.169.254",
        "[fe80::1]",
        "[fe80::1%25lo]",
        "[fd00::1]",
    ],
)
async def test_no_spelling_of_a_private_address_reaches_it(host: Host, address: str) -> None:
    with pytest.raises(DownloadError) as caught:
        await Downloader()(f"https://{address}:{host.port}/v.mp4?{SECRET}", io.BytesIO())
    assert caught.type is DownloadRefused, caught.value
    assert host.asked == []


async def test_plain_http_is_refused_unless_allowed(host: Host) -> None:
    assert "http" in await failure(DownloadRefused, host.url, Downloader())
    assert host.asked == []


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["::1"]])
async def test_a_name_with_any_private_address_is_refused(
    host: Host, addresses: list[str]
) -> None:
    guarded = Downloader(resolver=lambda: Names(addresses))
    words = await failure(DownloadRefused, f"https://files.test:{host.port}/v.mp4", guarded)
    assert "files.test" in words
    assert host.asked == []


@pytest.mark.parametrize(
    "target",
    [
        "file:///etc/passwd",
        "data:video/mp4;base64,AAAA",
        "https://user:pw@files.test/v.mp4",
        "",
        "http://[::1/",
    ],
)
async def test_a_redirect_to_another_kind_of_link_is_refused(host: Host, target: str) -> None:
    host.redirects["/video.mp4"] = target
    await failure(DownloadRefused, host.url)
    assert len(host.asked) == 1


# The connector alone, over plain http: "public" is what the test says it is.


async def fetch(connector: aiohttp.TCPConnector, url: str) -> bytes:
    async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as answer:
        return await answer.read()


async def test_the_checked_address_is_the_one_that_is_connected(host: Host) -> None:
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    connector = guarded_connector(names, lambda address: address == "127.0.0.1")
    assert await fetch(connector, f"http://files.test:{host.port}/video.mp4") == VIDEO
    assert names.questions == ["files.test"]


async def test_a_name_is_checked_again_at_each_redirect(host: Host) -> None:
    host.redirects["/video.mp4"] = f"http://files.test:{host.port}/inside"
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    connector = guarded_connector(names, lambda address: address == "127.0.0.1")
    with pytest.raises(DownloadRefused):
        await fetch(connector, f"http://files.test:{host.port}/video.mp4")
    assert len(host.asked) == 1


async def test_a_redirect_to_a_private_ip_is_not_connected(host: Host) -> None:
    host.redirects["/video.mp4"] = f"http://127.0.0.2:{host.port}/inside"
    connector = guarded_connector(Names(["127.0.0.1"]), lambda address: address == "127.0.0.1")
    with pytest.raises(DownloadRefused):
        await fetch(connector, f"http://files.test:{host.port}/video.mp4")
    assert len(host.asked) == 1


async def test_the_certificate_is_checked_before_anything_is_asked(host: Host) -> None:
    downloader = Downloader(allow_private=True)
    words = await failure(
        DownloadFailed, f"https://127.0.0.1:{host.port}/v.mp4?{SECRET}", downloader
    )
    assert "SSL" in words
    assert host.asked == []


@pytest.mark.parametrize(
    "address",
    [
        "93.184.216.34", "8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111",
        "64:ff9b::8.8.8.8",  # what a network without IPv4 makes of 8.8.8.8
    ],
)  # fmt: skip
def test_addresses_of_the_open_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:8.8.8.8",
        "::ffff:127.0.0.1",
        "64:ff9b::10.1.2.3",
        "64:ff9b::127.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::8.8.8.8",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:808:808::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "2130706433",
        "0x7f000001",
        "127.1",
        "0177.0.0.1",
        "localhost",
        "",
    ],
)
def test_every_other_address_is_not(address: str) -> None:
    assert not is_public(address)
