"""`bot check --order` against the sandbox, and against providers that deviate from the
documentation.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from aiohttp import web

from bot.cli import order_check
from bot.cli.frame_host import draw, publish
from bot.core.catalog import CATALOG
from bot.core.task import AspectRatio
from bot.media import video_reader
from bot.media.bucket import Bucket
from bot.operator.charging import REPORT as NAME
from bot.sandbox.faults import Fault
from bot.sandbox.gptunnel.records import Mode, Task
from bot.sandbox.gptunnel.render import FPS, Scene
from bot.sandbox.gptunnel.server import GptunnelEmulator
from bot.settings import Settings, read_settings
from tests.support.media_files import clip, mux_sound
from tests.support.process_harness import KEY, TOKEN, free_port

CHEAPEST = "seedance-1-pro-fast-480P-2s"
PAUSE = 0.05


class SandboxProvider(GptunnelEmulator):
    """A provider that a test can make different."""

    def __init__(self, **options: Any) -> None:
        usual: dict[str, Any] = {"delay": 0.3, "renderer": clip}
        super().__init__(api_key=KEY, **usual | options)


@pytest.fixture
async def provider() -> AsyncIterator[SandboxProvider]:
    async for stand in opened(SandboxProvider()):
        yield stand


async def opened(stand: SandboxProvider) -> AsyncIterator[SandboxProvider]:
    await stand.start()
    try:
        yield stand
    finally:
        await stand.stop()
        video_reader.readers.close()


def settings(stand: SandboxProvider, folder: Path, **changes: Any) -> Settings:
    port = free_port()
    values: dict[str, Any] = {
        "bot_token": TOKEN,
        "gptunnel_api_key": KEY,
        "gptunnel_base_url": stand.base_url,
        "database_url": f"sqlite+aiosqlite:///{folder / 'bot.db'}",
        "http_port": port,
        "public_url": f"http://127.0.0.1:{port}",
        "allow_private_result_hosts": True,
        "task_deadline_seconds": 20,
        "_env_file": None,
    }
    return read_settings(**values | changes)


class Check:
    """One run: its output and its report."""

    def __init__(self, stand: SandboxProvider, folder: Path, **changes: Any) -> None:
        self.settings = settings(stand, folder, **changes)
        self.folder = folder
        self.lines: list[str] = []
        self.asked: list[str] = []

    async def run(self, *, agree: bool = True) -> bool:
        def confirm(question: str) -> bool:
            self.asked.append(question)
            return agree

        return await order_check.run(self.settings, self.lines.append, confirm, pause=PAUSE)

    @property
    def text(self) -> str:
        return (self.folder / NAME).read_text(encoding="utf-8")

    @property
    def report(self) -> Any:
        return json.loads(self.text)

    @property
    def deviations(self) -> list[str]:
        return [line for line in self.lines if line.startswith(("different", "new"))]

    def starting(self, start: str) -> list[str]:
        return [line for line in self.lines if line.startswith(start)]


async def test_the_sandbox_is_as_documented(provider: SandboxProvider, tmp_path: Path) -> None:
    check = Check(provider, tmp_path)
    assert await check.run(), check.lines
    assert check.asked == [
        f"This costs real money: {CHEAPEST}, one from words and one from picture: 8 ₽ of 5000.00 ₽"
    ]
    assert check.deviations == []
    words, picture = provider.tasks.values()
    assert (words.model.id, words.ratio, words.image) == (CHEAPEST, "16:9", None)
    assert (picture.model.id, picture.ratio) == (CHEAPEST, "9:16")
    assert picture.made is not None
    assert picture.made.image is not None
    assert check.starting("ok    words: accepted") == [f"ok    words: accepted, id {words.id}"]
    report = check.report
    assert (report["charged"], report["deviations"]) == ("acceptance", 0)
    assert [(o["kind"], o["outcome"], o["cost"]) for o in report["orders"]] == [
        ("words", "done", "4"), ("picture", "done", "4"),
    ]  # fmt: skip
    seen = {fact["topic"]: fact["seen"] for fact in report["facts"]}
    assert seen["frame: client"][0].startswith("python-httpx/")
    assert seen["video: size"] == ["864x480", "480x864"]
    assert seen["error 3: code"] == ["3"]


async def test_without_confirmation_nothing_is_ordered(
    provider: SandboxProvider, tmp_path: Path
) -> None:
    check = Check(provider, tmp_path)
    assert not await check.run(agree=False)
    assert check.lines == ["note  order: nothing was ordered"]
    assert provider.charges == []
    assert not (tmp_path / NAME).exists()


async def test_a_low_balance_ends_the_check_before_the_confirmation(
    provider: SandboxProvider, tmp_path: Path
) -> None:
    provider.balance = Decimal(5)
    check = Check(provider, tmp_path)
    assert not await check.run()
    assert check.asked == []
    assert "the balance is too low" in check.lines[-1]


async def test_without_a_public_address_only_the_prompt_is_ordered(
    provider: SandboxProvider, tmp_path: Path
) -> None:
    check = Check(provider, tmp_path, public_url="")
    assert await check.run(), check.lines
    assert "4 ₽" in check.asked[0]
    assert len(provider.charges) == 1
    assert check.starting("not seen") == [
        "not seen       picture: order: needs PUBLIC_URL or a bucket"
    ]


async def test_a_taken_port_is_one_clear_line(provider: SandboxProvider, tmp_path: Path) -> None:
    check = Check(provider, tmp_path)
    server = await asyncio.start_server(
        lambda reader, writer: None, "127.0.0.1", check.settings.http_port
    )
    async with server:
        assert await check.run(), check.lines
    assert check.starting("note  picture") == [
        f"note  picture: not ordered, HTTP_PORT {check.settings.http_port} is taken, probably by "
        "the bot itself: stop it first"
    ]
    assert len(provider.charges) == 1


async def test_a_public_address_of_another_server_costs_nothing(
    provider: SandboxProvider, tmp_path: Path
) -> None:
    check = Check(provider, tmp_path, public_url=f"http://127.0.0.1:{free_port()}")
    assert await check.run(), check.lines
    assert check.starting("note  picture: not ordered, PUBLIC_URL cannot be reached")
    assert len(provider.charges) == 1


class MemoryBucket(Bucket):
    """A bucket in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    async def put(self, key: str, jpeg: bytes) -> None:
        self.objects[key] = jpeg

    async def link(self, key: str, ttl: timedelta) -> str:
        return f"https://bucket.example/{key}?signed"

    async def delete(self, key: str) -> None:
        del self.objects[key]


