"""The bot as a separate process between the two emulators, for journeys and campaigns.

The emulators run in the test's own event loop. Tests assert on their records, not on the bot's
database or its logs.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from bot.sandbox.gptunnel.render import render
from bot.sandbox.gptunnel.server import GptunnelEmulator
from bot.sandbox.gptunnel.studio import Renderer
from bot.sandbox.run import hold_port
from bot.sandbox.telegram.emulator import TelegramEmulator
from tests.support.databases import with_tables
from tests.support.launcher import UP, BotRun, Launcher, launching
from tests.support.short_waits import PREPARE

TOKEN = "7100200300:AAcanary-token-0123456789abcdefghij"
KEY = "canary-key-0123456789"
START_SECONDS = 90.0


# : The descriptors of the sockets that keep the latest ports. A test needs few of them, and a
# process may open 1,024 files.
_held: deque[int] = deque()
MOST_HELD = 300


def free_port() -> int:
    """Return a port that is free, and that the kernel gives to nobody else for now."""
    held = hold_port()
    port = int(held.getsockname()[1])
    _held.append(held.detach())
    if len(_held) > MOST_HELD:
        os.close(_held.popleft())
    return port


@dataclass
class BotProcess:
    """One run of the bot; its log is a file that outlives it."""

    life: BotRun
    http: str

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self.life.pid

    @property
    def ended(self) -> bool:
        """Whether the process is over."""
        return self.life.ended.done()

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal, if there is anybody to get it."""
        self.life.send(number)

    async def wait(self, seconds: float = 40.0) -> int:
        """Return the exit code; TimeoutError when it does not end."""
        async with asyncio.timeout(seconds):
            return await asyncio.shield(self.life.ended)

    async def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.kill(signal.SIGTERM)
        return await self.wait()

    @property
    def lines(self) -> str:
        """What it has logged."""
        return self.life.lines


@dataclass
class ProcessHarness:
    """Emulators, a folder for the bot's data, and the bots that were started."""

    telegram: TelegramEmulator
    provider: GptunnelEmulator
    folder: Path
    database_url: str
    launcher: Launcher
    http_port: int = field(default_factory=free_port)
    bots: list[BotProcess] = field(default_factory=list)

    def settings(self, **changes: str) -> dict[str, str]:
        """The bot's environment: its settings, and from the test's environment only the path to
        Python.
        """
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
            # Off: what people write is what the provider gets. Tests of `auto` set it.
            "TRANSLATE_MODEL": "",
            "SHOW_PRICES": "always",
            **changes,
        }

    async def start(
        self,
        *argv: str,
        ready: bool = True,
        settings: Mapping[str, str] | None = None,
        balance_gap: float | None = None,
    ) -> BotProcess:
        """Start the bot; with `ready`, return once it reads updates.

        `balance_gap`: seconds between two readings of the balance after a lost answer, instead of
        the program's own.
        """
        environment = self.settings(**(settings or {}))
        log = self.folder / f"bot-{len(self.bots)}.log"
        prepare = PREPARE if balance_gap is not None else ""
        life = await self.launcher.start(
            environment, self.folder, log, argv=argv, prepare=prepare,
            wish={"balance_gap": balance_gap},
        )  # fmt: skip
        bot = BotProcess(life, f"http://127.0.0.1:{environment['HTTP_PORT']}")
        self.bots.append(bot)
        if ready:
            seen = len(self.telegram.calls_of("getUpdates"))

            def reads() -> bool:
                if bot.ended:
                    raise AssertionError(f"the bot ended at once:\n{bot.lines}")
                return len(self.telegram.calls_of("getUpdates")) > seen or self._polls(bot)

            await until(reads, START_SECONDS)
        return bot

    async def run(self, *argv: str, **settings: str) -> tuple[int, str, str]:
        """Run `python -m bot` with these arguments; return exit code, standard output and error.

        A setting with the value "unset" is removed.
        """
        known = {k: v for k, v in self.settings(**settings).items() if v != "unset"}
        return await self.launcher.run(known, self.folder, *argv)

    @staticmethod
    def _polls(bot: BotProcess) -> bool:
        return UP in bot.lines

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
    plain: bool = False,
    **telegram: Any,
) -> AsyncIterator[ProcessHarness]:
    """A stand whose bots are killed, and whose emulators end, when it is left.

    The database already has its tables; in tests/crash the bot creates them. `plain`: bots are
    started by `python -m bot`, which imports everything anew.
    """
    provider = GptunnelEmulator(api_key=KEY, delay=delay, renderer=renderer)
    await provider.start()
    emulator = TelegramEmulator(token=TOKEN, **telegram)
    await emulator.start()
    url = database_url or with_tables(folder / "data" / "bot.db")
    try:
        async with launching(plain=plain) as launcher:
            yield ProcessHarness(emulator, provider, folder, url, launcher)
    finally:
        await emulator.stop()
        await provider.stop()
