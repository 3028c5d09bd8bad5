"""The program's own time in a delivery, from the provider's "done" to the end of `sendVideo`, 20
at once.

    python -m tests.bench.delivery [--rounds N]

The whole bot, in this process, against a provider and a Bot API in another one, whose clock is
the one that counts. One video comes first, as to a bot that runs; then twenty tasks are done at
the same moment. Their videos have the index at the end, so each is read, given a thumbnail and
written again. In the same rounds a bare client transfers the same bytes in the same way; its time
is subtracted.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import math
import os
import re
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import av
from aiohttp import web
from PIL import Image

from bot.app import serve
from bot.runtime import event_loop
from bot.settings import Settings
from storage import open_storage
from tests.bench.meters import cpu_seconds, loop_lag, quantile
from tests.bench.report import Goal, bars, publish
from tests.bench.server import Child, in_process, until_told
from tests.bench.watching import MODEL, fill
from tests.support.process_harness import free_port

AT_ONCE = 20
TOKEN = "7100200300:AAbench-token-0123456789abcdefghijk"
SECONDS = 60.0


class Sides:
    """The provider and Telegram: their calls and the times of these."""

    def __init__(self, video: bytes) -> None:
        self.video = video
        self.done_at: dict[str, float] = {}
        self.sent_at: dict[str, float] = {}
        self.done_from = math.inf

    async def reset(self, request: web.Request) -> web.Response:
        self.done_from = float(request.query.get("done_from", math.inf))
        self.done_at.clear()
        self.sent_at.clear()
        return web.Response()

    async def times(self, request: web.Request) -> web.Response:
        return web.json_response({"done": self.done_at, "sent": self.sent_at})

    async def result(self, request: web.Request) -> web.Response:
        id_ = request.query["task_id"]
        answer = {"code": 0, "id": id_, "model": MODEL, "status": "running", "url": None}
        if (number := int(id_, 16)) >= self.done_from:
            answer |= {"status": "done", "url": str(request.url.with_path(f"/{id_}.mp4"))}
            self.done_at.setdefault(str(number), time.monotonic())
        return web.json_response(answer)

    async def fetch(self, request: web.Request) -> web.Response:
        return web.Response(body=self.video, content_type="video/mp4")

    async def call(self, request: web.Request) -> web.Response:
        method, body = request.match_info["method"], await request.read()
        result: Any = True
        if method == "getUpdates":
            await asyncio.sleep(5)
            result = []
        elif method == "sendVideo":
            named = re.search(rb'name="chat_id"[^0-9]*?\r\n\r\n(\d+)', body)
            assert named, body[:300]
            self.sent_at[named[1].decode()] = time.monotonic()
            result = {"message_id": 7, "video": {"file_id": "BAAC"}}
        return web.json_response({"ok": True, "result": result})

    async def open(self) -> str:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_get("/v1/media/result", self.result)
        app.router.add_post("/reset", self.reset)
        app.router.add_get("/times", self.times)
        app.router.add_get("/{id}.mp4", self.fetch)
        app.router.add_post("/bot{token}/{method}", self.call)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"


def film(path: Path) -> None:
    """5 s as the cheapest model makes them (480 × 864, two MB), its index at the end."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 480, 864, "yuv420p"
        stream.bit_rate = 3_200_000
        for _ in range(120):
            clouds = Image.effect_noise((60, 108), 60).resize((480, 864)).convert("RGB")
            file.mux(stream.encode(av.VideoFrame.from_image(clouds)))  # type: ignore[no-untyped-call]
        file.mux(stream.encode(None))


async def bytes_alone(url: str) -> None:
    """The same download to a file and the same upload from it, by a bare client, all at once."""

    async def one(session: aiohttp.ClientSession, number: int) -> None:
        async with session.get(f"{url}/v1/media/result?task_id={number:024x}") as answer:
            link = (await answer.json())["url"]
        with tempfile.TemporaryFile() as file:
            async with session.get(link) as answer:
                async for chunk in answer.content.iter_any():
                    file.write(chunk)
            file.seek(0)
            form = aiohttp.FormData({"chat_id": str(number)})
            form.add_field("video", file, filename="video.mp4")
            async with session.post(f"{url}/bot{TOKEN}/sendVideo", data=form) as answer:
                await answer.read()

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(one(session, number) for number in range(1, AT_ONCE + 1)))


