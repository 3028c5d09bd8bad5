"""Gifts: promo codes, referrals, and videos that an admin gives.

A gift is a row of the ledger whose `payment_id` says what it came from: that key alone makes it
come once, whatever is repeated, erased or done at the same time. It must not know the texts.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from bot.core.gifts import FRIEND_DAYS, FRIEND_PREFIX, NEW_FOR, Gift
from bot.core.notices import Notice, NoticeKind
from bot.core.task import Chat, Task
from storage.audit import add_act
from storage.connection import Connection
from storage.engine import Database
from storage.journal import note
from storage.money.entries import credit_of, gift_videos_of
from storage.outbox import insert_notices
from storage.tables import Entry, ledger, promos, referrals, users
from storage.users import lang_of

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_SIGNS = _LETTERS + "23456789"
"""For codes that a person may have to type: without letters that look like digits."""


@dataclass(frozen=True, kw_only=True)
class Promo:
    """A promo code; `number` identifies it in a button."""

    code: str
    number: int
    gift: Gift
    expires_at: datetime
    uses: int
    used: int


@dataclass(frozen=True, kw_only=True)
class Balance:
    """What a person has: unused gift videos, and credit in roubles."""

    videos: int
    credit: Decimal


class PromoResult(StrEnum):
    """The result of using a promo code."""

    GIVEN = "given"
    ALREADY = "already"  # it counts once for each person
    EXPIRED = "expired"  # or revoked
    USED_UP = "used_up"
    UNKNOWN = "unknown"


class FriendResult(StrEnum):
    """The result of opening a referral link."""

    NOTED = "noted"  # both get the bonus with the first video
    OWN = "own"  # one's own link
    NOT_NEW = "not_new"
    UNKNOWN = "unknown"


class _UsedMeanwhile(Exception):
    """The same person used the same code in another transaction: nothing of this one counts."""


_theirs = ledger.alias("theirs")
_is_free = sa.and_(_theirs.c.kind == Entry.GRANT, ~_theirs.c.payment_id.like("update %"))
_spent_money = (
    sa.select(sa.func.coalesce(sa.func.sum(_theirs.c.credit_kopecks), 0) < 0)
    .where(_theirs.c.user_id == sa.bindparam("person"))
    .where(_theirs.c.task_id.is_not(None) | _is_free)
    .scalar_subquery()
)
"""Whether a person's orders took more credit than promo codes and referrals gave. Credit from an
admin is not counted as a gift: the person may have paid for it in another way."""

_PAY_REFERRAL = (
    sa.delete(referrals)
    .where(
        referrals.c.invited_id == sa.bindparam("person"),
        referrals.c.at >= sa.bindparam("since"),
        # a gift
        ~sa.exists().where(
            ledger.c.task_id == sa.bindparam("order"),
            ledger.c.kind == Entry.RESERVATION,
            sa.or_(ledger.c.videos != 0, sa.and_(ledger.c.credit_kopecks != 0, ~_spent_money)),
        ),
    )
    .returning(*referrals.c)
)


def _works(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(
        promos.c.expires_at > now, promos.c.revoked_at.is_(None), promos.c.used < promos.c.uses
    )


class GiftStore:
    """The store of promo codes and referrals."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def balance(self, user_id: int) -> Balance:
        """Return a person's unused gift videos and credit."""
        async with self._database.transaction() as connection:
            return Balance(
                videos=await gift_videos_of(connection, user_id),
                credit=await credit_of(connection, user_id),
            )

    async def give(
        self, user_id: int, gift: Gift, *, by: int, update_id: int, now: datetime
    ) -> Balance:
        """Give a person something, as an admin; they are told. The same update gives it once."""
        async with self._database.transaction() as connection:
            if await _enter(connection, user_id, gift, f"update {update_id}", now):
                await add_act(
                    connection, "give", by=by, now=now, subject_id=user_id,
                    videos=gift.videos, roubles=gift.roubles,
                )  # fmt: skip
                await _tell(connection, user_id, "admin", gift, now)
            return Balance(
                videos=await gift_videos_of(connection, user_id),
                credit=await credit_of(connection, user_id),
            )

    # --- promo codes -------------------------------------------------------------------------

    async def make_promo(
        self,
        code: str | None,
        gift: Gift,
        *,
        uses: int,
        expires_at: datetime,
        by: int,
        update_id: int,
        now: datetime,
    ) -> Promo | None:
        """Create a promo code, a random one without `code`; None: there was such a code before.

        The same update gets the same code again.
        """
        made = code or secrets.choice(_LETTERS) + "".join(secrets.choice(_SIGNS) for _ in range(7))
        async with self._database.transaction() as connection:
            entered = await connection.execute(
                insert(promos)
                .values(
                    code=made,
                    update_id=update_id,
                    made_by=by,
                    made_at=now,
                    expires_at=expires_at,
                    videos=gift.videos,
                    kopecks=gift.credit,
                    uses=uses,
                    used=0,
                )
                .on_conflict_do_nothing()
            )
            if entered.rowcount == 1:
                # Without the code: a reader of the audit log must not be able to use it.
                await add_act(
                    connection, "promo", by=by, now=now, uses=uses, videos=gift.videos,
                    roubles=gift.roubles, until=expires_at.isoformat(),
                )  # fmt: skip
            row = (
                await connection.execute(sa.select(promos).where(promos.c.update_id == update_id))
            ).one_or_none()
        return None if row is None else _promo(row)

    async def promos(self, now: datetime, *, limit: int) -> list[Promo]:
        """Return the codes that still work, the newest first."""
        wanted = (
            sa.select(promos)
            .where(_works(now))
            .order_by(promos.c.made_at.desc(), promos.c.code)
            .limit(limit)
        )
        async with self._database.transaction() as connection:
            return [_promo(row) for row in (await connection.execute(wanted)).all()]

    async def revoke_promo(self, number: int, *, by: int, now: datetime) -> bool:
        """End a code; what it gave stays. False: it had ended before."""
        async with self._database.transaction() as connection:
            ended = await connection.execute(
                sa.update(promos)
                .where(promos.c.update_id == number, _works(now))
                .values(revoked_at=now)
            )
            if ended.rowcount == 1:
                await add_act(connection, "revoke promo", by=by, now=now, promo=number)
            return ended.rowcount == 1

    async def redeem(
        self, code: str, *, user_id: int, now: datetime
    ) -> tuple[PromoResult, Gift | None]:
        """Use a promo code, with what it gives; each person once, and never more people than its
        uses, however many press at the same time."""
        try:
            return await self._redeem(code, user_id, now)
        except _UsedMeanwhile:
            return PromoResult.ALREADY, None

    async def _redeem(
        self, code: str, user_id: int, now: datetime
    ) -> tuple[PromoResult, Gift | None]:
        key = f"promo {code} {user_id}"
        async with self._database.transaction() as connection:
            found = (
                await connection.execute(sa.select(promos).where(promos.c.code == code))
            ).one_or_none()
            if found is None:
                return PromoResult.UNKNOWN, None
            gift = _promo(found).gift
            known = sa.select(ledger.c.id).where(
                ledger.c.payment_id == key, ledger.c.kind == Entry.GRANT
            )
            if await connection.scalar(known) is not None:
                return PromoResult.ALREADY, gift
            taken = await connection.execute(
                sa.update(promos)
                .where(promos.c.code == code, _works(now))
                .values(used=promos.c.used + 1)
            )
            if taken.rowcount != 1:
                ended = found.expires_at <= now or found.revoked_at is not None
                return (PromoResult.EXPIRED if ended else PromoResult.USED_UP), None
            if not await _enter(connection, user_id, gift, key, now):
                raise _UsedMeanwhile
            return PromoResult.GIVEN, gift

    # --- referrals ---------------------------------------------------------------------------

    async def referral_token(self, user_id: int) -> str | None:
        """Return the token of a person's link, the same each time; None: the bot has not met
        them. It does not tell who they are."""
        token = FRIEND_PREFIX + secrets.token_urlsafe(9)
        async with self._database.transaction() as connection:
            await connection.execute(
                sa.update(users)
                .where(users.c.user_id == user_id, users.c.referral.is_(None))
                .values(referral=token)
            )
            found: str | None = await connection.scalar(
                sa.select(users.c.referral).where(users.c.user_id == user_id)
            )
            return found

    async def open_link(
        self, token: str, *, user_id: int, bonus: Gift, now: datetime
    ) -> FriendResult:
        """Note who invited a person, with the bonus that both are promised.

        Only for somebody whom the bot meets now and who never ordered: the ledger remembers that
        even after /delete_me.
        """
        invited = users.alias("invited")
        is_new = sa.and_(
            sa.exists().where(invited.c.user_id == user_id, invited.c.created_at >= now - NEW_FOR),
            ~sa.exists().where(ledger.c.user_id == user_id),
        )
        values = {
            "invited_id": sa.literal(user_id, sa.BigInteger),
            "invited_by": users.c.user_id,
            "at": sa.literal(now, referrals.c.at.type),
            "videos": sa.literal(bonus.videos, sa.Integer),
            "kopecks": sa.literal(bonus.credit, referrals.c.kopecks.type),
        }
        row = sa.select(*values.values()).where(
            users.c.referral == token, users.c.user_id != user_id, is_new
        )
        async with self._database.transaction() as connection:
            await connection.execute(
                insert(referrals).from_select(list(values), row).on_conflict_do_nothing()
            )
            owner: int | None = await connection.scalar(
                sa.select(users.c.user_id).where(users.c.referral == token)
            )
            noted: int | None = await connection.scalar(
                sa.select(referrals.c.invited_by).where(referrals.c.invited_id == user_id)
            )
        if owner is None:
            return FriendResult.UNKNOWN
        if owner == user_id:
            return FriendResult.OWN
        return FriendResult.NOTED if noted == owner else FriendResult.NOT_NEW

    async def friends(self, user_id: int) -> int:
        """Return how many invited people have brought this person a bonus."""
        wanted = sa.select(sa.func.count()).where(
            ledger.c.user_id == user_id,
            ledger.c.kind == Entry.GRANT,
            ledger.c.payment_id.like("friend %"),
        )
        async with self._database.transaction() as connection:
            return await connection.scalar(wanted) or 0

    async def forget(self, *, now: datetime) -> int:
        """Delete invited people who ordered nothing in time."""
        async with self._database.transaction() as connection:
            gone = await connection.execute(
                sa.delete(referrals).where(referrals.c.at < _since(now))
            )
            return gone.rowcount


