"""The tunnel of the program `cloudflared`: an account-less quick tunnel.

It must not know the settings.
"""

from __future__ import annotations

import asyncio
import codecs
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress

from bot.runtime.tunnel import Report, TunnelClosed
from bot.runtime.tunnel.printed import Printed

PROGRAM = "cloudflared"
STOP_SECONDS = 1.0
"""It would wait 30 s for open requests; the bot has ended by then."""
_WORDS = 200
_SET_PDEATHSIG = 1  # prctl(2)


class Cloudflared:
    """Holds one quick tunnel to `target`; the program gets only `environment`."""

    def __init__(self, target: str, environment: Mapping[str, str]) -> None:
        self._target = target
        self._environment = dict(environment)

    async def __call__(self, report: Report) -> None:
        """See bot.runtime.tunnel.Hold."""
        try:
            process = await asyncio.create_subprocess_exec(
                PROGRAM,
                *("tunnel", "--no-autoupdate", "--url", self._target),
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                preexec_fn=_dies_with(os.getpid()),
            )
        except OSError as exc:
            raise TunnelClosed(f"cannot be started ({type(exc).__name__})") from None
        try:
            raise TunnelClosed(await _read(process, report))
        finally:
            await _end(process)


async def _read(process: asyncio.subprocess.Process, report: Report) -> str:
    """Report the address; return why the program ended."""
    assert process.stdout is not None
    printed, decoder = Printed(), codecs.getincrementaldecoder("utf-8")("replace")
    is_known = False
    while data := await process.stdout.read(1 << 16):  # until its end: a full pipe would stop it
        for address in printed.addresses(decoder.decode(data)):
            if not is_known:
                is_known = True
                report(address)
    code = await process.wait()
    return f"ended with {code}: {printed.last[:_WORDS] or 'without a word'}"


async def _end(process: asyncio.subprocess.Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            process.send_signal(number)
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
                return


def _dies_with(parent: int) -> Callable[[], None] | None:
    """Return what the child runs before the program: Linux then ends it with the bot.

    A bot that is killed cannot end anything, and each start would leave one more tunnel to a port
    that the next bot opens. Other systems have no such signal.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # found before the fork: the child only calls it

    def work() -> None:
        prctl(_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return work
