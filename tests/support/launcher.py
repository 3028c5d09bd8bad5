"""Start the bot as a process: by tests/support/fork_server.py, or plainly by `python -m bot`.

It must not know the purpose of the process.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

UP = "started: http on"
"""What a bot logs once it is ready."""
ROOT = Path(__file__).parents[2]
START_SECONDS = 120.0
"""Seconds within which a process starts, even if the fork server first imports everything."""


@dataclass
class BotRun:
    """One started process, from its start to its exit code."""

    pid: int
    log: Path
    port: int
    ended: asyncio.Future[int]
    stopped: bool = field(default=False, init=False)
    began: float = field(default_factory=time.time, init=False)  # Unix time

    def send(self, number: signal.Signals) -> bool:
        """Send a signal; return False when the process is over."""
        if self.ended.done():
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        self.stopped = number is signal.SIGSTOP
        return True

    async def kill(self) -> int:
        """Send SIGKILL and return the exit code."""
        self.send(signal.SIGKILL)
        return await asyncio.shield(self.ended)

    async def stop(self, seconds: float = 15.0) -> int:
        """Send SIGTERM and return the exit code."""
        self.send(signal.SIGTERM)
        async with asyncio.timeout(seconds):
            return await asyncio.shield(self.ended)

    @property
    def seconds_to_come_up(self) -> float | None:
        """None while it has not come up."""
        found = re.search(rf'"timestamp": "([^"]+)"[^\n]*{UP}', self.lines)
        return found and datetime.fromisoformat(found[1]).timestamp() - self.began

    @property
    def lines(self) -> str:
        """What it has logged."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""


class Launcher:
    """Starts lives; `launching()` makes one. `plain`: by `python -m bot` and nothing else. `tree`:
    the bot of this folder, for the fork server."""

    def __init__(self, *, plain: bool, tree: Path = ROOT) -> None:
        self._plain, self._tree = plain, tree
        self._ends: set[asyncio.Task[None]] = set()
        self._lives: list[BotRun] = []

    async def start(
        self,
        environment: Mapping[str, str],
        folder: Path,
        log: Path,
        *,
        argv: Sequence[str] = (),
        prepare: str = "",
        wish: Mapping[str, Any] | None = None,
        errors: Path | None = None,
    ) -> BotRun:
        """Start the bot and return when its process is there.

        `errors`: the file for standard error, if not the log.
        `argv`: what follows `python -m bot`. `prepare`: "module:function", called with `wish`
        (JSON) before the bot runs, by the fork server alone. Raises RuntimeError when the fork
        server is gone.
        """
        start = self._start_plain if self._plain else self._fork
        order = {
            "environment": dict(environment), "folder": str(folder), "log": str(log),
            "errors": str(errors or log), "argv": argv, "prepare": prepare, "wish": wish,
        }  # fmt: skip
        port = environment.get("HTTP_PORT", "")
        life = await start(order, int(port) if port.isdecimal() else 0)
        self._lives.append(life)
        return life

    async def run(
        self, environment: Mapping[str, str], folder: Path, *argv: str, seconds: float = 40.0
    ) -> tuple[int, str, str]:
        """Run a command that ends by itself; return exit code, standard output and error."""
        with tempfile.TemporaryDirectory() as said:
            out, err = Path(said) / "out", Path(said) / "err"
            life = await self.start(environment, folder, out, argv=argv, errors=err)
            try:
                async with asyncio.timeout(seconds):
                    code = await asyncio.shield(life.ended)
            except TimeoutError:
                await life.kill()
                raise
            return code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")

    async def close(self) -> None:
        """Kill what still lives."""
        for life in self._lives:
            await life.kill()

    async def _fork(self, order: dict[str, Any], port: int) -> BotRun:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(
                    _fork_server(self._tree), [json.dumps(order).encode()], [theirs.fileno()]
                )
            except OSError as exc:
                ours.close()
                raise RuntimeError("the fork server is gone") from exc
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            async with asyncio.timeout(START_SECONDS):
                said = await reader.readline()
            if not said:
                raise RuntimeError("the fork server is gone")
        except BaseException:
            writer.transport.abort()
            raise
        life = BotRun(int(said), Path(order["log"]), port, asyncio.Future())

        async def wait() -> None:
            try:
                code = int(await reader.readline() or -signal.SIGKILL)
                if not life.ended.done():  # the test was cancelled
                    life.ended.set_result(code)
            finally:
                writer.transport.abort()

        self._keep(asyncio.create_task(wait()))  # noqa: TID251 - ends with the process
        return life

    async def _start_plain(self, order: dict[str, Any], port: int) -> BotRun:
        log = Path(order["log"])
        with open(log, "ab") as file, open(order["errors"], "ab") as errors:  # noqa: ASYNC230, PTH123
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "bot", *order["argv"]),
                env=order["environment"],
                cwd=order["folder"],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=errors,
            )
        life = BotRun(process.pid, log, port, asyncio.Future())

        async def wait() -> None:
            life.ended.set_result(await process.wait())

        self._keep(asyncio.create_task(wait()))  # noqa: TID251 - ends with the process
        return life

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)


@asynccontextmanager
async def launching(*, plain: bool = False, tree: Path = ROOT) -> AsyncIterator[Launcher]:
    """A launcher of this event loop; what it started and is still there is killed at the end."""
    launcher = Launcher(plain=plain, tree=tree)
    try:
        yield launcher
    finally:
        await launcher.close()


@cache
def _fork_server(tree: Path) -> socket.socket:
    """Start the fork server, once for each tree in this process, and return the line to it."""
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.fork_server"],
            cwd=tree,  # from which `bot` is imported
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=theirs.fileno(),
            start_new_session=True,
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    _at_end.append(end)
    return ours


_at_end: list[Callable[[], None]] = []


def end_fork_server() -> None:
    """End the fork server if there is one. A test worker ends without `atexit`."""
    while _at_end:
        end = _at_end.pop()
        atexit.unregister(end)
        end()
