"""Open tasks and the real worker that asks about them: what the benchmarks of asking share.

    python -m tests.bench.watching      a provider whose every job goes on and on

Rows are written as they would stand after their create; from there on all is the program's own:
claim, lease, timer, Watch, and whatever client is handed in.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa

from bot import loop, metrics
from bot.clock import Wait, utc_now
from bot.gptunnel import Gptunnel
from bot.health import Health
from bot.progress import Progress
from bot.steps import Steps
from bot.steps.bench import Bench
from bot.steps.deliver import Deliver
from bot.steps.submit import Submit
from bot.steps.watch import Watch
from bot.task import AspectRatio, Chat, Task, TaskState
from bot.worker import Worker
from storage import Storage, open_storage
from storage.rows import values_of
from storage.tables import durations, tasks
from tests.bench.server import listen, until_told

MODEL = "seedance-1-lite-480P-5s"
STEP = 3.0
"""Seconds between two questions about a task."""


def pending(method: str, target: str, body: bytes) -> bytes:
    """What GPTunnel says of a video that is being made (docs/provider.md: result)."""
    answer = {
        "code": 0,
        "id": target.rpartition("=")[2],
        "object": "task",
        "model": MODEL,
        "prompt": "A cat on the moon, filmed from a balloon --ar 9:16",
        "status": "running",
        "url": None,
    }
    return json.dumps(answer).encode()


async def fill(
    storage: Storage, count: int, step: float = STEP, *, together: bool = False
) -> None:
    """`count` tasks at the provider, each of a chat of its own and with a status message, and a
    law by which each is asked about every `step` seconds: one after the other, as they were
    accepted, or all `together`.
    """
    now = utc_now()
    waiting = Task(
        id=0,
        user_id=1,
        chat=Chat(chat_id=1),
        message_id=1,
        lang="en",
        model=MODEL,
        price=Decimal(17),
        state=TaskState.GENERATING,
        run_at=now,
        created_at=now,
        prompt="A cat on the moon, filmed from a balloon",
        aspect_ratio=AspectRatio.TALL,
        confirmed_at=now,
        submitted_at=now,
        accepted_at=now,
        deadline_at=now + timedelta(hours=1),
    )
    rows = [
        values_of(waiting)
        | {
            "id": number,
            "chat_id": number,
            "card_message_id": number,
            "provider_id": f"{number:024x}",
            "accepted_at": now - timedelta(seconds=0 if together else step * number / count),
        }
        for number in range(1, count + 1)
    ]
    law = [step, step * 9, step * 9, step * 9, 4000.0] * 40
    async with storage.database.transaction() as connection:
        await connection.execute(sa.insert(tasks), rows)
        await connection.execute(
            sa.insert(durations),
            [
                {"model": MODEL, "low_seconds": d, "high_seconds": d, "recorded_at": now}
                for d in law
            ],
        )


@asynccontextmanager
async def working(
    folder: Path, provider: Gptunnel, count: int, wait: Wait
) -> AsyncIterator[Worker]:
    """A worker that carries `count` open tasks, until this is left."""
    async with open_storage(f"sqlite+aiosqlite:///{folder / 'bench.db'}") as storage:
        await fill(storage, count)
        nobody = cast(Any, None)
        bench = Bench(storage, Progress(nobody, clock=utc_now), clock=utc_now, wait=wait)
        steps = Steps(
            bench,
            Submit(bench, provider, nobody, deadline=timedelta(hours=1)),
            Watch(bench, provider),
            Deliver(bench, provider, nobody),
        )
        worker = Worker(
            storage,
            steps,
            clock=utc_now,
            health=Health(storage.database.writable),
            owner="bench",
            places=None,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(worker.run())
            try:
                yield worker
            finally:
                worker.stop()


def answered() -> float:
    """How many answers about jobs the program has understood so far."""
    labels = {"call": "result", "outcome": "ok"}
    return metrics.REGISTRY.get_sample_value("bot_provider_calls_total", labels) or 0.0


if __name__ == "__main__":
    loop.run(until_told(listen(pending)))
