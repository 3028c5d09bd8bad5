"""People whom a broadcast tries again, groups that became supergroups, and films that a chat does
not take."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.column_types import UtcDateTime

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "broadcast_retries",
        sa.Column("broadcast_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("since", UtcDateTime, nullable=False),
        sa.Column("run_at", UtcDateTime, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("broadcast_id", "user_id", name=op.f("pk_broadcast_retries")),
    )
    op.create_table(
        "moved_groups",
        sa.Column("old_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("new_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("old_id", name=op.f("pk_moved_groups")),
    )
    op.create_index(op.f("ix_moved_groups_new_id"), "moved_groups", ["new_id"], unique=False)
    op.add_column(
        "films",
        sa.Column("redirected", sa.Boolean(), server_default=sa.false(), nullable=False),
    )


def downgrade() -> None:
    """An older program tries nobody again: those who wait count as not reached."""
    op.execute(
        "UPDATE broadcasts SET lease_until = NULL, refused = refused + "
        "(SELECT count(*) FROM broadcast_retries WHERE broadcast_id = broadcasts.id) "
        "WHERE state = 'running'"
    )
    op.drop_table("broadcast_retries")
    op.drop_table("moved_groups")
    op.drop_column("films", "redirected")
