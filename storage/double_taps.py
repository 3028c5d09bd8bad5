"""Find the card that the first tap of a double tap has opened.

The database decides, so it also works when two processes handle the two presses; the caller holds
a lock while it reads and inserts. It must not know the labels of buttons.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.core.errors import CardOpened
from bot.core.task import Chat, FilmPlace, TaskState
from storage.connection import Connection
from storage.rows import COPIED, chat_values
from storage.tables import callback_actions, in_states, tasks

OPENS_ONCE = timedelta(seconds=30)
"""A second press within this time is a double tap or impatience, not a wish for a second card."""

_PLACE = ("chat_id", "message_thread_id", "business_connection_id")
_ALIKE = [name for name in COPIED if name not in {"user_id", "message_id", "lang"}]


def opened_below(
    source_id: int, user_id: int, values: Mapping[str, Any], film: FilmPlace | None, now: datetime
) -> sa.Select[Any]:
    """Select the draft that a press below this task has just opened and nobody has changed since.

    It has the same `values`; all others are the task's own. A draft that continues a video is
    recognised by its place, since its first frame is a new picture each time.
    """
    below = tasks.alias("below")
    goes_on = film is FilmPlace.AFTER
    alike = [
        tasks.c[name].is_not_distinct_from(values.get(name, below.c[name]))
        for name in ((*_PLACE, "prompt") if goes_on else _ALIKE)
    ]
    if film is None:
        alike.append(tasks.c.film_id.is_(None))
    else:
        place = sa.func.coalesce(below.c.film_place, 1) + 1 if goes_on else below.c.film_place
        alike += [tasks.c.film_id == below.c.film_id, tasks.c.film_place == place]
    return (
        sa.select(tasks)
        .join(callback_actions, callback_actions.c.task_id == tasks.c.id)
        .join(below, below.c.id == callback_actions.c.source_id)
        .where(
            callback_actions.c.source_id == source_id,
            callback_actions.c.at > now - OPENS_ONCE,
            tasks.c.user_id == user_id,
            tasks.c.revision == 0,
            in_states({TaskState.DRAFT}),
            *alike,
        )
        .order_by(tasks.c.id.desc())
        .limit(1)
    )


def continued_in(source_id: int, user_id: int, chat: Chat, now: datetime) -> sa.Select[Any]:
    """Select the draft that has just been opened in this place to continue this video, and has no
    prompt yet."""
    values = {**chat_values(chat), "prompt": None}
    return opened_below(source_id, user_id, values, FilmPlace.AFTER, now)


async def check_not_pressed(
    connection: Connection, task_id: int, source_id: int, now: datetime
) -> None:
    """Raise CardOpened if a press below `source_id` has just opened this draft."""
    pressed = sa.select(callback_actions.c.update_id).where(
        callback_actions.c.task_id == task_id,
        callback_actions.c.source_id == source_id,
        callback_actions.c.at > now - OPENS_ONCE,
    )
    if (await connection.execute(pressed.limit(1))).one_or_none() is not None:
        raise CardOpened
