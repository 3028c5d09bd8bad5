"""Messages to the operator: each event is told once in each chat, and all its copies are known.

A notice with `about` has one row here for each chat, written in the commit that writes the notice.
It must not know the texts, who is an admin, or how a message is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from bot.core.notices import Notice, NoticeKind
from bot.core.task import Chat
from storage.engine import Connection, Database
from storage.outbox import insert_notices
from storage.rows import UNLEASED
from storage.tables import operator_messages, outbox
from storage.users import lang_of

_M = operator_messages.c


async def tell_operator(connection: Connection, notices: Sequence[Notice], now: datetime) -> None:
    """Insert notices with `about`, as part of a transaction; each chat is told an event once."""
    new = []
    for notice in notices:
        # A request for access is shown from its own row: no copy of the name is kept here.
        kept = {} if notice.kind is NoticeKind.ACCESS_ASKED else dict(notice.params)
        entered = await connection.execute(
            insert(operator_messages)
            .values(
                about=notice.about,
                chat_id=notice.chat.chat_id,
                kind=notice.kind.value,
                lang=notice.lang,
                params=kept,
                created_at=now,
            )
            .on_conflict_do_nothing(index_elements=["about", "chat_id"])
        )
        if entered.rowcount == 1:
            new.append(notice)
    await insert_notices(connection, new, now)


class OperatorMessageStore:
    """The store of the messages to the operator."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def fall_back(
        self, notice_id: int, notice: Notice, others: Iterable[int], *, now: datetime
    ) -> None:
        """Tell others what this chat cannot be told. A person is told at their next message too;
        for a group the notice is deleted.
        """
        chat_id = notice.chat.chat_id
        mine = outbox.c.id == notice_id
        async with self._database.transaction() as connection:
            copies = [
                replace(
                    notice, chat=Chat(chat_id=other), lang=await lang_of(connection, other),
                    reply_to=None,
                )
                for other in sorted(set(others) - {chat_id})
            ]  # fmt: skip
            await tell_operator(connection, copies, now)
            if chat_id < 0:
                await connection.execute(sa.delete(outbox).where(mine))
            else:
                await connection.execute(
                    sa.update(outbox).where(mine).values(waits_for=chat_id, **UNLEASED)
                )

    async def sent(self, notice: Notice, message_id: int) -> None:
        """Record the message of a notice."""
        async with self._database.transaction() as connection:
            await connection.execute(
                sa.update(operator_messages)
                .where(_M.about == notice.about, _M.chat_id == notice.chat.chat_id)
                .values(message_id=message_id)
            )

    async def is_decided(self, about: str) -> bool:
        """Whether an admin has decided this event."""
        found = sa.exists().where(_M.about == about, _M.decided_at.is_not(None))
        async with self._database.transaction() as connection:
            return bool(await connection.scalar(sa.select(found)))

    async def about(self, chat_id: int, message_id: int) -> str | None:
        """Return the event of a message; None: it is about none."""
        wanted = sa.select(_M.about).where(_M.chat_id == chat_id, _M.message_id == message_id)
        async with self._database.transaction() as connection:
            found: str | None = await connection.scalar(wanted)
        return found

    async def decide(self, about: str, *, now: datetime) -> list[tuple[int, Notice]]:
        """Record that an admin decided this event; return its messages that were sent."""
        async with self._database.transaction() as connection:
            rows = await connection.execute(
                sa.update(operator_messages)
                .where(_M.about == about)
                .values(decided_at=now)
                .returning(*operator_messages.c)
            )
            return [
                (row.message_id, _notice(row)) for row in rows.all() if row.message_id is not None
            ]

    async def forget(self, *, before: datetime) -> None:
        """Delete the rows that were written before then."""
        async with self._database.transaction() as connection:
            await connection.execute(sa.delete(operator_messages).where(_M.created_at < before))


def _notice(row: sa.Row[Any]) -> Notice:
    return Notice(
        kind=NoticeKind(row.kind), chat=Chat(chat_id=row.chat_id), lang=row.lang, params=row.params
    )
