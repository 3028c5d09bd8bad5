"""First frames under their unguessable links, while somebody may still fetch them.

It must not know what a picture is; `jpeg` is bytes.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from bot.core.task import Task
from storage.engine import Database
from storage.tables import frames, in_states, tasks
from storage.tasks.leases import NEEDS_FRAME


class FrameStore:
    """At most one frame a task; it goes with the commit after which nobody needs it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def publish(self, lease: Task, *, token: str, jpeg: bytes, expires_at: datetime) -> bool:
        """In place of the task's old frame, if any.

        False: the task needs no frame any more, or another has it. Their link is on its way to
        the provider, and a frame that replaced theirs would break it after it was paid for.
        """
        # Locked: whoever ends the task or takes it at this very moment is waited for.
        source = (
            sa.select(
                tasks.c.id,
                sa.literal(token),
                sa.literal(jpeg, sa.LargeBinary),
                sa.literal(expires_at, frames.c.expires_at.type),
            )
            .where(
                tasks.c.id == lease.id,
                tasks.c.fence == lease.fence,
                in_states(NEEDS_FRAME),
            )
            .with_for_update()
        )
        new = insert(frames).from_select(["task_id", "token", "jpeg", "expires_at"], source)
        async with self._database.transaction() as connection:
            written = await connection.scalar(
                new.on_conflict_do_update(
                    index_elements=["task_id"],
                    set_={
                        "token": new.excluded.token,
                        "jpeg": new.excluded.jpeg,
                        "expires_at": new.excluded.expires_at,
                    },
                ).returning(frames.c.task_id)
            )
        return written is not None

    async def get(self, token: str, now: datetime) -> bytes | None:
        """What stands behind the link; None once it is over."""
        async with self._database.transaction() as connection:
            jpeg: bytes | None = await connection.scalar(
                sa.select(frames.c.jpeg).where(frames.c.token == token, frames.c.expires_at > now)
            )
        return jpeg

    async def forget_expired(self, now: datetime) -> int:
        """Drops what no link leads to any more; how many."""
        async with self._database.transaction() as connection:
            gone = await connection.execute(sa.delete(frames).where(frames.c.expires_at <= now))
            return gone.rowcount
