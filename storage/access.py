"""Permits, access requests and invites: the decisions that admins make while the bot runs.

Each change is one commit with its audit row and its notices; a repeat changes nothing. It must not
know who is an admin or the texts.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from bot.core.access import Verdict, Verdicts
from bot.core.notices import Notice, NoticeKind, access_asked_about
from bot.core.task import Chat
from storage.audit import add_act
from storage.connection import Connection
from storage.engine import Database
from storage.journal import note
from storage.operator_messages import tell_operator
from storage.outbox import insert_notices
from storage.permits import VERDICTS, note_permit, permit, permit_first, verdict_of
from storage.tables import access_requests, invites, operator_messages, permits
from storage.users import lang_of

INVITE_PREFIX = "in-"
"""The prefix of a deep link's payload that is an invite's token."""


class RequestStatus(StrEnum):
    """The state of a request."""

    SENT = "sent"
    WAITING = "waiting"  # sent before, and not decided yet
    DENIED = "denied"
    ALLOWED = "allowed"
    BANNED = "banned"


class RedeemResult(StrEnum):
    """The result of using an invite."""

    WELCOME = "welcome"
    KNOWN = "known"  # the person had access before: not counted
    EXPIRED = "expired"
    USED_UP = "used_up"
    NO_INVITE = "no_invite"
    BANNED = "banned"


@dataclass(frozen=True, kw_only=True)
class Invite:
    """A link that gives access to a number of people until a date."""

    token: str
    uses: int
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Request:
    """An access request; `allowed` is None until an admin decides."""

    user_id: int
    name: str
    username: str | None
    lang: str
    allowed: bool | None
    decided_by: int | None


_REQUEST = (
    access_requests.c.user_id,
    access_requests.c.name,
    access_requests.c.username,
    access_requests.c.lang,
    access_requests.c.allowed,
    access_requests.c.decided_by,
)


class AccessStore:
    """The store of permits, bans, access requests and invites."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def verdicts(self, user_id: int, chat_id: int | None = None) -> Verdicts:
        """Return the decisions about a person and about the chat."""
        both = {"person": user_id, "chat": user_id if chat_id is None else chat_id}
        rows = await self._database.read(VERDICTS, both)
        person = next((row.verdict for row in rows if row.subject_id == user_id), None)
        chat = next((row.verdict for row in rows if row.subject_id != user_id), None)
        return Verdicts(person=person, chat=chat)

    async def let_in(self) -> frozenset[int]:
        """Return the people and groups that were let in."""
        wanted = sa.select(permits.c.subject_id).where(permits.c.verdict == Verdict.ALLOWED)
        return frozenset(row.subject_id for row in await self._database.read(wanted))

    async def ask(
        self,
        *,
        user_id: int,
        name: str,
        username: str | None,
        lang: str,
        admins: Iterable[int],
        now: datetime,
    ) -> RequestStatus:
        """Record a request and tell every admin, once; a decided request returns its decision."""
        async with self._database.transaction() as connection:
            if verdict := await verdict_of(connection, user_id):
                return (
                    RequestStatus.ALLOWED if verdict is Verdict.ALLOWED else RequestStatus.BANNED
                )
            entered = await connection.execute(
                insert(access_requests)
                .values(user_id=user_id, name=name, username=username, lang=lang, asked_at=now)
                .on_conflict_do_nothing()
            )
            if entered.rowcount != 1:
                # A request that waits has lost its name when the person deleted everything.
                theirs = access_requests.c.user_id == user_id
                waits = await connection.execute(
                    sa.update(access_requests)
                    .where(theirs, access_requests.c.allowed.is_(None))
                    .values(name=name, username=username, lang=lang)
                )
                return RequestStatus.WAITING if waits.rowcount == 1 else RequestStatus.DENIED
            about = access_asked_about(user_id)
            # An earlier request of this person, as before a restored backup, does not count.
            await connection.execute(
                sa.delete(operator_messages).where(operator_messages.c.about == about)
            )
            told = [
                Notice(
                    kind=NoticeKind.ACCESS_ASKED,
                    chat=Chat(chat_id=admin),
                    lang=await lang_of(connection, admin),
                    params={
                        "user_id": user_id,
                        "name": name,
                        "username": username,
                        "about": about,
                    },
                )
                for admin in sorted(admins)
            ]
            await tell_operator(connection, told, now)
            return RequestStatus.SENT

    async def waits(self, user_id: int) -> bool:
        """Return whether this person's request has no answer yet."""
        request = await self.answered(user_id)
        return request is not None and request.allowed is None

    async def waiting(self, *, limit: int) -> list[Request]:
        """Return the requests without a decision, the oldest first. Who was let in or banned in
        another way, by an invite or a command, does not wait any more.
        """
        known = sa.exists().where(permits.c.subject_id == access_requests.c.user_id)
        wanted = (
            sa.select(*_REQUEST)
            .where(access_requests.c.allowed.is_(None), ~known)
            .order_by(access_requests.c.asked_at, access_requests.c.user_id)
            .limit(limit)
        )
        async with self._database.transaction() as connection:
            rows = await connection.execute(wanted)
            return [Request(**row._mapping) for row in rows.all()]

    async def answered(self, user_id: int) -> Request | None:
        """Return a request with its answer, as the person's access is now; None: it is gone."""
        async with self._database.transaction() as connection:
            return await _answered(connection, user_id)

    async def decide(self, user_id: int, *, allow: bool, by: int, now: datetime) -> Request | None:
        """Decide a request as an admin. The first decision counts, also if it was made by a
        command, a ban or an invite. Return None without a request.

        Otherwise return the request with its decision, even if another admin decided it.
        """
        waits = sa.and_(access_requests.c.user_id == user_id, access_requests.c.allowed.is_(None))
        known = sa.exists().where(permits.c.subject_id == access_requests.c.user_id)
        answer = sa.update(access_requests).values(allowed=allow, decided_by=by, decided_at=now)
        async with self._database.transaction() as connection:
            # The permit before the request, as in allow(). A ban that commits meanwhile is found
            # by the statement, not by a look before it.
            is_first = not allow or await permit_first(connection, user_id, by, now, waits)
            if is_first:
                where = waits if allow else sa.and_(waits, ~known)
                is_first = (await connection.execute(answer.where(where))).rowcount == 1
                if allow and not is_first:  # declined meanwhile
                    mine = permits.c.subject_id == user_id
                    await connection.execute(sa.delete(permits).where(mine))
            request = await _answered(connection, user_id)
            if request is None or not is_first:
                return request
            if allow:
                await note_permit(connection, user_id, Verdict.ALLOWED, by, now)
            else:
                await add_act(connection, "deny", by=by, now=now, subject_id=user_id)
            kind = NoticeKind.ACCESS_GRANTED if allow else NoticeKind.ACCESS_DENIED
            told = Notice(kind=kind, chat=Chat(chat_id=user_id), lang=request.lang)
            await insert_notices(connection, [told], now)
            return request

    async def allow(
        self,
        subject_id: int,
        *,
        by: int,
        now: datetime,
        name: str | None = None,
        even_banned: bool = True,
    ) -> bool:
        """Give access to a person or a group, with its `name`; this also decides an open request.
        Without `even_banned` a ban stays.

        Return False if nothing changed: it had access before, or is banned.
        """
        async with self._database.transaction() as connection:
            if even_banned:
                changed = await permit(connection, subject_id, Verdict.ALLOWED, by, now, name)
            elif changed := await permit_first(connection, subject_id, by, now):
                await note_permit(connection, subject_id, Verdict.ALLOWED, by, now)
            if not changed and await verdict_of(connection, subject_id) is Verdict.BANNED:
                return False
            answered = await connection.execute(
                sa.update(access_requests)
                .where(
                    access_requests.c.user_id == subject_id,
                    access_requests.c.allowed.is_not(True),
                )
                .values(allowed=True, decided_by=by, decided_at=now)
            )
            if answered.rowcount == 1 and (request := await _request(connection, subject_id)):
                granted = Notice(
                    kind=NoticeKind.ACCESS_GRANTED,
                    chat=Chat(chat_id=subject_id),
                    lang=request.lang,
                )
                await insert_notices(connection, [granted], now)
            return changed

    async def ban(
        self, subject_id: int, *, by: int, now: datetime, name: str | None = None
    ) -> bool:
        """Ban a person or a group, even from an open bot. False: it was banned before."""
        async with self._database.transaction() as connection:
            return await permit(connection, subject_id, Verdict.BANNED, by, now, name)

    async def invite(
        self, *, by: int, uses: int, expires_at: datetime, update_id: int, now: datetime
    ) -> Invite:
        """Create an invite; the same update gets the same invite again."""
        async with self._database.transaction() as connection:
            entered = await connection.execute(
                insert(invites)
                .values(
                    token=INVITE_PREFIX + secrets.token_urlsafe(16),
                    update_id=update_id,
                    made_by=by,
                    made_at=now,
                    expires_at=expires_at,
                    uses=uses,
                    used=0,
                )
                .on_conflict_do_nothing(index_elements=["update_id"])
            )
            if entered.rowcount == 1:
                # Without the token: a reader of the audit log must not be able to use it.
                await add_act(
                    connection, "invite", by=by, now=now, uses=uses, until=expires_at.isoformat()
                )
            row = (
                await connection.execute(
                    sa.select(invites.c.token, invites.c.uses, invites.c.expires_at).where(
                        invites.c.update_id == update_id
                    )
                )
            ).one()
            return Invite(**row._mapping)

    async def redeem(self, token: str, *, user_id: int, now: datetime) -> RedeemResult:
        """Use an invite; each person counts once."""
        async with self._database.transaction() as connection:
            known = (
                await connection.execute(
                    sa.select(permits.c.verdict, permits.c.invite).where(
                        permits.c.subject_id == user_id
                    )
                )
            ).one_or_none()
            if known is not None:
                if known.verdict is Verdict.BANNED:
                    return RedeemResult.BANNED
                return RedeemResult.WELCOME if known.invite == token else RedeemResult.KNOWN
            made_by = await connection.scalar(
                sa.update(invites)
                .where(
                    invites.c.token == token,
                    invites.c.expires_at > now,
                    invites.c.revoked_at.is_(None),
                    invites.c.used < invites.c.uses,
                )
                .values(used=invites.c.used + 1)
                .returning(invites.c.made_by)
            )
            if made_by is None:
                found = (
                    await connection.execute(
                        sa.select(invites.c.expires_at, invites.c.revoked_at).where(
                            invites.c.token == token
                        )
                    )
                ).one_or_none()
                if found is None:
                    return RedeemResult.NO_INVITE
                ended = found.expires_at <= now or found.revoked_at is not None
                return RedeemResult.EXPIRED if ended else RedeemResult.USED_UP
            new = insert(permits).values(
                subject_id=user_id,
                verdict=Verdict.ALLOWED,
                invite=token,
                decided_by=made_by,
                decided_at=now,
            )
            if (await connection.execute(new.on_conflict_do_nothing())).rowcount != 1:
                # an admin has decided meanwhile: the invite is not used
                unused = sa.update(invites).where(invites.c.token == token)
                await connection.execute(unused.values(used=invites.c.used - 1))
                banned = await verdict_of(connection, user_id) is Verdict.BANNED
                return RedeemResult.BANNED if banned else RedeemResult.KNOWN
            note(connection, f"ID {user_id}: let in by an invite", subject=user_id)
            return RedeemResult.WELCOME


async def _request(connection: Connection, user_id: int) -> Request | None:
    row = (
        await connection.execute(sa.select(*_REQUEST).where(access_requests.c.user_id == user_id))
    ).one_or_none()
    return None if row is None else Request(**row._mapping)


async def _answered(connection: Connection, user_id: int) -> Request | None:
    """Return a request with the decision that the person's access shows now."""
    request = await _request(connection, user_id)
    verdict = await verdict_of(connection, user_id)
    if request is None or verdict is None:
        return request
    return replace(request, allowed=verdict is Verdict.ALLOWED)
