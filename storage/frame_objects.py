"""Records of objects in an external bucket, from before the upload until the deletion.

It must not know S3; `key` is a name. There is deliberately no foreign key to the task: an object
outlives the row of a task whose owner had everything deleted.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from storage.engine import Database
from storage.tables import frame_objects, in_states, tasks
from storage.tasks.leases import NEEDS_FRAME


class FrameObjectStore:
    """The store of these records; few rows, one for each first frame that may still be fetched."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, key: str, task_id: int, *, expires_at: datetime) -> None:
        """Record an object before it is stored: a recorded object is deleted whatever happens."""
        async with self._database.transaction() as connection:
            await connection.execute(
                sa.insert(frame_objects).values(key=key, task_id=task_id, expires_at=expires_at)
            )

    async def over(self, now: datetime, *, limit: int = 100) -> list[str]:
        """Return the keys that are no longer needed: the task ended or was deleted, or the link
        expired.
        """
        needed = sa.exists().where(tasks.c.id == frame_objects.c.task_id, in_states(NEEDS_FRAME))
        async with self._database.transaction() as connection:
            keys = await connection.scalars(
                sa.select(frame_objects.c.key)
                .where(sa.or_(sa.not_(needed), frame_objects.c.expires_at <= now))
                .order_by(frame_objects.c.expires_at)
                .limit(limit)
            )
            return list(keys.all())

    async def forget(self, key: str) -> None:
        """Delete the record: the object is gone."""
        async with self._database.transaction() as connection:
            await connection.execute(sa.delete(frame_objects).where(frame_objects.c.key == key))
