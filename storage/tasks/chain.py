"""The parts of a film that was ordered as a whole: what happens when one of them ends.

Every change of a part calls it in the same commit, so that no kill comes between. It
must not know why a part ended, nor how people are told.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from bot.core.task import Task, TaskState
from storage.connection import Connection
from storage.films import want
from storage.rows import NOW, UNLEASED, task_from
from storage.tables import in_states, tasks

S = TaskState

_STOPS = frozenset({S.CANCELLED, S.FAILED, S.UNKNOWN, S.UNDELIVERABLE})
"""States of a part after which no other part of the order begins by itself."""

_of_order = tasks.c.storyboard_id == sa.bindparam("board")
_STOP = (
    sa.update(tasks)
    .where(_of_order, in_states({S.DRAFT, S.QUEUED}))
    .values(
        state=S.CANCELLED, ended_at=NOW, attempts=0, claims=0, fence=tasks.c.fence + 1,
        **UNLEASED,
    )
    .returning(*tasks.c)
)  # fmt: skip
_LOCK = sa.select(tasks.c.id).where(_of_order).order_by(tasks.c.film_place).with_for_update()
_BEGIN_NEXT = (
    sa.update(tasks)
    .where(_of_order, tasks.c.film_place == sa.bindparam("next_place"), in_states({S.DRAFT}))
    .values(state=S.QUEUED, run_at=NOW, confirmed_at=NOW)
    .returning(*tasks.c)
)


async def follow(connection: Connection, task: Task, now: datetime) -> list[Task]:
    """Continue the film of a task that has just changed its state; return the tasks that were
    changed with it.

    A delivered part queues the next one, which starts from its last frame; after the last one
    the whole film is requested. A part without a video cancels those that wait for it.
    """
    if task.storyboard_id is None:
        return []
    if task.state in _STOPS:
        return await stop(connection, task.storyboard_id, now)
    if task.state is not S.DELIVERED:
        return []
    if task.video_file_id is None:  # sent as a link: its last frame cannot be fetched
        return await stop(connection, task.storyboard_id, now)
    if task.parts_after:
        return await _begin_next(connection, task, now)
    if task.film_id is not None:
        await want(
            connection, task.film_id, chat=task.video_chat, lang=task.lang,
            reply_to=task.video_reply_to, now=now,
        )  # fmt: skip
    return []


async def lock(connection: Connection, storyboard_id: int) -> None:
    """Lock all parts of a film in the order of their places. A worker that holds one part locks
    later ones next; one UPDATE of all parts would lock them in any order, and the two could wait
    for each other."""
    await connection.execute(_LOCK, {"board": storyboard_id})


async def stop(connection: Connection, storyboard_id: int, now: datetime) -> list[Task]:
    """Cancel the parts that the provider was not asked for yet; return them."""
    rows = await connection.execute(_STOP, {"board": storyboard_id, "now": now})
    return sorted((task_from(row) for row in rows.all()), key=lambda task: task.id)


async def _begin_next(connection: Connection, task: Task, now: datetime) -> list[Task]:
    """Queue the part after this one; the status message of the film then shows it."""
    next_part = {"board": task.storyboard_id, "next_place": (task.film_place or 0) + 1}
    rows = await connection.execute(
        _BEGIN_NEXT,
        {
            **next_part,
            "now": now,
            "frame_file_id": task.video_file_id,
            "frame_kind": "video",
            "card_message_id": task.card_message_id,
            "card_is_media": task.card_is_media,
        },
    )
    return [task_from(row) for row in rows.all()]
