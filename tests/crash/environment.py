"""The environment of a campaign: the emulators, a stable address in front of the bots, a folder.

The emulators run in the campaign's own process; their records are the evidence. It knows how the
bot is started and its files on the disk; it must not know the assertions.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path

import aiohttp
from aiohttp import web

from bot.sandbox.gptunnel.render import Scene, render
from bot.sandbox.gptunnel.server import GptunnelEmulator
from bot.sandbox.telegram.emulator import TelegramEmulator
from bot.telegram.webhook import SECRET_HEADER
from tests.crash.processes import PREPARE, BotRun, Launcher, Wish
from tests.support.process_harness import KEY, TOKEN, free_port

Latency = Callable[[str], float]
IMAGE_SECONDS = 40.0
"""Seconds within which the provider fetches a first frame, on a busy machine."""
FRONT_SECONDS = 35.0
"""Seconds within which a killed bot is back."""


@dataclass
class Environment:
    """Emulators, database, folder, and the processes that ran between them."""

    telegram: TelegramEmulator
    provider: GptunnelEmulator
    launcher: Launcher
    folder: Path
    database_url: str
    front: Front
    lives: list[BotRun] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def temporary(self) -> Path:
        """The bot's TMPDIR."""
        return self.folder / "tmp"

    @property
    def videos(self) -> Path:
        """Where the bot keeps videos that a chat did not take."""
        return self.folder / "data" / "videos"

    async def start(self, wish: Wish | None = None, **changes: str) -> BotRun:
        """Start the bot on a separate port."""
        port = free_port()
        environment = {
            name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ
        } | {
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(self.temporary),
            "BOT_TOKEN": self.telegram.token,
            "GPTUNNEL_API_KEY": self.provider.api_key,
            "TELEGRAM_API_URL": self.telegram.url,
            "GPTUNNEL_BASE_URL": self.provider.base_url,
            "DATABASE_URL": self.database_url,
            "ACCESS": "open",
            "HTTP_PORT": str(port),
            "PUBLIC_URL": self.front.url,
            "ALLOW_PRIVATE_RESULT_HOSTS": "true",
            **changes,
        }
        log = self.folder / f"life-{next(self._numbers):04}.log"
        life = await self.launcher.start(
            environment, self.folder, log, prepare=PREPARE, wish=(wish or Wish()).as_json()
        )
        self.lives.append(life)
        self.front.ports[life.pid] = port
        life.ended.add_done_callback(lambda _: self.front.ports.pop(life.pid, None))
        return life

    @property
    def living(self) -> list[BotRun]:
        """The processes that still run."""
        return [life for life in self.lives if not life.ended.done()]

    def lines(self) -> list[tuple[Path, str]]:
        """All log lines, by process."""
        return [(life.log, line) for life in self.lives for line in life.lines.splitlines()]

    def leftover_processes(self) -> list[str]:
        """Processes that the bots started and left."""
        mark = f"TMPDIR={self.temporary}".encode()
        known = {life.pid for life in self.living}
        found = []
        for place in Path("/proc").iterdir():
            if place.name.isdigit() and int(place.name) not in known:
                with contextlib.suppress(OSError):
                    if mark in (place / "environ").read_bytes().split(b"\0"):
                        command = (place / "cmdline").read_bytes().replace(b"\0", b" ")
                        found.append(command.decode(errors="replace"))
        return found


class Front:
    """The bots' PUBLIC_URL: a constant address in front of processes that are killed."""

    def __init__(self) -> None:
        self.ports: dict[int, int] = {}  # by process
        self.url = ""
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self._first = 0  # the process that gets the next connection

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/frames/{file}", self._pass_on)
        app.router.add_post("/telegram", self._pass_on)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1.0))

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _pass_on(self, request: web.Request) -> web.Response:
        assert self._session is not None
        loop = asyncio.get_running_loop()
        until, body = loop.time() + FRONT_SECONDS, await request.read()
        secret = {
            name: request.headers[name] for name in (SECRET_HEADER,) if name in request.headers
        }
        while loop.time() < until:
            ports = list(self.ports.values())
            self._first += 1
            for port in ports[self._first % len(ports) :] + ports if ports else ():
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    address = f"http://127.0.0.1:{port}{request.path}"
                    async with self._session.request(
                        request.method, address, data=body, headers=secret
                    ) as answer:
                        if request.method == "POST" and answer.status == 404:
                            continue  # a worker
                        return web.Response(
                            status=answer.status,
                            body=await answer.read(),
                            content_type=answer.content_type,
                        )
            await asyncio.sleep(0.1)
        return web.Response(status=502)


@asynccontextmanager
async def open_environment(
    folder: Path, launcher: Launcher, *, database_url: str = "", latency: Latency | None = None
) -> AsyncIterator[Environment]:
    """Run the emulators in this context; at the end, kill all processes that still run."""
    provider = open_provider()
    telegram = TelegramEmulator(token=TOKEN, latency=latency)
    front = Front()
    url = database_url or f"sqlite+aiosqlite:///{folder / 'data' / 'bot.db'}"
    environment = Environment(telegram, provider, launcher, folder, url, front)
    environment.temporary.mkdir(parents=True, exist_ok=True)
    await asyncio.to_thread(_clip)
    await front.start()
    await provider.start()
    await telegram.start()
    try:
        yield environment
    finally:
        for life in environment.living:
            await life.kill()
        await telegram.stop()
        await provider.stop()
        await front.stop()


def open_provider() -> GptunnelEmulator:
    """An emulated GPTunnel with enough money, whose videos take no time and are signed."""
    renders = itertools.count(1)

    def renderer(scene: Scene) -> bytes:
        return sign(_clip(), f"{scene.prompt}#{next(renders)}")

    return GptunnelEmulator(
        api_key=KEY, balance=Decimal(10**7), renderer=renderer, image_seconds=IMAGE_SECONDS
    )


@cache
def _clip() -> bytes:
    """A real video of two seconds; what makes one differ from another is its signature."""
    return render(Scene(width=320, height=180, seconds=2, prompt="a fox", caption="campaign"))


def sign(video: bytes, words: str) -> bytes:
    """The video with a box at its end that players pass over (ISO/IEC 14496-12: free)."""
    body = words.encode()
    return video + struct.pack(">I4s", 8 + len(body), b"free") + body


def signature(video: bytes) -> str:
    """What `sign` wrote; empty when there is none."""
    place, found = 0, ""
    while place + 8 <= len(video):
        length, kind = struct.unpack(">I4s", video[place : place + 8])
        if length < 8:
            break
        if kind == b"free":
            found = video[place + 8 : place + length].decode(errors="replace")
        place += length
    return found
