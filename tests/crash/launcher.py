"""Start the bot as often as a campaign kills it: import everything once, then fork.

A separate process: it reads one order per line (JSON) on standard input, and writes one line for
each start and each end. A child runs `bot.__main__.main()` unchanged; what a campaign changes
(short leases, a kill at a named step, a seeded bug) is changed here, from outside.
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
import traceback
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

BEATS = 6
"""Heartbeats in a lease."""


def warm() -> None:
    """Imports what a start of the bot imports, as the bot does it."""
    from bot.runtime.lazy_aiogram import import_aiogram

    import_aiogram()
    for name in ("bot.app", "bot.runtime.logs", "alembic.command", "aiosqlite", "asyncpg"):
        import_module(name)
    gc.collect()
    gc.freeze()


def hurry(lease: float, notice: float, idle: float, poison: int) -> None:
    """Turn minutes into seconds, which would only make a campaign wait."""
    wanted: dict[str, dict[str, object]] = {
        "bot.jobs.worker": {
            "LEASE": timedelta(seconds=lease),
            "HEARTBEAT_SECONDS": lease / BEATS,
            "IDLE_SECONDS": idle,
        },
        "bot.telegram.inbox": {
            "LEASE": timedelta(seconds=lease),
            "HEARTBEAT_SECONDS": lease / BEATS,
            "IDLE_SECONDS": idle,
            "TRIES": poison,
        },
        "bot.jobs.outbox_sender": {"LEASE": timedelta(seconds=notice), "IDLE_SECONDS": idle},
        "bot.core.schedule": {"PROBES": (0.3, 1.0, 2.0, 3.5)},
        "bot.jobs.steps": {"POISON_CLAIMS": poison},
        "storage.recovery": {"SPREAD": timedelta(seconds=lease)},
    }
    for name, changes in wanted.items():
        module = import_module(name)
        for constant, value in changes.items():
            getattr(module, constant)  # it must still be there
            setattr(module, constant, value)


def serve() -> None:
    """Until standard input ends; then every child is killed."""
    warm()
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
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
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
        from bot.__main__ import main as run_bot
        from tests.crash import kill_points, seeded_bugs

        wish = order["wish"]
        hurry(wish["lease_seconds"], wish["notice_seconds"], wish["idle_seconds"], wish["poison"])
        if wish["bug"]:
            seeded_bugs.plant(wish["bug"])
        if wish["journal"]:
            kill_points.install(
                Path(wish["journal"]), die_at=wish["die_at"], die_after=wish["die_after"]
            )
        code = run_bot([])
    except SystemExit as exc:  # asked to end before it had begun
        code = int(exc.code or 0)
    except BaseException:
        traceback.print_exc()  # into the log: nobody else hears of it
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
