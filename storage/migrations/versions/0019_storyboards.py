"""Storyboards: films that are ordered as a whole, part by part."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.column_types import Kopecks, UtcDateTime

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

of_order = sa.text("storyboard_id IS NOT NULL")
key = sa.BigInteger().with_variant(sa.Integer, "sqlite")
state = sa.Enum(
    "draft", "ordered", "cancelled",
    name="storyboard_state", native_enum=False, create_constraint=True, length=16,
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "storyboards",
        sa.Column("id", key, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("chat_id", sa.BigInteger(), nullable=False),
        sa.Column("message_thread_id", sa.BigInteger()),
        sa.Column("business_connection_id", sa.Text()),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("lang", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("price_kopecks", Kopecks, nullable=False),
        sa.Column("scenes", sa.JSON(), nullable=False),
        sa.Column("frame_file_id", sa.Text()),
        sa.Column("frame_kind", sa.Text()),
        sa.Column("film_id", sa.BigInteger()),
        sa.Column("first_place", sa.Integer(), nullable=False),
        sa.Column("state", state, nullable=False),
        sa.Column("revision", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("card_message_id", sa.BigInteger()),
        sa.Column("asked_message_id", sa.BigInteger()),
        sa.Column("asked_scene", sa.Integer()),
        sa.Column("ended_by", sa.BigInteger()),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_storyboards")),
        sa.UniqueConstraint("source", name=op.f("uq_storyboards_source")),
        sqlite_autoincrement=True,
    )
    for column in ("user_id", "changed_at"):
        op.create_index(f"ix_storyboards_{column}", "storyboards", [column], unique=False)
    op.create_index("ix_storyboards_chat", "storyboards", ["chat_id"], unique=False)
    op.add_column("tasks", sa.Column("storyboard_id", sa.BigInteger()))
    op.add_column("tasks", sa.Column("film_last", sa.Integer()))
    op.create_index(
        "ix_tasks_storyboard",
        "tasks",
        ["storyboard_id", "film_place"],
        unique=True,
        sqlite_where=of_order,
        postgresql_where=of_order,
    )


def downgrade() -> None:
    # An older program does not go on with a film: what it has not begun is cancelled and given
    # back.
    waiting = "(SELECT id FROM tasks WHERE storyboard_id IS NOT NULL AND state = 'draft')"
    for statement in (
        "INSERT INTO ledger (kind, at, user_id, task_id, chat_id, kopecks, credit_kopecks, stars)"
        " SELECT 'return', CURRENT_TIMESTAMP, user_id, task_id, chat_id, kopecks, -credit_kopecks,"
        " 0 FROM ledger AS l WHERE kind = 'reservation' AND task_id IN {waiting}"
        " AND NOT EXISTS (SELECT 1 FROM ledger AS b WHERE b.task_id = l.task_id"
        " AND b.kind = 'return')",
        "INSERT INTO task_events (task_id, state, at)"
        " SELECT id, 'cancelled', CURRENT_TIMESTAMP FROM tasks WHERE id IN {waiting}",
        "UPDATE tasks SET state = 'cancelled', ended_at = CURRENT_TIMESTAMP,"
        " fence = fence + 1 WHERE id IN {waiting}",
    ):
        op.execute(statement.format(waiting=waiting))
    op.drop_index("ix_tasks_storyboard", table_name="tasks")
    for name in ("film_last", "storyboard_id"):
        op.drop_column("tasks", name)
    op.drop_table("storyboards")
