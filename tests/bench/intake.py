"""`python -m tests.bench.intake`: updates through the inbox, beside aiogram's own polling.

Raw updates go to a handler that writes one row. The inbox keeps each update until it took effect;
aiogram loses them at a stop. Both have the same wire (a session that answers from memory), the
same handler and the same database, SQLite with synchronous=FULL; each run is a process of its own,
in turn. Then 200 updates a second, alone and beside a chat that floods and one that is slow. It
must not know how the inbox works.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.runtime import event_loop
from tests.bench.meters import cpu_seconds, quantile
from tests.bench.report import Goal, bars, publish

OURS, AS_IT_COMES, AWAITED = "ours", "aiogram", "aiogram, filters awaited"
PEOPLE, FLOODER, SLOW = 500, 7_000_001, 7_000_002
PER_SECOND, SLOW_SECONDS = 200, 0.5
TOKEN = "42:bench"


@dataclass
class Feed:
    """What Telegram has: updates by the moment from which it has them; it gives a page of them."""

    due: list[tuple[float, int]]  # seconds from the start, and who writes
    texts: list[str] = field(init=False)  # the updates as JSON, made before the start
    began: float = field(default_factory=time.perf_counter)
    ended: dict[int, float] = field(default_factory=dict)
    all_ended: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.texts = [
            json.dumps(_message(number, user)) for number, (_, user) in enumerate(self.due)
        ]

    async def page(self, offset: int) -> str:
        """Return the updates from `offset` on as a list in JSON, once there is one."""
        while offset < len(self.due):
            wait = self.due[offset][0] - (time.perf_counter() - self.began)
            if wait <= 0:
                break
            await asyncio.sleep(wait)
        else:
            await asyncio.sleep(25)
        now = time.perf_counter() - self.began
        ready = self.due[offset : offset + 100]
        texts = [self.texts[offset + number] for number, (at, _) in enumerate(ready) if at <= now]
        return f"[{','.join(texts)}]"

    def took(self, update_id: int) -> None:
        """Record that the handler of the update has finished."""
        self.ended[update_id] = time.perf_counter() - self.began
        if len(self.ended) == len(self.due):
            self.all_ended.set()

    def waits(self, users: Callable[[int], bool]) -> list[float]:
        """Return the seconds from an update's arrival at Telegram to its handler's end, for the
        measured people.
        """
        return [
            self.ended[number] - at for number, (at, user) in enumerate(self.due) if users(user)
        ]


def _message(number: int, user: int) -> dict[str, Any]:
    return {
        "update_id": number,
        "message": {
            "message_id": number,
            "date": 1_767_268_800,
            "chat": {"id": user, "type": "private", "first_name": "Ann"},
            "from": {"id": user, "is_bot": False, "first_name": "Ann", "language_code": "ru"},
            "text": "A fox runs through the snow at dawn",
        },
    }


def _at_once(count: int) -> list[tuple[float, int]]:
    return [(0.0, number % PEOPLE + 1) for number in range(count)]


def _paced(count: int, disturbance: str = "") -> list[tuple[float, int]]:
    dice, at = random.Random(4), 0.5
    due = []
    for number in range(count):
        at += dice.expovariate(PER_SECOND)
        due.append((at, number % PEOPLE + 1))
    if disturbance == "flood":  # twenty seconds' worth at once, and one every 10 ms after that
        due += [(1.0, FLOODER)] * (20 * PER_SECOND)
    if disturbance == "slow":
        due += [(1.0 + number * 0.05, SLOW) for number in range(8)]
    return sorted(due)


async def carry(which: str, feed: Feed, folder: Path) -> dict[str, float]:
    """Run the whole feed through `which`; return the cost for this process."""
    from aiogram import Bot, Dispatcher, F, Router
    from aiogram.client.session.base import BaseSession
    from aiogram.methods import GetUpdates
    from aiogram.types import Message

    from bot.core.clock import utc_now
    from bot.runtime.health import Health
    from bot.telegram.answer_types import KeepAnswerTypes
    from bot.telegram.inbox import HANDLERS_AT_ONCE, Inbox
    from bot.telegram.polling import Polling
    from handlers.filters import written
    from storage import InboxState, Storage, open_storage

    class Wire(BaseSession):
        async def make_request(
            self,
            bot: Bot,
            method: Any,
            timeout: int | None = None,  # noqa: ASYNC109 - as the session that it stands for
        ) -> Any:
            result = "true"
            if isinstance(method, GetUpdates):
                result = await feed.page(method.offset or 0)
            elif method.__api_method__ == "getMe":
                me = {"id": 42, "is_bot": True, "first_name": "B", "username": "bench_bot"}
                result = json.dumps(me)
            text = f'{{"ok":true,"result":{result}}}'
            return self.check_response(bot, method, 200, text).result

        async def close(self) -> None: ...

        async def stream_content(self, *args: Any, **more: Any) -> AsyncGenerator[bytes, None]:
            raise NotImplementedError
            yield b""

    async def handler(message: Message, storage: Storage) -> None:
        assert message.from_user
        if message.chat.id == SLOW:
            await asyncio.sleep(SLOW_SECONDS)
        name = message.from_user.full_name
        await storage.users.see(message.from_user.id, lang="ru", name=name, now=utc_now())
        feed.took(message.message_id)

    router = Router()
    router.message.register(handler, F.text if which == AS_IT_COMES else written)
    dispatcher = Dispatcher(disable_fsm=True)
    dispatcher.include_router(router)
    bot = Bot(TOKEN, session=Wire())
    url = f"sqlite+aiosqlite:///{folder / 'context.db'}"
    async with AsyncExitStack() as stack:
        storage = await stack.enter_async_context(open_storage(url))
        dispatcher["storage"] = storage
        if which == OURS:
            bot.session.middleware(KeepAnswerTypes())  # as bot.telegram.client does
            gc.freeze()  # the imports above, as bot.runtime.event_loop does
        cpu, feed.began = cpu_seconds(), time.perf_counter()
        if which == OURS:
            inbox = Inbox(bot, dispatcher, storage, clock=utc_now, owner="bench")
            polling = Polling(
                bot,
                inbox.take,
                clock=utc_now,
                health=Health(storage.database.writable),
                allowed_updates=["message"],
            )
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(polling.run())
                group.create_task(inbox.run())
                await feed.all_ended.wait()
                inbox.stop()
                reading.cancel()
            counts = await storage.inbox.counts()
            assert counts[InboxState.DONE] == len(feed.due), counts
        else:
            async with asyncio.TaskGroup() as group:
                running = group.create_task(
                    dispatcher.start_polling(
                        bot,
                        handle_signals=False,
                        allowed_updates=["message"],
                        tasks_concurrency_limit=HANDLERS_AT_ONCE,
                    )
                )
                await feed.all_ended.wait()
                running.cancel()
        wall = time.perf_counter() - feed.began
        cpu = cpu_seconds() - cpu
    people = feed.waits(lambda user: user <= PEOPLE)
    return {
        "cpu_us": cpu / len(feed.due) * 1e6,
        "wall_us": wall / len(feed.due) * 1e6,
        "p50_ms": quantile(people, 0.5) * 1e3,
        "p99_ms": quantile(people, 0.99) * 1e3,
    }


def _child(which: str, load: str, count: int) -> None:
    logging.disable(logging.INFO)
    if which == OURS:
        from bot.runtime.lazy_aiogram import import_aiogram

        import_aiogram()
    due = _at_once(count) if load == "at once" else _paced(count, load)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(event_loop.run(_started(which, due, Path(folder)))))


async def _started(which: str, due: list[tuple[float, int]], folder: Path) -> dict[str, float]:
    return await carry(which, Feed(due), folder)


async def run(which: str, load: str, count: int) -> dict[str, float]:
    """The same in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.bench.intake", "--child", which, load, str(count)),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    costs: dict[str, float] = json.loads(said)
    return costs


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(costs[name] for costs in runs) for name in runs[0]}


