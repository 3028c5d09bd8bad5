"""Add presses that create something, consents, videos sent as files, and when a task ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)
resting = sa.text(
    "state IN ('cancelled', 'delivered', 'draft', 'failed', 'undeliverable', 'unknown')"
)


def upgrade() -> None:
    op.create_table(
        "presses",
        sa.Column("update_id", number, autoincrement=False, nullable=False),
        sa.Column("task_id", number, nullable=False),
        sa.Column("source_id", number),
        sa.Column("at", moment, nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"], ["tasks.id"], name=op.f("fk_presses_task_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["source_id"], ["tasks.id"], name=op.f("fk_presses_source_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("update_id", name=op.f("pk_presses")),
    )
    op.create_index(op.f("ix_presses_task_id"), "presses", ["task_id"], unique=False)
    op.create_index(op.f("ix_presses_source_id"), "presses", ["source_id"], unique=False)
    op.create_index(op.f("ix_presses_at"), "presses", ["at"], unique=False)
    op.create_table(
        "consents",
        sa.Column("user_id", number, autoincrement=False, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_consents")),
    )
    op.create_table(
        "documents",
        sa.Column("task_id", number, autoincrement=False, nullable=False),
        sa.Column("file_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"], ["tasks.id"], name=op.f("fk_documents_task_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_documents")),
    )
    op.drop_index("ix_tasks_resting", "tasks")
    op.create_index(
        "ix_tasks_resting",
        "tasks",
        ["state", "run_at"],
        unique=False,
        sqlite_where=resting,
        postgresql_where=resting,
    )


def downgrade() -> None:
    op.drop_index("ix_tasks_resting", "tasks")
    op.create_index(
        "ix_tasks_resting",
        "tasks",
        ["state"],
        unique=False,
        sqlite_where=resting,
        postgresql_where=resting,
    )
    op.drop_table("documents")
    op.drop_table("consents")
    op.drop_table("presses")