def _since(now: datetime) -> datetime:
    return now - timedelta(days=FRIEND_DAYS)


async def pay_referral(connection: Connection, task: Task, now: datetime) -> None:
    """Give both the bonus when an invited person has their first video, as part of the commit that
    delivers it. A video that was a gift, or was paid with gifted credit, does not count: otherwise
    gifts would earn more gifts."""
    found = {"person": task.user_id, "since": _since(now), "order": task.id}
    row = (await connection.execute(_PAY_REFERRAL, found)).one_or_none()
    if row is None:
        return
    gift = Gift(videos=row.videos, roubles=int(row.kopecks))
    for user_id, why in ((row.invited_id, "welcome"), (row.invited_by, "friend")):
        if user_id is not None and await _enter(connection, user_id, gift, f"{why} {row.id}", now):
            await _tell(connection, user_id, why, gift, now)


async def forget_referrals(connection: Connection, user_id: int) -> None:
    """Delete what referrals say about a person, as part of a transaction; somebody whom they
    invited keeps the promise."""
    await connection.execute(sa.delete(referrals).where(referrals.c.invited_id == user_id))
    await connection.execute(
        sa.update(referrals).where(referrals.c.invited_by == user_id).values(invited_by=None)
    )


async def tell_video_back(connection: Connection, task: Task, now: datetime) -> None:
    """Tell a person that the gift video of a failed order is theirs again."""
    await _tell(connection, task.user_id, "back", Gift(videos=1), now)


