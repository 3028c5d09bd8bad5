"""Gift videos in the ledger, promo codes, referrals, and pictures of videos for /history."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.column_types import UtcDateTime

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column(
        "ledger",
        sa.Column("videos", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    op.add_column("tasks", sa.Column("thumbnail_file_id", sa.Text()))
    op.add_column("users", sa.Column("referral", sa.Text()))
    op.create_index("ix_users_referral", "users", ["referral"], unique=True)
    op.create_table(
        "promos",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("update_id", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.BigInteger(), nullable=False),
        sa.Column("made_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("videos", sa.Integer(), nullable=False),
        sa.Column("kopecks", sa.BigInteger(), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("revoked_at", UtcDateTime),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_promos")),
        sa.UniqueConstraint("update_id", name=op.f("uq_promos_update_id")),
    )
    op.create_table(
        "referrals",
        sa.Column("id", key, nullable=False),
        sa.Column("invited_id", sa.BigInteger(), nullable=False),
        sa.Column("invited_by", sa.BigInteger()),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("videos", sa.Integer(), nullable=False),
        sa.Column("kopecks", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_referrals")),
        sa.UniqueConstraint("invited_id", name=op.f("uq_referrals_invited_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_referrals_invited_by"), "referrals", ["invited_by"], unique=False)


def downgrade() -> None:
    """An older program knows neither the cap that a group's own admins set nor gifts: their
    notices and caps go; the rows of the ledger stay, with their credit."""
    op.execute("DELETE FROM outbox WHERE kind = 'gift'")
    op.execute("DELETE FROM own_caps WHERE cap = 'group_allowance'")
    op.drop_table("referrals")
    op.drop_table("promos")
    op.drop_index("ix_users_referral", table_name="users")
    op.drop_column("users", "referral")
    op.drop_column("tasks", "thumbnail_file_id")
    op.drop_column("ledger", "videos")
