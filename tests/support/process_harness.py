"""The bot as a separate process between the two emulators, for journeys and campaigns.

The emulators run in the test's own event loop, and their records are asserted: not the bot's
database, and not what the bot says.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from bot.sandbox.gptunnel.render import render
from bot.sandbox.gptunnel.server import GptunnelEmulator
from bot.sandbox.gptunnel.studio import Renderer
from bot.sandbox.telegram.emulator import TelegramEmulator

TOKEN = "7100200300:AAcanary-token-0123456789abcdefghij"
KEY = "canary-key-0123456789"
START_SECONDS = 90.0


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class BotProcess:
    """One run of `python -m bot`; its log is a file that outlives it."""

    process: asyncio.subprocess.Process
    log: Path
    http: str

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Sends a signal, if there is anybody to get it."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    async def wait(self, seconds: float = 40.0) -> int:
        """The exit code; TimeoutError when it does not end."""
        async with asyncio.timeout(seconds):
            return await self.process.wait()

    async def stop(self) -> int:
        """SIGTERM and the exit code."""
        self.kill(signal.SIGTERM)
        return await self.wait()

    @property
    def lines(self) -> str:
        """What it has logged."""
        return self.log.read_text(encoding="utf-8", errors="replace")


@dataclass
class ProcessHarness:
    """Emulators, a folder for the bot's data, and the bots that were started."""

    telegram: TelegramEmulator
    provider: GptunnelEmulator
    folder: Path
    database_url: str
    http_port: int = field(default_factory=free_port)
    bots: list[BotProcess] = field(default_factory=list)

    def settings(self, **changes: str) -> dict[str, str]:
        """The bot's environment: its settings, and nothing of ours but the way to Python."""
        port = changes.get("HTTP_PORT", str(self.http_port))
        kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LEAN")
        return {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "PYTHONUNBUFFERED": "1",
            "BOT_TOKEN": self.telegram.token,
            "GPTUNNEL_API_KEY": self.provider.api_key,
            "TELEGRAM_API_URL": self.telegram.url,
            "GPTUNNEL_BASE_URL": self.provider.base_url,
            "DATABASE_URL": self.database_url,
            "ACCESS": "open",
            "HTTP_PORT": port,
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
            "ALLOW_PRIVATE_RESULT_HOSTS": "true",
            **changes,
        }

    async def start(
        self, *command: str, ready: bool = True, settings: Mapping[str, str] | None = None
    ) -> BotProcess:
        """Starts the bot; with `ready`, returns once it reads updates."""
        environment = self.settings(**(settings or {}))
        log = self.folder / f"bot-{len(self.bots)}.log"
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *(command or ("-m", "bot")),
                env=environment,
                cwd=self.folder,
                stdout=file,
                stderr=file,
            )
        bot = BotProcess(process, log, f"http://127.0.0.1:{environment['HTTP_PORT']}")
        self.bots.append(bot)
        if ready:
            seen = len(self.telegram.calls_of("getUpdates"))

            def reads() -> bool:
                if process.returncode is not None:
                    raise AssertionError(f"the bot ended at once:\n{bot.lines}")
                return len(self.telegram.calls_of("getUpdates")) > seen or self._polls(bot)

            await until(reads, START_SECONDS)
        return bot

    @staticmethod
    def _polls(bot: BotProcess) -> bool:
        return "started: http on" in bot.lines

    async def health(self) -> tuple[int, dict[str, Any]]:
        """HTTP status and body of /healthz."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.bots[-1].http}/healthz") as answer,
        ):
            return answer.status, await answer.json()


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Returns once the condition holds; AssertionError when it does not in time."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"did not come true in {seconds:.0f} s: {condition}") from None


@asynccontextmanager
async def open_process_harness(
    folder: Path,
    *,
    delay: float = 0.5,
    database_url: str | None = None,
    renderer: Renderer = render,
    **telegram: Any,
) -> AsyncIterator[ProcessHarness]:
    """A stand whose bots are killed, and whose emulators end, when it is left."""
    provider = GptunnelEmulator(api_key=KEY, delay=delay, renderer=renderer)
    await provider.start()
    emulator = TelegramEmulator(token=TOKEN, **telegram)
    await emulator.start()
    url = database_url or f"sqlite+aiosqlite:///{folder / 'data' / 'bot.db'}"
    harness = ProcessHarness(emulator, provider, folder, url)
    try:
        yield harness
    finally:
        for bot in harness.bots:
            bot.kill()
            await bot.process.wait()
        await emulator.stop()
        await provider.stop()