async def ours(session: aiohttp.ClientSession, url: str) -> tuple[list[float], float]:
    """The bot, until all are delivered; how late its loop was meanwhile, and its CPU seconds."""
    with tempfile.TemporaryDirectory() as folder:
        database_url = f"sqlite+aiosqlite:///{folder}/bot.db"
        async with open_storage(database_url) as storage:
            await fill(storage, AT_ONCE + 1, step=1.0, supervise=True)
        settings = Settings.model_validate(
            {
                "bot_token": TOKEN,
                "gptunnel_api_key": "key",
                "telegram_api_url": url,
                "gptunnel_base_url": f"{url}/v1",
                "database_url": database_url,
                "data_dir": Path(folder),
                "access": "open",
                "http_port": free_port(),
                "allow_private_result_hosts": True,
            }
        )
        bot = asyncio.ensure_future(serve(settings))  # noqa: TID251 - awaited below
        await asyncio.sleep(6)  # it has started, and its status messages are written
        await session.post(f"{url}/reset?done_from={AT_ONCE + 1}")
        await all_sent(session, url, 1)
        await asyncio.sleep(1)
        gc.collect()
        gc.freeze()  # as bot.runtime.event_loop does
        cpu = cpu_seconds()
        async with loop_lag() as late:
            await session.post(f"{url}/reset?done_from=1")
            await all_sent(session, url, AT_ONCE)
        cpu = cpu_seconds() - cpu
        os.kill(os.getpid(), signal.SIGTERM)
        await bot
    return late, cpu


async def all_sent(session: aiohttp.ClientSession, url: str, count: int) -> None:
    async with asyncio.timeout(SECONDS):
        while len((await times(session, url))[1]) < count:  # noqa: ASYNC110 - asked there
            await asyncio.sleep(0.1)


async def times(
    session: aiohttp.ClientSession, url: str
) -> tuple[dict[str, float], dict[str, float]]:
    async with session.get(f"{url}/times") as answer:
        seen = await answer.json()
    return seen["done"], seen["sent"]


async def taken(session: aiohttp.ClientSession, url: str) -> list[float]:
    """Seconds from "done" to sent, of each."""
    done, sent = await times(session, url)
    return [sent[number] - done[number] for number in sent]


async def measure(server: Child, rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"ours": [], "bytes": [], "late": [], "cpu": []}
    async with aiohttp.ClientSession() as session:
        for number in range(rounds + 1):
            await session.post(f"{server.url}/reset?done_from=1")
            await bytes_alone(server.url)
            alone = await taken(session, server.url)
            await session.post(f"{server.url}/reset")
            late, cpu = await ours(session, server.url)
            if number:  # the first warms the caches
                found["bytes"] += alone
                found["ours"] += await taken(session, server.url)
                found["late"] += late
                found["cpu"].append(cpu)
    return found


async def run(rounds: int) -> dict[str, list[float]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        await asyncio.to_thread(film, path)
        async with in_process("tests.bench.delivery", "serve", str(path)) as server:
            return await measure(server, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    found = event_loop.run(run(args.rounds))

    def ms(name: str, share: float) -> float:
        return round(quantile(found[name], share) * 1e3, 1)

    rows = [
        {"what": what, "median_ms": ms(name, 0.5), "p95_ms": ms(name, 0.95)}
        for what, name in {"ours": "ours", "the bytes alone": "bytes"}.items()
    ]
    goals = [
        Goal("we add, median", round(ms("ours", 0.5) - ms("bytes", 0.5)), 150, " ms"),
        Goal("we add, p95", round(ms("ours", 0.95) - ms("bytes", 0.95)), 400, " ms"),
        Goal("the event loop is late, p99", ms("late", 0.99), 50, " ms"),
    ]
    picture = bars(
        f"Milliseconds from “done” to sent, {AT_ONCE} at once",
        {
            "ours, median": ms("ours", 0.5),
            "the bytes alone, median": ms("bytes", 0.5),
            "ours, p95": ms("ours", 0.95),
            "the bytes alone, p95": ms("bytes", 0.95),
        },
    )
    publish(
        "delivery",
        rows,
        goals=goals,
        picture=picture,
        rounds=args.rounds,
        at_once=AT_ONCE,
        cpu_seconds_for_all=round(quantile(found["cpu"], 0.5), 2),
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        event_loop.run(until_told(Sides(Path(sys.argv[2]).read_bytes()).open()))
    else:
        main()
