"""Every way in which the link to a finished video can be bad.

The promise: the video is paid for, so temporary problems are retried for a day without ever
ordering it twice; what cannot be fetched is reported, with a button that asks again; and a link
makes this program read nothing but a video from the open internet.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot import texts
from bot.core.task import Reason
from bot.media.download import Downloader, guarded_connector
from bot.sandbox.faults import Fault
from tests.faults import words
from tests.faults.answers import HTML, broken, http
from tests.support.app_harness import AppHarness, OpenAppHarness

DAY = 24 * 3600.0

# --- what passes -----------------------------------------------------------------------------

GONE = {"403": http(403), "404": http(404), "410": http(410)}
PASSING: dict[str, Fault] = {
    **GONE,
    "401": http(401),
    "402": http(402),
    "429": http(429),
    "429 Retry-After": http(429, Retry_After="2"),
    "500": http(500),
    "502 HTML": http(502),
    "503": http(503, None),
    "504": http(504),
    "204": http(204, None),
    "206": http(206, b"x"),
    "HTML": http(200),
    "HTML that is called a video": http(200, HTML, content_type="video/mp4"),
    "0 bytes": http(200, b"", content_type="video/mp4"),
    "not a video": http(200, b"no video " * 1000, content_type="video/mp4"),
    "packed": http(200, b"\x1f\x8b", content_type="video/mp4", content_encoding="gzip"),
    "truncated": broken("truncate"),
    "reset before": broken("reset_before"),
    "reset after": broken("reset_after"),
}


@pytest.mark.parametrize("cell", PASSING)
async def test_a_failed_download_repeats_only_the_download(harness: AppHarness, cell: str) -> None:
    harness.spoil(PASSING[cell], on="download")
    anna = harness.person()
    await harness.order(anna)
    await harness.ended("delivered", within=120)
    assert len(harness.videos(anna.chat)) == 1
    assert len(harness.asked("create")) == len(harness.sent("sendVideo")) == 1
    assert len(harness.asked("download")) == 2
    # A dead link may have a successor; a bad connection says nothing of the link.
    fresh = cell in GONE or cell == "not a video"
    assert len(harness.asked("result")) == (2 if fresh else 1)


async def test_a_redirect_loop_ends_and_the_link_is_tried_again(harness: AppHarness) -> None:
    circle = http(302, None, location="?again").model_copy(update={"times": 6})
    harness.spoil(circle, on="download")
    await harness.order(harness.person())
    await harness.ended("delivered", within=120)
    assert len(harness.asked("download")) == 7
    assert len(harness.asked("result")) == 1


@pytest.mark.parametrize(
    "fault",
    [broken("hang_before"), broken("hang_after"), broken("slow", rate=10)],
    ids=["silence before", "silence after", "ten bytes a second"],
)
async def test_a_slow_download_is_cancelled_and_repeated(
    make_harness: OpenAppHarness, fault: Fault
) -> None:
    impatient = Downloader(allow_private=True, stall_seconds=0.4)
    async with make_harness(download=impatient) as harness:
        harness.spoil(fault, on="download")
        anna = harness.person()
        await harness.order(anna)
        await harness.ended("delivered", within=120)
        assert len(harness.asked("download")) == 2
        assert len(harness.asked("create")) == 1


async def test_a_video_that_cannot_be_fetched_yet_is_told_to_be_ready(
    harness: AppHarness,
) -> None:
    harness.spoil(http(503).model_copy(update={"times": 0}), on="download")
    anna = harness.person()
    await harness.order(anna)
    await harness.until(lambda: harness.states() == ["rendered"])
    await harness.pass_(600)
    ready = texts.statuses.status_sending("en", harness.as_task()).render()[0]
    said = [edit.params["text"] for edit in harness.sent("editMessageText")]
    assert said[-1] == ready
    assert said.count(ready) == 1


async def test_an_expired_link_is_replaced_by_a_new_one(
    harness: AppHarness,
) -> None:
    """The service signs a new link at each question, as object stores do."""
    harness.provider.result_base = f"{harness.provider.origin}/expired"
    anna = harness.person()
    await harness.order(anna)
    await harness.until(lambda: harness.task()["attempts"] == 2)
    harness.provider.result_base = ""
    await harness.ended("delivered", within=120)
    assert len(harness.asked("download")) == 1
    assert len(harness.asked("result")) == 4
    assert len(harness.asked("create")) == 1


async def test_an_outage_of_hours_only_delays_the_video(harness: AppHarness) -> None:
    harness.spoil(http(503).model_copy(update={"times": 0}), on="download")
    anna = harness.person()
    await harness.order(anna)
    await harness.pass_(4 * 3600)
    assert harness.states() == ["rendered"]
    assert len(harness.asked("download")) < 70
    harness.provider.faults.clear()
    await harness.ended("delivered", within=400)
    assert len(harness.asked("create")) == len(harness.videos(anna.chat)) == 1


# --- what cannot be had ------------------------------------------------------------------------

HOPELESS: dict[str, tuple[Fault, Reason]] = {
    "404": (http(404), Reason.RESULT_GONE),
    "403": (http(403), Reason.RESULT_GONE),
    "not a video": (http(200, b"text" * 99, content_type="x/y"), Reason.RESULT_UNUSABLE),
}


@pytest.mark.parametrize("cell", HOPELESS)
async def test_an_unavailable_video_is_reported_with_a_button_to_retry(
    harness: AppHarness, cell: str
) -> None:
    fault, reason = HOPELESS[cell]
    harness.spoil(fault.model_copy(update={"times": 0}), on="download")
    for task_id, lang in enumerate(("en", "ru"), 1):
        person = harness.person(lang)
        await harness.order(person)
        await harness.ended("undeliverable", task_id, within=400)
        assert words.undeliverable(lang, reason) in harness.words(person.chat)
        assert len(harness.asked("download")) == 5 * task_id
    await harness.pass_(3600)
    assert len(harness.asked("download")) == 10
    assert len(harness.asked("create")) == 2
    # The service has found it again: the button brings it, for nothing.
    harness.provider.faults.clear()
    told = await harness.find(
        person.chat, lambda m: words.undeliverable("ru", reason) == m.get("text")
    )
    await person.press(told, told["reply_markup"]["inline_keyboard"][0][0]["callback_data"])
    await harness.ended("delivered", 2)
    assert len(harness.videos(person.chat)) == 1
    assert len(harness.asked("create")) == 2


async def test_a_file_that_never_arrives_is_given_up_after_a_day(harness: AppHarness) -> None:
    empty = http(200, b"", content_type="video/mp4")
    harness.spoil(empty.model_copy(update={"times": 0}), on="download")
    boris = harness.person("ru")
    await harness.order(boris)
    await harness.until(lambda: harness.task()["attempts"] > 3)
    harness.time.skew += DAY - 60
    await harness.ended("undeliverable", within=900)
    assert words.undeliverable("ru", Reason.RESULT_GONE) in harness.words(boris.chat)
    assert len(harness.asked("create")) == 1


# --- too big -----------------------------------------------------------------------------------


@dataclass
class BigHost:
    """A server of one file of zeros that begins like an MP4; how much of it was taken."""

    size: int
    says_length: bool = True
    url: str = ""
    taken: int = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "video/mp4"})
        if self.says_length:
            answer.content_length = self.size
        await answer.prepare(request)
        chunk = b"\0" * (1 << 20)
        try:
            while self.taken < self.size:
                await answer.write(chunk[: self.size - self.taken])
                self.taken += len(chunk)
        except ConnectionError:
            pass
        return answer

    async def __aenter__(self) -> BigHost:
        app = web.Application()
        app.router.add_get("/{path:.*}", self.handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


MB = 1000 * 1000


@pytest.mark.parametrize(
    ("size", "says_length"), [(60 * MB, True), (60 * MB, False)], ids=["told", "hidden"]
)
@pytest.mark.parametrize("lang", ["en", "ru"])
async def test_a_file_too_large_for_telegram_is_sent_as_a_link(
    make_harness: OpenAppHarness, size: int, says_length: bool, lang: str
) -> None:
    """60 MB: no more than the limit is fetched, nothing is uploaded, and the link is the way."""
    limited = Downloader(allow_private=True, max_bytes=50 * MB)
    async with make_harness(download=limited) as harness, BigHost(size, says_length) as host:
        harness.provider.result_base = host.url
        person = harness.person(lang)
        await harness.order(person)
        await harness.ended("delivered", within=60)
        told = await harness.find(person.chat, lambda m: m.get("text") == words.link(lang))
        links = [e["url"] for e in told["entities"] if e["type"] == "text_link"]
        assert links == [f"{host.url}/result/{harness.task()['provider_id']}_result.mp4"]
        assert host.taken < 55 * MB
        assert harness.sent("sendVideo") == []
        assert len(harness.asked("create")) == 1


# --- where no link may lead --------------------------------------------------------------------

INSIDE = [
    "https://127.0.0.1:{port}/v.mp4",
    "https://localhost:{port}/v.mp4",
    "https://[::1]:{port}/v.mp4",
    "https://[::ffff:127.0.0.1]:{port}/v.mp4",
    "https://[64:ff9b::7f00:1]:{port}/v.mp4",
    "https://2130706433:{port}/v.mp4",
    "https://0x7f.1:{port}/v.mp4",
    "https://0.0.0.0:{port}/v.mp4",
    "https://10.0.0.1/v.mp4",
    "https://172.16.0.1/v.mp4",
    "https://192.168.1.1/v.mp4",
    "https://100.64.0.1/v.mp4",
    "https://169.254.169.254/latest/meta-data/",
    "https://[fe80::1]/v.mp4",
    "https://[fd00::1]/v.mp4",
    "http://93.184.216.34/v.mp4",
    "https://user:password@93.184.216.34/v.mp4",
    "file:///etc/passwd",
    "ftp://93.184.216.34/v.mp4",
    "data:video/mp4;base64,AAAA",
    "//127.0.0.1:{port}/v.mp4",
    "/etc/passwd",
    "not a link",
]


@pytest.mark.parametrize("link", INSIDE)
async def test_a_link_to_a_private_address_is_never_opened(
    make_harness: OpenAppHarness, link: str
) -> None:
    async with make_harness(download=Downloader(), allow_private_result_hosts=False) as harness:
        async with BigHost(MB) as host:
            url = link.format(port=host.url.rpartition(":")[2])
            done = {"code": 0, "status": "done", "url": url}
            harness.spoil(http(200, done).model_copy(update={"times": 0}), on="result")
            boris = harness.person("ru")
            await harness.order(boris)
            await harness.ended("undeliverable", within=60)
            # The provider is asked for a better one; this one is never opened.
            assert len(harness.asked("result")) == 5
            assert host.taken == 0
        assert harness.task()["reason"] == Reason.RESULT_REFUSED
        assert words.undeliverable("ru", Reason.RESULT_REFUSED) in harness.words(boris.chat)
        assert harness.asked("download") == []
        assert harness.sent("sendVideo") == []
        assert len(harness.asked("create")) == 1


class OneIsPublic(Downloader):
    """Treats 127.0.0.1 as the open internet, and every other address as private."""

    def _connector(self) -> aiohttp.TCPConnector:
        return guarded_connector(self.resolver(), lambda address: address == "127.0.0.1")


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.2:{port}/v.mp4",
        "http://[::1]:{port}/v.mp4",
        "http://[::ffff:127.0.0.1]:{port}/v.mp4",
        "http://10.0.0.1/v.mp4",
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://name:password@127.0.0.1:{port}/v.mp4",
    ],
)
async def test_a_redirect_to_a_private_address_is_not_followed(
    make_harness: OpenAppHarness, target: str
) -> None:
    async with make_harness(download=OneIsPublic(allow_private=True)) as harness:
        async with BigHost(MB) as host:
            location = target.format(port=host.url.rpartition(":")[2])
            redirect = http(302, None, location=location).model_copy(update={"times": 0})
            harness.spoil(redirect, on="download")
            anna = harness.person()
            await harness.order(anna)
            await harness.ended("undeliverable", within=60)
            assert host.taken == 0
        assert harness.task()["reason"] == Reason.RESULT_REFUSED
        assert words.undeliverable("en", Reason.RESULT_REFUSED) in harness.words(anna.chat)
        assert len(harness.asked("download")) == 5


# --- with the real reader of videos --------------------------------------------------------------


@pytest.mark.parametrize("cell", ["half of it", "its end is noise", "a picture"])
async def test_a_file_that_only_resembles_a_video_is_not_sent(
    make_harness: OpenAppHarness, clip: bytes, cell: str
) -> None:
    files: dict[str, Any] = {
        "half of it": clip[: len(clip) // 2],
        "its end is noise": clip[:40] + bytes(range(256)) * 20,
        "a picture": b"\xff\xd8\xff\xe0" + bytes(2000),
    }
    bad = http(200, files[cell], content_type="video/mp4").model_copy(update={"times": 0})
    async with make_harness(read_videos=True) as harness:
        harness.spoil(bad, on="download")
        anna = harness.person()
        await harness.order(anna)
        await harness.ended("undeliverable", within=400)
        assert harness.task()["reason"] == Reason.RESULT_UNUSABLE
        assert harness.sent("sendVideo") == []


async def test_a_video_reaches_the_chat_whole(make_harness: OpenAppHarness, clip: bytes) -> None:
    async with make_harness(read_videos=True) as harness:
        anna = harness.person()
        await harness.order(anna)
        await harness.ended("delivered")
        (video,) = harness.videos(anna.chat)
        stored = harness.telegram.world.files.get(video["video"]["file_id"])
        assert stored is not None
        assert await asyncio.to_thread(stored.path.read_bytes) == clip
        assert (video["video"]["width"], video["video"]["height"]) == (72, 128)
        assert video["video"]["thumbnail"]
