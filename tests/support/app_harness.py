"""The whole bot in the test's own event loop, between the two emulators, on a clock that tests
move.

Composed by bot.wiring.build, over real HTTP and a real SQLite file; only waiting costs nothing.
Results are read from the emulators' records and from the database through another connection.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from aiogram import Bot
from aiogram.client.session.middlewares.base import BaseRequestMiddleware

from bot.core.access import Admins
from bot.core.errors import StorageUnavailable
from bot.core.task import AspectRatio, Task, TaskState
from bot.core.task import Chat as TaskChat
from bot.jobs import clock_watch
from bot.jobs.delivery import Prepare
from bot.media import video_reader
from bot.media.download import Downloader
from bot.provider.client import CONNECTIONS, Gptunnel
from bot.provider.storyteller import Storyteller
from bot.provider.transport import transport
from bot.runtime import idle
from bot.sandbox.faults import Fault
from bot.sandbox.gptunnel.records import Call as ProviderCall
from bot.sandbox.gptunnel.server import GptunnelEmulator
from bot.sandbox.telegram.calls import Call
from bot.sandbox.telegram.emulator import TelegramEmulator
from bot.sandbox.telegram.people import Person
from bot.sandbox.telegram.state import Chat, Json
from bot.settings import Settings, read_settings
from bot.telegram import client as telegram_client
from bot.telegram.rate_limits import RateLimiter
from bot.wiring import Edges, Parts, build, connect_storyteller
from storage import Cluster, Database, Storage, due
from storage.connection import Connection
from tests.support import canaries
from tests.support.outages import ProviderLine
from tests.support.process_harness import KEY, TOKEN, free_port
from tests.support.shared_caches import kept_routers
from tests.support.virtual_clock import MovedTime

PRICE = 17
DELAY = 2.5
"""Seconds that a video takes: it is ready at the first question."""
LOOKS = 600.0
"""Seconds between two looks of a loop that nothing woke. Tests let days pass, and the writes of a
process wake its loops in any case."""
QUIET_ROUNDS = 25
"""Rounds of the loop without open work: longer than the gaps of any exchange on loopback."""
REAL_SECONDS = 60.0
SHORT_WAIT, LONG_WAIT = 0.0005, 0.01
"""Seconds from one look at open work to the next: what takes longer is looked at less often."""


class WatchedDatabase(Database):
    """A database that knows whether its connection is in use, and can be made to fail."""

    open_now = 0
    fails: Callable[[], bool] = staticmethod(lambda: False)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        self.open_now += 1
        try:
            if self.fails():
                raise StorageUnavailable("disk I/O error")
            async with super()._connection() as connection:
                yield connection
        finally:
            self.open_now -= 1


class _InHand(BaseRequestMiddleware):
    """Counts calls on the network, after all waits of the program."""

    def __init__(self) -> None:
        self.calls = 0
        self.polls = 0

    async def __call__(self, make_request: Any, bot: Bot, method: Any) -> Any:
        if method.__api_method__ == "getUpdates":
            self.polls += 1
            try:
                return await make_request(bot, method)
            finally:
                self.polls -= 1
        self.calls += 1
        try:
            return await make_request(bot, method)
        finally:
            self.calls -= 1


@dataclass
class AppHarness:
    """A running bot. Only `until` and `pass_` advance the time."""

    telegram: TelegramEmulator
    provider: GptunnelEmulator
    storage: Storage
    database: WatchedDatabase
    time: MovedTime
    parts: Parts
    path: Path
    books: sqlite3.Connection
    wire: _InHand
    line: ProviderLine
    workers: list[Process]
    threads: list[int] = field(default_factory=lambda: [0])
    running: list[asyncio.Task[None]] = field(default_factory=list)

    def start_workers(self) -> None:
        """Start the other processes, each of which works on the same database."""
        for process in self.workers:
            self.run(process.parts.worker, process.parts.notices, process.parts.progress)

    def run(self, *parts: Any) -> None:
        """Run parts of the program until the end of the test."""
        self.running += [
            asyncio.create_task(part.run(), name=type(part).__name__)  # noqa: TID251
            for part in parts
        ]

    # --- time --------------------------------------------------------------------------------

    async def until(self, condition: Callable[[], object], *, within: float = 3600.0) -> None:
        """Let the program work and the time pass until the condition holds."""
        end = self.time.elapsed + within
        try:
            async with asyncio.timeout(REAL_SECONDS):
                while not condition():
                    await self._quiet(condition)
                    if condition():
                        return
                    if not await self._move(end):
                        raise AssertionError(f"not within {within:.0f} s: {self._how_it_is()}")
        except TimeoutError:
            raise AssertionError(f"the program hangs: {self._how_it_is()}") from None

    async def pass_(self, seconds: float) -> None:
        """Let so much time pass, and let the program do what is due in it."""
        end = self.time.elapsed + seconds
        async with asyncio.timeout(REAL_SECONDS):
            await self._quiet()
            while await self._move(end):
                await self._quiet()
            self.time.move_to(end)
            await self._quiet()

    async def settle(self) -> None:
        """Let the program do what needs no waiting."""
        await self.pass_(0)

    async def _quiet(self, condition: Callable[[], object] = lambda: False) -> None:
        rounds, wait = 0, SHORT_WAIT
        while rounds < QUIET_ROUNDS:
            for task in self.running:
                if task.done() and not task.cancelled():
                    task.result()
                    raise AssertionError(f"{task.get_name()} ended by itself")
            if self._in_hand():
                if condition():
                    return
                rounds = 0
                await asyncio.sleep(wait)
                wait = min(wait * 1.2, LONG_WAIT)
            else:
                rounds, wait = rounds + 1, SHORT_WAIT
                await asyncio.sleep(0)

    def _in_hand(self) -> bool:
        """Whether something is under way that only real time finishes."""
        return bool(
            self.database.open_now
            or self.wire.calls
            or any(one.database.open_now or one.wire.calls for one in self.workers)
            or self.threads[0]
            or any(c.ended is None for c in self.telegram.calls[-50:] if c.method != "getUpdates")
            or any(
                not task.work.done() for task in islice(reversed(self.provider.tasks.values()), 50)
            )
            or (self.telegram.world.pending and self.wire.polls)
        )

    async def _move(self, end: float) -> bool:
        """Advance to the next moment at which something is due, if it is not after `end`."""
        due = self.time.next()
        if due is None or due > end:
            return False
        self.time.move_to(due)
        return True

    def _how_it_is(self) -> object:
        return self.states(), self.words_in_all_chats()

    # --- people ------------------------------------------------------------------------------

    def person(self, language_code: str = "en", name: str = "Anna") -> Person:
        return self.telegram.add_person(name, language_code=language_code)

    async def card(
        self, person: Person, prompt: str = "a red fox", chat: Chat | None = None
    ) -> Json:
        """Write the prompt; return the card."""
        place = chat or person.chat
        words = f"@{self.telegram.world.bot['username']} {prompt}" if chat else prompt
        said = await person.send_text(words, chat=place)
        return await self.find(place, lambda m: _replies_to(m, said) and "9:16" in _buttons(m))

    async def order(
        self, person: Person, prompt: str = "a red fox", chat: Chat | None = None
    ) -> int:
        """Prompt, card, press; return the number of the ordered task."""
        card = await self.card(person, prompt, chat)
        before = self.states()
        await person.press(card, "9:16")
        await self.until(lambda: self.states() != before)
        return int(self.rows("SELECT max(id) FROM tasks WHERE confirmed_by IS NOT NULL")[0][0])

    async def find(self, chat: Chat, wanted: Callable[[Json], object]) -> Json:
        """Return the first message in the chat that is `wanted`, once there is one."""
        found: list[Json] = []

        def look() -> bool:
            found[:] = [message for message in chat.messages.values() if wanted(message)]
            return bool(found)

        await self.until(look)
        return found[0]

    async def reads(self, chat: Chat, words: str, *, within: float = 3600.0) -> None:
        """Wait until a message of the bot in the chat has exactly this text."""
        await self.until(lambda: words in self.words(chat), within=within)

    def words(self, chat: Chat) -> list[str]:
        """What the bot's messages in the chat say now."""
        bot = self.telegram.world.bot["id"]
        return [
            str(m.get("text") or m.get("caption") or "")
            for m in chat.messages.values()
            if m["from"]["id"] == bot
        ]

    def words_in_all_chats(self) -> dict[int, list[str]]:
        return {chat.id: self.words(chat) for chat in self.telegram.world.chats.values()}

    def videos(self, chat: Chat) -> list[Json]:
        """The videos in the chat."""
        return [m for m in chat.messages.values() if "video" in m]

    # --- books -------------------------------------------------------------------------------

    def asked(self, name: str) -> list[ProviderCall]:
        """The calls of the provider by their name: create, result, download."""
        calls = [call for call in self.provider.calls if call.name == name]
        return [call for call in calls if call.is_order] if name == "create" else calls

    def sent(self, method: str, **params: Any) -> list[Call]:
        """The calls of the Bot API."""
        return self.telegram.calls_of(method, **params)

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """What is committed, seen through another connection."""
        return self.books.execute(sql, values).fetchall()

    def task(self, task_id: int = 1) -> dict[str, Any]:
        found = self.books.execute("SELECT * FROM tasks WHERE id = ?", (task_id,))
        names = [column[0] for column in found.description]
        return dict(zip(names, found.fetchone(), strict=True))

    def as_task(self, task_id: int = 1) -> Task:
        """As the program's own words are made from it."""
        row = self.task(task_id)
        return Task(
            id=task_id,
            user_id=row["user_id"],
            chat=TaskChat(chat_id=row["chat_id"]),
            message_id=row["message_id"],
            lang=row["lang"],
            model=row["model"],
            price=Decimal(row["price_kopecks"]) / 100,
            state=TaskState(row["state"]),
            run_at=self.time(),
            created_at=self.time(),
            prompt=row["prompt"],
            aspect_ratio=row["aspect_ratio"] and AspectRatio(row["aspect_ratio"]),
        )

    def state(self, task_id: int = 1) -> str:
        found = self.rows("SELECT state FROM tasks WHERE id = ?", task_id)
        return str(found[0][0]) if found else ""

    def states(self) -> list[str]:
        return [state for (state,) in self.rows("SELECT state FROM tasks ORDER BY id")]

    async def ended(self, state: str, task_id: int = 1, *, within: float = 3600.0) -> None:
        """Wait until the task is in this state and nothing waits to be sent or shown."""
        await self.until(lambda: self.state(task_id) == state, within=within)
        await self.until(
            lambda: not self.rows("SELECT 1 FROM outbox WHERE waits_for IS NULL"), within=within
        )
        await self.settle()

    # --- faults ------------------------------------------------------------------------------

    def spoil(self, fault: Fault, on: str | None = None) -> None:
        """Switches a fault of the provider on."""
        self.provider.faults.add(fault.model_copy(update={"on": on} if on else {}))

    def refuse(self, fault: Fault, on: str) -> None:
        """Switches a fault of Telegram on, for one of its methods."""
        self.telegram.faults.add(fault.model_copy(update={"on": on}))