async def measure(rounds: int, count: int) -> Iterator[dict[str, object]]:
    """The rows of the table."""
    contenders = (OURS, AS_IT_COMES, AWAITED)
    costs: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name in contenders:
            costs[name].append(await run(name, "at once", count))
    medians = {name: _medians(all_) for name, all_ in costs.items()}
    paced = {
        what: _medians([await run(OURS, load, PER_SECOND * 10) for _ in range(rounds)])
        for what, load in (
            ("ours, 200/s", "paced"),
            ("ours, 200/s beside a flood", "flood"),
            ("ours, 200/s beside a slow chat", "slow"),
        )
    }
    reference = medians[AS_IT_COMES]
    rows: list[dict[str, object]] = [
        {
            "what": name,
            "updates_per_s": round(1e6 / cost["wall_us"]),
            "cpu_us": round(cost["cpu_us"]),
            "times_the_updates_per_s": round(reference["wall_us"] / cost["wall_us"], 2),
            "times_the_updates_per_cpu_s": round(reference["cpu_us"] / cost["cpu_us"], 2),
        }
        for name, cost in medians.items()
    ]
    rows += [
        {"what": what, "p50_ms": round(cost["p50_ms"], 1), "p99_ms": round(cost["p99_ms"], 1)}
        for what, cost in paced.items()
    ]
    return iter(rows)


def main() -> None:
    """Measures and tells."""
    parser = argparse.ArgumentParser(
        prog="tests.bench.intake", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=1_500)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        which, load, count = args.child
        return _child(which, load, int(count))
    rows = list(asyncio.run(measure(args.rounds, args.updates)))
    known = {str(row["what"]): row for row in rows}
    ours = known[OURS]
    publish(
        "intake",
        rows,
        goals=[
            Goal("updates/s, times aiogram's own polling",
                 float(str(ours["times_the_updates_per_s"])), 1.5, least=True),
            Goal("updates per CPU second, times aiogram's own polling",
                 float(str(ours["times_the_updates_per_cpu_s"])), 2, least=True),
            *(
                Goal(f"p99 of {what}", float(str(row["p99_ms"])), 50, " ms")
                for what, row in known.items()
                if "p99_ms" in row
            ),
        ],
        picture=bars(
            "µs of CPU an update, to a handler with one write",
            {name: float(str(known[name]["cpu_us"])) for name in (OURS, AS_IT_COMES, AWAITED)},
        ),
        rounds=args.rounds,
        updates=args.updates,
    )  # fmt: skip
    return None


if __name__ == "__main__":
    main()
