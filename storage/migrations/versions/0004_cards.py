"""Add editable cards: revisions, albums, rewritten prompts, variants; and a person's defaults."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

of_album = sa.text("media_group_id IS NOT NULL")
of_batch = sa.text("variant_of IS NOT NULL")


def upgrade() -> None:
    for column in (
        sa.Column("revision", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("card_revision", sa.Integer()),
        sa.Column("media_group_id", sa.Text()),
        sa.Column("original", sa.Text()),
        sa.Column("rewritten", sa.Text()),
        sa.Column("variants", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("variant_of", sa.BigInteger()),
    ):
        op.add_column("tasks", column)
    op.create_index(
        "ix_tasks_album",
        "tasks",
        ["source_chat_id", "media_group_id"],
        unique=True,
        sqlite_where=of_album,
        postgresql_where=of_album,
    )
    op.create_index(
        "ix_tasks_variants",
        "tasks",
        ["variant_of"],
        unique=False,
        sqlite_where=of_batch,
        postgresql_where=of_batch,
    )
    op.add_column("users", sa.Column("ratio", sa.Text()))
    op.add_column("users", sa.Column("model", sa.Text()))


def downgrade() -> None:
    op.drop_column("users", "model")
    op.drop_column("users", "ratio")
    op.drop_index("ix_tasks_variants", table_name="tasks")
    op.drop_index("ix_tasks_album", table_name="tasks")
    for name in (
        "variant_of",
        "variants",
        "rewritten",
        "original",
        "media_group_id",
        "card_revision",
        "revision",
    ):
        op.drop_column("tasks", name)
