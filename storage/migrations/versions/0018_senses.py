"""Suggestions for a photo that came without words, and photos that a template waits for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.column_types import UtcDateTime

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

key = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "suggestions",
        sa.Column("task_id", key, autoincrement=False, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"],
            ["tasks.id"],
            name=op.f("fk_suggestions_task_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_suggestions")),
    )
    op.create_table(
        "photo_requests",
        sa.Column("id", key, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("chat_id", sa.BigInteger(), nullable=False),
        sa.Column("message_thread_id", sa.BigInteger()),
        sa.Column("business_connection_id", sa.Text()),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("aspect_ratio", sa.Text()),
        sa.Column("model", sa.Text()),
        sa.Column("asked_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_photo_requests")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_photo_requests_asked_at"), "photo_requests", ["asked_at"], unique=False
    )
    op.create_index(
        "ix_photo_requests_user_id_chat_id", "photo_requests", ["user_id", "chat_id"], unique=False
    )


def downgrade() -> None:
    op.drop_index("ix_photo_requests_user_id_chat_id", table_name="photo_requests")
    op.drop_index(op.f("ix_photo_requests_asked_at"), table_name="photo_requests")
    op.drop_table("photo_requests")
    op.drop_table("suggestions")