async def test_a_bucket_holds_the_frame_while_the_check_runs(
    provider: SandboxProvider, tmp_path: Path
) -> None:
    shelf, jpeg = MemoryBucket(), await draw(AspectRatio.TALL)
    async with publish(settings(provider, tmp_path), shelf, jpeg) as frame:
        [(key, held)] = shelf.objects.items()
        assert (held, frame.fetches) == (jpeg, None)
        assert key in frame.link
    assert shelf.objects == {}


async def test_an_order_continues_when_the_report_cannot_be_written(
    provider: SandboxProvider, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    url = f"sqlite+aiosqlite:///{tmp_path / 'file' / 'bot.db'}"
    check = Check(provider, tmp_path, database_url=url)
    assert await check.run()
    assert len(provider.charges) == 2
    assert check.starting("FAIL  report: cannot be written")
    assert check.lines[-1].endswith("not written")


# --- deviations ----------------------------------------------------------------------------------


@cache
def other_clip(scene: Scene) -> bytes:
    """An MP4 with another codec, and with sound."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        video = file.add_stream("mpeg4", rate=FPS)
        video.width, video.height, video.pix_fmt = scene.width, scene.height, "yuv420p"
        sound = file.add_stream("aac", rate=44_100)
        for number in range(scene.frames):
            frame = av.VideoFrame(scene.width, scene.height, "yuv420p")
            frame.pts = number
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
        mux_sound(file, sound, 1)
    return out.getvalue()


class DeviatingProvider(SandboxProvider):
    """Deviates in ten ways."""

    def __init__(self) -> None:
        super().__init__(renderer=other_clip)
        dear = self.models["seedance-1-lite-480P-5s"]
        self.models[dear.id] = type(dear)(dear.id, Decimal(18), dear.resolution, dear.seconds)
        self.late: dict[str, Decimal] = {}

    def look(self, task: Task) -> dict[str, Any]:
        answer = super().look(task)
        answer["eta"] = 12  # 1: a new field
        if answer["status"] == "idle":
            answer["status"] = "queued"  # 2: a new status
        if answer["status"] == "done" and task.id in self.late:
            self.balance -= self.late.pop(task.id)
        return answer

    async def _accept(self, body: dict[str, Any]) -> web.Response:
        before = self.balance
        response = await super()._accept(body)
        answer = json.loads(response.body)  # type: ignore[arg-type]
        if "id" not in answer:
            return response
        self.late[answer["id"]], self.balance = before - self.balance, before  # 3: charged late
        answer.pop("eta")
        if "images" in body:
            link = body["images"][0]
            async with httpx.AsyncClient(trust_env=False) as client:  # 4: fetched twice
                await client.head(link, headers={"User-Agent": "curl/8.5"})
        return web.json_response(answer)

    async def _download(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        response = await super()._download(request, body)
        whole = web.Response(body=response.body, content_type="video/mp4")  # 5: no ranges
        whole.enable_chunked_encoding()  # 6: no length
        return whole

    async def _list_models(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        response = await super()._list_models(request, body)
        answer = json.loads(response.body)  # type: ignore[arg-type]
        return web.json_response(answer | {"code": "0"})  # 7: a code of another type

    # 8: another price; 9: another codec; 10: sound


async def test_a_provider_with_ten_deviations_gives_ten_lines(tmp_path: Path) -> None:
    async for stand in opened(DeviatingProvider()):
        check = Check(stand, tmp_path)
        assert not await check.run()
        assert sorted(check.deviations) == sorted(
            [
                "new            result: field eta: number 12",
                "new            status: queued: seen",
                "different      balance: charged at: later (documented: acceptance; GUESS)",
                "different      frame: requests: 1 GET, 1 HEAD (documented: 1 GET; GUESS)",
                "different      link: ranges: HTTP 200 (documented: HTTP 206; GUESS)",
                "different      link: content-length: not given (documented: given; GUESS)",
                "different      models: code: text of 1 characters 0 (documented: a number; SEEN)",
                "different      price: seedance-1-lite-480P-5s: 18 (documented: 17; SEEN)",
                "different      video: codec: mpeg4 (documented: h264; VENDOR)",
                "different      video: sound: aac (documented: none; VENDOR)",
            ]
        )
        assert check.report["deviations"] == 10
        assert check.report["charged"] == "later"
        assert check.report["orders"][0]["charged_seconds"] > 0


async def test_an_error_with_another_http_status_is_different(
    provider: SandboxProvider, tmp_path: Path
) -> None:
    fault = Fault(on="result", act="answer", status=404, body={"code": 4, "message": "none"})
    provider.faults.add(fault)
    check = Check(provider, tmp_path, public_url="")
    assert not await check.run()
    assert check.deviations == ["different      error 4: HTTP status: 404 (documented: 200; DOC)"]


# --- a paid order is never lost and never paid twice ---------------------------------------------


def orders(stand: SandboxProvider) -> list[Any]:
    return [call for call in stand.calls if call.is_order]


async def test_a_lost_answer_is_in_doubt_and_never_repeated(
    provider: SandboxProvider, tmp_path: Path
) -> None:
    provider.faults.add(Fault(on="create", act="reset_after", skip=1))  # the free question first
    check = Check(provider, tmp_path)
    assert not await check.run()
    assert len(orders(provider)) == len(provider.charges) == 1
    [line] = check.starting("FAIL  words: in doubt")[:1]
    assert "it is not repeated" in line
    assert [one["outcome"] for one in check.report["orders"]] == ["in doubt", "not ordered"]


async def test_a_refused_order_ends_the_check_with_its_code(
    provider: SandboxProvider, tmp_path: Path
) -> None:
    provider.mode = Mode.NO_BALANCE
    check = Check(provider, tmp_path)
    assert not await check.run()
    assert len(orders(provider)) == 1
    assert "FAIL  words: refused, code 5 Insufficient balance" in check.lines
    assert check.starting("as documented  code: 5")
    assert check.report["charged"] == "unknown"


async def test_failed_orders_tell_whether_they_cost_something(
    provider: SandboxProvider, tmp_path: Path
) -> None:
    provider.mode = Mode.FAILS
    check = Check(provider, tmp_path)
    assert not await check.run()
    assert len(orders(provider)) == 2
    assert check.starting("measured       balance: cost of a failed order: 4.0")
    assert [one["outcome"] for one in check.report["orders"]] == ["failed", "failed"]


async def test_a_video_that_never_arrives_keeps_its_id(
    provider: SandboxProvider, tmp_path: Path
) -> None:
    provider.mode = Mode.HANGS
    check = Check(provider, tmp_path, task_deadline_seconds=1)
    assert not await check.run()
    [task] = provider.tasks.values()
    assert any(line.startswith("FAIL  words: accepted, no end") for line in check.lines)
    assert sum(task.id in line for line in check.lines) >= 2


@pytest.mark.parametrize("during", ["create", "result"])
async def test_an_interruption_prints_the_orders(
    provider: SandboxProvider, tmp_path: Path, during: str
) -> None:
    provider.delay = 60
    if during == "create":
        provider.faults.add(Fault(on="create", act="hang_before", skip=1))
    check = Check(provider, tmp_path)
    running = asyncio.create_task(check.run())  # noqa: TID251 - awaited below

    def reached() -> bool:
        made = check.starting("ok    words: accepted")
        return bool(made) if during == "result" else bool(orders(provider))

    async with asyncio.timeout(20):
        while not reached():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.02)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    wanted = "accepted" if during == "result" else "in doubt"
    assert check.starting(f"FAIL  words: {wanted}")
    assert check.report["orders"][0]["outcome"] == wanted
    assert len(orders(provider)) == 1


# --- the report contains no secrets -------------------------------------------------------------


class LeakyProvider(SandboxProvider):
    """Repeats key, prompt and link in strange places."""

    def look(self, task: Task) -> dict[str, Any]:
        answer = super().look(task)
        link = f"{self.origin}/result/{task.id}_result.mp4"
        answer |= {
            "debug": {"Authorization": KEY, "in": [task.prompt, {"a link": link}]},
            "echo": task.prompt.upper(),
            "part": " ".join(task.prompt.split()[2:7]),
            "half": f"key {KEY[:10]}…",
            KEY: 1,
            link: "as a name",
            "message": f"made {task.prompt} with {KEY} at {link}, see {task.image}",
        }
        return answer

    async def _balance(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        response = await super()._balance(request, body)
        answer = json.loads(response.body)  # type: ignore[arg-type]
        response = web.json_response(answer | {"owner": KEY, "orgId": "canary-org"})
        response.headers[f"X-{KEY}"] = KEY
        return response


async def test_the_report_and_the_table_hold_no_key_no_prompt_and_no_link(tmp_path: Path) -> None:
    async for stand in opened(LeakyProvider()):
        check = Check(stand, tmp_path)
        await check.run()
        ids = [task.id for task in stand.tasks.values()]
        assert len(ids) == 2
        table = [line for line in check.lines if not line.startswith(("ok ", "FAIL", "note"))]
        said = "\n".join([*table, check.text]).lower()
        for canary in (
            KEY, KEY[:10], TOKEN, "http://", "127.0.0.1", "canary-org", "_result.mp4",
            order_check.WORDS, order_check.PICTURE, "rocky coast", "small boat", *ids,
        ):  # fmt: skip
            assert canary.lower() not in said, canary
        assert CHEAPEST in check.text
        assert list(check.report) == [
            "format", "program", "at", "model", "price", "account", "charged", "deviations",
            "orders", "facts", "answers",
        ]  # fmt: skip


async def test_an_error_message_stays_readable(provider: SandboxProvider, tmp_path: Path) -> None:
    provider.mode = Mode.REFUSES
    check = Check(provider, tmp_path)
    await check.run()
    assert "Sensitive content in text or image" in check.text


def test_every_compared_price_is_in_the_catalog() -> None:
    assert min((model.price, id_) for id_, model in CATALOG.items())[1] == CHEAPEST
