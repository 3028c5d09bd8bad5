"""Add alerts, switches and broadcasts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("opened_at", moment, nullable=False),
        sa.Column("closed_at", moment),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_alerts")),
    )
    still_open = sa.text("closed_at IS NULL")
    op.create_index(
        "ix_alerts_open",
        "alerts",
        ["kind"],
        unique=False,
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
    op.create_table(
        "switches",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("by", sa.BigInteger(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_switches")),
    )
    op.create_table(
        "broadcasts",
        sa.Column("id", number, nullable=False),
        sa.Column("update_id", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.BigInteger(), nullable=False),
        sa.Column("lang", sa.Text(), nullable=False),
        sa.Column("from_chat_id", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "draft", "running", "done", "cancelled",
                name="state", native_enum=False, create_constraint=True, length=16,
            ),
            nullable=False,
        ),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("ended_at", moment),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("shown_message_id", sa.BigInteger()),
        sa.Column("lease_owner", sa.Text()),
        sa.Column("lease_until", moment),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_broadcasts")),
        sa.UniqueConstraint("update_id", name=op.f("uq_broadcasts_update_id")),
    )  # fmt: skip
    set_aside = sa.text("state IN ('set_aside')")
    op.create_index(
        "ix_inbox_set_aside",
        "inbox",
        ["finished_at"],
        unique=False,
        sqlite_where=set_aside,
        postgresql_where=set_aside,
    )


def downgrade() -> None:
    op.drop_index("ix_inbox_set_aside", table_name="inbox")
    for name in ("broadcasts", "switches", "alerts"):
        op.drop_table(name)
