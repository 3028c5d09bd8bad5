"""Stores that claim nothing where nothing is due: most claims find nothing and change nothing.

They cost more than everything else in a minute of waiting. It must not know why anything is due.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, Unpack

from bot.core.caps import OrderRules
from bot.core.task import Task
from storage import (
    Claim,
    FilmStore,
    InboxStore,
    InboxUpdate,
    IncomingUpdate,
    OutboxStore,
    StarPaymentStore,
    StarRefund,
    Storage,
    TaskStore,
    WaitingNotice,
    WantedFilm,
)
from storage.inbox import InboxTurn

IsDue = Callable[[str], bool]
"""Whether a row of this table may be claimed now, by what is committed."""


class _Tasks(TaskStore):
    is_due: IsDue

    async def claim_due(self, **claim: Unpack[Claim]) -> list[Task]:
        return await super().claim_due(**claim) if self.is_due("tasks") else []

    async def waiting(self, *, limit: int) -> list[tuple[Task, int]]:
        return await super().waiting(limit=limit) if self.is_due("queue") else []


class _Films(FilmStore):
    is_due: IsDue

    async def claim(self, **claim: Any) -> list[WantedFilm]:
        return await super().claim(**claim) if self.is_due("films") else []


class _Outbox(OutboxStore):
    is_due: IsDue

    async def claim(self, **claim: Any) -> list[WaitingNotice]:
        return await super().claim(**claim) if self.is_due("outbox") else []


class _Stars(StarPaymentStore):
    is_due: IsDue

    async def claim_refunds(self, **claim: Any) -> list[StarRefund]:
        return await super().claim_refunds(**claim) if self.is_due("star_refunds") else []


class _Turn(InboxTurn):
    idle = False

    async def add(self, rows: Sequence[IncomingUpdate], *, now: datetime) -> int:
        self.idle = self.idle and not rows
        return await super().add(rows, now=now)

    async def done(self, ids: Any, *, now: datetime) -> None:
        self.idle = self.idle and not ids  # the next of the same chat may be claimed now
        await super().done(ids, now=now)

    async def claim(self, **claim: Any) -> list[InboxUpdate]:
        return [] if self.idle else await super().claim(**claim)


class _Inbox(InboxStore):
    is_due: IsDue

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[InboxTurn]:
        idle = not self.is_due("inbox")
        async with self._database.transaction() as connection:
            turn = _Turn(connection, self.ended)
            turn.idle = idle
            yield turn


def without_idle_claims(storage: Storage, terms: OrderRules | None, is_due: IsDue) -> Storage:
    """Return the same storage with these stores."""
    database, ended = storage.database, storage.inbox.ended
    stores: dict[str, Any] = {
        "tasks": _Tasks(database, terms, ended),
        "inbox": _Inbox(database, ended),
        "outbox": _Outbox(database),
        "films": _Films(database),
        "stars": _Stars(database),
    }
    for store in stores.values():
        store.is_due = is_due
    return replace(storage, **stores)
