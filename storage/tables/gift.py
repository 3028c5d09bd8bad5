"""Promo codes, and people who were invited and have no video yet."""

from __future__ import annotations

import sqlalchemy as sa

from storage.column_types import Kopecks, UtcDateTime
from storage.tables.base import Id, metadata

# Who used a code is in the ledger, which outlives the data of a person
promos = sa.Table(
    "promos",
    metadata,
    sa.Column("code", sa.Text, primary_key=True),
    # update_id of the command: a repeated update creates no second code
    sa.Column("update_id", sa.BigInteger, nullable=False, unique=True),
    sa.Column("made_by", sa.BigInteger, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("videos", sa.Integer, nullable=False),
    sa.Column("kopecks", Kopecks, nullable=False),
    sa.Column("uses", sa.Integer, nullable=False),
    sa.Column("used", sa.Integer, nullable=False),
    sa.Column("revoked_at", UtcDateTime),
)

# One row for each invited person until their first video; then both get the bonus that was
# promised, and the row goes. The ledger knows the row's number, which never comes back.
referrals = sa.Table(
    "referrals",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("invited_id", sa.BigInteger, nullable=False, unique=True),
    sa.Column("invited_by", sa.BigInteger, index=True),  # None: that person's data was deleted
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("videos", sa.Integer, nullable=False),
    sa.Column("kopecks", Kopecks, nullable=False),
    sqlite_autoincrement=True,
)