def _replies_to(message: Json, said: Json) -> bool:
    reply: Json = message.get("reply_to_message", {})
    return bool(reply.get("message_id") == said["message_id"])


def _buttons(message: Json) -> list[str]:
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return [button["text"] for row in rows for button in row]


def count_threads() -> list[int]:
    """How many calls this loop has given to threads and not got back."""
    loop, count = asyncio.get_running_loop(), [0]
    hand_over = loop.run_in_executor

    def counted(executor: Any, func: Any, *args: Any) -> Any:
        future = hand_over(executor, func, *args)
        count[0] += 1
        future.add_done_callback(lambda _: count.__setitem__(0, count[0] - 1))
        return future

    loop.run_in_executor = counted  # type: ignore[method-assign, assignment]
    return count


def quick_prepare(clip: bytes) -> Callable[[BinaryIO], Awaitable[video_reader.Video]]:
    """Return a reader that knows one clip, for tests that are not about reading videos."""

    async def prepare(file: BinaryIO) -> video_reader.Video:
        file.seek(0)
        if file.read() != clip:
            raise video_reader.NotAVideo("not the clip")
        file.seek(0)
        info = video_reader.VideoInfo(width=64, height=96, duration=1, has_audio=False)
        return video_reader.Video(file=file, size=len(clip), info=info, thumbnail=b"")

    return prepare


