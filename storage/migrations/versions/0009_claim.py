"""Admins who claimed the bot, and the code with which it can be claimed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.column_types import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

number = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "admins",
        sa.Column("user_id", number, nullable=False, autoincrement=False),
        sa.Column("claimed_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_admins")),
    )
    op.create_table(
        "claim_code",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claim_code")),
    )


def downgrade() -> None:
    op.drop_table("claim_code")
    op.drop_table("admins")
