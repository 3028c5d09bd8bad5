"""Messages to the operator: each event is sent once to each chat, and all its copies are known.

A notice with `about` has one row here for each chat, written in the commit that writes the notice.
It must not know the texts, who is an admin, or how a message is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from bot.core.notices import Notice, NoticeKind, access_asked_about
from bot.core.task import Chat
from storage.connection import Connection
from storage.engine import Database
from storage.outbox import insert_notices
from storage.rows import UNLEASED, in_order
from storage.tables import access_requests, operator_messages, outbox, permits
from storage.users import lang_of

_M = operator_messages.c

_TELL = insert(operator_messages).on_conflict_do_nothing(index_elements=["about", "chat_id"])
_WITH_BUTTONS = sa.select(operator_messages).where(_M.message_id.is_not(None), _M.buttons != "")
_STATES = (
    sa.select(
        _M.about,
        sa.func.max(_M.decided_at).label("decided_at"),
        sa.func.max(_M.over_at).label("over_at"),
    )
    .where(_M.about.in_(sa.bindparam("abouts", expanding=True)))
    .group_by(_M.about)
)


async def tell_operator(connection: Connection, notices: Sequence[Notice], now: datetime) -> None:
    """Insert notices with `about`, as part of a transaction; each chat gets an event once."""
    new = []
    for notice in notices:
        # A request for access is shown from its own row: no copy of the name is kept here.
        kept = {} if notice.kind is NoticeKind.ACCESS_ASKED else dict(notice.params)
        entered = await connection.execute(
            _TELL,
            {
                "about": notice.about,
                "chat_id": notice.chat.chat_id,
                "kind": notice.kind.value,
                "lang": notice.lang,
                "params": kept,
                "created_at": now,
            },
        )
        if entered.rowcount == 1:
            new.append(notice)
    await insert_notices(connection, new, now)


async def end_messages(connection: Connection, event: str, now: datetime) -> None:
    """Record, as part of a transaction, that an event of new_about() is over."""
    await connection.execute(
        sa.update(operator_messages)
        .where(
            in_order(
                operator_messages,
                _M.about.startswith(f"{event}:", autoescape=True),
                _M.over_at.is_(None),
            )
        )
        .values(over_at=now)
    )


@dataclass(frozen=True, kw_only=True)
class SentCopy:
    """One message to the operator, and what became of its event; `buttons`: what it shows."""

    notice: Notice
    message_id: int
    buttons: str
    decided: bool
    over: bool


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

    async def sent(self, notice: Notice, message_id: int, buttons: str) -> None:
        """Record the message of a notice, with its buttons."""
        await self._set(notice, message_id=message_id, buttons=buttons)

    async def shows(self, notice: Notice, buttons: str) -> None:
        """Record the buttons that a copy shows now."""
        await self._set(notice, buttons=buttons)

    async def _set(self, notice: Notice, **values: int | str) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(
                sa.update(operator_messages)
                .where(_M.about == notice.about, _M.chat_id == notice.chat.chat_id)
                .values(**values)
            )

    async def replaced(self, chat_id: int, message_id: int) -> None:
        """Record that a copy became something else, which is not edited as a copy."""
        async with self._database.transaction() as connection:
            await connection.execute(
                sa.update(operator_messages)
                .where(_M.chat_id == chat_id, _M.message_id == message_id)
                .values(message_id=None, buttons="")
            )

    async def with_buttons(self) -> list[SentCopy]:
        """Return the copies that show buttons."""
        async with self._database.transaction() as connection:
            rows = (await connection.execute(_WITH_BUTTONS)).all()
            states = await _states(connection, {row.about for row in rows})
        return [
            SentCopy(
                notice=_notice(row),
                message_id=row.message_id,
                buttons=row.buttons,
                decided=states[row.about][0],
                over=states[row.about][1],
            )
            for row in rows
        ]

    async def state(self, about: str) -> tuple[bool, bool]:
        """Return whether an admin has decided this event, and whether it is over."""
        async with self._database.transaction() as connection:
            return (await _states(connection, {about}))[about]

    async def about(self, chat_id: int, message_id: int) -> str | None:
        """Return the event of a message; None: it is about none."""
        wanted = sa.select(_M.about).where(_M.chat_id == chat_id, _M.message_id == message_id)
        found: str | None = await self._database.read_scalar(wanted)
        return found

    async def decide(self, about: str, *, now: datetime) -> None:
        """Record that an admin decided this event."""
        async with self._database.transaction() as connection:
            await connection.execute(
                sa.update(operator_messages)
                .where(in_order(operator_messages, _M.about == about))
                .values(decided_at=now)
            )

    async def copies(self, about: str) -> list[tuple[int, Notice]]:
        """Return the messages of an event that were sent."""
        wanted = sa.select(operator_messages).where(_M.about == about, _M.message_id.is_not(None))
        rows = await self._database.read(wanted)
        return [(row.message_id, _notice(row)) for row in rows]

    async def forget(self, *, before: datetime) -> None:
        """Delete the rows that were written before then."""
        async with self._database.transaction() as connection:
            await connection.execute(
                sa.delete(operator_messages).where(
                    in_order(operator_messages, _M.created_at < before, deletes=True)
                )
            )


async def _states(connection: Connection, abouts: Set[str]) -> dict[str, tuple[bool, bool]]:
    """Return of each event whether it was decided and whether it is over. A request for access is
    over when it was answered, however that was done, and when it is gone."""
    if not abouts:
        return {}
    found = await connection.execute(_STATES, {"abouts": list(abouts)})
    states = dict.fromkeys(abouts, (False, False)) | {
        row.about: (row.decided_at is not None, row.over_at is not None) for row in found.all()
    }
    asked = {about: person for about in abouts if (person := _asked_by(about)) is not None}
    if asked:
        known = sa.exists().where(permits.c.subject_id == access_requests.c.user_id)
        waiting = await connection.scalars(
            sa.select(access_requests.c.user_id).where(
                access_requests.c.user_id.in_(asked.values()),
                access_requests.c.allowed.is_(None),
                ~known,
            )
        )
        open_ones = set(waiting.all())
        for about, person in asked.items():
            states[about] = (states[about][0], person not in open_ones)
    return states


def _asked_by(about: str) -> int | None:
    number = about.removeprefix(access_asked_about(""))
    return int(number) if number != about else None


def _notice(row: sa.Row[Any]) -> Notice:
    params = dict(row.params)
    if (person := _asked_by(row.about)) is not None:
        params |= {"about": row.about, "user_id": person}
    return Notice(
        kind=NoticeKind(row.kind), chat=Chat(chat_id=row.chat_id), lang=row.lang, params=params
    )