@asynccontextmanager
async def open_app_harness(
    folder: Path,
    empty_database: Path,
    clip: bytes,
    *,
    provider_seconds: float = 10.0,
    telegram_seconds: float = 10.0,
    download: Downloader | None = None,
    read_videos: bool = False,
    provider_starts: bool = True,
    lease: timedelta | None = timedelta(days=3),
    busy_timeout: float = 5.0,
    workers: int = 0,
    at_once: int | None = None,
    looks: float = LOOKS,
    **settings: Any,
) -> AsyncIterator[AppHarness]:
    """Open a running bot, after its first getUpdates.

    With `workers` it only takes orders; so many other processes, with `at_once` tasks each, make
    the videos after they are started. Without `provider_starts` nothing listens at
    `provider.origin` yet. `lease`: the lease of the worker, so long that heartbeats do not divide
    a day; None: unchanged. `looks`: seconds between two looks of a loop that nothing woke.
    """
    routers, monkeypatch = ExitStack(), pytest.MonkeyPatch()
    routers.enter_context(kept_routers())
    monkeypatch.setattr(idle, "LOOK_SECONDS", looks)
    monkeypatch.setattr(due, "VALID", timedelta(seconds=looks))
    if looks == LOOKS:  # the wall clock does not jump
        monkeypatch.setattr(clock_watch, "LOOK_SECONDS", looks)
    path = folder / "bot.db"
    shutil.copy(empty_database, path)
    time, threads = MovedTime(), count_threads()
    provider = GptunnelEmulator(
        api_key=KEY, delay=DELAY, clock=time.unix, renderer=lambda _scene: clip
    )
    if provider_starts:
        await provider.start()
    else:
        provider.origin = f"http://127.0.0.1:{free_port()}"
    emulator = TelegramEmulator(token=TOKEN, clock=time.unix)
    await emulator.start()
    port = free_port()
    known = read_settings(
        _env_file=None,
        **{
            "bot_token": TOKEN,
            "gptunnel_api_key": KEY,
            "gptunnel_base_url": provider.base_url,
            "telegram_api_url": emulator.url,
            "database_url": f"sqlite+aiosqlite:///{path}",
            "http_port": port,
            "public_url": f"http://127.0.0.1:{port}",
            "allow_private_result_hosts": True,
            "access": "open",
            "show_prices": "always",
            **settings,
        },
    )
    line = ProviderLine(time, threads)
    compose = partial(
        _compose,
        known,
        time,
        line,
        threads,
        download=download or Downloader(allow_private=True),
        prepare=video_reader.prepare if read_videos else quick_prepare(clip),
        lease=lease,
        busy_timeout=busy_timeout,
        provider_seconds=provider_seconds,
        telegram_seconds=telegram_seconds,
    )
    first = await compose(Cluster())
    others = [await compose(first.storage.cluster, at_once=at_once) for _ in range(workers)]
    books = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
    parts = first.parts
    harness = AppHarness(
        emulator, provider, first.storage, first.database, time, parts, path, books, first.wire,
        line, others, threads,
    )  # fmt: skip
    last_frame = video_reader.last_frame
    video_reader.last_frame = _counted(last_frame, threads)
    try:
        await parts.server.start()
        harness.run(
            parts.inbox, parts.notices, parts.polling, parts.progress, parts.probe,
            parts.doubts, parts.admin_list, parts.films, parts.clock_watch,
        )  # fmt: skip
        if not workers:
            harness.run(parts.worker)
        with canaries.leaks_in_log() as said:
            yield harness
        said += canaries.leaks_to_telegram(emulator)
        said += canaries.leaks_to_provider(provider)
        said += canaries.leaks_on_disk(folder)
        assert said == [], "a secret went where it must not go"
    finally:
        video_reader.last_frame = last_frame
        for task in harness.running:
            task.cancel()
        await asyncio.gather(*harness.running, return_exceptions=True)
        await parts.server.stop()
        books.close()
        for process in (first, *others):
            await process.close()
        routers.close()
        await emulator.stop()
        await provider.stop()
        monkeypatch.undo()


