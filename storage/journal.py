"""One line in the log for each thing that happened to an order, money or access, after its commit.

The line is noted where the row is written, so that every way to the same change tells it once, and
a transaction that is rolled back tells nothing. Numbers and names of models; never what people
wrote.
"""

from __future__ import annotations

import logging
from datetime import datetime
from decimal import Decimal

from bot.core.task import Task, TaskState
from storage.connection import Connection

logger = logging.getLogger(__name__)

FIELDS = ("task", "user", "model", "roubles", "stars", "seconds", "reason", "act", "subject")
"""What a line has as separate fields, each of one type: whole numbers, except `roubles` and
`seconds`, which are decimals, and text in `model`, `reason` and `act`."""


def note(
    connection: Connection,
    message: str,
    *,
    task: int | None = None,
    user: int | None = None,
    model: str | None = None,
    roubles: Decimal | None = None,
    stars: int | None = None,
    seconds: float | None = None,
    reason: str | None = None,
    act: str | None = None,
    subject: int | None = None,
) -> None:
    """Log one line at INFO when this transaction was committed."""
    fields = {
        "task": task, "user": user, "model": model, "stars": stars, "reason": reason, "act": act,
        "subject": subject,
        "roubles": None if roubles is None else float(roubles),
        "seconds": None if seconds is None else round(float(seconds), 3),
    }  # fmt: skip
    known = {name: value for name, value in fields.items() if value is not None}
    connection.after_commit(lambda: logger.info("%s", message, extra={"journal": known}))


def note_state(connection: Connection, task: Task, now: datetime) -> None:
    """Note what happened to an order: accepted, delivered or failed."""
    seconds = (now - (task.confirmed_at or task.created_at)).total_seconds()
    reason = None
    match task.state:
        case TaskState.GENERATING:
            what = f"accepted as {task.provider_id} after {seconds:.1f} s"
        case TaskState.DELIVERED:
            what = f"delivered after {seconds:.1f} s"
        case TaskState.FAILED:
            reason = task.reason.value if task.reason else None
            what = f"failed after {seconds:.1f} s: {reason or 'no reason'}"
        case _:
            return
    note(
        connection,
        f"task {task.id}: {what}",
        task=task.id,
        user=task.user_id,
        model=task.model,
        roubles=task.price,
        seconds=seconds,
        reason=reason,
    )
