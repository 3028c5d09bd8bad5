"""The campaign's side of tests/crash/launcher.py: one `Life` for each started process."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

UP = "started: http on"
"""What a life logs once it is ready."""
ROOT = Path(__file__).parents[2]
WARM_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Wish:
    """How a process differs from a normal start."""

    lease_seconds: float = 3.0  # of tasks and updates: who is stopped for longer has lost them
    notice_seconds: float = 12.0  # of notices, which have no heartbeat
    idle_seconds: float = 0.25  # the longest wait for what another process left
    poison: int = 1_000  # claims: under so many kills everything would look like poison
    bug: str | None = None
    journal: Path | None = None  # where the points that were passed are written down
    die_at: tuple[str, int] | None = None
    die_after: int = 0  # points; 0: none of them is the last


@dataclass
class Life:
    """One started process, from its start to its exit code."""

    pid: int
    log: Path
    port: int
    ended: asyncio.Future[int]
    stopped: bool = field(default=False, init=False)
    began: float = field(default_factory=time.time, init=False)  # Unix time

    def send(self, number: signal.Signals) -> bool:
        """False: it is over."""
        if self.ended.done():
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        self.stopped = number is signal.SIGSTOP
        return True

    async def kill(self) -> int:
        """SIGKILL; the exit code."""
        self.send(signal.SIGKILL)
        return await asyncio.shield(self.ended)

    async def stop(self, seconds: float = 15.0) -> int:
        """SIGTERM; the exit code."""
        self.send(signal.SIGTERM)
        async with asyncio.timeout(seconds):
            return await asyncio.shield(self.ended)

    @property
    def seconds_to_come_up(self) -> float | None:
        """None: it has not."""
        found = re.search(rf'"timestamp": "([^"]+)"[^\n]*{UP}', self.lines)
        return found and datetime.fromisoformat(found[1]).timestamp() - self.began

    @property
    def lines(self) -> str:
        """What it has logged."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""


class Launcher:
    """Starts lives; `launching()` makes one. With `plain`, by `python -m bot` and nothing else."""

    def __init__(self, process: asyncio.subprocess.Process | None) -> None:
        self._process = process
        self._ids = itertools.count(1)
        self._started: dict[int, asyncio.Future[int]] = {}
        self._ended: dict[int, asyncio.Future[int]] = {}
        self._plain: list[asyncio.Task[None]] = []

    async def start(
        self, environment: Mapping[str, str], folder: Path, log: Path, wish: Wish
    ) -> Life:
        """A new life; returns when its process is there."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[int] = loop.create_future()
        port = int(environment["HTTP_PORT"])
        if self._process is None:
            return await self._start_plain(environment, folder, log, port, ended)
        id_ = next(self._ids)
        started = self._started[id_] = loop.create_future()
        self._ended[id_] = ended
        order = {
            "id": id_,
            "environment": dict(environment),
            "folder": str(folder),
            "log": str(log),
            "wish": {**vars(wish), "journal": wish.journal and str(wish.journal)},
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        async with asyncio.timeout(WARM_SECONDS):
            pid = await started
        return Life(pid, log, port, ended)

    async def _start_plain(
        self,
        environment: Mapping[str, str],
        folder: Path,
        log: Path,
        port: int,
        ended: asyncio.Future[int],
    ) -> Life:
        with log.open("ab") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "bot"),
                env=environment,
                cwd=folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )

        async def wait() -> None:
            ended.set_result(await process.wait())

        self._plain.append(asyncio.create_task(wait()))  # noqa: TID251 - ends with the process
        return Life(process.pid, log, port, ended)

    async def listen(self) -> None:
        """Hears of starts and ends, until the process is gone."""
        if self._process is None:
            await asyncio.Event().wait()
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            word: dict[str, Any] = json.loads(line)
            if "pid" not in word:
                self._ended.pop(word["id"]).set_result(word["code"])
            elif (started := self._started.pop(word["id"])).cancelled():
                # whoever wanted it has gone meanwhile, and nobody else knows of it
                with contextlib.suppress(ProcessLookupError):
                    os.kill(word["pid"], signal.SIGKILL)
            else:
                started.set_result(word["pid"])
        for waiting in self._started.values():
            if not waiting.cancelled():
                waiting.set_exception(RuntimeError("the launcher is gone"))


@asynccontextmanager
async def launching(*, plain: bool = False) -> AsyncIterator[Launcher]:
    """A launcher; what it started and is still there is killed at the end."""
    process = None
    if not plain:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.crash.launcher"),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    launcher = Launcher(process)
    listener = asyncio.create_task(launcher.listen())  # noqa: TID251 - cancelled below
    try:
        yield launcher
    finally:
        listener.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listener
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()  # it kills its children, and ends
            await process.wait()
