"""The provider's balance: its last reading, and the trails of orders in doubt."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.column_types import Kopecks, UtcDateTime

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

undecided = sa.text("verdict IS NULL")


def upgrade() -> None:
    op.create_table(
        "provider_account",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("creates", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("funds_kopecks", Kopecks),
        sa.Column("read_at", UtcDateTime),
        sa.Column("read_creates", sa.BigInteger()),
        sa.Column("disturbed_at", UtcDateTime),
        sa.Column("charged", sa.Text()),
        sa.Column("charged_account", sa.Text()),
        sa.Column("charged_seen_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_account")),
    )
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "balance_trails",
        sa.Column("task_id", number, autoincrement=False, nullable=False),
        sa.Column("price_kopecks", Kopecks, nullable=False),
        sa.Column("lost_at", UtcDateTime, nullable=False),
        sa.Column("creates", sa.BigInteger(), nullable=False),
        sa.Column("alone", sa.Boolean(), nullable=False),
        sa.Column("call_ended", sa.Boolean(), nullable=False),
        sa.Column("before_kopecks", Kopecks),
        sa.Column("before_at", UtcDateTime),
        sa.Column("first_kopecks", Kopecks),
        sa.Column("first_at", UtcDateTime),
        sa.Column("second_kopecks", Kopecks),
        sa.Column("second_at", UtcDateTime),
        sa.Column("due_at", UtcDateTime),
        sa.Column("misses", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("verdict", sa.Text()),
        sa.ForeignKeyConstraint(
            ["task_id"], ["tasks.id"], name=op.f("fk_balance_trails_task_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_balance_trails")),
    )
    op.create_index(
        "ix_balance_trails_undecided",
        "balance_trails",
        ["due_at"],
        unique=False,
        sqlite_where=undecided,
        postgresql_where=undecided,
    )


def downgrade() -> None:
    op.drop_index("ix_balance_trails_undecided", table_name="balance_trails")
    op.drop_table("balance_trails")
    op.drop_table("provider_account")
