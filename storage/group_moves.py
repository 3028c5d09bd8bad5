"""Move what belongs to a group to the supergroup that it became.

It must not know how the move is noticed.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from bot.core.task import ENDED
from storage.connection import Connection
from storage.people import move_caps
from storage.permits import move_permit
from storage.rows import in_order
from storage.storyboards import IS_OPEN
from storage.tables import (
    films,
    in_states,
    moved_groups,
    outbox,
    photo_requests,
    storyboards,
    tasks,
)

_NEW = sa.bindparam("new", type_=sa.BigInteger)
_OLD = sa.bindparam("old", type_=sa.BigInteger)

_untold = sa.select(outbox.c.task_id).where(outbox.c.chat_id == _OLD)
_of_old = tasks.c.chat_id == _OLD

# Messages have other ids there, so old ones can no longer be edited or replied to.
_MOVES: tuple[tuple[sa.Table, sa.ColumnElement[bool], dict[str, object]], ...] = (
    (
        tasks,
        sa.and_(_of_old, sa.or_(sa.not_(in_states(ENDED)), tasks.c.id.in_(_untold))),
        {"message_id": 0, "card_message_id": None, "card_is_media": False},
    ),
    (outbox, outbox.c.chat_id == _OLD, {"message_thread_id": None, "reply_to": None}),
    (
        films,
        sa.and_(films.c.chat_id == _OLD, films.c.run_at.is_not(None)),
        {"message_thread_id": None, "reply_to": None},
    ),
    (photo_requests, photo_requests.c.chat_id == _OLD, {"message_thread_id": None}),
    (
        storyboards,
        sa.and_(storyboards.c.chat_id == _OLD, IS_OPEN),
        {"message_id": 0, "card_message_id": None, "asked_message_id": None},
    ),
)
_STATEMENTS = tuple(
    sa.update(table).where(in_order(table, which)).values(chat_id=_NEW, **values)
    for table, which, values in _MOVES
)
_REMEMBER = insert(moved_groups).values(old_id=_OLD, new_id=_NEW).on_conflict_do_nothing()
_REMEMBER_EARLIER = (
    sa.update(moved_groups).where(moved_groups.c.new_id == _OLD).values(new_id=_NEW)
)


async def move_group(connection: Connection, old: int, new: int) -> int:
    """Move what is open, and what is not told yet, as part of a transaction; return how many tasks
    that are. Orders of before count for the new id too.
    """
    ids = {"old": old, "new": new}
    moved = [(await connection.execute(statement, ids)).rowcount for statement in _STATEMENTS]
    await connection.execute(_REMEMBER, ids)
    await connection.execute(_REMEMBER_EARLIER, ids)
    await move_permit(connection, old, new)
    await move_caps(connection, old, new)
    return moved[0]
