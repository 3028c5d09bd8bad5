"""Starts the bot as often as a campaign kills it: imports everything once, then forks.

A process of its own: reads one order a line (JSON) on standard input, writes one line for each
start and each end. A child runs `bot.__main__.main()`, unchanged; what a campaign wants to be
otherwise (short leases, a death at a named step, a planted bug) is done to it here, from outside.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import selectors
import signal
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import bot.app
import bot.intake
import bot.logs
import bot.notices
import bot.schedule
import bot.settings
import bot.steps
import bot.worker
from bot.__main__ import main as run_bot
from tests.crash import planted, points

IDLE_SECONDS = 0.25


def hurry(lease: float, update: float, poison: int) -> None:
    """Minutes become seconds: what would only make a campaign wait."""
    bot.worker.LEASE = timedelta(seconds=lease)
    bot.worker.HEARTBEAT_SECONDS = lease / 6
    bot.worker.IDLE_SECONDS = IDLE_SECONDS
    bot.intake.LEASE = timedelta(seconds=update)
    bot.intake.HANDLER_SECONDS = update - 1
    bot.intake.IDLE_SECONDS = IDLE_SECONDS
    bot.intake.TRIES = poison
    bot.notices.LEASE = timedelta(seconds=update)
    bot.notices.IDLE_SECONDS = IDLE_SECONDS
    bot.schedule.PROBES = (0.3, 1.0, 2.0, 3.5)  # type: ignore[assignment]
    bot.steps.POISON_CLAIMS = poison


def serve() -> None:
    """Until standard input ends; then every child is killed."""
    gc.collect()
    gc.freeze()
    selector = selectors.DefaultSelector()
    selector.register(0, selectors.EVENT_READ)
    lives: dict[int, tuple[int, int]] = {}  # pidfd -> order's id, pid
    rest = b""
    while True:
        for key, _ in selector.select():
            if key.fd in lives:
                selector.unregister(key.fd)
                id_, pid = lives.pop(key.fd)
                os.close(key.fd)
                _, status = os.waitpid(pid, 0)
                _say(id=id_, code=os.waitstatus_to_exitcode(status))
                continue
            received = os.read(0, 1 << 16)
            if not received:
                for _, pid in lives.values():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                return
            *lines, rest = (rest + received).split(b"\n")
            for line in lines:
                order = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    selector.close()
                    _live(order)
                handle = os.pidfd_open(pid)
                lives[handle] = (order["id"], pid)
                selector.register(handle, selectors.EVENT_READ)
                _say(id=order["id"], pid=pid)


def _say(**what: int) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


def _live(order: dict[str, Any]) -> None:
    """The child: never returns."""
    code = 1
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # it dies with this process
        os.setsid()
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        for old, new in ((null, 0), (log, 1), (log, 2)):
            os.dup2(old, new)
        os.closerange(3, 4096)
        os.environ.clear()
        os.environ.update(order["environment"])
        os.chdir(order["folder"])
        tempfile.tempdir = None
        wish = order["wish"]
        hurry(wish["lease_seconds"], wish["update_seconds"], wish["poison"])
        if wish["bug"]:
            planted.plant(wish["bug"])
        if wish["journal"]:
            points.install(
                Path(wish["journal"]), die_at=wish["die_at"], die_after=wish["die_after"]
            )
        code = run_bot([])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
