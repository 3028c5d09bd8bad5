"""Open tasks and the real worker that polls them, shared by the benchmarks of polling.

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

from bot.core.clock import Wait, utc_now
from bot.core.task import AspectRatio, Chat, Task, TaskState
from bot.jobs.progress import Progress
from bot.jobs.steps import Steps
from bot.jobs.steps.context import StepContext
from bot.jobs.steps.deliver import Deliver
from bot.jobs.steps.submit import Submit
from bot.jobs.steps.watch import Watch
from bot.jobs.worker import Worker
from bot.provider.client import Gptunnel
from bot.runtime import event_loop, metrics
from bot.runtime.health import Health
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
    storage: Storage, count: int, step: float = STEP, *, supervise: bool = False
) -> None:
    """Store `count` tasks at the provider, each in a chat of its own with a status message.

    The stored durations let each be polled every `step` seconds, one after the other as they were
    accepted; with `supervise` all were accepted at this moment.
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
            "accepted_at": now - timedelta(seconds=0 if supervise else step * number / count),
        }
        for number in range(1, count + 1)
    ]
    distribution = [step, step * 9, step * 9, step * 9, 4000.0] * 40
    async with storage.database.transaction() as connection:
        await connection.execute(sa.insert(tasks), rows)
        await connection.execute(
            sa.insert(durations),
            [
                {"model": MODEL, "low_seconds": d, "high_seconds": d, "recorded_at": now}
                for d in distribution
            ],
        )


@asynccontextmanager
async def working(
    folder: Path, provider: Gptunnel, count: int, wait: Wait
) -> AsyncIterator[Worker]:
    """A worker that carries `count` open tasks, until this is left."""
    async with open_storage(f"sqlite+aiosqlite:///{folder / 'context.db'}") as storage:
        await fill(storage, count)
        nobody = cast(Any, None)
        context = StepContext(storage, Progress(nobody, clock=utc_now), clock=utc_now, wait=wait)
        steps = Steps(
            context,
            Submit(context, provider, nobody, deadline=timedelta(hours=1)),
            Watch(context, provider),
            Deliver(context, provider, nobody),
        )
        worker = Worker(
            storage,
            steps,
            clock=utc_now,
            health=Health(storage.database.writable),
            owner="bench",
            slots=None,
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
    event_loop.run(until_told(listen(pending)))
