"""The provider's balance: its last reading, and the trails of orders in doubt."""

from __future__ import annotations

import sqlalchemy as sa

from storage.column_types import Kopecks, UtcDateTime
from storage.tables.base import metadata, partial_index

# One row: what is known of the account that the key belongs to
provider_account = sa.Table(
    "provider_account",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    # how many creates were sent that were or may have been accepted, of every process
    sa.Column("creates", sa.BigInteger, server_default=sa.text("0"), nullable=False),
    # the last reading with no create out, and the value of `creates` at it
    sa.Column("funds_kopecks", Kopecks),
    sa.Column("read_at", UtcDateTime),
    sa.Column("read_creates", sa.BigInteger),
    # when money may last have moved without a row that tells of it
    sa.Column("disturbed_at", UtcDateTime),
    # what `bot check --order` saw last, and for which account
    sa.Column("charged", sa.Text),
    sa.Column("charged_account", sa.Text),
    sa.Column("charged_seen_at", UtcDateTime),
)

# One row for each order whose answer was lost: bot/core/balance.py
balance_trails = sa.Table(
    "balance_trails",
    metadata,
    sa.Column(
        "task_id",
        sa.ForeignKey("tasks.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("price_kopecks", Kopecks, nullable=False),
    sa.Column("lost_at", UtcDateTime, nullable=False),
    sa.Column("creates", sa.BigInteger, nullable=False),
    sa.Column("alone", sa.Boolean, nullable=False),
    sa.Column("call_ended", sa.Boolean, nullable=False),
    sa.Column("before_kopecks", Kopecks),
    sa.Column("before_at", UtcDateTime),
    sa.Column("first_kopecks", Kopecks),
    sa.Column("first_at", UtcDateTime),
    sa.Column("second_kopecks", Kopecks),
    sa.Column("second_at", UtcDateTime),
    sa.Column("due_at", UtcDateTime),
    sa.Column("misses", sa.Integer, server_default=sa.text("0"), nullable=False),
    sa.Column("verdict", sa.Text),
)

_undecided = balance_trails.c.verdict.is_(None)
partial_index("ix_balance_trails_undecided", balance_trails.c.due_at, where=_undecided)
