"""Admins who claimed the bot, and the code with which it is claimed.

The code itself is only in the log: the row has its digest. Each change is one commit with its
audit row. It must not know the admins of the settings, nor the texts.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from bot.core.access import CLAIM_LIFE, CLAIM_PREFIX, CLAIM_TRIES, Verdict
from storage.audit import add_act
from storage.connection import Connection
from storage.engine import Database
from storage.rows import in_order
from storage.tables import admins, claim_code, operator_messages, outbox, permits


class ClaimResult(StrEnum):
    """The result of opening a link that claims the bot."""

    CLAIMED = "claimed"
    WRONG = "wrong"  # counted
    OVER = "over"  # expired, ended by wrong codes, or never printed
    TAKEN = "taken"  # the bot has an admin


class AdminStore:
    """Who claimed the bot, and whether it can be claimed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claimed(self) -> frozenset[int]:
        """Return everybody who claimed the bot and is still an admin."""
        rows = await self._database.read(sa.select(admins.c.user_id))
        return frozenset(row.user_id for row in rows)

    async def claimed_at(self, user_id: int) -> datetime | None:
        """Return when the person claimed the bot; None: they did not."""
        wanted = sa.select(admins.c.claimed_at).where(admins.c.user_id == user_id)
        found: datetime | None = await self._database.read_scalar(wanted)
        return found

    async def nobody_let_in(self) -> bool:
        """Whether there is no claimed admin, and no person or group was let in."""
        return bool(await self._database.read_scalar(sa.select(_nobody())))

    async def offer_claim(self, now: datetime) -> str | None:
        """Make a new code in place of the last one. None: somebody was let in.

        The code is a deep link's payload (Bot API: at most 64 characters).
        """
        code = CLAIM_PREFIX + secrets.token_urlsafe(16)
        columns = ["id", "digest", "expires_at", "tries"]
        values = (1, _digest(code), now + CLAIM_LIFE, 0)
        new = sa.select(
            *(
                sa.literal(value, claim_code.c[name].type)
                for name, value in zip(columns, values, strict=True)
            )
        ).where(_nobody())
        async with self._database.transaction() as connection:
            await connection.execute(sa.delete(claim_code))
            made = await connection.execute(
                insert(claim_code).from_select(columns, new).on_conflict_do_nothing()
            )
        return code if made.rowcount == 1 else None

    async def withdraw_claim(self) -> None:
        """Delete the code: the bot cannot be claimed."""
        async with self._database.transaction() as connection:
            await connection.execute(sa.delete(claim_code))

    async def claim(self, code: str, *, user_id: int, now: datetime) -> ClaimResult:
        """Make the person an admin, if this is the code; every code that is tried counts.

        The same person again: CLAIMED, without a change.
        """
        async with self._database.transaction() as connection:
            # The row stays locked until the commit: of several people one claims.
            digest = await connection.scalar(
                sa.update(claim_code)
                .where(claim_code.c.expires_at > now, claim_code.c.tries < CLAIM_TRIES, _nobody())
                .values(tries=claim_code.c.tries + 1)
                .returning(claim_code.c.digest)
            )
            if digest is None:
                return await _why_not(connection, user_id)
            if not hmac.compare_digest(digest, _digest(code)):
                return ClaimResult.WRONG
            await connection.execute(sa.delete(claim_code))
            await connection.execute(sa.insert(admins).values(user_id=user_id, claimed_at=now))
            await add_act(connection, "claim", by=user_id, now=now, subject_id=user_id)
            return ClaimResult.CLAIMED

    async def remove(self, user_id: int, *, by: int, now: datetime) -> bool:
        """Take the rights from somebody who claimed the bot, and delete the messages to the
        operator that wait for them. Return False if they had no rights.
        """
        theirs = sa.select(operator_messages.c.kind).where(operator_messages.c.chat_id == user_id)
        async with self._database.transaction() as connection:
            removed = await connection.execute(
                sa.delete(admins).where(admins.c.user_id == user_id)
            )
            if removed.rowcount == 1:
                await connection.execute(
                    sa.delete(outbox).where(
                        in_order(
                            outbox,
                            outbox.c.chat_id == user_id,
                            outbox.c.kind.in_(theirs),
                            deletes=True,
                        )
                    )
                )
                await add_act(connection, "remove admin", by=by, now=now, subject_id=user_id)
            return removed.rowcount == 1


def _nobody() -> sa.ColumnElement[bool]:
    """No claimed admin, and nobody let in."""
    return sa.and_(
        ~sa.exists(sa.select(admins.c.user_id)),
        ~sa.exists(sa.select(permits.c.subject_id).where(permits.c.verdict == Verdict.ALLOWED)),
    )


async def _why_not(connection: Connection, user_id: int) -> ClaimResult:
    found = set((await connection.scalars(sa.select(admins.c.user_id))).all())
    if user_id in found:
        return ClaimResult.CLAIMED
    return ClaimResult.TAKEN if found else ClaimResult.OVER


def _digest(code: str) -> str:
    """A digest of a code; the code has 128 random bits, so a plain hash hides it."""
    return hashlib.sha256(code.encode()).hexdigest()
