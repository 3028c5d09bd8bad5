"""`bot sandbox`: the unchanged bot in a separate process, between the two emulators.

It must not know the bot, except its command and the names of its settings.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import os
import re
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bot.runtime.stop_signals import stop_signals
from bot.sandbox.gptunnel.server import GptunnelEmulator
from bot.sandbox.telegram.emulator import FIRST_PERSON, TelegramEmulator

PORT = 8090
DELAY_SECONDS = 6.0
STOP_SECONDS = 12.0
GUESTS_PER_DAY = "20"
"""Videos of one person: guests see what is left of them where the admin sees a price."""
IMAGE_MODEL = "seedream-3"
_START_LINK = re.compile(r"https://t\.me/\w+\?start=[\w-]+")


def main(argv: Sequence[str]) -> int:
    """Run until a signal asks it to stop, as Ctrl-C does; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="bot sandbox", description="The bot in the browser: no token, no key, no money."
    )
    parser.add_argument("--port", type=_port, default=PORT, help=f"of the page (default {PORT})")
    parser.add_argument(
        "--delay",
        type=_delay,
        default=DELAY_SECONDS,
        help=f"seconds that a video takes (default {DELAY_SECONDS:.0f})",
    )
    parser.add_argument(
        "--claim", action="store_true", help="a bot without an admin: claim it on the page"
    )
    args = parser.parse_args(argv)
    try:
        return asyncio.run(_run(args.port, args.delay, claim=args.claim))
    except OSError as exc:
        print(f"the sandbox cannot start: {exc}", file=sys.stderr)
        return 1


def _port(text: str) -> int:
    """Return a port; 0 is any free one."""
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def _delay(text: str) -> float:
    """Return seconds."""
    with contextlib.suppress(ValueError):
        if 0 <= (seconds := float(text)) < math.inf:
            return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, 0 or more")


async def _run(port: int, delay: float, *, claim: bool) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in stop_signals():
        loop.add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="video-bot-")))
        provider = GptunnelEmulator(delay=delay)
        await provider.start()
        stack.push_async_callback(provider.stop)
        telegram = TelegramEmulator(provider_control=f"{provider.origin}/sandbox")
        await telegram.start(port=port)
        stack.push_async_callback(telegram.stop)
        frames_port = stack.enter_context(hold_port()).getsockname()[1]
        catalog = folder / "catalog.toml"
        catalog.write_text(_catalog(provider), encoding="utf-8")
        bot = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bot",
            # The bot must get a terminal's Ctrl-C only once, from here.
            start_new_session=True,
            env=_environment(telegram, provider, folder, frames_port, claim=claim),
            stderr=asyncio.subprocess.PIPE if claim else None,
        )
        if bot.stderr is not None:
            reading = asyncio.ensure_future(  # noqa: TID251 - cancelled at the end
                _show_links(bot.stderr, telegram)
            )
            stack.callback(reading.cancel)
        print(
            f"\n  The sandbox is open:  {telegram.url}\n\n"
            "  Write a prompt, attach a photo, choose an aspect ratio. Nothing leaves this\n"
            "  machine and nothing costs money. Ctrl-C ends it.\n",
            flush=True,
        )
        ended = asyncio.ensure_future(bot.wait())  # noqa: TID251 - awaited below
        stopped = asyncio.ensure_future(stop.wait())  # noqa: TID251 - awaited below
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            bot.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await asyncio.shield(ended)
            if not ended.done():
                bot.kill()
        code = await ended
        stopped.cancel()
        return 0 if stop.is_set() else code or 1


async def _show_links(log: asyncio.StreamReader, telegram: TelegramEmulator) -> None:
    """Copy the bot's log to the terminal; the page shows the start link from it."""
    while line := await log.readline():
        sys.stderr.buffer.write(line)
        sys.stderr.flush()
        if found := _START_LINK.search(line.decode(errors="replace")):
            telegram.show_start_link(found[0])


def _catalog(provider: GptunnelEmulator) -> str:
    """Return a CATALOG_FILE that adds the image model to the built-in video models."""
    model = provider.models[IMAGE_MODEL]
    return (
        f'[[models]]\nid = "{model.id}"\ntitle = "Seedream 3"\nkind = "picture"\n'
        f"takes_image = {str(model.takes_image).lower()}\nprice = {model.price}\n"
    )


def _environment(
    telegram: TelegramEmulator,
    provider: GptunnelEmulator,
    folder: Path,
    port: int,
    *,
    claim: bool,
) -> dict[str, str]:
    """Return the bot's settings; the operator's environment and `.env` are not used.

    The first visitor of the page is the admin; with `claim`, the first one who opens the link.
    """
    people = {"ACCESS": "open", "ADMINS": str(FIRST_PERSON), "CAP_USER_PER_DAY": GUESTS_PER_DAY}
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR", "TZ")
    return {name: os.environ[name] for name in kept if name in os.environ} | {
        "BOT_TOKEN": telegram.token,
        "GPTUNNEL_API_KEY": provider.api_key,
        "TELEGRAM_API_URL": telegram.url,
        "GPTUNNEL_BASE_URL": provider.base_url,
        "DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'bot.db'}",
        **({} if claim else people),
        "CATALOG_FILE": str(folder / "catalog.toml"),
        "IMAGE_MODEL": IMAGE_MODEL,
        "HTTP_PORT": str(port),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "ALLOW_PRIVATE_RESULT_HOSTS": "true",
        "VISION_MODEL": "auto",
        "TRANSCRIBE_MODEL": "whisper-1",
        "TRANSCRIBE_URL": provider.origin,
        "TRANSCRIBE_KEY": provider.api_key,
        "STORY_MODEL": "auto",
        "PYTHONUNBUFFERED": "1",
    }


def hold_port() -> socket.socket:
    """Reserve a port of 127.0.0.1 for a server that starts later.

    While the socket is open, the kernel does not choose this port for a socket that asks for any
    free one. A server that names the port can listen on it, since both set SO_REUSEADDR.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held