@dataclass(frozen=True)
class Process:
    """The parts of one process, with its own connections."""

    parts: Parts
    storage: Storage
    database: WatchedDatabase
    client: Gptunnel
    bot: Bot
    wire: _InHand
    storyteller: Storyteller | None = None

    async def close(self) -> None:
        if self.storyteller is not None:
            await self.storyteller.close()
        await self.client.close()
        await self.bot.session.close()
        await self.database.close()


async def _compose(
    settings: Settings,
    time: MovedTime,
    line: ProviderLine,
    threads: list[int],
    cluster: Cluster,
    *,
    download: Downloader,
    prepare: Prepare,
    lease: timedelta | None,
    busy_timeout: float,
    provider_seconds: float,
    telegram_seconds: float,
    at_once: int | None = None,
) -> Process:
    """Compose one process; those with the same `cluster` wake each other."""
    pace, wire = RateLimiter(time.monotonic), _InHand()
    bot = telegram_client.connect(
        settings.bot_token,
        settings.telegram_api_url,
        pace,
        seconds=telegram_seconds,
        sleep=time.sleep,
    )
    bot.session.middleware(wire)
    client = Gptunnel(
        settings.gptunnel_base_url,
        KEY,
        asking=line.over(transport(limit=CONNECTIONS)),
        ordering=line.over(transport(limit=CONNECTIONS, force_close=True)),
        create_seconds=provider_seconds,
        ask_seconds=provider_seconds,
    )
    for name in ("create", "result", "probe", "balance"):
        setattr(client, name, _counted(getattr(client, name), threads))
    database = await WatchedDatabase.open(settings.database_url, busy_timeout=busy_timeout)
    assert isinstance(database, WatchedDatabase)
    await _without_fsync(database)
    storage = replace(Storage.over(database), cluster=cluster)
    storyteller = connect_storyteller(settings)
    if storyteller is not None:
        storyteller.tell = _counted(storyteller.tell, threads)  # type: ignore[method-assign]
    edges = Edges(
        bot=bot,
        pace=pace,
        provider=client,
        fetch=_counted(download, threads),
        prepare=_counted(prepare, threads),
        join=_counted(video_reader.join, threads),
        clock=time,
        steady=time.steady,
        wait=time.wait,
        sleep=time.sleep,
        lease=lease,
        admins=Admins(settings.admins),
        storyteller=storyteller,
    )
    parts = build(settings, storage, edges)
    if at_once is not None:
        parts.worker._at_once = at_once  # or the process that is first claims everything
    return Process(parts, storage, database, client, bot, wire, storyteller)


async def _without_fsync(database: Database) -> None:
    """Switch fsync off: no test cuts the power."""
    async with database._connection() as connection:
        await connection.outside("PRAGMA synchronous = OFF")


def _counted(call: Callable[..., Awaitable[Any]], count: list[int]) -> Any:
    """Return the call, counted as open work while it runs."""

    async def counted(*args: Any, **kwargs: Any) -> Any:
        count[0] += 1
        try:
            return await call(*args, **kwargs)
        finally:
            count[0] -= 1

    return counted


OpenAppHarness = partial[Any]
"""`open_app_harness` with the template of this session; its keywords remain."""