async def _enter(
    connection: Connection, user_id: int, gift: Gift, source: str, now: datetime
) -> bool:
    """Enter a gift in the ledger; False: it came from there before."""
    entered = await connection.execute(
        insert(ledger)
        .values(
            kind=Entry.GRANT,
            at=now,
            user_id=user_id,
            payment_id=source,
            kopecks=Decimal(0),
            credit_kopecks=gift.credit,
            stars=0,
            videos=gift.videos,
        )
        .on_conflict_do_nothing()
    )
    if entered.rowcount != 1:
        return False
    what = f"{gift.videos} videos" if gift.videos else f"{gift.roubles} ₽ of credit"
    note(
        connection, f"ID {user_id}: given {what} ({source.split()[0]})",
        user=user_id, roubles=gift.credit,
    )  # fmt: skip
    return True


async def _tell(connection: Connection, user_id: int, why: str, gift: Gift, now: datetime) -> None:
    params: Mapping[str, str | int] = {
        "why": why,
        "videos": gift.videos,
        "roubles": gift.roubles,
        "have": await gift_videos_of(connection, user_id),
    }
    given = Notice(
        kind=NoticeKind.GIFT,
        chat=Chat(chat_id=user_id),
        lang=await lang_of(connection, user_id),
        params=params,
    )
    await insert_notices(connection, [given], now)


def _promo(row: sa.Row[tuple[object, ...]]) -> Promo:
    return Promo(
        code=row.code,
        number=row.update_id,
        gift=Gift(videos=row.videos, roubles=int(row.kopecks)),
        expires_at=row.expires_at,
        uses=row.uses,
        used=row.used,
    )
