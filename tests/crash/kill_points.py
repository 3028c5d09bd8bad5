"""Name every step of the bot that others or the database can see, and kill the process at one.

The hooks are installed from outside, in a campaign's child process; the bot does not know them.
Names:

    commit [insert inbox] before | after      a transaction that changes rows
    commit [update tasks submitting, …] between   one of its statements is done, the next is not
    create before | early | late | answered   a call; `early` and `late` while it is open
    reader started                            the process that reads the video
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.default import DefaultDialect
from yarl import URL

from bot.media import video_reader

EARLY, LATE = 0.07, 0.22
"""Seconds into a call; campaigns make creates take 0.3 s, and money is taken in the middle."""

_WRITTEN = "tests.crash: written"


class Points:
    """Counts the points that are passed, records their names, and kills the process at a given
    one.
    """

    def __init__(self, journal: Path, die_at: tuple[str, int] | None, die_after: int) -> None:
        self._journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._die_at = die_at
        self._die_after = die_after
        self._seen: Counter[str] = Counter()

    def at(self, name: str) -> None:
        """Pass a point, or kill the process there."""
        self._seen[name] += 1
        os.write(self._journal, f"{name}\n".encode())
        here = (name, self._seen[name])
        if here == self._die_at or self._seen.total() == self._die_after:
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)


def install(journal: Path, *, die_at: list[Any] | None, die_after: int = 0) -> None:
    """From now on this process passes points; `die_at`: a name and how often it has come up."""
    points = Points(journal, None if die_at is None else (die_at[0], die_at[1]), die_after)
    _watch_commits(points)
    _watch_calls(points)
    _watch_readers(points)


def _watch_commits(points: Points) -> None:
    @sa.event.listens_for(Engine, "before_cursor_execute")
    def before(
        connection: Connection, cursor: Any, statement: str, given: Any, context: Any, many: bool
    ) -> None:
        done = connection.info.get(_WRITTEN)
        if done and _changes(context) is not None:
            points.at(f"commit [{', '.join(done)}, …] between")

    @sa.event.listens_for(Engine, "after_cursor_execute")
    def after(
        connection: Connection, cursor: Any, statement: str, given: Any, context: Any, many: bool
    ) -> None:
        change = _changes(context)
        if change is not None:
            done = connection.info.setdefault(_WRITTEN, [])
            if change not in done:
                done.append(change)

    @sa.event.listens_for(Engine, "rollback")
    def undone(connection: Connection) -> None:
        connection.info.pop(_WRITTEN, None)

    commit = DefaultDialect.do_commit

    def do_commit(self: DefaultDialect, connection: Any) -> None:
        done = connection.info.pop(_WRITTEN, None)
        if done:
            points.at(f"commit [{', '.join(done)}] before")
        commit(self, connection)  # type: ignore[no-untyped-call]
        if done:
            points.at(f"commit [{', '.join(done)}] after")

    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]


def _changes(context: Any) -> str | None:
    """What a statement changes, in a few words; None when it only reads."""
    if context is None:
        return None
    if context.isddl:
        return "schema"
    for verb in ("insert", "update", "delete"):
        if getattr(context, f"is{verb}"):
            break
    else:
        return None
    table = context.compiled.statement.table.name
    values = context.compiled_parameters[0] if context.compiled_parameters else {}
    words = [verb, table]
    # Only a SET clause has it without spaces. Its value is named like the column, or "holder".
    if "lease_owner=" in context.statement and values.get("lease_owner", values.get("holder")):
        words.append("lease")
    elif state := values.get("state"):
        words.append(str(state))
    return " ".join(words)


def _watch_calls(points: Points) -> None:
    request = aiohttp.ClientSession._request

    async def _request(self: aiohttp.ClientSession, method: str, url: Any, **more: Any) -> Any:
        name = call_name(self._build_url(url))
        points.at(f"{name} before")
        loop = asyncio.get_running_loop()
        timers = [
            loop.call_later(EARLY, points.at, f"{name} early"),
            loop.call_later(LATE, points.at, f"{name} late"),
        ]
        try:
            answer = await request(self, method, url, **more)
        finally:
            for timer in timers:
                timer.cancel()
        points.at(f"{name} answered")
        return answer

    aiohttp.ClientSession._request = _request  # type: ignore[method-assign,assignment]


def call_name(url: URL) -> str:
    """The emulators' own name of a call."""
    parts = url.path.strip("/").split("/")
    if parts[0] == "file":
        return "fetch photo"
    if parts[0] == "result":
        return "fetch video"
    return parts[-1]


def _watch_readers(points: Points) -> None:
    start = video_reader.Readers._start

    def _start(readers: video_reader.Readers) -> socket.socket:
        line = start(readers)
        points.at("reader started")
        return line

    video_reader.Readers._start = _start  # type: ignore[method-assign,assignment]
