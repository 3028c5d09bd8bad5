"""Messages to the operator: who gets each, and where it stands, so that all copies are closed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "operator_messages",
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("chat_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("message_id", sa.BigInteger()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("lang", sa.Text(), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("over_at", sa.DateTime(timezone=True)),
        sa.Column("buttons", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("about", "chat_id", name=op.f("pk_operator_messages")),
    )
    op.create_index("ix_operator_messages_message", "operator_messages", ["chat_id", "message_id"])


def downgrade() -> None:
    op.drop_table("operator_messages")
