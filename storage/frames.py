"""First frames under unguessable links, stored while they may still be fetched.

It must not know picture formats; `jpeg` is bytes.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from bot.core.task import Task
from storage.engine import Database
from storage.rows import NOW, in_order
from storage.tables import frames, in_states, tasks
from storage.tasks.leases import NEEDS_FRAME

_new = insert(frames).from_select(
    ["task_id", "token", "jpeg", "expires_at"],
    sa.select(
        tasks.c.id,
        sa.bindparam("new_token", type_=sa.Text),
        sa.bindparam("new_jpeg", type_=sa.LargeBinary),
        sa.bindparam("until", type_=frames.c.expires_at.type),
    )
    .where(
        tasks.c.id == sa.bindparam("order"),
        tasks.c.fence == sa.bindparam("held_fence"),
        in_states(NEEDS_FRAME),
    )
    # waits for a concurrent transaction that ends or takes the task
    .with_for_update(),
)
_PUBLISH = _new.on_conflict_do_update(
    index_elements=["task_id"],
    set_={
        "token": _new.excluded.token,
        "jpeg": _new.excluded.jpeg,
        "expires_at": _new.excluded.expires_at,
        "fetched_at": None,
    },
).returning(frames.c.task_id)
_of_token = frames.c.token == sa.bindparam("of_token")
_GET = sa.select(frames.c.jpeg).where(_of_token, frames.c.expires_at > NOW)
_FETCHED = sa.update(frames).where(_of_token, frames.c.fetched_at.is_(None)).values(fetched_at=NOW)
_IS_UNFETCHED = sa.select(frames.c.task_id).where(
    frames.c.task_id == sa.bindparam("order"), frames.c.fetched_at.is_(None)
)
_FORGET_EXPIRED = sa.delete(frames).where(
    in_order(frames, frames.c.expires_at <= NOW, deletes=True)
)


class FrameStore:
    """The store of frames, at most one per task; a frame is deleted in the commit that ends the
    need for it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def publish(self, lease: Task, *, token: str, jpeg: bytes, expires_at: datetime) -> bool:
        """Store the frame in place of the task's old one.

        Return False if the task no longer needs a frame, or if another worker has it: that worker
        may have sent its link to the provider, and replacing the frame would break a paid order.
        """
        held = {"order": lease.id, "held_fence": lease.fence}
        frame = {"new_token": token, "new_jpeg": jpeg, "until": expires_at}
        async with self._database.transaction() as connection:
            written = await connection.scalar(_PUBLISH, {**held, **frame})
        return written is not None

    async def get(self, token: str, now: datetime) -> bytes | None:
        """Return the JPEG of a token; None after it expired."""
        jpeg: bytes | None = await self._database.read_scalar(
            _GET, {"of_token": token, "now": now}
        )
        return jpeg

    async def fetched(self, token: str, now: datetime) -> None:
        """Record that somebody fetched the frame; the first time counts."""
        async with self._database.transaction() as connection:
            await connection.execute(_FETCHED, {"of_token": token, "now": now})

    async def is_unfetched(self, task_id: int) -> bool:
        """Whether the task's frame is there and nobody has fetched it."""
        return await self._database.read_one(_IS_UNFETCHED, {"order": task_id}) is not None

    async def forget_expired(self, now: datetime) -> int:
        """Delete expired frames; return how many."""
        async with self._database.transaction() as connection:
            gone = await connection.execute(_FORGET_EXPIRED, {"now": now})
            return gone.rowcount
