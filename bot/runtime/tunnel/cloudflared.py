"""The tunnel of the program `cloudflared`: a quick tunnel, which needs no account.

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
"""Seconds for a stop of the program; open requests could delay it by 30 s."""
_WORDS = 200
_SET_PDEATHSIG = 1  # prctl(2)


class Cloudflared:
    """Keeps one quick tunnel to `target` open; the program gets no environment except
    `environment`.
    """

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
    """Report the address; return the reason when the program ends."""
    assert process.stdout is not None
    printed, decoder = Printed(), codecs.getincrementaldecoder("utf-8")("replace")
    is_known = False
    while data := await process.stdout.read(1 << 16):  # a full pipe would block it
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
    """Return a function for the child to run first, so that Linux ends the child with the bot.

    A killed bot cannot end its child, and each start would leave one more tunnel to a port
    that the next bot opens. Other systems have no such signal.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork: the child only calls it

    def work() -> None:
        prctl(_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # the bot died in between
            os._exit(1)

    return work
